//! What we owe the peer: sequenced frames, each acknowledged by itself.
//!
//! A peer acknowledges in the order in which frames arrive, and a connection keeps that order. So an acknowledgement of a frame says of
//! those that were transmitted before it on the same connection, and are not acknowledged, that they did not arrive, or that the peer
//! is silent about them: the Session Manager plugin does not acknowledge what it has handled before. The two are told apart by
//! transmitting the frame again ([`Sender::on_ack`]).

use alloc::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::pace::Pace;
use super::sent::{Acked, Sent, Transmission};
use crate::reliability::{Charged, Outbox, Rto};
use crate::time::{Duration, Instant, earliest};

/// So many frames may wait for acknowledgements, those in between that have theirs included: the plugin holds 10,000 ahead of their turn.
const OUTSTANDING: u64 = 8_192;
/// Round trips before one was measured, and the bounds of what is waited for an acknowledgement.
const INITIAL_RTO: Duration = Duration::from_millis(300);
const LEAST_RTO: Duration = Duration::from_millis(100);
const MOST_RTO: Duration = Duration::from_secs(2);
/// Doublings beyond these change nothing.
const MOST_DOUBLINGS: u32 = 8;
/// A frame that the peer is silent about counts as delivered when it was transmitted again so often, and something later was acknowledged
/// each time. Once would do if nothing lay between the two ends that can lose a frame and keep our connection; the service does.
const DOUBTS: u8 = 4;

#[derive(Debug)]
pub(crate) struct Sender {
    outbox: Outbox<Sent>,
    /// From this position on the present connection has carried nothing.
    cursor: u64,
    /// To be transmitted again as soon as a frame can go, and from some time on.
    again: BTreeSet<u64>,
    later: BTreeSet<(Instant, u64)>,
    /// In the order of their marks.
    flight: VecDeque<Transmission>,
    /// Transmissions so far, on all connections.
    marks: u64,
    /// The first of the present connection.
    connection: u64,
    rto: Rto,
    doublings: u32,
    /// When the last wait was in vain: the next begins then.
    in_vain_at: Instant,
    /// When something was acknowledged last, or given up because a sign of the peer told that it was lost.
    heard_at: Instant,
    pace: Pace,
    /// Something waits for the pace.
    is_paced: bool,
    window: usize,
    payload_bytes: usize,
    /// Of the bytes kept, those of frames that the peer is silent about.
    doubted: usize,
    /// The peer has acknowledged data when everything before it was acknowledged: its handler is there.
    ready: bool,
    /// Frames transmitted again.
    pub(crate) retransmitted: u64,
    /// Frames that count as delivered although the peer never said so.
    pub(crate) inferred: u64,
}

impl Sender {
    pub(crate) fn new(window: usize, frames_per_second: Option<u32>) -> Sender {
        Sender {
            outbox: Outbox::default(),
            cursor: 0,
            again: BTreeSet::new(),
            later: BTreeSet::new(),
            flight: VecDeque::new(),
            marks: 0,
            connection: 0,
            rto: Rto::new(INITIAL_RTO, LEAST_RTO, MOST_RTO),
            doublings: 0,
            in_vain_at: Instant::ZERO,
            heard_at: Instant::ZERO,
            pace: Pace::new(frames_per_second),
            is_paced: false,
            window,
            payload_bytes: 0,
            doubted: 0,
            ready: false,
            retransmitted: 0,
            inferred: 0,
        }
    }

    /// The number that the next frame gets.
    pub(crate) fn next(&self) -> u64 {
        self.outbox.next()
    }

    /// Whether everything was acknowledged.
    pub(crate) fn is_empty(&self) -> bool {
        self.outbox.base() == self.outbox.next()
    }

