//! A relay that delays and paces: a line of a given round trip and rate, with a buffer before its bottleneck.
//!
//! It works in threads with blocking sockets, because tokio's timer is coarser than what is to be paced.

mod datagrams;
mod pace;
mod pump;
#[cfg(test)]
mod tests;
mod way;

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// Of the relay's sockets, the kernel's buffers each way, as a line has none of its own. The kernel may double it.
const SOCKET_BUFFER: usize = 64 << 10;

/// What a line does to each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Every byte is delayed by half of it.
    pub(crate) rtt: Duration,
    /// Bits a second; none: as fast as the machine goes.
    pub(crate) rate: Option<NonZeroU64>,
    /// Bytes that wait before the bottleneck at most; without a rate, that the relay holds at most.
    pub(crate) buffer: usize,
}

/// A running relay. Dropping it resets what goes through it.
#[derive(Debug)]
pub(crate) struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Whether a thread waits for connections.
    accepts: bool,
}

#[derive(Debug, Default)]
struct Shared {
    stopped: AtomicBool,
    sockets: Mutex<Vec<TcpStream>>,
    /// Datagrams that went on.
    taken: AtomicU64,
    /// Datagrams that found the buffer full.
    lost: AtomicU64,
}

impl Relay {
    /// Listens on a port of loopback and connects what arrives to `target`.
    pub(crate) fn start(target: SocketAddr, line: Line) -> io::Result<Relay> {
        let listener = small(target)?;
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        listener.listen(16)?;
        let listener = TcpListener::from(listener);
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let accepting = Arc::clone(&shared);
        thread::Builder::new()
            .name("relay".into())
            .spawn(move || accept(&listener, target, line, &accepting))?;
        Ok(Relay {
            address,
            shared,
            accepts: true,
        })
    }

    /// Carries the datagrams of one client to `target`, and what comes back. Those that find the buffer full are lost.
    pub(crate) fn start_datagrams(target: SocketAddr, line: Line) -> io::Result<Relay> {
        let shared = Arc::new(Shared::default());
        let address = datagrams::start(target, line, &shared)?;
        Ok(Relay {
            address,
            shared,
            accepts: false,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        let sockets = std::mem::take(&mut *self.shared.sockets.lock().unwrap_or_else(PoisonError::into_inner));
        for socket in sockets {
            // What has closed by itself needs no shutdown.
            let _ = socket.shutdown(Shutdown::Both);
        }
        if self.accepts {
            // Wakes the thread; if that fails there is none to wake.
            let _ = TcpStream::connect(self.address);
        }
    }
}

/// A socket with small buffers.
fn small(like: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(like), Type::STREAM, None)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    Ok(socket)
}

fn accept(listener: &TcpListener, target: SocketAddr, line: Line, shared: &Shared) {
    while let Ok((near, _)) = listener.accept() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        if let Err(error) = join(near, target, line, shared) {
            eprintln!("relay: {error}");
        }
    }
}

/// Connects an accepted socket on, and pumps both ways.
fn join(near: TcpStream, target: SocketAddr, line: Line, shared: &Shared) -> io::Result<()> {
    let far = small(target)?;
    far.connect(&target.into())?;
    let far = TcpStream::from(far);
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let mut sockets = shared.sockets.lock().unwrap_or_else(PoisonError::into_inner);
    if shared.stopped.load(Ordering::SeqCst) {
        return Ok(());
    }
    sockets.extend([near.try_clone()?, far.try_clone()?]);
    drop(sockets);
    pump::start(near.try_clone()?, far.try_clone()?, line)?;
    pump::start(far, near, line)
}
