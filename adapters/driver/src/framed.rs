//! Packets on a byte stream: two bytes of length before each.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_io::{AsyncRead, AsyncWrite};
use futures_sink::Sink;
use unbroken_proto::wire::framing::{self, MAX_PACKET, MAX_UNPROVEN, PREFIX};

/// Bytes that may wait for the carrier before it counts as not ready.
const HIGH_WATER: usize = 128 << 10;
/// Slices handed to one vectored write.
const SLICES: usize = 32;
/// A reader's buffer begins small, so that a connection that says nothing costs little, and grows
/// with what really arrives.
const FIRST_BUFFER: usize = 2 << 10;
const LARGEST_BUFFER: usize = 256 << 10;

/// A byte stream as a connection.
///
/// What is read is cut into packets without being copied; what is written goes out with vectored
/// writes, many packets at once if they are there.
pub struct Framed<IO> {
    io: IO,
    /// What was read and not cut yet.
    input: BytesMut,
    /// Initialised bytes right behind it, to read into.
    room: BytesMut,
    /// How large the next buffer will be.
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
        Framed::with_limit(io, MAX_PACKET)
    }

    /// `io` as an accepted connection, whose first packet is one of a stranger's.
    pub fn accepted(io: IO) -> Framed<IO> {
        Framed::with_limit(io, MAX_UNPROVEN)
    }

    fn with_limit(io: IO, limit: usize) -> Framed<IO> {
        let (input, room, output) = (BytesMut::new(), BytesMut::new(), VecDeque::new());
        Framed { io, input, room, buffer: FIRST_BUFFER, limit, output, written: 0, queued: 0 }
    }

    /// Makes room to read into, unless enough is left. What was read so far is part of one packet.
    fn make_room(&mut self) {
        if self.room.is_empty() || self.room.len() < self.buffer / 8 {
            let part = std::mem::take(&mut self.input);
            self.room = BytesMut::zeroed(self.buffer.max(2 * part.len()));
            self.input = self.room.split_to(part.len());
            self.input.copy_from_slice(&part);
        }
    }
}

impl<IO: AsyncRead + Unpin> Stream for Framed<IO> {
    type Item = io::Result<BytesMut>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<BytesMut>>> {
        let this = self.get_mut();
        loop {
            match framing::split(&mut this.input, this.limit) {
                Ok(Some(packet)) => {
                    this.limit = MAX_PACKET;
                    return Poll::Ready(Some(Ok(packet)));
                }
                Ok(None) => this.make_room(),
                Err(error) => return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::InvalidData, error)))),
            }
            match ready!(Pin::new(&mut this.io).poll_read(cx, &mut this.room)) {
                Ok(0) if this.input.is_empty() => return Poll::Ready(None),
                Ok(0) => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
                Ok(read) => {
                    if read == this.room.len() {
                        this.buffer = (this.buffer * 2).min(LARGEST_BUFFER);
                    }
                    this.input.unsplit(this.room.split_to(read));
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
        let prefix = framing::prefix(packet.len()).ok_or(io::ErrorKind::InvalidInput)?;
        this.queued += PREFIX + packet.len();
        this.output.push_back((prefix, packet));
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
