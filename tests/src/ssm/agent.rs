//! The end on the instance: the session worker of amazon-ssm-agent 3.3.1142.0, as it is.
//!
//! Not modelled: KMS, the frames of smux, pings and the deadline for their pongs, and errors of the application that takes
//! the input.

mod receive;
mod send;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use unbroken_proto::ssm::PayloadType;
use unbroken_proto::{Duration, Instant};

use crate::rng::Rng;
use crate::ssm::frames::Framer;
use crate::ssm::outgoing::{Full, Outgoing};
use crate::ssm::peer::{DialError, Message, Peer};
use crate::ssm::timing::{Redial, Ticker, newer_than};

/// The session that the document asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A shell in a terminal: no handshake.
    Shell,
    /// A shell that shakes hands, as those do whose sessions are encrypted; here without the encryption.
    ShellWithHandshake,
    /// A command without a terminal.
    NonInteractive,
    /// One TCP connection, to the stdin and stdout of the client.
    SshStdio,
    /// A forwarded port: with smux if the client is new enough.
    Forwarding,
}

impl Kind {
    fn has_terminal(self) -> bool {
        matches!(self, Kind::Shell | Kind::ShellWithHandshake)
    }

    fn is_port(self) -> bool {
        matches!(self, Kind::SshStdio | Kind::Forwarding)
    }
}

/// What can be set.
#[derive(Clone, Debug)]
pub struct Options {
    /// AgentVersion. Before 3.2.1041.0 duplicates of what was handled are not acknowledged.
    pub version: String,
    /// The session.
    pub kind: Kind,
    /// Microseconds between writing a frame and recording it, from and to.
    pub record_delay: (u64, u64),
    /// How long a terminal is not read at first.
    pub first_read: Duration,
    /// Whether it sleeps 1 ms after each frame of data.
    pub paced: bool,
    /// Sends this much data right behind the handshake request, which no real agent does.
    pub early_data: Option<Bytes>,
    /// Frames that the outgoing buffer holds.
    pub outgoing: usize,
    /// Frames that the incoming buffer holds.
    pub incoming: usize,
}

impl Options {
    /// A current agent.
    #[must_use]
    pub fn new(kind: Kind) -> Options {
        Options {
            version: "3.3.1142.0".into(),
            kind,
            record_delay: (50, 100),
            first_read: Duration::from_secs(1),
            paced: true,
            early_data: None,
            outgoing: 100_000,
            incoming: 100_000,
        }
    }
}

/// How far the session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Never connected yet.
    New,
    /// Waits for the response until then.
    Handshaking(Instant),
    /// The program on the instance runs.
    Running,
    /// The program has exited, and what it said may leave until then.
    Draining(Instant),
}

/// What happened that a test may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames acknowledged and thrown away because the handshake was not complete.
    pub thrown_away: u64,
    /// Duplicates of handled frames.
    pub duplicates: u64,
    /// Frames sent again.
    pub resends: u64,
    /// Sizes received.
    pub sizes: u64,
    /// How often publication was paused.
    pub pauses: u64,
}

/// The agent's process.
#[derive(Debug)]
pub struct Agent {
    options: Options,
    rng: Rng,
    framer: Framer,
    redial: Redial,
    has_connection: bool,
    transmits: VecDeque<Message>,
    stage: Stage,
    began: Instant,
    smux: bool,
    /// Ends an idle session of smux: it expects keep-alives from an old client.
    idle_since: Option<Instant>,
    paused: bool,
    /// A read that was under way when the pause came.
    read_under_way: bool,
    next: i64,
    outgoing: Outgoing,
    ticker: Ticker,
    reads_from: Instant,
    write_waits: bool,
    /// The beginning of a character whose rest was not there yet.
    held: Vec<u8>,
    expected: i64,
    incoming: BTreeMap<i64, (PayloadType, Bytes)>,
    deaf: bool,
    delivered: Vec<u8>,
    ended: Option<String>,
    /// What happened.
    pub counts: Counts,
}

