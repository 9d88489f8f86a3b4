//! A byte stream with the context of one poll, for code that knows only std's traits.

use std::io::{self, IoSlice, Read, Write};
use std::task::{Context, Poll};

use unbroken_driver::{Budget, ByteStream};

/// Reads and writes like a non-blocking socket: what is pending is `WouldBlock`, and wakes the task. Each read and write
/// takes a step of the budget, since the code on top may go on for as long as it is given bytes.
pub(crate) struct Pollable<'a, 'b, S> {
    pub(crate) stream: &'a mut S,
    pub(crate) cx: &'a mut Context<'b>,
    pub(crate) budget: &'a mut Budget,
    /// Bytes that were read through this.
    pub(crate) received: usize,
}

impl<'a, 'b, S: ByteStream> Pollable<'a, 'b, S> {
    pub(crate) fn new(stream: &'a mut S, cx: &'a mut Context<'b>, budget: &'a mut Budget) -> Pollable<'a, 'b, S> {
        Pollable {
            stream,
            cx,
            budget,
            received: 0,
        }
    }

    fn step<T>(&mut self, mut poll: impl FnMut(&mut S, &mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
        block(self.budget.poll_io(self.cx, |cx| poll(self.stream, cx)))
    }
}

fn block<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Takes `WouldBlock` for pending again.
pub(crate) fn unblock<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}

impl<S: ByteStream> Read for Pollable<'_, '_, S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.step(|stream, cx| stream.poll_read_slice(cx, buf))?;
        self.received += read;
        Ok(read)
    }
}

impl<S: ByteStream> Write for Pollable<'_, '_, S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.step(|stream, cx| stream.poll_write(cx, parts))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.step(S::poll_flush)
    }
}

/// A stream that takes nothing and gives nothing, for calls that only buffer.
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
