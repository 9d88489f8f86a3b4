//! What the tests of handles and of clocks share.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use unbroken_driver::ByteStream;

/// A stream on which nothing ever happens.
pub(crate) struct NoStream;

impl ByteStream for NoStream {
    fn poll_read_slice(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}
