//! The relay for UDP, of one client: as a router does, it drops what finds the buffer full.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use super::pace::Pace;
use super::way::{Chunk, Way, sleep_until};
use super::{Line, Shared};

/// The largest datagram.
const DATAGRAM: usize = 64 << 10;
/// The kernel's buffers, if it allows them: what is dropped is to be dropped before the bottleneck.
const SOCKET_BUFFER: usize = 4 << 20;
/// How often a thread that waits for datagrams looks whether the relay has stopped.
const LOOK: Duration = Duration::from_millis(50);

/// Listens on a port of loopback; says which.
pub(super) fn start(target: SocketAddr, line: Line, shared: &Arc<Shared>) -> io::Result<SocketAddr> {
    let (front, back) = (socket()?, socket()?);
    back.connect(target)?;
    let address = front.local_addr()?;
    let client = Arc::new(OnceLock::new());
    let (front, back) = (Arc::new(front), Arc::new(back));
    let (up, down) = (Arc::new(Way::default()), Arc::new(Way::default()));

    let (from, way, found, stop) = (front.clone(), up.clone(), client.clone(), shared.clone());
    spawn("relay-in", move || {
        read(&way, Pace::new(line), &stop, |buffer| {
            let (length, sender) = from.recv_from(buffer)?;
            found.get_or_init(|| sender);
            Ok(length)
        });
    })?;
    let (from, way, stop) = (back.clone(), down.clone(), shared.clone());
    spawn("relay-in", move || {
        read(&way, Pace::new(line), &stop, |buffer| from.recv(buffer));
    })?;
    spawn("relay-out", move || write(&up, |bytes| back.send(bytes)))?;
    spawn("relay-out", move || {
        write(&down, |bytes| match client.get() {
            Some(client) => front.send_to(bytes, client),
            None => Ok(0),
        });
    })?;
    Ok(address)
}

fn socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(LOOK))?;
    let options = SockRef::from(&socket);
    options.set_recv_buffer_size(SOCKET_BUFFER)?;
    options.set_send_buffer_size(SOCKET_BUFFER)?;
    Ok(socket)
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.into()).spawn(run)?;
    Ok(())
}

/// Takes datagrams until the relay stops.
fn read(way: &Way, mut pace: Pace, shared: &Shared, mut receive: impl FnMut(&mut [u8]) -> io::Result<usize>) {
    let mut buffer = vec![0; DATAGRAM];
    let most = pace.most_held();
    while !shared.stopped.load(Ordering::SeqCst) {
        // A timeout, or word that the other end's port is closed.
        let Ok(length) = receive(&mut buffer) else { continue };
        let now = Instant::now();
        if pace.room_at().is_some_and(|room| room > now) || way.held() >= most {
            shared.lost.fetch_add(1, Ordering::SeqCst);
            continue;
        }
        way.push(Chunk {
            due: pace.arrival(now, length),
            bytes: buffer[..length].to_vec(),
        });
        shared.taken.fetch_add(1, Ordering::SeqCst);
    }
    way.break_off();
}

fn write(way: &Way, mut send: impl FnMut(&[u8]) -> io::Result<usize>) {
    while let Some(chunk) = way.pop() {
        sleep_until(chunk.due);
        // What cannot be sent is lost, as on any line.
        let _ = send(&chunk.bytes);
        way.delivered(chunk.bytes.len());
    }
}
