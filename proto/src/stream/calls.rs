//! What the application's calls do.

use bytes::{Buf, Bytes};

use super::options::{AcceptedStream, StreamOptions};
use super::recv::{Chunk, RecvHalf};
use super::send::{End, SendHalf, item_charge};
use super::table::{Stream, Streams};
use crate::error::{OpenError, RecvError, SendError, SendRefusal, UnknownStream};
use crate::id::StreamId;
use crate::limits::MAX_LABEL;
use crate::wire::varint;

impl Streams {
    pub(crate) fn open(&mut self, options: StreamOptions) -> Result<StreamId, OpenError> {
        if self.closed {
            return Err(OpenError::SessionClosed);
        }
        let fragment = options.fragment_size.unwrap_or(self.limits.fragment);
        if options.label.len() > MAX_LABEL || !(1_000..=64_000).contains(&fragment) {
            return Err(OpenError::Invalid);
        }
        if !self.has_slot() || self.next_own > varint::MAX {
            self.armed.open = true;
            return Err(OpenError::TooMany);
        }
        let id = StreamId(self.next_own);
        let stream = Stream {
            send: SendHalf::new(fragment, self.peer.map_or(0, |peer| peer.stream_window)),
            recv: RecvHalf::new(self.limits.stream_window, fragment),
            priority: options.priority,
            label: options.label,
            opened: false,
            accepted: true,
            slot: false,
        };
        let charge = stream.open_frame(id).charge();
        if self.held + charge > self.limits.outbox {
            self.want_room(charge);
            return Err(OpenError::Full);
        }
        self.held += charge;
        self.next_own += 2;
        self.opening.push_back(id);
        self.table.insert(id, stream);
        Ok(id)
    }

    pub(crate) fn accept(&mut self) -> Option<AcceptedStream> {
        let Some(id) = self.to_accept.pop_front() else {
            self.armed.accept = true;
            return None;
        };
        let stream = self.table.get_mut(&id)?;
        stream.accepted = true;
        let accepted = AcceptedStream {
            id,
            label: core::mem::take(&mut stream.label),
            priority: stream.priority,
        };
        if let End::Resetting { .. } = stream.send.end {
            // The peer's STOP came first; it was only waiting for somebody to have the stream.
            self.control.reset.insert(id);
        }
        Some(accepted)
    }

    pub(crate) fn send(&mut self, stream: StreamId, payload: Bytes) -> Result<(), SendError> {
        let charge = item_charge(payload.len(), self.fragment_of(stream));
        match self.admit(stream, charge) {
            Ok(()) => {
                self.enqueue(stream, |half| half.push(payload, true));
                Ok(())
            }
            Err(reason) => Err(SendError { payload, reason }),
        }
    }

    /// How many messages were ever queued on the stream.
    pub(crate) fn messages_sent(&self, stream: StreamId) -> u64 {
        self.table.get(&stream).map_or(0, |stream| stream.send.messages)
    }

    /// Whether anything may still be sent on it.
    pub(crate) fn is_sending(&self, stream: StreamId) -> bool {
        !self.closed
            && self
                .table
                .get(&stream)
                .is_some_and(|stream| stream.send.end == End::Open)
    }

    /// Whether the message of that number is the peer's, or its stream was given up.
    pub(crate) fn is_delivered(&self, stream: StreamId, message: u64) -> bool {
        self.table
            .get(&stream)
            .is_none_or(|stream| stream.send.was_reset || stream.send.delivered.messages >= message)
    }

    pub(crate) fn write(&mut self, stream: StreamId, data: &mut impl Buf) -> Result<usize, SendRefusal> {
        let fragment = self.fragment_of(stream);
        let granted = self.table.get(&stream).map_or(0, |s| s.send.within_grant(s.opened));
        let mut room = self.limits.outbox.saturating_sub(self.held);
        room = room.min(granted.saturating_add(self.waiting_room()));
        let mut take = data.remaining().min(room);
        // Each fragment is charged too; what they are over goes.
        while take > 0 && item_charge(take, fragment) > room {
            take = take.saturating_sub(item_charge(take, fragment) - room);
        }
        let wanted = if take == 0 {
            item_charge(data.remaining(), fragment).min(self.limits.outbox / 4)
        } else {
            0
        };
        self.admit(stream, wanted.max(item_charge(take, fragment)))?;
        if take > 0 {
            self.enqueue(stream, |half| half.push_bytes(data, take));
        }
        Ok(take)
    }

    fn fragment_of(&self, stream: StreamId) -> usize {
        self.table
            .get(&stream)
            .map_or(self.limits.fragment, |stream| stream.send.fragment)
    }

