//! Sending halves that wait for room in the machine, each in its turn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::{Context, Waker};

use unbroken_proto::StreamId;
use unbroken_proto::error::SendRefusal;

use crate::sync::WakeList;

/// Bytes, small messages rounded up, that a half may send before it lets others go first: halves that wait, or tasks.
pub(crate) const QUANTUM: usize = 64 << 10;
/// Stopped streams that are remembered. A peer may stop any number whose halves are over already.
const STOPPED: usize = 4_096;
/// Halves called forward at once. More follow as long as the machine has room.
const CALLED: usize = 8;

/// Who waits to send. The machine's outbox is one for all streams, so that a half that sends without pause could take
/// all room that becomes free; therefore those that were refused go first, in the order in which they came.
#[derive(Default)]
pub(crate) struct Senders {
    wakers: BTreeMap<StreamId, Waker>,
    line: VecDeque<StreamId>,
    /// Halves whose streams' readers have granted no more. They are in nobody's way.
    unread: Vec<StreamId>,
    /// Halves that were called forward and have not waited since: it is their turn.
    called: BTreeSet<StreamId>,
    /// The machine refused somebody for want of room, and has not taken that back.
    full: bool,
    /// How many waited when there was room again the last time.
    rivals: usize,
    /// Streams that the peer stopped, and its code: the machine forgets it when the stream is settled.
    stopped: BTreeMap<StreamId, u64>,
}

impl Senders {
    /// Whether the half may ask the machine now. If not, others go first, and it waits. `sent` is what it sent in
    /// its turn.
    pub(crate) fn may_try(
        &mut self,
        id: StreamId,
        sent: &mut usize,
        cx: Option<&Context<'_>>,
        wakes: &mut WakeList,
    ) -> bool {
        // Who cannot wait would be refused for ever.
        let is_greedy = *sent >= QUANTUM && cx.is_some();
        let may = !self.full && (self.line.is_empty() || self.called.contains(&id));
        if may && !is_greedy {
            return true;
        }
        let Some(cx) = cx else { return false };
        *sent = 0;
        if may && self.rivals <= 1 {
            // Nobody else waits for room; still other tasks get a turn, so that what was sent leaves while more is made.
            wakes.push(Some(cx.waker().clone()));
            return false;
        }
        self.called.remove(&id);
        if self.wakers.insert(id, cx.waker().clone()).is_none() {
            self.line.push_back(id);
        }
        false
    }

    /// The machine refused the half.
    pub(crate) fn refused(&mut self, id: StreamId, refusal: SendRefusal, cx: Option<&Context<'_>>) {
        self.full |= refusal == SendRefusal::Full;
        let Some(cx) = cx else { return };
        self.called.remove(&id);
        if self.wakers.insert(id, cx.waker().clone()).is_some() {
            return;
        }
        match refusal {
            SendRefusal::Unread => self.unread.push(id),
            _ => self.line.push_back(id),
        }
    }

    /// The machine has room again, or a reader granted more. True: the driver has to call others forward.
    pub(crate) fn on_writable(&mut self, wakes: &mut WakeList) -> bool {
        self.full = false;
        self.line.extend(self.unread.drain(..));
        self.rivals = self.line.len();
        self.call_next(wakes)
    }

    /// Calls some forward, if the machine has room. True: there are more, to be called in another turn.
    pub(crate) fn call_next(&mut self, wakes: &mut WakeList) -> bool {
        for _ in 0..CALLED {
            if !self.has_next() {
                return false;
            }
            let next = self.line.pop_front();
            let next = next.and_then(|id| self.wakers.remove_entry(&id));
            self.called.extend(next.as_ref().map(|(id, _)| *id));
            wakes.push(next.map(|(_, waker)| waker));
        }
        self.has_next()
    }

    /// Whether somebody waits although the machine has room.
    pub(crate) fn has_next(&self) -> bool {
        !self.full && !self.line.is_empty()
    }

    /// The peer stopped the stream: who waits is told why.
    pub(crate) fn stop(&mut self, id: StreamId, code: u64, wakes: &mut WakeList) {
        self.stopped.insert(id, code);
        if self.stopped.len() > STOPPED {
            self.stopped.pop_first();
        }
        self.wake(id, wakes);
    }

    /// Why the machine refuses a half, also when it knows the stream no more.
    pub(crate) fn reason(&self, id: StreamId, refusal: SendRefusal) -> SendRefusal {
        match (refusal, self.stopped.get(&id)) {
            (SendRefusal::UnknownStream | SendRefusal::StreamClosed, Some(code)) => SendRefusal::Stopped(*code),
            _ => refusal,
        }
    }

    /// The half is over: nobody waits for it any more.
    pub(crate) fn remove(&mut self, id: StreamId, wakes: &mut WakeList) {
        self.stopped.remove(&id);
        self.wake(id, wakes);
    }

    fn wake(&mut self, id: StreamId, wakes: &mut WakeList) {
        self.called.remove(&id);
        let waker = self.wakers.remove(&id);
        if waker.is_some() {
            self.line.retain(|waiting| *waiting != id);
            self.unread.retain(|waiting| *waiting != id);
        }
        wakes.push(waker);
    }

    /// The session is over: all are told.
    pub(crate) fn wake_all(&mut self, wakes: &mut WakeList) {
        let wakers = std::mem::take(self).wakers;
        wakers.into_values().for_each(|waker| wakes.push(Some(waker)));
    }
}

#[cfg(test)]
mod tests;
