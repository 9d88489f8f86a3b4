//! A relay between client and server that cuts, freezes and counts. Plain threads, so that no runtime is
//! part of the fault.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::world::Random;

/// What it does to connections.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many to reset; those behind it are left alone.
    pub cuts: u64,
    /// Each after a random number of bytes below this, both directions together.
    pub most: u64,
    /// Cut, without a goodbye, when nothing has passed for so long.
    pub idle: Option<Duration>,
    /// Where the random numbers come from.
    pub seed: u64,
}

impl Plan {
    /// Touches nothing.
    pub const CALM: Plan = Plan {
        cuts: 0,
        most: 1,
        idle: None,
        seed: 0,
    };
}

/// A relay; its threads end with their connections, and the process.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    plan: Plan,
    cuts: AtomicU64,
    chunks: AtomicU64,
    bytes: AtomicU64,
    connections: AtomicU64,
    /// Set: the connections open now forward nothing more. New ones are whole.
    frozen: Mutex<Arc<AtomicBool>>,
}

impl Relay {
    /// A relay to `server`.
    #[must_use]
    pub fn new(server: SocketAddr, plan: Plan) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").expect("because loopback has free ports");
        let address = listener.local_addr().expect("because it is bound");
        let state = Arc::new(State {
            server,
            plan,
            cuts: AtomicU64::new(0),
            chunks: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            frozen: Mutex::default(),
        });
        let relay = Relay {
            address,
            state: Arc::clone(&state),
        };
        thread::spawn(move || {
            let mut random = Random(plan.seed);
            for client in listener.incoming().flatten() {
                state.connections.fetch_add(1, Ordering::Relaxed);
                let through = match state.cuts.load(Ordering::Relaxed) < plan.cuts {
                    true => 1 + random.next() % plan.most,
                    false => u64::MAX,
                };
                let state = Arc::clone(&state);
                thread::spawn(move || state.connection(client, through));
            }
        });
        relay
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has reset.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.state.cuts.load(Ordering::Relaxed)
    }

    /// How many pieces it has forwarded.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.state.chunks.load(Ordering::Relaxed)
    }

    /// How many bytes it has forwarded, both ways.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.state.bytes.load(Ordering::Relaxed)
    }

    /// How many connections it has accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// From now on the connections that are open forward nothing, and stay open.
    pub fn freeze(&self) {
        let mut frozen = self.state.frozen.lock().unwrap_or_else(PoisonError::into_inner);
        frozen.store(true, Ordering::Relaxed);
        *frozen = Arc::default();
    }
}

impl State {
    fn connection(self: Arc<Self>, client: TcpStream, through: u64) {
        let frozen = Arc::clone(&self.frozen.lock().unwrap_or_else(PoisonError::into_inner));
        let Ok(server) = TcpStream::connect(self.server) else {
            return;
        };
        for socket in [&client, &server] {
            let _closed = (socket.set_nodelay(true), socket.set_read_timeout(self.plan.idle));
        }
        let left = Arc::new(AtomicU64::new(through));
        let line = Line {
            state: self,
            left,
            frozen,
            client,
            server,
        };
        let line = Arc::new(line);
        let back = Arc::clone(&line);
        thread::spawn(move || back.forward(&back.server, &back.client));
        line.forward(&line.client, &line.server);
    }
}

struct Line {
    state: Arc<State>,
    left: Arc<AtomicU64>,
    frozen: Arc<AtomicBool>,
    client: TcpStream,
    server: TcpStream,
}

impl Line {
    fn forward(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = [0; 8 << 10];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => {
                    let _gone = to.shutdown(Shutdown::Write);
                    return;
                }
                Ok(read) => read as u64,
                Err(_) => return self.reset(),
            };
            if self.frozen.load(Ordering::Relaxed) {
                continue;
            }
            self.state.chunks.fetch_add(1, Ordering::Relaxed);
            self.state.bytes.fetch_add(read, Ordering::Relaxed);
            let take = |left: u64| Some(left.saturating_sub(read));
            let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
            let passes = before.unwrap_or(0).min(read);
            if to.write_all(&buffer[..passes as usize]).is_err() {
                return self.reset();
            }
            if passes < read {
                self.state.cuts.fetch_add(1, Ordering::Relaxed);
                return self.reset();
            }
        }
    }

    /// Both sockets say RST: lingering for nothing forgets what has not gone out. The other direction's
    /// thread wakes from its read, and the last of the two closes.
    fn reset(&self) {
        for socket in [&self.client, &self.server] {
            let _closed = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
            let _closed = socket.shutdown(Shutdown::Read);
        }
    }
}
