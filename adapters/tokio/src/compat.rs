//! A tokio byte stream as a driver's.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use unbroken_driver::ByteStream;

/// `Framed::new(Compat(stream))` makes a connection of any tokio byte stream.
///
/// ```
/// use unbroken_tokio::{Compat, Connected, Framed};
/// let (near, far) = tokio::io::duplex(8_192);
/// let connected = Connected::ordered(Framed::new(Compat(near))); // what a connector returns
/// let accepted = Connected::ordered(Framed::accepted(Compat(far))); // what `Server::serve` takes
/// # drop((connected, accepted));
/// ```
#[derive(Debug)]
pub struct Compat<T>(
    /// The tokio stream.
    pub T,
);

impl<T: AsyncRead + AsyncWrite + Unpin> ByteStream for Compat<T> {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        // The future keeps nothing: it has read or it has not.
        pin!(self.0.read_buf(buf)).poll(cx)
    }

    fn poll_read_slice(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(buf);
        Pin::new(&mut self.0)
            .poll_read(cx, &mut buf)
            .map_ok(|()| buf.filled().len())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, parts)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
