//! Time, from event to event.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use bytes::BytesMut;
use unbroken_proto::config::Seed;
use unbroken_proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_proto::server::{Admission, Registry, Route};
use unbroken_proto::{Carrier, ClientConfig, Epoch, Instant, ServerConfig, Session, SessionConfig};

use super::host::{Framing, Host};
use super::line::{Chunk, Line};
use super::tcp::Tcp;

/// What hosts and their line are like.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// Bytes a second, each way.
    pub rate: u64,
    /// Nanoseconds there and back.
    pub rtt: u64,
    /// Bytes that may wait before each direction.
    pub buffer: u64,
    /// What a socket holds beyond which it takes no more: of bytes not sent, or of all that are not acknowledged.
    pub socket: Socket,
    pub framing: Framing,
    /// Whether TCP's own congestion windows hold nobody up.
    pub open: bool,
}

#[derive(Clone, Copy, Debug)]
pub enum Socket {
    NotSent(u64),
    Whole(u64),
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A direction's line is through with a chunk.
    Through {
        way: usize,
    },
    /// A chunk is at the far end.
    Arrived {
        way: usize,
        flow: usize,
        bytes: u64,
    },
    /// TCP's own acknowledgement is back.
    Acknowledged {
        way: usize,
        flow: usize,
        bytes: u64,
    },
    /// A machine's deadline.
    Timer {
        flow: usize,
        end: usize,
    },
    Key {
        flow: usize,
    },
    Read {
        flow: usize,
    },
}

struct Flow {
    /// The end that sends bulk and the one that reads it; `None`: a plain byte stream.
    ends: Option<[Host; 2]>,
    /// By direction.
    tcp: [Tcp; 2],
    arrived: [u64; 2],
    /// When each end's timer is set to go off.
    timers: [u64; 2],
}

/// One line, and the flows over it.
pub struct World {
    pub now: u64,
    pub link: Link,
    lines: [Line; 2],
    flows: Vec<Flow>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    turn: usize,
    /// How long each chunk of bulk waited before the line, and when.
    pub waits: Vec<(u64, u64)>,
    /// A key is pressed so often, by the first flow's sender.
    pub keys: Option<u64>,
}

impl World {
    pub fn new(link: Link) -> World {
        let line = || Line::new(link.rate, link.rtt / 2, link.buffer);
        World {
            now: 1_000_000_000,
            link,
            lines: [line(), line()],
            flows: Vec::new(),
            events: BinaryHeap::new(),
            sequence: 0,
            turn: 0,
            waits: Vec::new(),
            keys: None,
        }
    }

    /// Adds a session whose client sends bulk, and whose server reads so many bytes of it a second; `None`: all at once.
    pub fn add_session(&mut self, config: &SessionConfig, pace: Option<u64>) {
        let mut now = self.now;
        let mut ends = sessions(&mut now, self.link.rtt / 2, config, self.flows.len() as u8)
            .map(|(session, epoch)| Host::new(session, epoch, self.link.framing));
        self.run(now - self.now);
        ends[1].pace = pace;
        ends[0].open(self.now);
        self.add(Some(ends));
        let flow = self.flows.len() - 1;
        if pace.is_some() {
            self.plan(self.now, Event::Read { flow });
        }
        if let Some(every) = self.keys.filter(|_| flow == 0) {
            self.plan(self.now + every, Event::Key { flow });
        }
        self.serve(flow, 0);
    }

    /// Adds a plain byte stream that always has something to send.
    pub fn add_plain(&mut self) {
        self.add(None);
        let flow = self.flows.len() - 1;
        self.flows[flow].tcp[0].unsent = u64::MAX / 2;
        self.pump(flow, 0);
    }

    fn add(&mut self, ends: Option<[Host; 2]>) {
        self.flows.push(Flow {
            ends,
            tcp: [self.link.open, self.link.open].map(Tcp::new),
            arrived: [0; 2],
            timers: [u64::MAX; 2],
        });
    }

