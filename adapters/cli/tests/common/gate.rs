//! A way to a server that a test closes and opens.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::{io, thread};

pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    closed: Arc<AtomicBool>,
    passing: Arc<Mutex<Vec<TcpStream>>>,
}

impl Gate {
    pub(crate) fn new(server: SocketAddr) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let gate = Gate {
            address: listener.local_addr().unwrap(),
            closed: Arc::default(),
            passing: Arc::default(),
        };
        let (closed, passing) = (Arc::clone(&gate.closed), Arc::clone(&gate.passing));
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let mut passing = passing.lock().unwrap();
                if closed.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(server) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    from.set_nodelay(true).unwrap();
                    thread::spawn(move || {
                        let _cut = io::copy(&mut from, &mut to);
                        let _cut = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
                    });
                }
                passing.extend([near, far]);
            }
        });
        gate
    }

    /// Cuts every connection; others come through.
    pub(crate) fn cut(&self) {
        for socket in self.passing.lock().unwrap().drain(..) {
            let _cut_already = socket.shutdown(Shutdown::Both);
        }
    }

    /// Cuts every connection, and nobody comes through any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub(crate) fn open(&self) {
        self.closed.store(false, Ordering::SeqCst);
    }
}
