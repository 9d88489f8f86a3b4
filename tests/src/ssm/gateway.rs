//! The service between the two ends, in virtual time. Both dial it; it forwards frames from one to the other, and forgets.
//!
//! Each connection is a leg of its own with a delay each way. When a socket dies, whatever is on its leg is lost, in both
//! directions, and both sides of it know at once; what has got to the other leg goes on. A frame that reaches the service
//! while the other end has no connection is lost, too.
//!
//! It tells the ends apart by the ClientInstanceId in their first message, as far as frames are concerned. Who dials is
//! known to it sooner, from the HTTP calls before the connection.

mod forward;
mod options;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use unbroken_proto::Instant;
use unbroken_proto::ssm::MessageType;

pub use self::options::{Cut, Delay, End, Options, Outage, Pause, Whom};
use crate::rng::Rng;
use crate::ssm::frames::Framer;
use crate::ssm::peer::{Call, DialError, Message};

/// A connection, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Socket(u32);

/// What comes out of the service.
#[derive(Clone, Debug)]
pub enum Output {
    /// A message for whoever has the socket.
    Message(Socket, Message),
    /// The socket is dead.
    Closed(Socket),
}

/// What went through the service from one end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sequenced frames, each time they were sent.
    pub frames: u64,
    /// Those among them whose number had been sent before.
    pub resends: u64,
    /// Acknowledgements.
    pub acknowledgements: u64,
    /// Messages that were lost on a dead socket, or because the other end had none, or because a test asked for it.
    pub lost: u64,
}

/// One connection.
#[derive(Debug)]
struct Leg {
    end: Option<End>,
    delay: Delay,
    /// To the service, with when they are there.
    up: VecDeque<(Instant, Message)>,
    /// From the service.
    down: VecDeque<(Instant, Message)>,
    closes: Option<Instant>,
    /// Its end has closed it.
    left: bool,
}

/// What the service keeps for each end.
#[derive(Debug, Default)]
struct Side {
    socket: Option<Socket>,
    counts: Counts,
    /// The numbers that it has sent, to tell what is sent again.
    numbers: BTreeSet<i64>,
}

/// The service.
#[derive(Debug)]
pub struct Gateway {
    options: Options,
    rng: Rng,
    framer: Framer,
    legs: BTreeMap<Socket, Leg>,
    dialled: u32,
    client: Side,
    agent: Side,
    outputs: VecDeque<Output>,
    /// When connections were cut, those of the hour too.
    cuts: Vec<Instant>,
    /// Client data may pass.
    started: bool,
    over: bool,
    acknowledged_by_client: BTreeSet<i64>,
    second: (Instant, u64),
    busy_seconds: u32,
    start_at: Option<Instant>,
    /// How often it paused the agent.
    pub pauses: u64,
}

impl Gateway {
    /// A service that knows of one session.
    #[must_use]
    pub fn new(mut options: Options, mut rng: Rng) -> Gateway {
        options.cuts.sort_by_key(|cut| cut.at);
        Gateway {
            options,
            framer: Framer::new(rng.fork()),
            rng,
            legs: BTreeMap::new(),
            dialled: 0,
            client: Side::default(),
            agent: Side::default(),
            outputs: VecDeque::new(),
            cuts: Vec::new(),
            started: false,
            over: false,
            acknowledged_by_client: BTreeSet::new(),
            second: (Instant::ZERO, 0),
            busy_seconds: 0,
            start_at: None,
            pauses: 0,
        }
    }

    /// An end has dialled.
    ///
    /// # Errors
    /// It gets no connection.
    pub fn dial(&mut self, now: Instant, end: End) -> Result<Socket, DialError> {
        if self.over {
            return Err(DialError::NoSession);
        }
        let mut outages = self.options.outages.iter();
        if let Some(outage) = outages.find(|outage| outage.hits(end, now)) {
            return Err(outage.error);
        }
        let socket = Socket(self.dialled);
        self.dialled += 1;
        let leg = Leg {
            end: None,
            delay: self.options.delay(end),
            up: VecDeque::new(),
            down: VecDeque::new(),
            closes: self.options.closes_after.map(|after| now + after),
            left: false,
        };
        self.legs.insert(socket, leg);
        Ok(socket)
    }

    /// An end has sent a message.
    pub fn handle_input(&mut self, now: Instant, socket: Socket, message: Message) {
        let jitter = self.options.jitter(&mut self.rng);
        if let Some(leg) = self.legs.get_mut(&socket) {
            let at = now + leg.delay.up + jitter;
            let at = leg.up.back().map_or(at, |(last, _)| at.max(*last));
            leg.up.push_back((at, message));
        }
    }

