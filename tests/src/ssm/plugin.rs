//! The client: session-manager-plugin 1.2.677.0, as it is.
//!
//! What it does not do, on purpose: acknowledge a duplicate of what it has handled, send again more than the oldest frame, or
//! send anything again when a new connection is there. Not modelled: KMS, the frames of smux (the application's bytes are
//! taken as they are, so that whoever wants smux puts its frames in), and pings.

mod receive;
mod send;

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use unbroken_proto::ssm::PayloadType;
use unbroken_proto::{Duration, Instant};

use crate::rng::Rng;
use crate::ssm::frames::{Framer, MAX_DATA};
use crate::ssm::outgoing::{Full, Outgoing};
use crate::ssm::peer::{Call, DialError, Message, Peer};
use crate::ssm::timing::{Redial, Ticker, micros};

/// How often the terminal's size is looked at.
const SIZE_POLL: Duration = Duration::from_millis(500);

/// What can be set.
#[derive(Clone, Debug)]
pub struct Options {
    /// ClientVersion.
    pub version: String,
    /// Microseconds between writing a frame and recording it, from and to.
    pub record_delay: (u64, u64),
    /// In how many of a thousand frames two threads take one number.
    pub race: u64,
    /// Whether a write while there is no connection ends what it ends in the real program. Without it such a write takes
    /// nothing, for scenarios in which only the other direction matters.
    pub write_errors: bool,
    /// In how many of a thousand starts the handler is installed too late for data that comes at once: after a handshake,
    /// and without one.
    pub ready_gap: (u64, u64),
    /// For how long it is not installed then.
    pub gap: Duration,
    /// When the user's TCP client connects, from the start of a session that forwards one port without smux.
    pub user_connects: Option<Duration>,
    /// Columns and rows of the terminal.
    pub size: (u32, u32),
    /// Frames that the outgoing buffer holds.
    pub outgoing: usize,
    /// Frames that the incoming buffer holds.
    pub incoming: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            version: "1.2.677.0".into(),
            record_delay: (50, 100),
            race: 0,
            write_errors: true,
            ready_gap: (667, 417),
            gap: Duration::from_millis(5),
            user_connects: Some(Duration::ZERO),
            size: (300, 100),
            outgoing: 10_000,
            incoming: 10_000,
        }
    }
}

/// What kind of session the agent said it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A shell, with a handshake or without.
    Shell,
    /// stdin and stdout are one byte stream.
    SshStdio,
    /// One TCP client at a time.
    Basic,
    /// Many TCP clients through smux.
    Smux,
}

/// How far the session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No first frame yet.
    Waiting,
    /// The handshake has begun.
    Handshaking,
    /// The first frame was one that starts nothing.
    Stuck,
    /// Begun; the handler is installed at some time.
    Begun,
}

/// What happened that a test may ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Duplicates of handled frames, dropped without an acknowledgement.
    pub silent_duplicates: u64,
    /// Frames at the expected number that were dropped because no handler was there.
    pub not_ready: u64,
    /// Frames sent again.
    pub resends: u64,
    /// Numbers that two frames have.
    pub shared_numbers: u64,
}

/// The client's process.
#[derive(Debug)]
pub struct Plugin {
    options: Options,
    rng: Rng,
    framer: Framer,
    redial: Redial,
    has_connection: bool,
    transmits: VecDeque<Message>,
    calls: VecDeque<Call>,
    kind: Kind,
    stage: Stage,
    begins: Option<Instant>,
    user_at: Option<Instant>,
    user_connected: bool,
    next: i64,
    outgoing: Outgoing,
    ticker: Ticker,
    resends_blocked: bool,
    sleeps_until: Instant,
    write_waits: bool,
    pump_stopped: bool,
    size_due: Option<Instant>,
    expected: i64,
    incoming: BTreeMap<i64, (PayloadType, Bytes)>,
    deaf: bool,
    delivered: Vec<u8>,
    ended: Option<String>,
    /// What happened.
    pub counts: Counts,
}