    pub fn host(&self, flow: usize, end: usize) -> &Host {
        self.flows[flow]
            .ends
            .as_ref()
            .map(|ends| &ends[end])
            .expect("because it is a session")
    }

    /// Payload that came through.
    pub fn carried(&self, flow: usize) -> u64 {
        match &self.flows[flow].ends {
            Some([_, reader]) => reader.read,
            None => self.flows[flow].arrived[0],
        }
    }

    /// The line is so from now on.
    pub fn change(&mut self, rate: u64, rtt: u64) {
        (self.link.rate, self.link.rtt) = (rate, rtt);
        for line in &mut self.lines {
            (line.rate, line.delay) = (rate, rtt / 2);
        }
    }

    /// Moves on for so long.
    pub fn run(&mut self, time: u64) {
        let until = self.now + time;
        while let Some(Reverse((at, ..))) = self.events.peek()
            && *at <= until
        {
            let Some(Reverse((at, _, event))) = self.events.pop() else {
                break;
            };
            self.now = at;
            self.handle(event);
        }
        self.now = until;
    }

    fn plan(&mut self, at: u64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence, event)));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Through { way } => self.through(way),
            Event::Arrived { way, flow, bytes } => self.arrived(way, flow, bytes),
            Event::Acknowledged { way, flow, bytes } => {
                self.flows[flow].tcp[way].acknowledged(self.now, bytes);
                self.pump(flow, way);
                self.serve(flow, way);
            }
            Event::Timer { flow, end } => {
                let now = self.now;
                let Flow { ends, timers, .. } = &mut self.flows[flow];
                // One that was set anew goes off later.
                if let Some(ends) = ends.as_mut().filter(|_| timers[end] == now) {
                    timers[end] = u64::MAX;
                    ends[end].session.handle_timeout(Instant::from_nanos(now));
                    self.serve(flow, end);
                }
            }
            Event::Key { flow } => {
                let now = self.now;
                if let Some(ends) = &mut self.flows[flow].ends {
                    ends[0].press(now);
                }
                // An interval that has nothing to do with the line's.
                let every = self.keys.unwrap_or(u64::MAX / 2);
                self.plan(
                    now + every - every / 7 + (now / 1_000) % (every / 3).max(1),
                    Event::Key { flow },
                );
                self.serve(flow, 0);
            }
            Event::Read { flow } => {
                const EVERY: u64 = 50_000_000;
                let now = self.now;
                if let Some([_, reader]) = &mut self.flows[flow].ends {
                    let most = reader.pace.unwrap_or(0) * EVERY / 1_000_000_000;
                    reader.read(now, most);
                }
                self.plan(now + EVERY, Event::Read { flow });
                self.serve(flow, 1);
            }
        }
    }

    fn through(&mut self, way: usize) {
        if let Some(chunk) = self.lines[way].finish() {
            let (flow, bytes) = (chunk.flow, chunk.bytes);
            self.plan(self.now + self.lines[way].delay, Event::Arrived { way, flow, bytes });
        }
        self.begin(way);
        // Nobody is always the first to find room.
        let count = self.flows.len();
        self.turn = (self.turn + 1) % count;
        for nth in 0..count {
            self.pump((nth + self.turn) % count, way);
        }
    }

    fn begin(&mut self, way: usize) {
        if let Some((takes, waited)) = self.lines[way].begin(self.now) {
            if way == 0 {
                self.waits.push((self.now, waited));
            }
            self.plan(self.now + takes, Event::Through { way });
        }
    }

    fn arrived(&mut self, way: usize, flow: usize, bytes: u64) {
        let back = self.now + self.lines[1 - way].delay;
        self.plan(back, Event::Acknowledged { way, flow, bytes });
        let now = self.now;
        let Flow { ends, arrived, .. } = &mut self.flows[flow];
        arrived[way] += bytes;
        let Some(ends) = ends else { return };
        let [sender, reader] = ends;
        let (from, to) = if way == 0 { (sender, reader) } else { (reader, sender) };
        let mut heard = false;
        while from.sent.front().is_some_and(|(end, _)| *end <= arrived[way]) {
            let Some((_, packet)) = from.sent.pop_front() else {
                break;
            };
            to.hear(now, &packet);
            if to.pace.is_none() {
                to.read(now, u64::MAX);
            }
            heard = true;
        }
        if heard {
            self.serve(flow, 1 - way);
        }
    }

    /// A host does what there is to do: the application writes, packets go to the socket, the timer is set.
    fn serve(&mut self, flow: usize, end: usize) {
        let now = self.now;
        let socket = self.link.socket;
        let Flow { ends, tcp, timers, .. } = &mut self.flows[flow];
        let Some(ends) = ends else { return };
        let host = &mut ends[end];
        host.fill(now);
        loop {
            let tcp = &mut tcp[end];
            let room = match socket {
                Socket::NotSent(most) => tcp.unsent < most,
                Socket::Whole(most) => tcp.unsent + tcp.in_flight < most,
            };
            let Some(bytes) = room.then(|| host.pack(now)).flatten() else {
                break;
            };
            tcp.unsent += bytes;
            host.fill(now);
        }
        let deadline = host.session.poll_timeout().map_or(u64::MAX, Instant::as_nanos).max(now);
        let moved = deadline < timers[end];
        if moved {
            timers[end] = deadline;
            self.plan(deadline, Event::Timer { flow, end });
        }
        self.pump(flow, end);
    }

    /// TCP sends what it may.
    fn pump(&mut self, flow: usize, way: usize) {
        let now = self.now;
        // About a quarter of a millisecond of the line.
        let chunk = (self.link.rate / 4_000).clamp(1_448, 16_384);
        loop {
            let tcp = &mut self.flows[flow].tcp[way];
            let bytes = tcp.ready(chunk);
            if bytes == 0 {
                break;
            }
            if !self.lines[way].has_room(bytes) {
                tcp.full(now, self.link.rtt);
                break;
            }
            tcp.sent(bytes);
            self.lines[way].enter(Chunk {
                flow,
                bytes,
                entered: now,
            });
            self.begin(way);
        }
    }
}

