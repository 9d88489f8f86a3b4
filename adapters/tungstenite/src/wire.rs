//! A connection and the socket under it, for threads that wait.

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

use bytes::BytesMut;
use rustix::fd::{AsFd, BorrowedFd};
use unbroken_proto::{Carrier, Duration, Instant};

use crate::clock::uptime;
use crate::connection::{ByteStream, Connection};
use crate::failure::is_blocked;

/// What waiting threads need of a socket.
pub trait Socket: AsFd + Send + Sync {
    /// Whether calls wait.
    ///
    /// # Errors
    /// As the system says.
    fn set_blocking(&self, blocking: bool) -> io::Result<()>;

    /// How long a read or write may wait; `None`: for ever.
    ///
    /// # Errors
    /// As the system says.
    fn set_patience(&self, patience: Option<Duration>) -> io::Result<()>;

    /// Ends both directions; whoever waits for it wakes.
    fn cut(&self);
}

macro_rules! socket {
    ($socket:ty) => {
        impl Socket for $socket {
            fn set_blocking(&self, blocking: bool) -> io::Result<()> {
                self.set_nonblocking(!blocking)
            }

            fn set_patience(&self, patience: Option<Duration>) -> io::Result<()> {
                self.set_read_timeout(patience)?;
                self.set_write_timeout(patience)
            }

            fn cut(&self) {
                let _gone = self.shutdown(Shutdown::Both);
            }
        }
    };
}

socket!(TcpStream);
#[cfg(unix)]
socket!(std::os::unix::net::UnixStream);

/// A socket that several may hold.
pub struct SharedSocket<S>(Arc<S>);

impl<S> SharedSocket<S> {
    /// Shares `socket`.
    pub fn new(socket: S) -> SharedSocket<S> {
        SharedSocket(Arc::new(socket))
    }
}

impl<S> Clone for SharedSocket<S> {
    fn clone(&self) -> SharedSocket<S> {
        SharedSocket(Arc::clone(&self.0))
    }
}

impl<S> Read for SharedSocket<S>
where
    for<'a> &'a S: Read,
{
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buf)
    }
}

impl<S> Write for SharedSocket<S>
where
    for<'a> &'a S: Write,
{
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self.0).write(buf)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self.0).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.0).flush()
    }
}

impl ByteStream for SharedSocket<TcpStream> {
    fn finish(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

#[cfg(unix)]
impl ByteStream for SharedSocket<std::os::unix::net::UnixStream> {
    fn finish(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

/// A connection with the socket that a thread waits for: what a connector of one's own returns, and what
/// [`Server::serve`](crate::Server::serve) takes.
pub struct Wire {
    connection: Box<dyn Connection + Send>,
    socket: Arc<dyn Socket>,
    carrier: Carrier,
}

impl Wire {
    /// `make` builds the connection out of the socket: `Framed::new`, say.
    ///
    /// # Errors
    /// As `make`.
    pub fn new<S, C>(socket: S, make: impl FnOnce(SharedSocket<S>) -> io::Result<C>) -> io::Result<Wire>
    where
        S: Socket + 'static,
        C: Connection + Send + 'static,
    {
        let shared = SharedSocket::new(socket);
        let socket: Arc<dyn Socket> = shared.0.clone();
        Ok(Wire {
            connection: Box::new(make(shared)?),
            socket,
            carrier: Carrier::ordered(),
        })
    }

    /// Says more about the carrier: that its other end is known, or where it comes from.
    #[must_use]
    pub fn carrier(self, carrier: Carrier) -> Wire {
        Wire { carrier, ..self }
    }

    /// Whether its socket's calls wait. To be switched off for a [`Stepper`](crate::Stepper).
    ///
    /// # Errors
    /// As the system says.
    pub fn set_blocking(&self, blocking: bool) -> io::Result<()> {
        self.socket.set_blocking(blocking)
    }

    /// The carrier, as far as it was described.
    #[must_use]
    pub fn described(&self) -> Carrier {
        self.carrier
    }

    pub(crate) fn socket(&self) -> &Arc<dyn Socket> {
        &self.socket
    }

    /// The carrier's own handshake to its end, waiting no longer than `deadline`; then the socket does not block.
    pub(crate) fn up(mut self, deadline: Instant) -> io::Result<Wire> {
        self.socket.set_blocking(true)?;
        loop {
            let left = deadline.saturating_since(uptime());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.socket.set_patience(Some(left))?;
            match self.connection.open() {
                Ok(()) => break,
                Err(error) if is_blocked(&error) => {}
                Err(error) => return Err(error),
            }
        }
        self.socket.set_blocking(false)?;
        Ok(self)
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Connection for Wire {
    fn open(&mut self) -> io::Result<()> {
        self.connection.open()
    }

    fn read(&mut self) -> io::Result<Option<BytesMut>> {
        self.connection.read()
    }

    fn is_ready(&self) -> bool {
        self.connection.is_ready()
    }

    fn send(&mut self, packet: Vec<u8>) -> io::Result<()> {
        self.connection.send(packet)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.connection.flush()
    }

    fn close(&mut self) -> io::Result<()> {
        self.connection.close()
    }

    fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }
}
