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
use unbroken_proto::error::RecvError;
use unbroken_proto::stream::Chunk;

use super::queues::StreamShared;
use crate::lock::register;
use crate::shared::CloseOnDrop;

/// Longest message [`RecvHalf::recv`] puts together unless told otherwise.
const MAX_MESSAGE: usize = 1 << 20;

/// Why nothing more can be received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecvFailure {
    /// The stream or its session broke off.
    #[error(transparent)]
    Stream(#[from] RecvError),
    /// A message is longer than this end takes.
    #[error("message longer than {0} bytes")]
    TooLarge(usize),
    /// The stream ended inside a message, or was not one of messages.
    #[error("stream ended inside a message")]
    Truncated,
}

/// The receiving half of a stream.
///
/// Dropping it before its end tells the peer to stop, with code 0.
pub struct RecvHalf {
    stream: Arc<StreamShared>,
    close_on_drop: Arc<CloseOnDrop>,
    /// Taken out of the shared queue in one go.
    chunks: VecDeque<Chunk>,
    /// Parts of a message whose end has not come.
    partial: BytesMut,
    /// How long the last such message was.
    expect: usize,
    max_message: usize,
    /// Nothing follows: the end, or why not.
    over: Option<Result<(), RecvFailure>>,
}

impl RecvHalf {
    pub(crate) fn new(stream: Arc<StreamShared>, close_on_drop: Arc<CloseOnDrop>) -> RecvHalf {
        let (chunks, partial) = (VecDeque::new(), BytesMut::new());
        RecvHalf {
            stream,
            close_on_drop,
            chunks,
            partial,
            expect: 0,
            max_message: MAX_MESSAGE,
            over: None,
        }
    }

    /// The stream's number.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.stream.id
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
    pub async fn recv(&mut self) -> Result<Option<Bytes>, RecvFailure> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`recv`](RecvHalf::recv), for callers with a context of their own.
    ///
    /// # Errors
    /// As [`recv`](RecvHalf::recv).
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, RecvFailure>> {
        loop {
            let Some((payload, message_end)) = ready!(self.poll_chunk(cx))? else {
                let whole = self.partial.is_empty();
                return Poll::Ready(if whole {
                    Ok(None)
                } else {
                    self.fail(RecvFailure::Truncated)
                });
            };
            if self.partial.len() + payload.len() > self.max_message {
                let max = self.max_message;
                return Poll::Ready(self.fail(RecvFailure::TooLarge(max)));
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
    pub async fn recv_chunk(&mut self) -> Result<Option<(Bytes, bool)>, RecvFailure> {
        poll_fn(|cx| self.poll_chunk(cx)).await
    }

    /// As [`recv_chunk`](RecvHalf::recv_chunk), for callers with a context of their own.
    ///
    /// # Errors
    /// The stream broke off.
    pub fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<(Bytes, bool)>, RecvFailure>> {
        if let Some(over) = self.over {
            return Poll::Ready(over.map(|()| None));
        }
        ready!(self.poll_fill(cx));
        match self.chunks.pop_front() {
            Some(Chunk::Data { payload, message_end }) => Poll::Ready(Ok(Some((payload, message_end)))),
            Some(Chunk::End) => {
                self.over = Some(Ok(()));
                Poll::Ready(Ok(None))
            }
            None => {
                let failure = self
                    .stream
                    .recv(|queue| queue.failure)
                    .unwrap_or(RecvError::SessionEnded);
                Poll::Ready(self.fail(failure.into()))
            }
        }
    }

    /// Asks the peer to stop; nothing more is received.
    pub fn stop(&mut self, code: u64) {
        self.chunks.clear();
        self.over.get_or_insert(Err(RecvError::UnknownStream.into()));
        self.stream.recv(|queue| queue.stop = queue.stop.or(Some(code)));
        self.stream.touch(&self.close_on_drop.shared);
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.over, Some(Err(_)))
    }

    fn fail<T>(&mut self, failure: RecvFailure) -> Result<T, RecvFailure> {
        self.over = Some(Err(failure));
        if !matches!(failure, RecvFailure::Stream(_)) {
            self.stop(0);
        }
        Err(failure)
    }

    /// Ready when there is a chunk, or nothing will come any more.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.chunks.is_empty() {
            return Poll::Ready(());
        }
        let starved = ready!(self.stream.recv(|queue| {
            if queue.chunks.is_empty() && queue.failure.is_none() {
                register(&mut queue.waker, cx);
                return Poll::Pending;
            }
            std::mem::swap(&mut self.chunks, &mut queue.chunks);
            queue.held = 0;
            Poll::Ready(queue.starved)
        }));
        if starved {
            self.stream.touch(&self.close_on_drop.shared);
        }
        Poll::Ready(())
    }
}

impl AsyncRead for RecvHalf {
    /// Reads bytes; where messages end is not seen. A reset stream is an error of kind
    /// `ConnectionReset`, an ended session one of `ConnectionAborted`.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let mut read = 0;
        while read < buf.len() {
            if read > 0 && this.chunks.is_empty() {
                break;
            }
            let Some((mut payload, message_end)) = ready!(this.poll_chunk(cx)).map_err(failed)? else {
                break;
            };
            let take = payload.len().min(buf.len() - read);
            payload.copy_to_slice(&mut buf[read..read + take]);
            read += take;
            if payload.has_remaining() {
                this.chunks.push_front(Chunk::Data { payload, message_end });
            }
        }
        Poll::Ready(Ok(read))
    }
}

fn failed(failure: RecvFailure) -> io::Error {
    let kind = match failure {
        RecvFailure::Stream(RecvError::Reset(_)) => io::ErrorKind::ConnectionReset,
        RecvFailure::Stream(RecvError::SessionEnded) => io::ErrorKind::ConnectionAborted,
        RecvFailure::Truncated => io::ErrorKind::UnexpectedEof,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, failure)
}

impl Drop for RecvHalf {
    fn drop(&mut self) {
        if self.over.is_none() {
            self.stop(0);
        }
    }
}