impl Plugin {
    /// A process that has its token, and dials now.
    #[must_use]
    pub fn new(now: Instant, options: Options, mut rng: Rng) -> Plugin {
        let framer = Framer::new(rng.fork());
        let (redial, ticker) = (Redial::first(now, &mut rng), Ticker::new(now, &mut rng));
        Plugin {
            outgoing: Outgoing::new(options.outgoing, Full::DiscardsOldest, options.record_delay),
            options,
            rng,
            framer,
            redial,
            has_connection: false,
            transmits: VecDeque::new(),
            calls: VecDeque::new(),
            kind: Kind::Shell,
            stage: Stage::Waiting,
            begins: None,
            user_at: None,
            user_connected: false,
            next: 0,
            ticker,
            resends_blocked: false,
            sleeps_until: now,
            write_waits: false,
            pump_stopped: false,
            size_due: None,
            expected: 0,
            incoming: BTreeMap::new(),
            deaf: false,
            delivered: Vec::new(),
            ended: None,
            counts: Counts::default(),
        }
    }

    /// What kind of session it is, as far as it knows.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The user changed the size of the terminal. It is looked at twice a second.
    pub fn resize(&mut self, now: Instant, cols: u32, rows: u32) {
        if self.options.size != (cols, rows) {
            self.options.size = (cols, rows);
            self.size_due.get_or_insert(now + SIZE_POLL);
        }
    }

    /// What it has sent and not seen acknowledged.
    #[must_use]
    pub fn outgoing(&self) -> &Outgoing {
        &self.outgoing
    }

    /// Whether all dials failed, and the process stays for nothing.
    #[must_use]
    pub fn is_zombie(&self) -> bool {
        self.redial.gave_up() && self.ended.is_none()
    }

    /// Whether a frame with a wrong HeaderLength has ended its reader.
    #[must_use]
    pub fn is_deaf(&self) -> bool {
        self.deaf
    }

    fn end(&mut self, why: impl Into<String>) {
        self.ended.get_or_insert(why.into());
    }
}

impl Peer for Plugin {
    fn wants_connection(&self) -> Option<Instant> {
        let wanted = self.redial.wanted();
        wanted.filter(|_| self.ended.is_none() && !self.has_connection)
    }

    fn connected(&mut self, _now: Instant) {
        self.redial.connected();
        self.has_connection = true;
        let open = self.framer.open_client(&self.options.version);
        self.transmits.push_back(open);
    }

    fn dial_failed(&mut self, now: Instant, error: DialError) {
        self.redial.failed(now, error, &mut self.rng);
        if error == DialError::NoSession {
            self.end("Session timed out.");
        }
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

    fn poll_call(&mut self) -> Option<Call> {
        self.calls.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.ended.is_some() {
            return None;
        }
        let resends = !self.outgoing.is_empty() && !self.resends_blocked;
        let times = [
            self.begins,
            self.user_at,
            self.size_due.filter(|_| self.has_begun()),
            resends.then(|| self.ticker.next()),
            self.write_waits.then_some(self.sleeps_until),
        ];
        times.into_iter().flatten().min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    fn write(&mut self, now: Instant, bytes: &[u8]) -> usize {
        self.advance(now);
        let waits_for_user = self.kind == Kind::Basic && !self.user_connected;
        if bytes.is_empty() || self.ended.is_some() || !self.has_begun() || waits_for_user || self.pump_stopped {
            return 0;
        }
        self.write_waits = now < self.sleeps_until;
        if self.write_waits {
            return 0;
        }
        let taken = bytes.len().min(MAX_DATA);
        if !self.send_data(now, PayloadType::Output, &bytes[..taken]) {
            self.write_failed();
            return 0;
        }
        // The program asks for 1 ms; with what it does in between that makes some 845 frames in a second.
        self.sleeps_until = now + Duration::from_millis(1) + micros(&mut self.rng, 150, 220);
        taken
    }

    fn close(&mut self, _now: Instant) {
        match self.kind {
            Kind::Shell => self.end("Cannot perform start session: EOF"),
            Kind::SshStdio | Kind::Basic | Kind::Smux => self.end("EOF"),
        }
    }

    fn read(&mut self, _now: Instant) -> Vec<u8> {
        std::mem::take(&mut self.delivered)
    }

    fn ended(&self) -> Option<String> {
        self.ended.clone()
    }
}
