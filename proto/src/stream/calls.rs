//! What the application's calls do.

use super::credit::Reading;
use super::halves::Stream;
use super::options::{AcceptedStream, StreamOptions};
use super::recv::{Chunk, RecvHalf};
use super::send::{End, SendHalf};
use super::table::Streams;
use crate::error::{ConsumeError, OpenError, RecvError, UnknownStream};
use crate::event::Place;
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
        self.has_short |= fragment < self.limits.fragment;
        let stream = Stream {
            send: SendHalf::new(fragment, self.peer.map_or(0, |peer| peer.stream_window)),
            recv: RecvHalf::new(self.limits.stream_window, fragment, self.durable),
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
        let next = self.to_accept.front().copied();
        let next = next.and_then(|id| Some((id, self.table.get_mut(&id)?)));
        let Some((id, stream)) = next.filter(|(_, stream)| !stream.recv.unkept().opening) else {
            self.armed.accept = true;
            return None;
        };
        self.to_accept.pop_front();
        stream.accepted = true;
        let accepted = AcceptedStream {
            id,
            label: match self.durable {
                // Who restores the session finds its streams by it.
                true => stream.label.clone(),
                false => core::mem::take(&mut stream.label),
            },
            priority: stream.priority,
        };
        if let End::Resetting { .. } = stream.send.end {
            // The peer's STOP came first; it was only waiting for somebody to have the stream.
            self.control.reset.insert(id);
        }
        Some(accepted)
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

    pub(crate) fn recv(&mut self, id: StreamId, reading: Reading) -> Result<Option<Chunk>, RecvError> {
        let ended = self.ended;
        let stream = self
            .table
            .get_mut(&id)
            .filter(|s| s.accepted)
            .ok_or(RecvError::UnknownStream)?;
        let read = stream.recv.pop();
        let is_over = stream.recv.is_over();
        let more_to_come = stream.recv.has_unkept();
        if let Ok(Some((_, charge))) = &read {
            self.grow_windows(id, reading);
            self.return_credit(id, *charge);
        }
        // It may be over by an error, too: the peer's RESET.
        if is_over && !self.durable {
            self.tidy(id);
        }
        match read? {
            Some((chunk, _)) => Ok(Some(chunk)),
            None if ended && !more_to_come => Err(RecvError::SessionEnded),
            None => Ok(None),
        }
    }

    /// The application has dealt with what it read, up to `place` (durable sessions).
    pub(crate) fn consumed(&mut self, id: StreamId, place: Place, reading: Reading) -> Result<(), ConsumeError> {
        let stream = self.table.get_mut(&id).filter(|stream| stream.accepted);
        let stream = stream.ok_or(ConsumeError::UnknownStream)?;
        let freed = stream.recv.consume(place)?;
        if freed > 0 {
            self.grow_windows(id, reading);
            self.return_credit(id, freed);
        }
        Ok(())
    }

    /// How far the application has come with it, and how far of that is dealt with (durable sessions).
    pub(crate) fn places(&self, id: StreamId) -> Option<(Place, Place)> {
        let unconsumed = self.table.get(&id)?.recv.unconsumed.as_ref()?;
        Some((unconsumed.reached, unconsumed.front))
    }

    /// To be called in a durable session when something was read, or dealt with: whether it is news that the stream's reader is
    /// done.
    pub(crate) fn settle_reader(&mut self, id: StreamId) -> bool {
        let is_news = self
            .table
            .get_mut(&id)
            .is_some_and(|stream| stream.recv.take_news_of_over());
        if is_news {
            self.tidy(id);
        }
        is_news
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
