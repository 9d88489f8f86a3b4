//! Sockets that do not block, for tasks of this crate.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use rustix::event::PollFlags;
use rustix::fd::AsFd;
use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{Shutdown, shutdown};
use unbroken_carriers::prepare;
use unbroken_driver::ByteStream;

use crate::reactor::poll_io;
use crate::source::Source;

/// Read at once.
const READ: usize = 64 << 10;

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// A socket for tasks of this crate. A connected one is a byte stream: for [`Framed`](unbroken_driver::Framed),
/// [`Address::connect`](crate::Address::connect) and [`Acceptor::accept`](crate::Acceptor::accept).
#[derive(Debug)]
pub struct Socket<S = TcpStream>(Arc<Source<S>>);

impl<S: AsFd + Send + Sync + 'static> Socket<S> {
    /// `socket` (`TcpStream`, `UnixStream`, `TcpListener`), which no longer blocks.
    ///
    /// # Errors
    /// As the system says.
    pub fn new(socket: S) -> io::Result<Socket<S>> {
        ioctl_fionbio(socket.as_fd(), true)?;
        Ok(Socket(Source::new(socket)))
    }
}

impl Socket {
    /// A socket that is connected to `address`, without Nagle's delay.
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Socket> {
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Err(error) if !goes_on(&error) => return Err(error),
            _ => {}
        }
        let stream = TcpStream::from(socket);
        prepare(&stream)?;
        let socket = Source::new(stream);
        poll_fn(|cx| poll_io(&socket, PollFlags::OUT, cx, connected)).await?;
        Ok(Socket(socket))
    }
}

/// Whether the attempt to connect goes on: also after a signal (POSIX, connect).
fn goes_on(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error())
        || matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn connected(stream: &TcpStream) -> io::Result<()> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
        connected => connected.map(drop),
    }
}

impl<S> ByteStream for Socket<S>
where
    S: AsFd + Send + Sync + 'static,
    for<'a> &'a S: Read + Write,
{
    fn poll_read_slice(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        poll_io(&self.0, PollFlags::IN, cx, |mut socket| socket.read(buf))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        let room = READ.min(buf.capacity() - buf.len());
        SCRATCH.with_borrow_mut(|scratch| {
            let read = ready!(self.poll_read_slice(cx, &mut scratch[..room]))?;
            buf.extend_from_slice(&scratch[..read]);
            Poll::Ready(Ok(read))
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        poll_io(&self.0, PollFlags::OUT, cx, |mut socket| socket.write_vectored(parts))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(shutdown(self.0.io.as_fd(), Shutdown::Write).map_err(io::Error::from))
    }
}

impl Socket<TcpListener> {
    pub(crate) async fn accept(&self) -> io::Result<(Socket, Option<IpAddr>)> {
        let (stream, peer) = poll_fn(|cx| poll_io(&self.0, PollFlags::IN, cx, TcpListener::accept)).await?;
        prepare(&stream)?;
        Ok((Socket::new(stream)?, Some(peer.ip())))
    }
}
