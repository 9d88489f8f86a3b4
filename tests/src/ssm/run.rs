//! Runs two ends and the service in virtual time: until everything has arrived, or nothing moves any more.

mod outcome;
mod seat;

use unbroken_proto::{Duration, Instant};

pub use self::outcome::{Outcome, Recovery, Transfer};
use self::seat::Seat;
use crate::ssm::gateway::{End, Gateway, Output};
use crate::ssm::peer::Peer;
use crate::ssm::source::Source;

/// Rounds at one instant, after which somebody asks to be called at once for ever.
const MOST_ROUNDS: u32 = 100_000;

/// How a run goes.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long a dial takes, its HTTP call too.
    pub dial: Duration,
    /// Nothing was taken from an application and nothing delivered for so long: it is wedged.
    pub wedged_after: Duration,
    /// The longest run.
    pub limit: Duration,
    /// Whether the agent's application goes when everything has arrived, so that the session ends in good order.
    pub closes: bool,
    /// Whether the run goes on until the limit, even if nothing moves and everything has arrived.
    pub to_the_limit: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            dial: Duration::from_millis(3),
            wedged_after: Duration::from_secs(20),
            limit: Duration::from_secs(600),
            closes: false,
            to_the_limit: false,
        }
    }
}

/// What is run.
#[derive(Debug)]
pub struct Run<'a, C, A> {
    /// Virtual time.
    pub now: Instant,
    /// The service.
    pub gateway: Gateway,
    options: Options,
    client: Seat<'a, C>,
    agent: Seat<'a, A>,
    moved: Instant,
    closed: bool,
    recoveries: Vec<Recovery>,
}

impl<'a, C: Peer, A: Peer> Run<'a, C, A> {
    /// Two ends with what their applications send.
    pub fn new(options: Options, gateway: Gateway, client: (&'a mut C, Source), agent: (&'a mut A, Source)) -> Self {
        Run {
            now: Instant::ZERO,
            gateway,
            options,
            client: Seat::new(End::Client, client.0, client.1),
            agent: Seat::new(End::Agent, agent.0, agent.1),
            moved: Instant::ZERO,
            closed: false,
            recoveries: Vec::new(),
        }
    }

    /// Runs to the end.
    ///
    /// # Panics
    /// An end wants to be called at the same instant for ever.
    pub fn finish(mut self) -> Outcome {
        let limit = Instant::ZERO + self.options.limit;
        let wedged = loop {
            self.settle();
            if self.is_over() {
                break false;
            }
            let wedged_at = self.moved + self.options.wedged_after;
            if !self.options.to_the_limit && wedged_at <= self.now {
                break true;
            }
            if limit <= self.now {
                break !self.has_arrived();
            }
            let next = self.next().unwrap_or(limit).max(self.now).min(limit);
            let idles = !self.options.to_the_limit;
            self.now = if idles { next.min(wedged_at) } else { next };
        };
        self.outcome(wedged)
    }

    /// Runs until `until`, whatever happens.
    pub fn until(&mut self, until: Instant) {
        self.settle();
        while let Some(next) = self.next().filter(|next| *next <= until) {
            self.now = next.max(self.now);
            self.settle();
        }
        self.now = self.now.max(until);
    }

    /// The client.
    pub fn client(&mut self) -> &mut C {
        self.client.peer
    }

    /// The agent.
    pub fn agent(&mut self) -> &mut A {
        self.agent.peer
    }

    /// How many bytes of this end's application have been delivered at the other.
    #[must_use]
    pub fn delivered(&self, from: End) -> usize {
        match from {
            End::Client => self.agent.delivered.len(),
            End::Agent => self.client.delivered.len(),
        }
    }

    /// Does everything that is to be done now.
    fn settle(&mut self) {
        for _ in 0..MOST_ROUNDS {
            if !self.round() {
                return;
            }
        }
        panic!("an end asks to be called at {:?} for ever", self.now);
    }

    fn round(&mut self) -> bool {
        let now = self.now;
        let mut busy = false;
        if self.gateway.poll_timeout().is_some_and(|at| at <= now) {
            self.gateway.handle_timeout(now);
            busy = true;
        }
        while let Some(output) = self.gateway.poll_output() {
            busy = true;
            self.deliver(output);
        }
        let (client, agent) = (
            self.client.round(now, self.options.dial, &mut self.gateway),
            self.agent.round(now, self.options.dial, &mut self.gateway),
        );
        if client.moved || agent.moved {
            self.moved = now;
        }
        self.recover();
        busy || client.busy || agent.busy
    }

    fn deliver(&mut self, output: Output) {
        let now = self.now;
        match output {
            Output::Message(socket, message) => {
                self.client.handle_message(now, socket, &message);
                self.agent.handle_message(now, socket, &message);
            }
            Output::Closed(socket) => {
                self.client.handle_closed(now, socket);
                self.agent.handle_closed(now, socket);
            }
        }
    }

    /// Notes new cuts, and how those before are got over.
    fn recover(&mut self) {
        let now = self.now;
        let known = self.recoveries.len();
        let new = self.gateway.cuts().iter().skip(known);
        self.recoveries.extend(new.map(|cut| Recovery::new(*cut)));
        let connected = self.client.is_connected() && self.agent.is_connected();
        let taken = (self.client.taken, self.agent.taken);
        let delivered = (self.agent.delivered.len(), self.client.delivered.len());
        for recovery in &mut self.recoveries {
            recovery.update(now, connected, taken, delivered);
        }
    }

    fn has_arrived(&self) -> bool {
        let down = self.client.delivered.len() >= self.agent.source.bytes().len();
        let up = self.agent.delivered.len() >= self.client.source.bytes().len();
        down && up && self.client.has_sent_all() && self.agent.has_sent_all()
    }

    fn is_over(&mut self) -> bool {
        if self.client.peer.ended().is_some() && self.gateway.is_quiet() {
            return true;
        }
        if self.options.to_the_limit || !self.has_arrived() {
            return false;
        }
        if self.options.closes {
            if !std::mem::replace(&mut self.closed, true) {
                self.agent.peer.close(self.now);
                self.settle();
            }
            return false;
        }
        true
    }

    fn next(&self) -> Option<Instant> {
        let (client, agent) = (self.client.next(self.now), self.agent.next(self.now));
        [self.gateway.poll_timeout(), client, agent].into_iter().flatten().min()
    }

    fn outcome(self, wedged: bool) -> Outcome {
        Outcome {
            up: Transfer::new(
                &self.client.source,
                self.client.taken,
                self.agent.delivered,
                self.gateway.counts(End::Client),
            ),
            down: Transfer::new(
                &self.agent.source,
                self.agent.taken,
                self.client.delivered,
                self.gateway.counts(End::Agent),
            ),
            wedged,
            client_ended: self.client.peer.ended(),
            agent_ended: self.agent.peer.ended(),
            time: self.now.saturating_since(Instant::ZERO),
            last_moved: self.moved.saturating_since(Instant::ZERO),
            recoveries: self.recoveries,
            dials: (self.client.dials, self.agent.dials),
        }
    }
}
