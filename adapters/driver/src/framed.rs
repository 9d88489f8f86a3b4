//! Packets on a byte stream: two bytes of length before each.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use futures_sink::Sink;

/// Bytes that may wait for the carrier before it counts as not ready.
const HIGH_WATER: usize = 128 << 10;
/// Slices handed to one vectored write.
const SLICES: usize = 32;
/// A reader's buffer begins small, so that a connection that says nothing costs little, and grows
/// with what really arrives.
const FIRST_BUFFER: usize = 2 << 10;
const LARGEST_BUFFER: usize = 256 << 10;
const PREFIX: usize = 2;

/// A byte stream as a connection.
///
/// What is read is cut into packets without being copied; what is written goes out with vectored
/// writes, many packets at once if they are there.
pub struct Framed<IO> {
    io: IO,
    /// Initialised throughout; the first `filled` bytes were read.
    input: BytesMut,
    filled: usize,
    buffer: usize,
    /// The longest packet accepted next.
    limit: usize,
    output: VecDeque<([u8; PREFIX], Bytes)>,
    /// Bytes of the first packet (prefix included) that are out.
    written: usize,
    queued: usize,
}

impl<IO> Framed<IO> {
    /// `io` as a connection.
    pub fn new(io: IO) -> Framed<IO> {
        let limit = unbroken_proto::config::MAX_PACKET;
        Framed { io, input: BytesMut::new(), filled: 0, buffer: FIRST_BUFFER, limit, output: VecDeque::new(), written: 0, queued: 0 }
    }

    /// `io` as an accepted connection, whose first packet may be no longer than a HELLO.
    pub fn accepted(io: IO) -> Framed<IO> {
        Framed { limit: 1_200, ..Framed::new(io) }
    }

    /// Cuts the next packet off what was read.
    fn cut(&mut self) -> io::Result<Option<BytesMut>> {
        let Some(prefix) = self.input.get(..PREFIX).filter(|_| self.filled >= PREFIX) else { return Ok(None) };
        let length = prefix.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        if length == 0 || length > self.limit {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "packet length out of range"));
        }
        if self.filled < PREFIX + length {
            return Ok(None);
        }
        self.limit = unbroken_proto::config::MAX_PACKET;
        self.filled -= PREFIX + length;
        self.input.advance(PREFIX);
        Ok(Some(self.input.split_to(length)))
    }

    /// Makes room to read into. What is left of the old buffer is a part of one packet.
    fn make_room(&mut self) {
        let room = self.input.len() - self.filled;
        if room > 0 && room >= self.buffer / 8 {
            return;
        }
        let mut fresh = BytesMut::zeroed(self.buffer.max(2 * self.filled));
        fresh[..self.filled].copy_from_slice(&self.input[..self.filled]);
        self.input = fresh;
    }
}

impl<IO: AsyncRead + Unpin> Stream for Framed<IO> {
    type Item = io::Result<BytesMut>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<BytesMut>>> {
        let this = self.get_mut();
        loop {
            if let Some(packet) = this.cut().transpose() {
                return Poll::Ready(Some(packet));
            }
            this.make_room();
            let room = this.input.len() - this.filled;
            match ready!(Pin::new(&mut this.io).poll_read(cx, &mut this.input[this.filled..])) {
                Ok(0) if this.filled == 0 => return Poll::Ready(None),
                Ok(0) => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
                Ok(read) => {
                    this.filled += read;
                    if read == room {
                        this.buffer = (this.buffer * 2).min(LARGEST_BUFFER);
                    }
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }
}

impl<IO: AsyncWrite + Unpin> Framed<IO> {
    /// Writes until at most `rest` bytes are queued.
    fn poll_write_out(&mut self, cx: &mut Context<'_>, rest: usize) -> Poll<io::Result<()>> {
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
            let wrote = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &slices[..count]))?;
            if wrote == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.queued -= wrote;
            self.written += wrote;
            while let Some(length) = self.output.front().map(|(_, packet)| PREFIX + packet.len()).filter(|l| *l <= self.written) {
                self.written -= length;
                self.output.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> Sink<Bytes> for Framed<IO> {
    type Error = io::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_write_out(cx, HIGH_WATER)
    }

    fn start_send(self: Pin<&mut Self>, packet: Bytes) -> io::Result<()> {
        let this = self.get_mut();
        let length = u16::try_from(packet.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        this.queued += PREFIX + packet.len();
        this.output.push_back((length.to_be_bytes(), packet));
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_write_out(cx, 0))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_write_out(cx, 0))?;
        Pin::new(&mut this.io).poll_close(cx)
    }
}
