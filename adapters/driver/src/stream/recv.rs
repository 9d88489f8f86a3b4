//! The receiving half.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_io::AsyncRead;
use thiserror::Error;
use unbroken_proto::StreamId;
use unbroken_proto::config::FRAME_CHARGE;
use unbroken_proto::error::{CodeTooLarge, ConsumeError, RecvError as MachineError, StreamError};
use unbroken_proto::event::Place;
use unbroken_proto::stream::Chunk;

use crate::close_on_drop::CloseOnDrop;

/// Longest message that [`RecvHalf::recv`] puts together unless told otherwise.
const MAX_MESSAGE: usize = 1 << 20;
/// Bytes, metadata included, that a half takes out of the machine at once, if they are there.
const BATCH: usize = 64 << 10;

/// Why nothing more can be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecvError {
    /// The peer abandoned the stream with this code.
    #[error("stream reset by the peer with code {0}")]
    Reset(u64),
    /// The session ended before the stream did.
    #[error("session ended before the stream did")]
    SessionEnded,
    /// This half was stopped here.
    #[error("stream was stopped at this end")]
    Stopped,
    /// A message is longer than this end takes; [`RecvHalf::set_max_message`] says how long that is, in bytes.
    #[error("message longer than {0} bytes")]
    TooLarge(usize),
    /// The stream ended inside a message, or was not one of messages.
    #[error("stream ended inside a message")]
    Truncated,
}

impl From<MachineError> for RecvError {
    fn from(error: MachineError) -> RecvError {
        match error {
            MachineError::Reset(code) => RecvError::Reset(code),
            // A machine that was put out of use knows no streams any more.
            _ => RecvError::SessionEnded,
        }
    }
}

impl From<RecvError> for io::Error {
    fn from(error: RecvError) -> io::Error {
        let kind = match error {
            RecvError::Reset(_) => io::ErrorKind::ConnectionReset,
            RecvError::SessionEnded => io::ErrorKind::ConnectionAborted,
            RecvError::Stopped => io::ErrorKind::NotConnected,
            RecvError::TooLarge(_) => io::ErrorKind::InvalidData,
            RecvError::Truncated => io::ErrorKind::UnexpectedEof,
        };
        io::Error::new(kind, error)
    }
}

/// The receiving half of a stream.
///
/// Dropping it before its end tells the peer to stop, with code 0; in a durable session it tells nobody anything, and the stream is there after a
/// restart.
pub struct RecvHalf {
    id: StreamId,
    session: Arc<CloseOnDrop>,
    /// Taken out of the machine in one go; the last may be why nothing follows.
    chunks: VecDeque<Result<Chunk, RecvError>>,
    /// Parts of a message whose end has not come.
    partial: BytesMut,
    /// How long the last such message was.
    expect: usize,
    max_message: usize,
    /// Behind what was handed out.
    place: Place,
    /// Nothing follows: the end, or why not.
    over: Option<Result<(), RecvError>>,
}

impl RecvHalf {
    pub(super) fn new(id: StreamId, session: Arc<CloseOnDrop>, place: Place) -> RecvHalf {
        RecvHalf {
            id,
            session,
            chunks: VecDeque::new(),
            partial: BytesMut::new(),
            expect: 0,
            max_message: MAX_MESSAGE,
            place,
            over: None,
        }
    }

    /// The stream's number.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// The longest message [`recv`](RecvHalf::recv) puts together; 1 MiB unless set.
    pub fn set_max_message(&mut self, bytes: usize) {
        self.max_message = bytes;
    }