    /// Bytes of the application's that are not acknowledged.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.payload_bytes
    }

    pub(crate) fn srtt(&self) -> Option<Duration> {
        self.rto.srtt()
    }

    /// Whether a frame that is new may be numbered, since it would go at once.
    pub(crate) fn takes_new(&mut self, now: Instant) -> bool {
        let outstanding = self.next() - self.outbox.base();
        let has_room = self.outbox.bytes() - self.doubted < self.window && outstanding < OUTSTANDING;
        let may = has_room && !self.wants_transmit();
        self.is_paced = may && !self.pace.allows(now);
        may && !self.is_paced
    }

    /// Numbers a frame. `message` has the number of [`next`](Self::next).
    pub(crate) fn commit(&mut self, message: Bytes, payload: usize, is_data: bool) {
        let payload = if is_data { payload } else { 0 };
        self.payload_bytes += payload;
        self.outbox.commit(Sent {
            message,
            payload,
            is_data,
            acked: false,
            times: 0,
            mark: 0,
            at: Instant::ZERO,
            doubts: 0,
        });
    }

    /// A connection begins: everything that is not acknowledged goes again on it, oldest first.
    pub(crate) fn on_attached(&mut self) {
        self.cursor = self.outbox.base();
        self.again.clear();
        self.later.clear();
        self.flight.clear();
        self.connection = self.marks;
        (self.doublings, self.in_vain_at) = (0, Instant::ZERO);
    }

    /// The next frame to be transmitted, if one may go.
    pub(crate) fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        if !self.wants_transmit() {
            return None;
        }
        self.is_paced = !self.pace.allows(now);
        if self.is_paced {
            return None;
        }
        let position = loop {
            let position = match self.again.pop_first() {
                Some(position) => position,
                None if self.cursor < self.next() => {
                    self.cursor += 1;
                    self.cursor - 1
                }
                None => return None,
            };
            if self.outbox.get(position).is_some_and(|sent| !sent.acked) {
                break position;
            }
        };
        let mark = self.marks;
        self.marks += 1;
        self.pace.on_sent(now);
        self.flight.push_back(Transmission {
            mark,
            position,
            at: now,
        });
        let sent = self.outbox.change(position, |sent| {
            sent.times = sent.times.saturating_add(1);
            (sent.mark, sent.at) = (mark, now);
            (Bytes::clone(&sent.message), sent.times > 1)
        });
        let (message, again) = sent?;
        self.retransmitted += u64::from(again);
        Some(message)
    }

    /// Whether something waits for its turn.
    pub(crate) fn wants_transmit(&self) -> bool {
        !self.again.is_empty() || self.cursor < self.next()
    }

    /// The peer has a frame. Of those that were transmitted before it on this connection and are not acknowledged, each
    ///
    /// - is transmitted again, at once if it was not yet;
    /// - counts as delivered if that was done [`DOUBTS`] times, and each time something was acknowledged that went later, once, and on the same
    ///   connection: the peer then holds it. Not before the peer is ready: what arrives until its handler is there it drops without a word.
    pub(crate) fn on_ack(&mut self, now: Instant, number: u64) -> Acked {
        let Some(sent) = self.outbox.get(number).filter(|sent| !sent.acked && sent.times > 0) else {
            return Acked::default();
        };
        let (mark, is_single) = (sent.mark, sent.times == 1);
        if is_single {
            self.rto.sample(now.saturating_since(sent.at));
        }
        (self.doublings, self.in_vain_at, self.heard_at) = (0, Instant::ZERO, now);
        self.ready |= sent.is_data && number == self.outbox.base();
        self.release(number);
        let mut acked = Acked {
            is_new: true,
            inferred: 0,
        };
        if mark < self.connection {
            return acked;
        }
        while let Some(passed) = self.flight.front().copied().filter(|passed| passed.mark <= mark) {
            self.flight.pop_front();
            acked.inferred += u32::from(passed.mark < mark && self.on_passed(now, passed, is_single));
        }
        acked
    }

    /// The peer sent a frame, or acknowledged what it had acknowledged before. As it acknowledges what arrives, whatever is on its way for
    /// longer than that takes went where nobody was. All of it goes again, unless something was acknowledged just now. `is_new`: the peer says
    /// so because its connection is new; then what went before it was there is lost.
    pub(crate) fn on_sign(&mut self, now: Instant, is_new: bool) {
        let rtt = self.rto.srtt().unwrap_or(INITIAL_RTO);
        let age = if is_new { rtt / 2 } else { self.rto.wait(0) };
        if now.saturating_since(self.heard_at) < rtt {
            return;
        }
        while let Some(lost) = self.flight.front().copied().filter(|first| first.at + age <= now) {
            self.heard_at = now;
            self.flight.pop_front();
            let sent = self.outbox.get(lost.position);
            if sent.is_some_and(|sent| !sent.acked && sent.mark == lost.mark) {
                self.again.insert(lost.position);
            }
        }
    }

    /// Something was acknowledged that was transmitted later; `is_certain`: and only then. Whether it counts as delivered now.
    fn on_passed(&mut self, now: Instant, passed: Transmission, is_certain: bool) -> bool {
        let position = passed.position;
        let Some(sent) = self.outbox.get(position) else {
            return false;
        };
        if sent.acked || sent.mark != passed.mark {
            return false;
        }
        if sent.times == 1 {
            self.again.insert(position);
            return false;
        }
        let doubts = sent.doubts.saturating_add(u8::from(is_certain));
        if is_certain && sent.doubts == 0 {
            self.doubted += sent.charge();
        }
        self.outbox.change(position, |sent| sent.doubts = doubts);
        if self.ready && doubts >= DOUBTS {
            self.release(position);
            self.inferred += 1;
            return true;
        }
        let due = passed.at + self.rto.wait(0);
        match due <= now {
            true => self.again.insert(position),
            false => self.later.insert((due, position)),
        };
        false
    }

    /// The peer has it: it is not kept any longer.
    fn release(&mut self, position: u64) {
        let freed = self.outbox.change(position, |sent| {
            let charge = if sent.doubts > 0 { sent.charge() } else { 0 };
            sent.acked = true;
            sent.message = Bytes::new();
            (charge, sent.payload)
        });
        let (doubted, payload) = freed.unwrap_or_default();
        self.doubted -= doubted;
        self.payload_bytes -= payload;
        while self.outbox.get(self.outbox.base()).is_some_and(|sent| sent.acked) {
            self.outbox.pop();
        }
        self.cursor = self.cursor.max(self.outbox.base());
    }

    /// Whether frames were transmitted again and again, and nothing later is there whose acknowledgement would say more of them.
    pub(crate) fn wants_probe(&self) -> bool {
        let Some(last) = self.flight.back().filter(|_| !self.wants_transmit()) else {
            return false;
        };
        self.outbox
            .get(last.position)
            .is_some_and(|sent| !sent.acked && sent.times > 2)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let lost = self.flight.front().map(|first| self.lost_at(first));
        let later = self.later.first().map(|(due, _)| *due);
        let paced = self.is_paced.then(|| self.pace.next());
        earliest(earliest(lost, later), paced)
    }

    /// When a transmission counts as lost.
    fn lost_at(&self, first: &Transmission) -> Instant {
        first.at.max(self.in_vain_at) + self.rto.wait(self.doublings)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        while let Some((due, position)) = self.later.first().copied().filter(|(due, _)| *due <= now) {
            self.later.remove(&(due, position));
            self.again.insert(position);
        }
        self.is_paced &= !self.pace.allows(now);
        self.forget_stale();
        if let Some(lost) = self.flight.front().copied().filter(|first| self.lost_at(first) <= now) {
            // One after the other, and with it the oldest of all, which the others may wait for: an acknowledgement says what became of those
            // that went before.
            self.flight.pop_front();
            self.again.insert(self.outbox.base());
            self.in_vain_at = now;
            self.doublings = (self.doublings + 1).min(MOST_DOUBLINGS);
            self.again.insert(lost.position);
        }
        self.forget_stale();
    }

    /// Transmissions of frames that were acknowledged, or transmitted again, say nothing any more.
    fn forget_stale(&mut self) {
        while self.flight.front().is_some_and(|first| {
            let sent = self.outbox.get(first.position);
            sent.is_none_or(|sent| sent.acked || sent.mark != first.mark)
        }) {
            self.flight.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
