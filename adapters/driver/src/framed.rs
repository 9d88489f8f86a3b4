//! Packets on a byte stream: two bytes of length before each.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use futures_sink::Sink;
use unbroken_proto::wire::framing::{self, MAX_PACKET, MAX_UNPROVEN, PREFIX};

use crate::budget::Budget;
use crate::connection::Connection;

/// Bytes that may wait for the carrier before it counts as not ready.
const HIGH_WATER: usize = 128 << 10;
/// Slices handed to one vectored write.
const SLICES: usize = 32;
/// A reader's buffer begins small, so that a connection that says nothing costs little, and grows
/// with what really arrives.
const FIRST_BUFFER: usize = 2 << 10;
/// A reader's buffer grows no further than this.
const LARGEST_BUFFER: usize = 128 << 10;
/// What a byte stream without a way of its own reads into before it copies.
const STACK: usize = 4 << 10;
/// What [`FuturesIo`] reads into before it copies.
const SCRATCH: usize = 16 << 10;

/// What [`Framed`] and other carriers need of a byte stream. A runtime's own traits can do better than the futures ones,
/// for which there is [`FuturesIo`]: read without clearing the memory first.
///
/// Every call that is pending has arranged for its task to be woken. One that a signal interrupts (`ErrorKind::Interrupted`) is
/// made again by whoever called ([`Budget::poll_io`](crate::Budget::poll_io)).
pub trait ByteStream {
    /// Reads into `buf`, which is not empty; 0 at the end.
    fn poll_read_slice(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>>;
    /// Reads into the spare capacity of `buf`, of which there is some; 0 at the end.
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let mut scratch = [0; STACK];
        let room = STACK.min(buf.capacity() - buf.len());
        let read = ready!(self.poll_read_slice(cx, &mut scratch[..room]))?;
        buf.extend_from_slice(&scratch[..read]);
        Poll::Ready(Ok(read))
    }
    /// Writes some of `parts`.
    fn poll_write(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;
    /// Sees to it that what was written goes out.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Bytes that arrived, since this was last asked, of something that can only be read once more is there, as of a TLS record.
    fn take_partial(&mut self) -> usize {
        0
    }
    /// Ends writing.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// A futures `AsyncRead + AsyncWrite` as a [`ByteStream`].
pub struct FuturesIo<T> {
    io: T,
    scratch: Vec<u8>,
}

impl<T> FuturesIo<T> {
    /// `io` as a byte stream.
    pub fn new(io: T) -> FuturesIo<T> {
        FuturesIo {
            io,
            scratch: Vec::new(),
        }
    }
}

impl<T> fmt::Debug for FuturesIo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FuturesIo").finish_non_exhaustive()
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> ByteStream for FuturesIo<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        self.scratch.resize(SCRATCH, 0);
        let room = SCRATCH.min(buf.capacity() - buf.len());
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut self.scratch[..room]))?;
        buf.extend_from_slice(&self.scratch[..read]);
        Poll::Ready(Ok(read))
    }

    fn poll_read_slice(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, parts)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_close(cx)
    }
}

/// A byte stream as a connection.
///
/// What is read is cut into packets without being copied, unless a packet is small beside the buffer. What is written goes
/// out with vectored writes, many packets at once if they are there. It holds at most 128 KiB and one packet of what was
/// written, and as much of what was read.
///
/// ```
/// # fn over(socket: impl futures_io::AsyncRead + futures_io::AsyncWrite + Unpin + Send + 'static) {
/// use unbroken_driver::{Connected, Framed, FuturesIo};
/// let connected = Connected::ordered(Framed::new(FuturesIo::new(socket)));
/// # drop(connected);
/// # }
/// ```
pub struct Framed<IO> {
    io: IO,
    /// What was read and not cut yet, and room behind it.
    input: BytesMut,
    /// How much room to make next.
    buffer: usize,
    /// The longest packet accepted next.
    limit: usize,
    /// Bytes read of a packet that is not whole yet, and not told of.
    partial: usize,
    output: VecDeque<([u8; PREFIX], Bytes)>,
    /// Bytes of the first packet (prefix included) that are out.
    written: usize,
    queued: usize,
}

impl<IO> Framed<IO> {
    /// `io` as a connection.
    pub fn new(io: IO) -> Framed<IO> {
        Framed::with_limit(io, MAX_PACKET)
    }

