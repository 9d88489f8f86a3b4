//! The loop, and what it drives.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use unbroken_carriers::Acceptor;
use unbroken_proto::event::Ended;
use unbroken_proto::{Carrier, Event, Instant, Session, SessionId};
use unbroken_tungstenite::{Connection, Next, StepServer, Stepper, Wire, uptime};

use super::admit;
use crate::adapter::Pick;
use crate::blocking::address;

/// What a loop drives.
pub(super) trait Host: Send + 'static {
    /// Everything that can be done now.
    fn turn(&mut self, now: Instant) -> Next;
    /// Whose readiness matters; true: for writing, too.
    fn sockets(&self) -> Vec<(BorrowedFd<'_>, bool)>;
    /// One of its sessions, and what was heard of it.
    fn session(&mut self, id: SessionId) -> Option<(&mut Session, &mut Heard)>;
    /// Nothing is left to do.
    fn is_over(&self) -> bool;
    fn connect_error(&self) -> Option<String>;
}

/// What a session's events said.
#[derive(Default)]
pub(super) struct Heard {
    pub(super) established: Option<SessionId>,
    pub(super) ended: Option<Arc<Ended>>,
    pub(super) events: Vec<Event>,
}

impl Heard {
    fn listen(&mut self, session: &mut Session) {
        while let Some(event) = session.poll_event() {
            match &event {
                Event::Established { id } => self.established = Some(*id),
                Event::Ended(ended) => self.ended = Some(Arc::new(ended.clone())),
                _ => {}
            }
            self.events.push(event);
        }
    }
}

/// A host on a thread that polls, and a bell for those who change something.
pub(super) struct Loop<H> {
    host: Mutex<H>,
    bell: UnixStream,
}

impl<H: Host> Loop<H> {
    pub(super) fn start(host: H) -> Arc<Loop<H>> {
        let (bell, rung) = UnixStream::pair().expect("because there are sockets");
        rung.set_nonblocking(true).expect("because it is a socket");
        bell.set_nonblocking(true).expect("because it is a socket");
        let home = Arc::new(Loop {
            host: Mutex::new(host),
            bell,
        });
        let theirs = Arc::clone(&home);
        thread::spawn(move || {
            loop {
                let mut host = theirs.host.lock().unwrap_or_else(PoisonError::into_inner);
                let now = uptime();
                let next = host.turn(now);
                if host.is_over() && Arc::strong_count(&theirs) == 1 {
                    return;
                }
                // Descriptors of their own: the host is free while this thread waits.
                let sockets: Vec<_> = host
                    .sockets()
                    .into_iter()
                    .filter_map(|(socket, writing)| Some((socket.try_clone_to_owned().ok()?, writing)))
                    .collect();
                drop(host);
                wait(&rung, &sockets, next.wait(now));
            }
        });
        home
    }

    /// Looks at the host, or changes it; its loop sees to what follows.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut H) -> T) -> T {
        let result = change(&mut self.host.lock().unwrap_or_else(PoisonError::into_inner));
        let _rung = (&self.bell).write(&[1]);
        result
    }
}

fn wait(rung: &UnixStream, sockets: &[(impl AsFd, bool)], limit: Option<std::time::Duration>) {
    let mut wanted = vec![PollFd::new(rung, PollFlags::IN)];
    for (socket, writing) in sockets {
        let out = if *writing { PollFlags::OUT } else { PollFlags::empty() };
        wanted.push(PollFd::new(socket, PollFlags::IN | out));
    }
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    poll(&mut wanted, limit.as_ref()).expect("because these are sockets");
    let mut strokes = [0; 64];
    while matches!((&*rung).read(&mut strokes), Ok(1..)) {}
}

/// A dialling session.
pub(super) struct Client {
    stepper: Stepper<Wire>,
    pick: Pick,
    heard: Heard,
    connect_error: Option<String>,
}

impl Client {
    pub(super) fn new(stepper: Stepper<Wire>, pick: Pick) -> Client {
        Client {
            stepper,
            pick,
            heard: Heard::default(),
            connect_error: None,
        }
    }
}

impl Host for Client {
    fn turn(&mut self, now: Instant) -> Next {
        while let Some(intent) = self.stepper.poll_intent(now) {
            if !intent.is_dial() {
                continue;
            }
            // Loopback answers a dial at once; the rest of it goes on in steps.
            let dialled = address(&(self.pick)(&intent)).dial(&intent);
            match dialled.and_then(|wire| wire.set_blocking(false).map(|()| wire)) {
                Ok(wire) => self.stepper.dialled(intent.attempt, wire.described(), wire),
                Err(error) => {
                    self.connect_error = Some(error.to_string());
                    self.stepper.dial_failed(now, intent.attempt, &error);
                }
            }
        }
        let next = self.stepper.step(now);
        self.heard.listen(self.stepper.session_mut());
        next
    }

    fn sockets(&self) -> Vec<(BorrowedFd<'_>, bool)> {
        let wires = self.stepper.connections();
        wires.map(|wire| (wire.as_fd(), wire.wants_write())).collect()
    }

    fn session(&mut self, _only_one: SessionId) -> Option<(&mut Session, &mut Heard)> {
        Some((self.stepper.session_mut(), &mut self.heard))
    }

    fn is_over(&self) -> bool {
        self.stepper.is_over()
    }

    fn connect_error(&self) -> Option<String> {
        self.connect_error.clone()
    }
}

/// A listening service.
pub(super) struct House {
    pub(super) server: StepServer<Wire>,
    pub(super) listeners: Vec<(TcpListener, Acceptor)>,
    pub(super) established: VecDeque<SessionId>,
    heard: HashMap<SessionId, Heard>,
}

impl House {
    pub(super) fn new(server: StepServer<Wire>) -> House {
        House {
            server,
            listeners: Vec::new(),
            established: VecDeque::new(),
            heard: HashMap::new(),
        }
    }
}

impl Host for House {
    fn turn(&mut self, now: Instant) -> Next {
        for (listener, acceptor) in &self.listeners {
            while let Ok((stream, _)) = listener.accept() {
                if let Ok(wire) = admit(stream, acceptor) {
                    self.server.accept(now, Carrier::ordered(), wire);
                }
            }
        }
        let next = self.server.step(now);
        while let Some((id, _)) = self.server.poll_established() {
            self.established.push_back(id);
            self.heard.insert(id, Heard::default());
        }
        for (id, heard) in &mut self.heard {
            if let Some(session) = self.server.session_mut(*id) {
                heard.listen(session);
            }
        }
        next
    }

    fn sockets(&self) -> Vec<(BorrowedFd<'_>, bool)> {
        let wires = self.server.connections();
        let wires = wires.map(|wire| (wire.as_fd(), wire.wants_write()));
        let listeners = self.listeners.iter().map(|(listener, _)| (listener.as_fd(), false));
        wires.chain(listeners).collect()
    }

    fn session(&mut self, id: SessionId) -> Option<(&mut Session, &mut Heard)> {
        Some((self.server.session_mut(id)?, self.heard.get_mut(&id)?))
    }

    fn is_over(&self) -> bool {
        self.heard.values().all(|heard| heard.ended.is_some()) && self.server.connections().next().is_none()
    }

    fn connect_error(&self) -> Option<String> {
        None
    }
}
