//! What was committed before, committed again as a journal has it: no scheduler decides, and nothing is announced.

use bytes::Bytes;

use super::commit::Level;
use super::send::{End, Fragment};
use super::table::Streams;
use crate::config::SessionConfig;
use crate::event::Place;
use crate::id::StreamId;
use crate::limits::admitted;
use crate::reliability::Committed;
use crate::time::Instant;
use crate::wire::frame::Frame;

impl Streams {
    /// The next `len` bytes of a stream, or its bare end; `None`: that is not what waits there.
    pub(crate) fn recommit_data(&mut self, id: StreamId, len: usize) -> Option<Committed> {
        let stream = self.table.get_mut(&id)?;
        if !stream.opened || !stream.send.has_work() || len > stream.send.front_len() {
            return None;
        }
        let queued = stream.send.queued();
        let Fragment { committed, uncharged } = stream.send.next_fragment(id, len, usize::MAX)?;
        if committed.frame.payload_len() != len as u64 {
            return None;
        }
        self.queued_items -= queued - stream.send.queued();
        self.held += uncharged;
        self.send_credit.spend(committed.frame.charge());
        stream.recount(&mut self.held_waiting);
        self.tidy(id);
        Some(committed)
    }

    /// Another frame; `None`: there is nothing that it could be about.
    pub(crate) fn recommit(&mut self, frame: Frame) -> Option<Committed> {
        let level = match &frame {
            Frame::Open(open) => {
                let id = open.stream;
                let is_next = self.opening.front() == Some(&id) && self.table.contains_key(&id);
                return is_next.then(|| self.commit_open(id, frame));
            }
            Frame::Credit { stream: 0, .. } => Level::SessionCredit,
            Frame::Credit { stream, .. } => Level::Credit(StreamId(*stream)),
            Frame::Stop { stream, .. } => Level::Stop(*stream),
            Frame::Reset { stream, .. } => Level::Reset(*stream),
            _ => return None,
        };
        Some(self.commit_level(level, frame))
    }

    /// The application queued a message; `None`: nothing more could be sent there.
    pub(crate) fn requeue(&mut self, id: StreamId, payload: Bytes) -> Option<()> {
        self.open_half(id)?;
        self.enqueue(id, |half| half.push(payload, true));
        Some(())
    }

    /// It queued bytes.
    pub(crate) fn rewrite(&mut self, id: StreamId, mut payload: Bytes) -> Option<()> {
        self.open_half(id)?;
        let len = payload.len();
        self.enqueue(id, |half| half.push_bytes(&mut payload, len));
        Some(())
    }

    fn open_half(&self, id: StreamId) -> Option<()> {
        let half = &self.table.get(&id).filter(|stream| stream.accepted)?.send;
        (half.end == End::Open).then_some(())
    }

    /// What was admitted once is admitted again, whatever the configuration says today, and what is read back is kept.
    pub(crate) fn lift_limits(&mut self) {
        self.hides = false;
        self.limits.outbox = usize::MAX / 2;
        self.limits.outbox_whole = usize::MAX / 2;
    }

    /// From now on the configuration says what is admitted.
    pub(crate) fn restore_limits(&mut self, config: &SessionConfig) {
        self.limits.outbox = admitted(config.outbox_limit);
        self.limits.outbox_whole = config.outbox_limit;
    }

    /// The application was done with the peer's half: it had read its end, or stopped it.
    pub(crate) fn reread_end(&mut self, id: StreamId) {
        if let Some(stream) = self.table.get_mut(&id) {
            stream.recv.over = !stream.recv.stopped;
            let _ = stream.recv.take_news_of_over();
            self.tidy(id);
        }
    }

    /// The application had dealt with all up to `place`.
    pub(crate) fn reconsume(&mut self, id: StreamId, place: Place) {
        let reading = super::Reading {
            now: Instant::ZERO,
            rtt: None,
        };
        // A stream that is over has nothing left to deal with.
        let _ = self.consumed(id, place, reading);
        let _ = self.settle_reader(id);
    }

    /// All was done again: what is due is due, and whoever waits is told.
    pub(crate) fn set_going(&mut self) {
        self.hides = self.durable;
        self.schedule = Default::default();
        self.events.clear();
        self.control.session_credit |= self.recv_credit.is_worth_sharing();
        for (id, stream) in &mut self.table {
            stream.send.scheduled = false;
            stream.schedule(*id, &mut self.schedule);
            let recv = &mut stream.recv;
            if !recv.is_settled() && !recv.stopped && recv.credit.is_quarter_read() {
                self.control.credit.insert(*id);
            }
            recv.armed = true;
            if stream.accepted {
                stream.announce_readable(*id, &mut self.events);
            }
        }
        self.armed.accept = true;
        if !self.to_accept.is_empty() {
            self.announce_incoming();
        }
    }
}
