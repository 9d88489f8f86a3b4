//! One listener, on a thread of its own.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use unbroken_proto::Carrier;

use super::house::House;
use crate::bell::Bell;
use crate::wire::Wire;

/// How long accepting rests when the system refuses (out of file handles, or of threads).
const REST: Duration = Duration::from_millis(50);

/// Makes a connection of an accepted socket.
pub(super) type Acceptor = Arc<dyn Fn(TcpStream) -> io::Result<Wire> + Send + Sync>;

/// Stops, and closes the socket, when it is dropped.
pub(super) struct Listener {
    control: Arc<Control>,
    thread: Option<JoinHandle<()>>,
}

struct Control {
    bell: Bell,
    over: AtomicBool,
}

impl Listener {
    pub(super) fn start(house: Arc<House>, listener: TcpListener, acceptor: Acceptor) -> io::Result<Listener> {
        listener.set_nonblocking(true)?;
        let control = Arc::new(Control {
            bell: Bell::new()?,
            over: AtomicBool::new(false),
        });
        let theirs = Arc::clone(&control);
        let thread = thread::Builder::new().name("unbroken listener".into()).spawn(move || {
            while !theirs.over.load(Ordering::Acquire) {
                match listener.accept() {
                    Ok((stream, peer)) => {
                        let carrier = Carrier::ordered().from_peer(house.peer_key(peer.ip()));
                        let served = acceptor(stream)
                            .map(|wire| wire.carrier(carrier))
                            .and_then(|wire| Arc::clone(&house).serve(wire));
                        if served.is_err() {
                            thread::sleep(REST);
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        let _later = theirs.bell.wait(&[(&listener, false)], None);
                    }
                    Err(_) => thread::sleep(REST),
                }
            }
        })?;
        Ok(Listener {
            control,
            thread: Some(thread),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.control.over.store(true, Ordering::Release);
        self.control.bell.ring();
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
