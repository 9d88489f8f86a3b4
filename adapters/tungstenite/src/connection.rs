//! What a session is carried by: whole packets, over something that need not block.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use bytes::BytesMut;

/// A carrier's two directions, in whole packets. No call may block on a socket that does not; what cannot go on
/// now says `WouldBlock` and is asked again. [`Framed`](crate::Framed) makes one of a byte stream,
/// [`WebSocket`](crate::WebSocket) too; anything else is a custom carrier.
pub trait Connection {
    /// Goes on with the carrier's own handshake (the upgrade to WebSocket). `Ok`: it is done, or there is none.
    ///
    /// # Errors
    /// `WouldBlock`: not done yet. Else the connection is of no use.
    fn open(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// The next packet; `None` at the orderly end.
    ///
    /// # Errors
    /// `WouldBlock`: nothing now. Else the connection is over.
    fn read(&mut self) -> io::Result<Option<BytesMut>>;

    /// Whether [`send`](Self::send) takes a packet now. What it holds back must be bounded.
    fn is_ready(&self) -> bool;

    /// Takes one packet, to be written by [`flush`](Self::flush).
    ///
    /// # Errors
    /// The connection is over.
    fn send(&mut self, packet: Vec<u8>) -> io::Result<()>;

    /// Writes what was taken.
    ///
    /// # Errors
    /// `WouldBlock`: something is left. Else the connection is over.
    fn flush(&mut self) -> io::Result<()>;

    /// Says goodbye, behind what was taken; nothing is sent afterwards. Asked again until it is `Ok`.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    fn close(&mut self) -> io::Result<()>;

    /// Whether it waits for its socket to take more: what a poll loop has to look out for, beside reading.
    fn wants_write(&self) -> bool;
}

impl<C: Connection + ?Sized> Connection for Box<C> {
    fn open(&mut self) -> io::Result<()> {
        (**self).open()
    }

    fn read(&mut self) -> io::Result<Option<BytesMut>> {
        (**self).read()
    }

    fn is_ready(&self) -> bool {
        (**self).is_ready()
    }

    fn send(&mut self, packet: Vec<u8>) -> io::Result<()> {
        (**self).send(packet)
    }

    fn flush(&mut self) -> io::Result<()> {
        (**self).flush()
    }

    fn close(&mut self) -> io::Result<()> {
        (**self).close()
    }

    fn wants_write(&self) -> bool {
        (**self).wants_write()
    }
}

/// A byte stream that can say that nothing more will be written.
pub trait ByteStream: Read + Write {
    /// Goes on with a handshake of its own (TLS). `Ok`: it is done, or there is none.
    ///
    /// # Errors
    /// `WouldBlock`: not done yet. Else the stream is of no use.
    fn open(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Ends the writing direction; reading goes on.
    ///
    /// # Errors
    /// As the system says, or `WouldBlock` if something has to be written first.
    fn finish(&mut self) -> io::Result<()>;
}

impl ByteStream for TcpStream {
    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

#[cfg(unix)]
impl ByteStream for std::os::unix::net::UnixStream {
    fn finish(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// A byte stream that remembers whether it would take more.
pub(crate) struct Watched<S> {
    pub(crate) stream: S,
    /// The last write, or flush, was not taken.
    pub(crate) blocked: bool,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S) -> Watched<S> {
        Watched { stream, blocked: false }
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        self.blocked = matches!(&result, Err(error) if crate::failure::is_blocked(error));
        result
    }
}

impl<S: Read> Read for Watched<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buf)
    }
}

impl<S: Write> Write for Watched<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(buf);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.stream.flush();
        self.note(flushed)
    }
}