    /// The next whole message, or `None` at the stream's end.
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// The stream broke off, ended inside a message, or a message is too long; each is final.
    pub async fn recv(&mut self) -> Result<Option<Bytes>, RecvError> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](RecvHalf::recv), for callers with a context of their own.
    ///
    /// # Errors
    /// As [`recv`](RecvHalf::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RecvError>> {
        loop {
            let Some((payload, message_end)) = ready!(self.poll_chunk(cx))? else {
                if self.partial.is_empty() {
                    return Poll::Ready(Ok(None));
                }
                return Poll::Ready(self.fail(RecvError::Truncated));
            };
            if self.partial.len() + payload.len() > self.max_message {
                return Poll::Ready(self.fail(RecvError::TooLarge(self.max_message)));
            }
            if message_end && self.partial.is_empty() {
                return Poll::Ready(Ok(Some(payload)));
            }
            if self.partial.is_empty() {
                self.partial.reserve(self.expect);
            }
            self.partial.extend_from_slice(&payload);
            if message_end {
                self.expect = self.partial.len();
                return Poll::Ready(Ok(Some(self.partial.split().freeze())));
            }
        }
    }

    /// The next bytes as they came, and whether a message ends behind them; `None` at the stream's end.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// The stream broke off.
    pub async fn recv_chunk(&mut self) -> Result<Option<(Bytes, bool)>, RecvError> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// As [`recv_chunk`](RecvHalf::recv_chunk), for callers with a context of their own.
    ///
    /// # Errors
    /// The stream broke off.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<(Bytes, bool)>, RecvError>> {
        if let Some(over) = self.over {
            return Poll::Ready(over.map(|()| None));
        }
        ready!(self.poll_fill(cx));
        let over = match self.chunks.pop_front() {
            Some(Ok(Chunk::Data { payload, message_end })) => {
                self.place = self.place.behind(payload.len(), message_end);
                return Poll::Ready(Ok(Some((payload, message_end))));
            }
            Some(Ok(Chunk::End)) => Ok(()),
            Some(Err(failure)) => Err(failure),
            None => Err(RecvError::SessionEnded),
        };
        self.over = Some(over);
        Poll::Ready(over.map(|()| None))
    }

    /// Behind what was handed out: so many messages, so many bytes behind the last of them.
    #[must_use]
    pub fn place(&self) -> Place {
        self.place
    }

    /// The application has dealt with all up to `place`, as [`place`](Self::place) was behind it: in a durable session that is not handed out
    /// again after a restart, once it is [persisted](crate::Session::persisted), and what follows it is. The peer is granted more for
    /// what was dealt with, and not for what was read, so that an application that never says so comes to a stop.
    ///
    /// An application that keeps its places itself, in one transaction with what it made of the messages, says the last one of them
    /// before it reads from a stream that it has [taken again](crate::Session::take_restored) or accepted: what lies before is left out, and each message is dealt with
    /// once. It keeps its place of a stream until this call is [persisted](crate::Session::persisted). Nothing is read before the store has it: a place ahead of all
    /// that was restored shows that an older copy was, and ends the session as `StateLost`.
    ///
    /// # Errors
    /// The place lies behind what was read, or [ahead](ConsumeError::Ahead) of what is kept, the stream is over, or the session is not durable.
    pub fn consumed(&mut self, place: Place) -> Result<(), ConsumeError> {
        self.session.shared.call(|state, now| {
            state.machine.stream(self.id).consumed(now, place)?;
            state.notify_if_sending();
            Ok(())
        })?;
        self.place = self.place.max(place);
        Ok(())
    }

    /// Asks the peer to stop; nothing more is received.
    ///
    /// # Errors
    /// The code is larger than [`MAX_CODE`](unbroken_proto::config::MAX_CODE); the stream goes on.
    pub fn stop(&mut self, code: u64) -> Result<(), CodeTooLarge> {
        self.session.shared.call(|state, now| {
            // That the machine knows the half no more is as good.
            if let Err(StreamError::CodeTooLarge(code)) = state.machine.stream(self.id).stop(now, code) {
                return Err(CodeTooLarge(code));
            }
            state.wakes.push(state.readers.remove(&self.id));
            state.notify_driver();
            Ok(())
        })?;
        self.chunks.clear();
        self.over.get_or_insert(Err(RecvError::Stopped));
        Ok(())
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.over, Some(Err(_)))
    }

    fn fail<T>(&mut self, failure: RecvError) -> Result<T, RecvError> {
        self.over = Some(Err(failure));
        let _zero_fits = self.stop(0);
        Err(failure)
    }

    /// Ready when there is a chunk, or nothing will come any more.
    fn poll_fill(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !self.chunks.is_empty() {
            return Poll::Ready(());
        }
        let chunks = &mut self.chunks;
        self.session.shared.call_untimed(|state, now| {
            let mut taken = 0;
            while taken < BATCH && chunks.back() != Some(&Ok(Chunk::End)) {
                match state.machine.stream(self.id).recv(now) {
                    Ok(Some(chunk)) => {
                        taken += charge(&chunk);
                        chunks.push_back(Ok(chunk));
                    }
                    Ok(None) => break,
                    Err(error) => {
                        chunks.push_back(Err(error.into()));
                        break;
                    }
                }
            }
            if chunks.is_empty() {
                state.readers.insert(self.id, cx.waker().clone());
                return Poll::Pending;
            }
            // Reading gives the peer credit, which may have to go out.
            state.notify_if_sending();
            Poll::Ready(())
        })
    }
}

fn charge(chunk: &Chunk) -> usize {
    match chunk {
        Chunk::Data { payload, .. } => FRAME_CHARGE + payload.len(),
        Chunk::End => FRAME_CHARGE,
    }
}

impl AsyncRead for RecvHalf {
    /// Reads bytes; where messages end is not seen. The kinds of errors: see [`RecvError`]; a reset stream is one of kind
    /// `ConnectionReset`, an ended session one of `ConnectionAborted`.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut read = 0;
        while read < buf.len() {
            // Neither waits nor fails with what was read already.
            if read > 0 && !matches!(this.chunks.front(), Some(Ok(_))) {
                break;
            }
            let before = this.place;
            let Some((mut payload, message_end)) = ready!(this.poll_chunk(cx))? else {
                break;
            };
            let take = payload.len().min(buf.len() - read);
            payload.copy_to_slice(&mut buf[read..read + take]);
            read += take;
            if payload.has_remaining() {
                this.place = before.behind(take, false);
                this.chunks.push_front(Ok(Chunk::Data { payload, message_end }));
            }
        }
        Poll::Ready(Ok(read))
    }
}

impl Drop for RecvHalf {
    fn drop(&mut self) {
        let is_durable = || self.session.shared.read(|state| state.machine.is_durable());
        if self.over.is_none() && !is_durable() {
            let _zero_fits = self.stop(0);
        }
    }
}

debug_some!(RecvHalf, id);
