//! Streams, as an application holds them.

mod recv;
mod send;

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::Bytes;
use unbroken_proto::{Duration, StreamId};

pub use recv::{RecvFailure, RecvHalf};
pub use send::SendHalf;

use crate::session::CloseOnDrop;

/// A stream: a sending and a receiving half, to be [split](Stream::split) for two threads. It reads and writes bytes
/// like a socket, and messages through its halves.
pub struct Stream {
    send: SendHalf,
    recv: RecvHalf,
    label: Bytes,
    priority: u8,
}

impl Stream {
    pub(crate) fn new(id: StreamId, close_on_drop: &Arc<CloseOnDrop>, label: Bytes, priority: u8) -> Stream {
        Stream {
            send: SendHalf::new(id, Arc::clone(close_on_drop)),
            recv: RecvHalf::new(id, Arc::clone(close_on_drop)),
            label,
            priority,
        }
    }

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
        self.send.set_timeout(timeout);
        self.recv.set_timeout(timeout);
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

    fn flush(&mut self) -> io::Result<()> {
        self.send.flush()
    }
}