    /// `io` as an accepted connection, whose first packet is one of a stranger's.
    pub fn accepted(io: IO) -> Framed<IO> {
        Framed::with_limit(io, MAX_UNPROVEN)
    }

    fn with_limit(io: IO, limit: usize) -> Framed<IO> {
        Framed {
            io,
            input: BytesMut::new(),
            buffer: FIRST_BUFFER,
            limit,
            partial: 0,
            output: VecDeque::new(),
            written: 0,
            queued: 0,
        }
    }

    /// Makes room to read into, unless enough is left. What was read so far is part of one packet.
    fn make_room(&mut self) -> usize {
        if self.input.capacity() - self.input.len() < self.buffer / 8 {
            self.input.reserve(self.buffer - self.buffer / 8);
        }
        self.input.capacity() - self.input.len()
    }
}

impl<IO> fmt::Debug for Framed<IO> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framed")
            .field("unread", &self.input.len())
            .field("unwritten", &self.queued)
            .finish_non_exhaustive()
    }
}

/// Copies a packet out of a buffer that is much larger: what is small must not pin it until it is read.
fn copy_if_small(packet: BytesMut, buffer: usize) -> BytesMut {
    if packet.len().saturating_mul(8) < buffer {
        BytesMut::from(&packet[..])
    } else {
        packet
    }
}

impl<IO: ByteStream + Unpin> Stream for Framed<IO> {
    type Item = io::Result<BytesMut>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<BytesMut>>> {
        let this = self.get_mut();
        let mut budget = Budget::new();
        loop {
            let room = match framing::split(&mut this.input, this.limit) {
                Ok(Some(packet)) => {
                    this.limit = MAX_PACKET;
                    this.partial = 0;
                    return Poll::Ready(Some(Ok(copy_if_small(packet, this.buffer))));
                }
                Ok(None) => this.make_room(),
                Err(error) => return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::InvalidData, error)))),
            };
            match ready!(budget.poll_io(cx, |cx| this.io.poll_read(cx, &mut this.input))) {
                Ok(0) if this.input.is_empty() => return Poll::Ready(None),
                Ok(0) => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
                Ok(read) => {
                    this.partial += read;
                    if read == room {
                        this.buffer = (this.buffer * 2).min(LARGEST_BUFFER);
                    }
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

impl<IO: ByteStream + Unpin + Send> Connection for Framed<IO> {
    fn take_partial(self: Pin<&mut Self>) -> usize {
        let this = self.get_mut();
        std::mem::take(&mut this.partial) + this.io.take_partial()
    }
}

impl<IO: ByteStream> Framed<IO> {
    /// Writes until at most `rest` bytes are queued.
    fn poll_write_out(&mut self, cx: &mut Context<'_>, rest: usize) -> Poll<io::Result<()>> {
        let mut budget = Budget::new();
        while self.queued > rest {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            let mut skip = self.written;
            for part in self.output.iter().flat_map(|(prefix, packet)| [&prefix[..], packet]) {
                let Some(slot) = slices.get_mut(count) else { break };
                if skip < part.len() {
                    *slot = IoSlice::new(&part[skip..]);
                    count += 1;
                }
                skip = skip.saturating_sub(part.len());
            }
            let wrote = ready!(budget.poll_io(cx, |cx| self.io.poll_write(cx, &slices[..count])))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.queued -= wrote;
            self.written += wrote;
            while let Some(length) = self
                .output
                .front()
                .map(|(_, packet)| PREFIX + packet.len())
                .filter(|l| *l <= self.written)
            {
                self.written -= length;
                self.output.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: ByteStream + Unpin> Sink<Bytes> for Framed<IO> {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_write_out(cx, HIGH_WATER)
    }

    fn start_send(self: Pin<&mut Self>, packet: Bytes) -> io::Result<()> {
        let this = self.get_mut();
        let prefix = framing::prefix(packet.len()).ok_or(io::ErrorKind::InvalidInput)?;
        this.queued += PREFIX + packet.len();
        this.output.push_back((prefix, packet));
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_write_out(cx, 0))?;
        Budget::new().poll_io(cx, |cx| this.io.poll_flush(cx))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_write_out(cx, 0))?;
        Budget::new().poll_io(cx, |cx| this.io.poll_close(cx))
    }
}
