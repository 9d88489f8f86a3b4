//! Where the client believes its server to be: passes its connections on to one of the nodes, as a load balancer does.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub(crate) struct Guide {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    nodes: Vec<SocketAddr>,
    /// The node that is tried first.
    first: AtomicUsize,
    /// Of the connection that is passed on now.
    sockets: Mutex<Vec<TcpStream>>,
}

impl Guide {
    pub(crate) fn new(nodes: &[SocketAddr]) -> Guide {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let shared = Arc::new(Shared {
            nodes: nodes.to_vec(),
            first: AtomicUsize::new(0),
            sockets: Mutex::default(),
        });
        let address = listener.local_addr().unwrap();
        let guided = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                guided.pass_on(client);
            }
        });
        Guide { address, shared }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks the connection; the next one goes to that node, if it is there.
    pub(crate) fn lead(&self, node: usize) {
        self.shared.first.store(node, Ordering::Relaxed);
        self.shared.cut();
    }
}

impl Shared {
    fn cut(&self) {
        for socket in self.sockets.lock().unwrap().drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn pass_on(&self, client: TcpStream) {
        let count = self.nodes.len();
        let first = self.first.load(Ordering::Relaxed);
        let found = (first..first + count).find_map(|node| {
            let node = node % count;
            let server = TcpStream::connect(self.nodes[node]).ok()?;
            self.first.store(node, Ordering::Relaxed);
            Some(server)
        });
        let Some(server) = found else { return };
        let pairs = [(&client, &server), (&server, &client)];
        for (from, to) in pairs {
            let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else {
                return;
            };
            thread::spawn(move || copy(from, to));
        }
        let mut sockets = self.sockets.lock().unwrap();
        // Those of connections that are over are shut down twice, which does nothing.
        let keep = sockets.len().saturating_sub(16);
        sockets.drain(..keep);
        sockets.extend([client, server]);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    // A node that was killed has ended both ways.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
