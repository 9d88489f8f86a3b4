//! A byte stream with the context of one poll, for code that knows only std's traits.

use std::io::{self, IoSlice, Read, Write};
use std::task::{Context, Poll};

use unbroken_driver::ByteStream;

/// Reads and writes like a non-blocking socket: what is pending is `WouldBlock`, and wakes the task.
pub(crate) struct Pollable<'a, 'b, S> {
    pub(crate) stream: &'a mut S,
    pub(crate) cx: &'a mut Context<'b>,
}

fn block<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// The other way round.
pub(crate) fn unblock<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}

impl<S: ByteStream> Read for Pollable<'_, '_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        block(self.stream.poll_read_slice(self.cx, buf))
    }
}

impl<S: ByteStream> Write for Pollable<'_, '_, S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        block(self.stream.poll_write(self.cx, &[IoSlice::new(buf)]))
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        block(self.stream.poll_write(self.cx, parts))
    }

    fn flush(&mut self) -> io::Result<()> {
        block(self.stream.poll_flush(self.cx))
    }
}

/// Takes nothing and gives nothing: for calls that only buffer.
pub(crate) struct Unready;

impl Read for Unready {
    fn read(&mut self, _buf: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Unready {
    fn write(&mut self, _buf: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}
