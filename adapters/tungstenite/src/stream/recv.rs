//! The receiving half.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;
use unbroken_proto::error::RecvError;
use unbroken_proto::stream::Chunk;
use unbroken_proto::{Duration, StreamId};

use crate::session::CloseOnDrop;
use crate::shared::limit;

/// Longest message that [`RecvHalf::recv`] puts together, unless set.
const MAX_MESSAGE: usize = 16 << 20;

/// Why nothing, or nothing more, is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecvFailure {
    /// The stream broke off.
    #[error(transparent)]
    Stream(#[from] RecvError),
    /// It ended inside a message.
    #[error("the stream ended inside a message")]
    Truncated,
    /// A message is longer than this many bytes.
    #[error("a message is longer than {0} bytes")]
    TooLarge(usize),
    /// Nothing came within the timeout. The only one that is not final.
    #[error("nothing came in time")]
    TimedOut,
}

/// The receiving half of a stream. Dropping it before the stream's end asks the peer to stop, with code 0.
pub struct RecvHalf {
    id: StreamId,
    close_on_drop: Arc<CloseOnDrop>,
    timeout: Option<Duration>,
    max_message: usize,
    /// The begin of a message whose end has not come.
    partial: BytesMut,
    /// What a read left over.
    rest: Option<(Bytes, bool)>,
    over: Option<Result<(), RecvFailure>>,
}

impl RecvHalf {
    pub(crate) fn new(id: StreamId, close_on_drop: Arc<CloseOnDrop>) -> RecvHalf {
        RecvHalf {
            id,
            close_on_drop,
            timeout: None,
            max_message: MAX_MESSAGE,
            partial: BytesMut::new(),
            rest: None,
            over: None,
        }
    }

    /// The stream's number.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// How long a call may wait; `None`, the default: for ever. Nothing is lost when the time is over.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Messages longer than this end the stream; 16 MiB unless set.
    pub fn set_max_message(&mut self, bytes: usize) {
        self.max_message = bytes;
    }

    /// The next whole message, or `None` at the stream's end.
    ///
    /// # Errors
    /// The stream broke off, ended inside a message, or a message is too long; each is final. Or the
    /// [timeout](Self::set_timeout) is over.
    pub fn recv(&mut self) -> Result<Option<Bytes>, RecvFailure> {
        loop {
            let Some((payload, message_end)) = self.recv_chunk()? else {
                let whole = self.partial.is_empty();
                return if whole {
                    Ok(None)
                } else {
                    self.fail(RecvFailure::Truncated)
                };
            };
            if self.partial.len() + payload.len() > self.max_message {
                return self.fail(RecvFailure::TooLarge(self.max_message));
            }
            if message_end && self.partial.is_empty() {
                return Ok(Some(payload));
            }
            self.partial.extend_from_slice(&payload);
            if message_end {
                return Ok(Some(self.partial.split().freeze()));
            }
        }
    }

    /// The next bytes as they came, and whether a message ends behind them; `None` at the stream's end.
    ///
    /// # Errors
    /// The stream broke off, or the [timeout](Self::set_timeout) is over.
    pub fn recv_chunk(&mut self) -> Result<Option<(Bytes, bool)>, RecvFailure> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        if let Some(over) = self.over {
            return over.map(|()| None);
        }
        let id = self.id;
        let received = self.close_on_drop.shared.wait(limit(self.timeout), |core, now| {
            core.session().recv(now, id).transpose()
        });
        match received {
            Some(Ok(Chunk::Data { payload, message_end })) => Ok(Some((payload, message_end))),
            Some(Ok(Chunk::End)) => {
                self.over = Some(Ok(()));
                Ok(None)
            }
            Some(Err(error)) => self.fail(error.into()),
            None => Err(RecvFailure::TimedOut),
        }
    }

    /// Asks the peer to stop; nothing more is received.
    pub fn stop(&mut self, code: u64) {
        self.rest = None;
        self.over.get_or_insert(Err(RecvError::UnknownStream.into()));
        self.close_on_drop.shared.call(|core, now| {
            let _already_over = core.session().stop(now, self.id, code);
        });
    }

    fn fail<T>(&mut self, failure: RecvFailure) -> Result<T, RecvFailure> {
        self.over = Some(Err(failure));
        if !matches!(failure, RecvFailure::Stream(_)) {
            self.stop(0);
        }
        Err(failure)
    }
}

impl Read for RecvHalf {
    /// Reads bytes; where messages end is not seen. A reset stream is an error of kind `ConnectionReset`, an ended
    /// session one of `ConnectionAborted`, a [timeout](Self::set_timeout) `TimedOut`.
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            let Some((mut payload, message_end)) = self.recv_chunk().map_err(failed)? else {
                return Ok(0);
            };
            let take = payload.len().min(buf.len());
            payload.copy_to_slice(&mut buf[..take]);
            if payload.has_remaining() {
                self.rest = Some((payload, message_end));
            }
            // An empty message is no bytes, and not the end.
            if take > 0 {
                return Ok(take);
            }
        }
    }
}

fn failed(failure: RecvFailure) -> io::Error {
    let kind = match failure {
        RecvFailure::Stream(RecvError::Reset(_)) => io::ErrorKind::ConnectionReset,
        RecvFailure::Stream(RecvError::SessionEnded) => io::ErrorKind::ConnectionAborted,
        RecvFailure::Truncated => io::ErrorKind::UnexpectedEof,
        RecvFailure::TimedOut => io::ErrorKind::TimedOut,
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
