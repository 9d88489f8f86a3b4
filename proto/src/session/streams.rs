//! The calls on streams.

use bytes::Bytes;

use super::Session;
use crate::error::{OpenError, RecvError, SendError, SendRefusal, UnknownStream};
use crate::id::StreamId;
use crate::stream::{AcceptedStream, Chunk, StreamOptions};
use crate::time::{Duration, Instant};

impl Session {
    /// Opens a stream. It begins at the peer with the next packet, with or without data.
    ///
    /// # Errors
    /// Too many are open, the options are invalid, or the session is closing.
    pub fn open(&mut self, now: Instant, options: StreamOptions) -> Result<StreamId, OpenError> {
        let result = self.ledger.streams.open(options);
        self.settle(now);
        result
    }

    /// The next stream the peer opened. `None` arms [`Event::Incoming`](crate::Event::Incoming).
    pub fn accept(&mut self, now: Instant) -> Option<AcceptedStream> {
        let accepted = self.ledger.streams.accept();
        self.settle(now);
        accepted
    }

    /// Queues one whole message.
    ///
    /// # Errors
    /// The payload comes back with the reason; [`SendRefusal::Full`] and [`SendRefusal::Unread`] arm [`Event::Writable`](crate::Event::Writable).
    pub fn send(&mut self, now: Instant, stream: StreamId, payload: Bytes) -> Result<(), SendError> {
        let result = self.ledger.streams.send(stream, payload);
        self.settle(now);
        result
    }

    /// As [`send`](Self::send); if the message is not known to be the peer's `within` that time,
    /// [`Event::Overdue`](crate::Event::Overdue) says so. Returns its number among the stream's messages, from 1.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_within(
        &mut self,
        now: Instant,
        stream: StreamId,
        payload: Bytes,
        within: Duration,
    ) -> Result<u64, SendError> {
        let result = self.ledger.streams.send(stream, payload);
        let result = result.map(|()| {
            let streams = &self.ledger.streams;
            let message = streams.messages_sent(stream);
            let delivered = |stream, message| streams.is_delivered(stream, message);
            self.deadlines.add(now + within, stream, message, delivered);
            message
        });
        self.settle(now);
        result
    }

    /// Queues bytes of a byte stream: as many as there is room for leave the front of `data`.
    /// Returns how many.
    ///
    /// # Errors
    /// Nothing was taken; [`SendRefusal::Full`] and [`SendRefusal::Unread`] arm [`Event::Writable`](crate::Event::Writable).
    pub fn write(&mut self, now: Instant, stream: StreamId, data: &mut Bytes) -> Result<usize, SendRefusal> {
        let result = self.ledger.streams.write(stream, data);
        self.settle(now);
        result
    }

    /// The next bytes of a stream. `None` arms [`Event::Readable`](crate::Event::Readable) for it.
    ///
    /// # Errors
    /// The stream is unknown, was reset by the peer, or the session ended before it did.
    pub fn recv(&mut self, now: Instant, stream: StreamId) -> Result<Option<Chunk>, RecvError> {
        let result = self.ledger.streams.recv(stream);
        self.settle(now);
        result
    }

    /// Nothing more will be sent on this stream; the other direction goes on (half-close).
    ///
    /// # Errors
    /// There is no such sending half.
    pub fn finish(&mut self, now: Instant, stream: StreamId) -> Result<(), UnknownStream> {
        let result = self.ledger.streams.finish(stream);
        self.settle(now);
        result
    }

    /// Abandons sending on this stream: what is queued is dropped, the peer is told `code`.
    ///
    /// # Errors
    /// There is no such sending half.
    pub fn reset(&mut self, now: Instant, stream: StreamId, code: u64) -> Result<(), UnknownStream> {
        let result = self.ledger.streams.reset(stream, code);
        self.settle(now);
        result
    }

    /// Asks the peer to stop sending on this stream; what arrives or is unread is discarded.
    ///
    /// # Errors
    /// There is no such receiving half.
    pub fn stop(&mut self, now: Instant, stream: StreamId, code: u64) -> Result<(), UnknownStream> {
        let result = self.ledger.streams.stop(stream, code);
        self.settle(now);
        result
    }
}
