//! The calls on streams.

use bytes::{Buf, Bytes, BytesMut};

use super::closing::Finish;
use super::machine::Session;
use crate::durable::Op;
use crate::error::{ConsumeError, OpenError, RecvError, SendError, SendRefusal, StreamError, UnknownStream};
use crate::event::{EndReason, Place};
use crate::id::StreamId;
use crate::limits::{WATCH_AHEAD, check_code};
use crate::stream::{AcceptedStream, Chunk, Reading, StreamOptions};
use crate::time::{Duration, Instant};
use crate::wire::frame::EndCode;

impl Session {
    /// Opens a stream. It begins at the peer with the next packet, with or without data.
    ///
    /// # Errors
    /// Too many are open, the options are invalid, or the session is closing.
    pub fn open(&mut self, now: Instant, options: StreamOptions) -> Result<StreamId, OpenError> {
        let noted = self.ledger.journal.as_ref().map(|_| options.clone());
        let result = self.ledger.streams.open(options);
        if let Some(options) = noted.filter(|_| result.is_ok()) {
            let fragment = options.fragment_size.unwrap_or(self.config.fragment_size);
            self.ledger.note(|| Op::Opened {
                priority: options.priority,
                fragment,
                label: options.label,
            });
        }
        self.settle(now);
        result
    }

    /// The next stream the peer opened. `None` arms [`Event::Incoming`](crate::Event::Incoming).
    pub fn accept(&mut self, now: Instant) -> Option<AcceptedStream> {
        let accepted = self.ledger.streams.accept();
        if accepted.is_some() {
            self.ledger.note(|| Op::Taken);
        }
        self.settle(now);
        accepted
    }

    /// The calls on one stream. Whether there is such a stream is found out by each call.
    pub fn stream(&mut self, id: StreamId) -> Stream<'_> {
        Stream { session: self, id }
    }
}

/// The calls on one stream of a session: see [`Session::stream`].
///
/// ```
/// # use unbroken_proto::{error::SendError, Instant, Session, StreamId};
/// fn say(session: &mut Session, now: Instant, stream: StreamId) -> Result<(), SendError> {
///     session.stream(stream).send(now, "hello".into())
/// }
/// ```
#[derive(Debug)]
pub struct Stream<'a> {
    session: &'a mut Session,
    id: StreamId,
}

impl Stream<'_> {
    /// Which stream it is.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Queues one whole message.
    ///
    /// # Errors
    /// The payload comes back with the reason; [`SendRefusal::Full`] and [`SendRefusal::Unread`] arm
    /// [`Event::Writable`](crate::Event::Writable).
    pub fn send(self, now: Instant, payload: Bytes) -> Result<(), SendError> {
        let result = self.session.send(self.id, payload);
        self.session.settle_data(now);
        result
    }

    /// As [`send`](Self::send); if the message is not known to be the peer's `within` that time,
    /// [`Event::Overdue`](crate::Event::Overdue) says so. Returns its number among the stream's messages, from 1.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_within(self, now: Instant, payload: Bytes, within: Duration) -> Result<u64, SendError> {
        let now = self.session.latest.advance(now);
        let result = self.session.send(self.id, payload);
        let result = result.map(|()| {
            let message = self.session.ledger.streams.messages_sent(self.id);
            self.session.add_deadline(now + within, self.id, message);
            message
        });
        self.session.settle(now);
        result
    }

    /// Queues bytes of a byte stream: as many as there is room for leave the front of `data`, without a copy if it is a
    /// [`Bytes`] of more than a few KiB. Returns how many.
    ///
    /// # Errors
    /// Nothing was taken; [`SendRefusal::Full`] and [`SendRefusal::Unread`] arm [`Event::Writable`](crate::Event::Writable).
    pub fn write(self, now: Instant, data: &mut impl Buf) -> Result<usize, SendRefusal> {
        let result = self.session.write(self.id, data);
        self.session.settle_data(now);
        result
    }

    /// The next bytes of the stream. `None` arms [`Event::Readable`](crate::Event::Readable) for it.
    ///
    /// # Errors
    /// The stream is unknown, was reset by the peer, or the session ended before it did.
    pub fn recv(self, now: Instant) -> Result<Option<Chunk>, RecvError> {
        let reading = self.session.reading(now);
        let result = self.session.ledger.streams.recv(self.id, reading);
        self.session.note_over(self.id);
        self.session.settle_data(now);
        result
    }

    /// The application has dealt with all that it read of the stream up to `place`, as [`place`](Self::place) was behind it: after a
    /// restart that is not handed out again, and what follows it is. In a durable session the peer is granted more for what was
    /// dealt with, and not for what was read; so an application that does not say so comes to a stop.
    ///
    /// An application that keeps its places itself, beside what it made of the messages, says them right after the session was
    /// restored, or the stream was accepted, before it reads: what is below is left out. It keeps the place of a stream until
    /// [`has_persisted`](Session::has_persisted) says so of the mark behind this call: before that the stream may be there again after a restart.
    ///
    /// Nothing is read before it is kept. So a place ahead of all that is kept shows that the session was restored from an older copy:
    /// it ends as [`StateLost`](EndReason::StateLost).
    ///
    /// # Errors
    /// The stream is unknown, the place was not read or lies [ahead](ConsumeError::Ahead) of what is kept, or the session is not durable.
    pub fn consumed(self, now: Instant, place: Place) -> Result<(), ConsumeError> {
        let reading = self.session.reading(now);
        let streams = &mut self.session.ledger.streams;
        let result = streams.consumed(self.id, place, reading);
        match result {
            Ok(()) => {
                if let Some(journal) = &mut self.session.ledger.journal {
                    journal.consumed(self.id, place);
                }
                self.session.note_over(self.id);
                self.session.settle_data(now);
            }
            Err(ConsumeError::Ahead) => {
                let finish = Finish::telling(EndCode::StateLost, EndReason::StateLost);
                self.session.conclude(now, finish);
                self.session.settle(now);
            }
            Err(_) => {}
        }
        result
    }

    /// Behind what was read of the stream, in a durable session. `None`: the stream is unknown, or the session is not durable.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        self.session.ledger.streams.places(self.id).map(|(read, _)| read)
    }

    /// Nothing more will be sent on this stream; the other direction goes on (half-close).
    ///
    /// # Errors
    /// There is no such sending half.
    pub fn finish(self, now: Instant) -> Result<(), UnknownStream> {
        let result = self.session.ledger.streams.finish(self.id);
        if result.is_ok() {
            self.session.ledger.note(|| Op::Finished(self.id));
        }
        self.session.settle(now);
        result
    }

    /// Abandons sending on this stream: what is queued is dropped, the peer is told `code`.
    ///
    /// # Errors
    /// There is no such sending half, or the code is too large.
    pub fn reset(self, now: Instant, code: u64) -> Result<(), StreamError> {
        check_code(code)?;
        let result = self.session.ledger.streams.reset(self.id, code);
        if result.is_ok() {
            self.session.ledger.note(|| Op::Reset { stream: self.id, code });
        }
        self.session.settle(now);
        Ok(result?)
    }

    /// Asks the peer to stop sending on this stream; what arrives or is unread is discarded.
    ///
    /// # Errors
    /// There is no such receiving half, or the code is too large.
    pub fn stop(self, now: Instant, code: u64) -> Result<(), StreamError> {
        check_code(code)?;
        let result = self.session.ledger.streams.stop(self.id, code);
        if result.is_ok() {
            self.session.ledger.note(|| Op::Stopped { stream: self.id, code });
        }
        self.session.settle(now);
        Ok(result?)
    }

    /// For a host that keeps messages in a queue of its own: as [`send_within`](Self::send_within), of a message that is
    /// still to be sent, the `message`th of the stream (from 1). The time begins now.
    ///
    /// # Errors
    /// There is no such sending half, or it is over 16,384 messages ahead; there will be no event about it.
    pub fn watch(self, now: Instant, message: u64, within: Duration) -> Result<(), UnknownStream> {
        let now = self.session.latest.advance(now);
        let streams = &self.session.ledger.streams;
        let known = streams.is_sending(self.id) && message <= streams.messages_sent(self.id) + WATCH_AHEAD;
        if known {
            self.session.add_deadline(now + within, self.id, message);
        }
        self.session.settle(now);
        if known { Ok(()) } else { Err(UnknownStream(self.id)) }
    }
}