/// Both ends of a session that is attached.
fn sessions(at: &mut u64, leg: u64, config: &SessionConfig, seed: u8) -> [(Session, Epoch); 2] {
    let mut now = Instant::from_nanos(*at);
    let mut pass = || {
        *at += leg;
        Instant::from_nanos(*at)
    };
    let secret = SharedSecret::from_key(b"line", [7; 32]).expect("because the hint is short");
    let server = ServerConfig::new(ServerAuth::secrets(vec![secret.clone()])).with_session(config.clone());
    let client = ClientConfig::new(Auth::secret(secret)).with_session(config.clone());
    let mut registry = Registry::new(server, Seed([seed; 32]), now).expect("because the limits are valid");
    let mut client = Session::connect(client, Seed([seed ^ 0xff; 32]), now).expect("because the limits are valid");
    let epoch = client
        .attach(now, Carrier::ordered())
        .expect("because a connection is wanted");
    let mut packet = Vec::new();
    client.poll_transmit(now, epoch, &mut packet);
    now = pass();
    let connection = registry.connection_accepted(now, Carrier::ordered());
    let Route::Handshake(mut incoming) = registry.first_packet(now, connection, BytesMut::from(&packet[..])) else {
        panic!("a stranger begins with a handshake");
    };
    packet.clear();
    incoming.poll_transmit(&mut packet);
    now = pass();
    client
        .handle_input(now, epoch, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    packet.clear();
    client.poll_transmit(now, epoch, &mut packet);
    now = pass();
    incoming
        .handle_input(now, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    let Admission::New {
        mut session,
        epoch: theirs,
    } = registry.admit(now, incoming)
    else {
        panic!("there is room");
    };
    packet.clear();
    session.poll_transmit(now, theirs, &mut packet);
    now = pass();
    client
        .handle_input(now, epoch, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    [(client, epoch), (session, theirs)]
}