impl Agent {
    /// A worker that dials now.
    #[must_use]
    pub fn new(now: Instant, options: Options, mut rng: Rng) -> Agent {
        let framer = Framer::new(rng.fork());
        let (redial, ticker) = (Redial::first(now, &mut rng), Ticker::new(now, &mut rng));
        Agent {
            outgoing: Outgoing::new(options.outgoing, Full::DoesNotStore, options.record_delay),
            options,
            rng,
            framer,
            redial,
            has_connection: false,
            transmits: VecDeque::new(),
            stage: Stage::New,
            began: now,
            smux: false,
            idle_since: None,
            paused: false,
            read_under_way: false,
            next: 0,
            ticker,
            reads_from: now,
            write_waits: false,
            held: Vec::new(),
            expected: 0,
            incoming: BTreeMap::new(),
            deaf: false,
            delivered: Vec::new(),
            ended: None,
            counts: Counts::default(),
        }
    }

    /// Whether the session uses smux.
    #[must_use]
    pub fn is_smux(&self) -> bool {
        self.smux
    }

    /// Whether publication is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// What it has sent and not seen acknowledged.
    #[must_use]
    pub fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    /// Whether all dials failed. The worker lives on, and stores what the program says.
    #[must_use]
    pub fn is_zombie(&self) -> bool {
        self.redial.gave_up() && self.ended.is_none()
    }

    fn acknowledges_duplicates(&self) -> bool {
        newer_than(&self.options.version, [3, 2, 1040, u32::MAX])
    }

    fn end(&mut self, why: impl Into<String>) {
        self.ended.get_or_insert(why.into());
    }
}

impl Peer for Agent {
    fn wants_connection(&self) -> Option<Instant> {
        let wanted = self.redial.wanted();
        wanted.filter(|_| self.ended.is_none() && !self.has_connection)
    }

    fn connected(&mut self, now: Instant) {
        self.redial.connected();
        self.has_connection = true;
        self.paused = false;
        let open = self.framer.open_agent("i-0123456789abcdef0");
        self.transmits.push_back(open);
        if self.stage == Stage::New {
            self.start(now);
        }
    }

    fn dial_failed(&mut self, now: Instant, error: DialError) {
        self.redial.failed(now, error, &mut self.rng);
    }

    fn disconnected(&mut self, now: Instant) {
        self.has_connection = false;
        self.transmits.clear();
        // A goroutine that reads no more notices nothing either.
        if !self.deaf {
            self.redial = Redial::lost(now, &mut self.rng);
        }
    }

    fn handle_input(&mut self, now: Instant, message: Message) {
        self.advance(now);
        if self.ended.is_none() && !self.deaf {
            self.receive(now, message.bytes());
            self.advance(now);
        }
    }

    fn poll_transmit(&mut self, _now: Instant) -> Option<Message> {
        self.transmits.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.ended.is_some() {
            return None;
        }
        let stage = match self.stage {
            Stage::New | Stage::Running => None,
            Stage::Handshaking(until) | Stage::Draining(until) => Some(until),
        };
        let resends = !self.outgoing.is_empty() && !self.paused;
        let times = [
            stage,
            self.idle_until(),
            resends.then(|| self.ticker.next()),
            self.write_waits.then_some(self.reads_from),
        ];
        times.into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    fn write(&mut self, now: Instant, bytes: &[u8]) -> usize {
        self.advance(now);
        let reads = !self.paused || self.read_under_way;
        if bytes.is_empty() || self.ended.is_some() || self.stage != Stage::Running || !reads {
            return 0;
        }
        self.write_waits = now < self.reads_from;
        if self.write_waits {
            return 0;
        }
        self.read_under_way = false;
        self.read_application(now, bytes)
    }

    fn close(&mut self, now: Instant) {
        self.advance(now);
        if matches!(self.stage, Stage::Running | Stage::Handshaking(_)) {
            self.flush(now);
            self.stage = Stage::Draining(now + Duration::from_secs(2));
            self.advance(now);
        }
    }

    fn read(&mut self, _now: Instant) -> Vec<u8> {
        std::mem::take(&mut self.delivered)
    }

    fn ended(&self) -> Option<String> {
        self.ended.clone()
    }
}