impl Session {
    fn reading(&mut self, now: Instant) -> Reading {
        let current = self.connections.current();
        let rtt = current.and_then(|current| current.rtt.srtt());
        let now = self.latest.advance(now);
        Reading { now, rtt }
    }

    fn send(&mut self, stream: StreamId, payload: Bytes) -> Result<(), SendError> {
        let noted = self.ledger.journal.as_ref().map(|_| payload.clone());
        let result = self.ledger.streams.send(stream, payload);
        if let Some(payload) = noted.filter(|_| result.is_ok()) {
            self.ledger.note(|| Op::Sent { stream, payload });
        }
        result
    }

    fn write(&mut self, stream: StreamId, data: &mut impl Buf) -> Result<usize, SendRefusal> {
        if self.ledger.journal.is_none() {
            return self.ledger.streams.write(stream, data);
        }
        let mut copied = Copied {
            data,
            taken: BytesMut::new(),
        };
        let result = self.ledger.streams.write(stream, &mut copied);
        let payload = copied.taken.freeze();
        if !payload.is_empty() {
            self.ledger.note(|| Op::Written { stream, payload });
        }
        result
    }

    /// A stream whose reader is done is so after a restart, too.
    fn note_over(&mut self, stream: StreamId) {
        if self.ledger.journal.is_some() && self.ledger.streams.settle_reader(stream) {
            self.ledger.note(|| Op::Over(stream));
        }
    }

    fn add_deadline(&mut self, at: Instant, stream: StreamId, message: u64) {
        let streams = &self.ledger.streams;
        let delivered = |stream, message| streams.is_delivered(stream, message);
        self.events.overdue.add(at, stream, message, delivered);
    }
}

/// Bytes that are copied as they are taken.
struct Copied<'a, B> {
    data: &'a mut B,
    taken: BytesMut,
}

impl<B: Buf> Buf for Copied<'_, B> {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn advance(&mut self, count: usize) {
        let mut left = count;
        while left > 0 {
            let chunk = self.data.chunk();
            let part = left.min(chunk.len());
            self.taken.extend_from_slice(chunk.get(..part).unwrap_or(chunk));
            self.data.advance(part);
            left -= part;
            if part == 0 {
                // More is taken than there is, which the buffer below makes known in its own way.
                self.data.advance(left);
                return;
            }
        }
    }

    fn copy_to_bytes(&mut self, len: usize) -> Bytes {
        let bytes = self.data.copy_to_bytes(len);
        self.taken.extend_from_slice(&bytes);
        bytes
    }
}