    /// Whether the half is open and the outbox has room for `charge`; arms what tells of it if not.
    fn admit(&mut self, stream: StreamId, charge: usize) -> Result<(), SendRefusal> {
        let refusal = self.judge(stream, charge);
        match refusal {
            Err(SendRefusal::Unread) => {
                let above = charge.saturating_sub(self.limits.outbox / 2);
                self.want_waiting_room(self.beyond_grant(stream, charge).max(above));
            }
            Err(SendRefusal::Full) => self.want_room(charge),
            _ => {}
        }
        refusal
    }

    /// The same, as a question.
    pub(super) fn judge(&self, stream: StreamId, charge: usize) -> Result<(), SendRefusal> {
        if self.closed {
            return Err(SendRefusal::SessionClosed);
        }
        let known = self.table.get(&stream).filter(|s| s.accepted);
        let Stream { send: half, opened, .. } = known.ok_or(SendRefusal::UnknownStream)?;
        if let Some(code) = half.stopped {
            return Err(SendRefusal::Stopped(code));
        }
        if half.end != End::Open {
            return Err(SendRefusal::StreamClosed);
        }
        if charge > self.limits.outbox {
            return Err(SendRefusal::TooLarge);
        }
        // A message larger than this room has to be let in some time: when nothing else waits.
        let alone = *opened && self.held_waiting == 0;
        let waits = self.beyond_grant(stream, charge) > self.waiting_room();
        if waits && !alone {
            return Err(SendRefusal::Unread);
        }
        // What waits for readers leaves no room for it, however much is acknowledged: nobody else has to wait for that.
        if self.held_waiting + charge > self.limits.outbox {
            return Err(SendRefusal::Unread);
        }
        if self.held + charge > self.limits.outbox {
            return Err(SendRefusal::Full);
        }
        Ok(())
    }

    /// Of `charge` more on the stream, what would wait for its reader.
    fn beyond_grant(&self, stream: StreamId, charge: usize) -> usize {
        let half = self.table.get(&stream);
        half.map_or(0, |s| s.send.held_up(s.opened, charge) - s.send.waiting)
    }

    fn enqueue(&mut self, id: StreamId, push: impl FnOnce(&mut SendHalf) -> usize) {
        if let Some(stream) = self.table.get_mut(&id) {
            let before = stream.send.queued();
            self.held += push(&mut stream.send);
            self.queued_items += stream.send.queued() - before;
            self.recount(id);
            self.schedule(id);
        }
    }

    pub(crate) fn recv(&mut self, id: StreamId) -> Result<Option<Chunk>, RecvError> {
        let ended = self.ended;
        let stream = self
            .table
            .get_mut(&id)
            .filter(|s| s.accepted)
            .ok_or(RecvError::UnknownStream)?;
        let Some((chunk, charge)) = stream.recv.pop()? else {
            return if ended { Err(RecvError::SessionEnded) } else { Ok(None) };
        };
        self.return_credit(id, charge);
        self.tidy(id);
        Ok(Some(chunk))
    }

    pub(crate) fn finish(&mut self, id: StreamId) -> Result<(), UnknownStream> {
        let stream = self.own_half(id)?;
        if stream.send.end == End::Open {
            stream.send.end = End::Finishing;
            self.schedule(id);
        }
        Ok(())
    }

    pub(crate) fn reset(&mut self, id: StreamId, code: u64) -> Result<(), UnknownStream> {
        let stream = self.own_half(id)?;
        if matches!(stream.send.end, End::Open | End::Finishing) {
            self.abandon(id, code);
        }
        Ok(())
    }

    pub(crate) fn stop(&mut self, id: StreamId, code: u64) -> Result<(), UnknownStream> {
        let stream = self.own_half(id)?;
        if stream.recv.over {
            return Err(UnknownStream(id));
        }
        if stream.recv.stopped {
            return Ok(());
        }
        stream.recv.stopped = true;
        let discarded = stream.recv.discard();
        if !stream.recv.is_settled() {
            self.control.stop.insert(id, code);
        }
        self.return_credit(id, discarded);
        self.tidy(id);
        Ok(())
    }

    fn own_half(&mut self, id: StreamId) -> Result<&mut Stream, UnknownStream> {
        self.table
            .get_mut(&id)
            .filter(|s| s.accepted && !self.ended)
            .ok_or(UnknownStream(id))
    }

    /// RESET: what is queued is dropped.
    pub(super) fn abandon(&mut self, id: StreamId, code: u64) {
        let Some(stream) = self.table.get_mut(&id) else { return };
        let before = stream.send.queued();
        let dropped = stream.send.clear();
        self.held -= dropped;
        self.queued_items -= before;
        stream.send.end = End::Resetting { code };
        stream.send.was_reset = true;
        if core::mem::take(&mut stream.send.scheduled) {
            self.schedule.remove(stream.priority, id);
        }
        if stream.accepted {
            self.control.reset.insert(id);
        }
        self.recount(id);
        self.offer_room();
    }
}
