//! What every actor of the simulation shares: time, chance, network, counters.

use std::collections::{BTreeMap, VecDeque};

use unbroken_proto::time::Instant;

use super::fault::Fault;
use super::framer::Framer;
use super::moments::Moment;
use super::net::{ConnId, Happening, Net, Peer, Way};
use super::options::Options;
use crate::model::{Circumstances, Ledger, Truth};
use crate::rng::Rng;
use crate::tally::{Tally, Trace};
use unbroken_proto::event::EndReason;

/// See the module.
#[derive(Debug)]
pub struct Env {
    /// Nanoseconds since the beginning.
    pub now: u64,
    /// Where all choices come from.
    pub rng: Rng,
    /// The schedule's options.
    pub options: Options,
    /// Connections and the agenda.
    pub net: Net,
    /// What happened.
    pub tally: Tally,
    /// In which order.
    pub trace: Trace,
    /// No more faults: everything must arrive now.
    pub healed: bool,
    /// What sessions really are.
    pub truth: Truth,
    /// Moments at which a strike would hurt, since the last look.
    pub moments: Vec<Moment>,
    /// First packets the attacker has seen.
    pub recorded: Vec<Vec<u8>>,
    /// What the next dials meet.
    pub dials: VecDeque<Fault>,
    /// The next connection is cut young.
    pub cut_young: bool,
    /// The next first packet is overtaken by a copy.
    pub race: bool,
    /// What the accepting host answers the next clients.
    pub refusals: VecDeque<Fault>,
    /// The clocks that jumped.
    pub clocks: BTreeMap<Clock, Skew>,
    /// Whose clock is read now.
    pub clock: Clock,
}

/// How far a clock has jumped, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skew {
    /// In all.
    pub now: i64,
    /// The most there ever was: a clock that was set back and is right again shows this.
    pub most: i64,
}

/// Whose clock it is: a client's, by its number, or the accepting process's.
pub(super) type Clock = Option<usize>;

/// What clocks show at the beginning, so that they can go back.
const ORIGIN: u64 = 48 * 3_600 * 1_000_000_000;

impl Env {
    /// At the beginning.
    #[must_use]
    pub fn new(options: Options, rng: Rng) -> Env {
        Env {
            now: 1_000_000_000,
            rng,
            options,
            net: Net::default(),
            tally: Tally::default(),
            trace: Trace::default(),
            healed: false,
            truth: Truth::default(),
            moments: Vec::new(),
            recorded: Vec::new(),
            dials: VecDeque::new(),
            cut_young: false,
            race: false,
            refusals: VecDeque::new(),
            clocks: BTreeMap::new(),
            clock: None,
        }
    }

    /// The machine's word for now.
    #[must_use]
    pub fn instant(&self) -> Instant {
        Instant::from_nanos((self.now + ORIGIN).saturating_add_signed(self.skew()))
    }

    /// When it is what `instant` says by the clock that is read now.
    #[must_use]
    pub fn time_of(&self, instant: Instant) -> u64 {
        let since_origin = instant.as_nanos().saturating_add_signed(-self.skew());
        since_origin.saturating_sub(ORIGIN)
    }

    fn skew(&self) -> i64 {
        self.clocks.get(&self.clock).map_or(0, |skew| skew.now)
    }

    /// The clock that is read now jumps.
    pub fn jump(&mut self, by: i64) {
        let skew = self.clocks.entry(self.clock).or_default();
        skew.now += by;
        skew.most = skew.most.max(skew.now);
    }

    /// From now on the clock of `peer` is read. Returns which that is.
    pub fn read_clock_of(&mut self, peer: Peer) -> Clock {
        self.clock = match peer {
            Peer::Client(number) => Some(number),
            Peer::Task(_) => None,
        };
        self.clock
    }

    /// The promise is broken.
    ///
    /// # Panics
    /// Always; whoever runs the schedule catches it and prints the seed.
    pub fn fail(&self, what: &str) -> ! {
        panic!("at {}.{:06} ms: {what}", self.now / 1_000_000, self.now % 1_000_000);
    }

    /// Fails if `verdict` says so.
    pub fn demand(&self, verdict: crate::model::Verdict) {
        if let Err(what) = verdict {
            self.fail(&what);
        }
    }

    /// Prints what happens, when `UNBROKEN_LOG` is set.
    pub fn log(&self, what: impl FnOnce() -> String) {
        static ON: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
        if *ON.get_or_init(|| std::env::var_os("UNBROKEN_LOG").is_some()) {
            println!("{:>10}.{:06} {}", self.now / 1_000_000, self.now % 1_000_000, what());
        }
    }

    /// Sends one packet.
    pub fn send(&mut self, conn: ConnId, way: Way, packet: &[u8]) {
        let Some(known) = self.net.conn(conn) else { return };
        let packets = known.packets;
        let moment = Moment::of_packet(known, conn, way, packet);
        let first_up = way == Way::Up && known.client.is_some() && !known.impostor && !known.recorded;
        if first_up {
            known.recorded = true;
            if self.recorded.len() >= 16 {
                self.recorded.remove(0);
            }
            self.recorded.push(packet.to_vec());
        }
        self.log(|| {
            format!(
                "conn {conn} {way:?} packet of {} type {:?}",
                packet.len(),
                packet.first()
            )
        });
        self.moments.extend(moment);
        self.trace.note(conn * 2 + u64::from(way == Way::Up));
        self.trace.bytes(packet);
        let bytes = Framer::encode(packets, packet);
        self.net.write(self.now, conn, way, &bytes);
        if first_up && std::mem::take(&mut self.race) {
            self.tally.hit("attack: first packet overtaken");
            self.attack(packet);
        }
    }

    /// An attacker's connection that says `packet` at once.
    pub fn attack(&mut self, packet: &[u8]) -> ConnId {
        let mut shape = self.options.carrier;
        shape.latency = 0;
        shape.jitter = 0;
        let conn = self.net.connect(shape, None, &mut self.rng);
        let packets = self.net.conn(conn).is_some_and(|conn| conn.packets);
        let bytes = Framer::encode(packets, packet);
        self.net.plan(self.now, Happening::Accept(conn));
        if !packet.is_empty() {
            self.net.write(self.now, conn, Way::Up, &bytes);
        }
        conn
    }
}

/// One client session and whatever answers it.
#[derive(Debug, Default)]
pub struct Conversation {
    /// What was written and read.
    pub ledger: Ledger,
    /// What may justify its ending.
    pub so: Circumstances,
    /// How each end ended (0 client, 1 server).
    pub ended: [Option<EndReason>; 2],
    /// When each end's machine was last seen attached.
    pub attached: [u64; 2],
    /// The server task that is established, if any ever was.
    pub task: Option<u64>,
    /// A server end was once established and is gone.
    pub task_gone: bool,
}