    /// An end has closed its socket, in good order: what it has sent arrives.
    pub fn handle_closed(&mut self, now: Instant, socket: Socket) {
        if let Some(leg) = self.legs.get_mut(&socket) {
            let last = leg.up.back().map_or(now, |(last, _)| *last);
            (leg.closes, leg.left) = (Some(last), true);
        }
    }

    /// What an end asks for outside of its connection.
    pub fn handle_call(&mut self, now: Instant, call: Call) {
        match call {
            Call::TerminateSession => {
                self.channel_closed(now, End::Client);
                self.channel_closed(now, End::Agent);
                self.over = true;
            }
        }
    }

    /// What comes out next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let legs = self.legs.values().flat_map(|leg| {
            let (up, down) = (leg.up.front(), leg.down.front());
            [up.map(|(at, _)| *at), down.map(|(at, _)| *at), leg.closes]
        });
        let cut = self.options.cuts.first().map(|cut| cut.at);
        legs.chain([cut, self.start_at]).flatten().min()
    }

    /// Whatever is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.options.cuts.first().is_some_and(|cut| cut.at <= now) {
            let cut = self.options.cuts.remove(0);
            self.cut(now, cut.whom);
        }
        if self.start_at.is_some_and(|at| at <= now) {
            self.start_at = None;
            self.tell(now, End::Agent, MessageType::StartPublication);
        }
        let sockets: Vec<Socket> = self.legs.keys().copied().collect();
        for socket in sockets {
            self.carry(now, socket);
            let Some(leg) = self.legs.get(&socket) else { continue };
            if leg.closes.is_some_and(|at| at <= now) {
                if !leg.left {
                    self.cuts.push(now);
                }
                self.kill(socket);
            }
        }
    }

    /// Kills the sockets that there are.
    pub fn cut(&mut self, now: Instant, whom: Whom) {
        self.cuts.push(now);
        let ends = [End::Client, End::Agent].into_iter().filter(|end| whom.is(*end));
        let sockets: Vec<Socket> = ends.filter_map(|end| self.side(end).socket).collect();
        sockets.into_iter().for_each(|socket| self.kill(socket));
    }

    /// When connections were cut.
    #[must_use]
    pub fn cuts(&self) -> &[Instant] {
        &self.cuts
    }

    /// What went through from this end.
    #[must_use]
    pub fn counts(&self, end: End) -> Counts {
        match end {
            End::Client => self.client.counts,
            End::Agent => self.agent.counts,
        }
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.legs.values().all(|leg| leg.up.is_empty() && leg.down.is_empty())
    }

    fn side(&mut self, end: End) -> &mut Side {
        match end {
            End::Client => &mut self.client,
            End::Agent => &mut self.agent,
        }
    }

    fn kill(&mut self, socket: Socket) {
        let Some(leg) = self.legs.remove(&socket) else { return };
        self.outputs.push_back(Output::Closed(socket));
        let Some(end) = leg.end else { return };
        let (up, down) = (leg.up.len() as u64, leg.down.len() as u64);
        let side = self.side(end);
        side.socket = side.socket.filter(|current| *current != socket);
        side.counts.lost += up;
        self.side(end.other()).counts.lost += down;
    }

    /// Moves what has come to the end of its leg.
    fn carry(&mut self, now: Instant, socket: Socket) {
        while let Some(message) = self.due(now, socket, |leg| &mut leg.up) {
            self.forward(now, socket, message);
        }
        while let Some(message) = self.due(now, socket, |leg| &mut leg.down) {
            self.outputs.push_back(Output::Message(socket, message));
        }
    }

    fn due(
        &mut self,
        now: Instant,
        socket: Socket,
        queue: fn(&mut Leg) -> &mut VecDeque<(Instant, Message)>,
    ) -> Option<Message> {
        let queue = queue(self.legs.get_mut(&socket)?);
        let is_due = queue.front().is_some_and(|(at, _)| *at <= now);
        is_due.then(|| queue.pop_front()).flatten().map(|(_, message)| message)
    }

    /// Puts a message on the way to an end. Whether it has a connection.
    fn send(&mut self, now: Instant, to: End, message: Message) -> bool {
        let jitter = self.options.jitter(&mut self.rng);
        let Some(socket) = self.side(to).socket else {
            return false;
        };
        let Some(leg) = self.legs.get_mut(&socket) else {
            return false;
        };
        let at = now + leg.delay.down + jitter;
        let at = leg.down.back().map_or(at, |(last, _)| at.max(*last));
        leg.down.push_back((at, message));
        true
    }
}
