//! Streams, as an application holds them.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use thiserror::Error;
use unbroken_proto::Duration;
use unbroken_proto::error::{SendError, SendRefusal};

use crate::executor::block_on_within;

/// A stream of the driver, or a half of one, in calls that block. It reads and writes bytes like a socket, without seeing
/// where messages end, and without ending any: a time limit that is over is an error of kind `TimedOut`, other errors are
/// those of [`unbroken_driver::Stream`]. What does not wait is had through [`get_ref`](Self::get_ref) and
/// [`get_mut`](Self::get_mut); what waits and has no method here takes [`block_on_within`].
#[derive(Debug)]
pub struct Blocking<T> {
    inner: T,
    timeout: Option<Duration>,
}

/// Both halves of a stream, to be [split](Blocking::split) for messages, or for two threads.
pub type Stream = Blocking<unbroken_driver::Stream>;
/// The sending half of a stream.
pub type SendHalf = Blocking<unbroken_driver::SendHalf>;
/// The receiving half of a stream.
pub type RecvHalf = Blocking<unbroken_driver::RecvHalf>;

impl<T> From<T> for Blocking<T> {
    fn from(inner: T) -> Blocking<T> {
        Blocking { inner, timeout: None }
    }
}

impl<T> Blocking<T> {
    /// How long a call may wait; `None`, the default: for ever; zero: not at all. Nothing is lost when the time is over.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// The same, in futures.
    #[must_use]
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The same, in futures.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    fn wait<O>(&mut self, mut poll: impl FnMut(&mut T, &mut Context<'_>) -> Poll<O>) -> Option<O> {
        block_on_within(self.timeout, poll_fn(|cx| poll(&mut self.inner, cx)))
    }

    fn wait_io<O>(&mut self, poll: impl FnMut(&mut T, &mut Context<'_>) -> Poll<io::Result<O>>) -> io::Result<O> {
        self.wait(poll).unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<T: AsyncRead + Unpin> Read for Blocking<T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.wait_io(|inner, cx| Pin::new(inner).poll_read(cx, buf))
    }
}

impl<T: AsyncWrite + Unpin> Write for Blocking<T> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.wait_io(|inner, cx| Pin::new(inner).poll_write(cx, buf))
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.wait_io(|inner, cx| Pin::new(inner).poll_write_vectored(cx, parts))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wait_io(|inner, cx| Pin::new(inner).poll_flush(cx))
    }
}

impl Stream {
    /// The two halves, to be used apart, with the time limit of this.
    #[must_use]
    pub fn split(self) -> (SendHalf, RecvHalf) {
        let (send, recv) = self.inner.split();
        let timeout = self.timeout;
        (Blocking { inner: send, timeout }, Blocking { inner: recv, timeout })
    }
}

impl SendHalf {
    /// Sends one whole message; waits while there is no room.
    ///
    /// # Errors
    /// The message comes back with the reason; [`SendRefusal::Full`] when the [time limit](Self::set_timeout) is over.
    pub fn send(&mut self, message: Bytes) -> Result<(), SendError> {
        let mut message = Some(message);
        let sent = self.wait(|half, cx| half.poll_send(cx, &mut message));
        sent.unwrap_or_else(|| full(message.unwrap_or_default()))
    }

    /// No more will be sent. What was sent before still goes out.
    pub fn finish(&mut self) {
        self.inner.finish();
    }
}

fn full<T>(payload: Bytes) -> Result<T, SendError> {
    let reason = SendRefusal::Full;
    Err(SendError { payload, reason })
}

/// Why nothing, or nothing more, is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecvError {
    /// Nothing more will come. Final.
    #[error(transparent)]
    Stream(#[from] unbroken_driver::RecvError),
    /// Nothing came within the [time limit](Blocking::set_timeout). Nothing is lost.
    #[error("nothing came in time")]
    TimedOut,
}

impl RecvHalf {
    /// The next whole message, or `None` at the stream's end.
    ///
    /// # Errors
    /// The stream broke off, ended inside a message, or a message is too long; or the time limit is over.
    pub fn recv(&mut self) -> Result<Option<Bytes>, RecvError> {
        let received = self.wait(unbroken_driver::RecvHalf::poll_recv);
        Ok(received.ok_or(RecvError::TimedOut)??)
    }
}
