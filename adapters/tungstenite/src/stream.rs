//! Streams, as an application holds them.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use thiserror::Error;
use unbroken_proto::error::{SendError, SendRefusal};
use unbroken_proto::{Duration, StreamId};

use crate::executor::wait;

/// A stream: a sending and a receiving half, to be [split](Stream::split) for two threads. It reads and writes bytes
/// like a socket, and messages through its halves.
pub struct Stream {
    send: SendHalf,
    recv: RecvHalf,
    label: Bytes,
    priority: u8,
}

impl From<unbroken_driver::Stream> for Stream {
    fn from(stream: unbroken_driver::Stream) -> Stream {
        let (label, priority) = (stream.label().clone(), stream.priority());
        let (send, recv) = stream.split();
        let timeout = None;
        Stream {
            send: SendHalf { half: send, timeout },
            recv: RecvHalf { half: recv, timeout },
            label,
            priority,
        }
    }
}

impl Stream {
    /// The stream's number, the same at both ends.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.send.id()
    }

    /// What whoever opened it says it is for.
    #[must_use]
    pub fn label(&self) -> &Bytes {
        &self.label
    }

    /// The priority it was opened with.
    #[must_use]
    pub fn priority(&self) -> u8 {
        self.priority
    }

    /// The sending half.
    pub fn sender(&mut self) -> &mut SendHalf {
        &mut self.send
    }

    /// The receiving half.
    pub fn receiver(&mut self) -> &mut RecvHalf {
        &mut self.recv
    }

    /// The two halves, to be used apart.
    #[must_use]
    pub fn split(self) -> (SendHalf, RecvHalf) {
        (self.send, self.recv)
    }

    /// How long any call on either half may wait; `None`, the default: for ever.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.send.timeout = timeout;
        self.recv.timeout = timeout;
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.recv.read(buf)
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.send.write(buf)
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.send.write_vectored(parts)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send.flush()
    }
}

/// The sending half of a stream. What a call took is on its way, over as many connections as it takes. What happens when
/// it is dropped is said at [`unbroken_driver::SendHalf`].
pub struct SendHalf {
    half: unbroken_driver::SendHalf,
    timeout: Option<Duration>,
}

impl SendHalf {
    /// The stream's number.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.half.id()
    }

    /// How long a call may wait for room; `None`, the default: for ever.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Sends one whole message; waits while there is no room.
    ///
    /// # Errors
    /// The message comes back with the reason; [`SendRefusal::Full`] when the [timeout](Self::set_timeout) is over.
    pub fn send(&mut self, message: Bytes) -> Result<(), SendError> {
        let mut message = Some(message);
        let half = &mut self.half;
        let sent = wait(self.timeout, poll_fn(|cx| half.poll_send(cx, &mut message)));
        sent.unwrap_or_else(|| full(message.unwrap_or_default()))
    }

    /// Sends one whole message if there is room now.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn try_send(&mut self, message: Bytes) -> Result<(), SendError> {
        self.half.try_send(message)
    }

    /// As [`send`](Self::send); if the message is not known to be the peer's `within` that time, from when it was
    /// taken, [`Event::Overdue`](unbroken_proto::Event::Overdue) says so. It is not dropped. Returns its number among
    /// the stream's messages, from 1, which the event names.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_within(&mut self, message: Bytes, within: Duration) -> Result<u64, SendError> {
        let sent = wait(self.timeout, self.half.send_within(message.clone(), within));
        sent.unwrap_or_else(|| full(message))
    }

    /// Sends bytes without copying them and without a message's end; waits while there is no room.
    ///
    /// # Errors
    /// The bytes come back as with [`send`](Self::send).
    pub fn write_bytes(&mut self, bytes: Bytes) -> Result<(), SendError> {
        let sent = wait(self.timeout, self.half.write_bytes(bytes.clone()));
        sent.unwrap_or_else(|| full(bytes))
    }

    /// No more will be sent. What was sent before still goes out.
    pub fn finish(&mut self) {
        self.half.finish();
    }

    /// Abandons what the peer does not have yet.
    pub fn reset(&mut self, code: u64) {
        self.half.reset(code);
    }
}

fn full<T>(payload: Bytes) -> Result<T, SendError> {
    let reason = SendRefusal::Full;
    Err(SendError { payload, reason })
}

/// What `poll` says, or `TimedOut`.
fn within_timeout<T>(
    timeout: Option<Duration>,
    poll: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
) -> io::Result<T> {
    wait(timeout, poll_fn(poll)).unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
}

/// Bytes without message boundaries. `TimedOut` when the [timeout](SendHalf::set_timeout) is over; `NotConnected` when
/// the session is, `BrokenPipe` when the stream is.
impl Write for SendHalf {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        within_timeout(self.timeout, |cx| Pin::new(&mut self.half).poll_write(cx, buf))
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        within_timeout(self.timeout, |cx| {
            Pin::new(&mut self.half).poll_write_vectored(cx, parts)
        })
    }

    /// At once: nothing is held back that could be sent.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why nothing, or nothing more, is received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecvFailure {
    /// The stream is over for this end. Final.
    #[error(transparent)]
    Stream(#[from] unbroken_driver::RecvFailure),
    /// Nothing came within the [timeout](RecvHalf::set_timeout). Nothing is lost.
    #[error("nothing came in time")]
    TimedOut,
}

/// The receiving half of a stream. Dropping it before the stream's end asks the peer to stop, with code 0.
pub struct RecvHalf {
    half: unbroken_driver::RecvHalf,
    timeout: Option<Duration>,
}

impl RecvHalf {
    /// The stream's number.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.half.id()
    }

    /// How long a call may wait; `None`, the default: for ever.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Messages longer than this end the stream; see [`unbroken_driver::RecvHalf::set_max_message`].
    pub fn set_max_message(&mut self, bytes: usize) {
        self.half.set_max_message(bytes);
    }

    /// The next whole message, or `None` at the stream's end.
    ///
    /// # Errors
    /// The stream broke off, ended inside a message, or a message is too long; or the timeout is over.
    pub fn recv(&mut self) -> Result<Option<Bytes>, RecvFailure> {
        let half = &mut self.half;
        let received = wait(self.timeout, poll_fn(|cx| half.poll_recv(cx)));
        Ok(received.ok_or(RecvFailure::TimedOut)??)
    }

    /// The next bytes as they came, and whether a message ends behind them; `None` at the stream's end.
    ///
    /// # Errors
    /// The stream broke off, or the timeout is over.
    pub fn recv_chunk(&mut self) -> Result<Option<(Bytes, bool)>, RecvFailure> {
        let half = &mut self.half;
        let received = wait(self.timeout, poll_fn(|cx| half.poll_chunk(cx)));
        Ok(received.ok_or(RecvFailure::TimedOut)??)
    }

    /// Asks the peer to stop; nothing more is received.
    pub fn stop(&mut self, code: u64) {
        self.half.stop(code);
    }
}

/// Bytes; where messages end is not seen. `TimedOut` when the [timeout](RecvHalf::set_timeout) is over, and what is said at
/// [`unbroken_driver::RecvHalf`] when the stream is.
impl Read for RecvHalf {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        within_timeout(self.timeout, |cx| Pin::new(&mut self.half).poll_read(cx, buf))
    }
}
