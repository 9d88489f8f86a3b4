//! Every order of events of a small world on the real machines, depth first, each state once.
//!
//! The machines cannot be copied while a handshake is going on, so a state is a list of acts that is
//! replayed from the beginning. States are told apart by what the machines show of their inside, by
//! what is in flight, and by what is left of the budgets; instants are left out.

use std::collections::BTreeSet;

use unbroken_proto::session::SessionState;
use unbroken_proto::{Side, StreamId};

use super::setup::{Pair, Setup};
use super::wire::ServerEnd;
use crate::probe::probe;
use crate::rng::mix;
use crate::tally::hash_bytes;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// The next packet that the side wrote on the connection arrives.
    Deliver(usize, bool),
    /// Nothing passes any more; what is in flight still can.
    Cut(usize),
    /// What is in flight is lost as well.
    Lose(usize),
    /// The side hears of the end of the connection.
    Notice(usize, bool),
    /// The client dials.
    Dial,
    /// The client's host asks for a planned swap.
    Migrate,
    /// The side writes its next message.
    Send(bool),
    /// The side closes.
    Close(bool),
    /// Time passes to the next deadline.
    Wait,
}

/// How much may happen.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Messages of each side.
    pub messages: u64,
    /// Connections.
    pub connections: usize,
    /// Planned swaps asked for.
    pub migrations: u32,
    /// Packets delivered to an end that gave the connection up.
    pub late: u32,
    /// Deadlines that pass while something is in flight.
    pub waits: u32,
    /// Whether the ends close.
    pub closes: [bool; 2],
    /// States, at most.
    pub states: usize,
    /// The longest path.
    pub depth: usize,
}

/// What the exploration came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Acts tried.
    pub edges: usize,
    /// States in which nothing could happen any more.
    pub ends: usize,
    /// States from which a fair continuation was run to its end.
    pub fair: usize,
    /// Whether a limit was hit.
    pub cut_short: bool,
}

const STREAM: StreamId = StreamId(1);

fn side(client: bool) -> Side {
    if client { Side::Client } else { Side::Server }
}

struct Node {
    pair: Pair,
    left: Budget,
    sent: [u64; 2],
    closed: [bool; 2],
    cut: BTreeSet<usize>,
}

impl Node {
    fn begin(setup: &Setup, budget: Budget) -> Node {
        let mut pair = Pair::new(setup);
        assert_eq!(pair.open(Side::Client), STREAM, "because it is the first");
        let mut node = Node {
            pair,
            left: budget,
            sent: [0; 2],
            closed: [false; 2],
            cut: BTreeSet::new(),
        };
        node.quiesce();
        node
    }

    /// Polls everything; all packets there are go onto their connections.
    fn quiesce(&mut self) {
        loop {
            let mut any = false;
            for wire in 0..self.pair.wires.len() {
                for side in [Side::Client, Side::Server] {
                    while self.pair.transmit(wire, side) {
                        any = true;
                    }
                }
            }
            any |= self.pair.tidy();
            if !any {
                break;
            }
        }
        self.pair.pass_report();
        self.pair.read_events();
        if self
            .pair
            .server
            .as_ref()
            .is_some_and(|server| server.state() != SessionState::Connecting)
        {
            self.pair.read_all(Side::Server, &[STREAM]);
        }
        self.pair.read_all(Side::Client, &[STREAM]);
    }

    fn actions(&self) -> Vec<Act> {
        let mut actions = Vec::new();
        for (index, wire) in self.pair.wires.iter().enumerate() {
            let open = [wire.client.is_some(), !matches!(wire.server, ServerEnd::Closed)];
            for from in [true, false] {
                let receiver_open = if from { open[1] } else { open[0] };
                let any = !wire.in_flight(side(from)).is_empty();
                // A server that closed its connection has nobody left to hear it.
                let late = self.left.late > 0 && (!from || open[1]);
                if any && (receiver_open || late) {
                    actions.push(Act::Deliver(index, from));
                }
            }
            let cut = self.cut.contains(&index);
            if !cut && (open[0] || open[1]) {
                actions.push(Act::Cut(index));
                if !wire.in_flight(Side::Client).is_empty() || !wire.in_flight(Side::Server).is_empty() {
                    actions.push(Act::Lose(index));
                }
            }
            for client in [true, false] {
                let alive = open[usize::from(!client)];
                let other_gone = !open[usize::from(client)] && wire.in_flight(side(!client)).is_empty();
                if alive && (cut || other_gone) {
                    actions.push(Act::Notice(index, client));
                }
            }
        }
        if self.pair.wires.len() < self.left.connections && self.pair.dial_at().is_some_and(|at| at <= self.pair.now) {
            actions.push(Act::Dial);
        }
        if self.left.migrations > 0 && self.pair.client.state() == SessionState::Attached {
            actions.push(Act::Migrate);
        }
        for client in [true, false] {
            let us = usize::from(!client);
            let running = self.pair.ended[us].is_none() && (client || self.established());
            if running && !self.closed[us] && self.sent[us] < self.left.messages && (client || self.accepted()) {
                actions.push(Act::Send(client));
            }
            if running && self.left.closes[us] && !self.closed[us] && self.established() {
                actions.push(Act::Close(client));
            }
        }
        let only_time = actions.is_empty();
        if (only_time || self.left.waits > 0) && self.pair.next_deadline().is_some() && !self.is_over() {
            actions.push(Act::Wait);
        }
        actions
    }

    fn established(&self) -> bool {
        self.pair
            .server
            .as_ref()
            .is_some_and(|server| server.state() != SessionState::Connecting)
    }

    fn accepted(&self) -> bool {
        self.pair
            .server
            .as_ref()
            .is_some_and(|server| server.inspect().expected > 0)
    }

    fn is_over(&self) -> bool {
        self.pair.ended.iter().all(Option::is_some)
    }

    fn apply(&mut self, act: Act) {
        let now = self.pair.instant();
        match act {
            Act::Deliver(wire, from) => {
                let known = &self.pair.wires[wire];
                let late = if from {
                    matches!(known.server, ServerEnd::Closed)
                } else {
                    known.client.is_none()
                };
                self.left.late -= u32::from(late);
                self.pair.deliver(wire, side(from));
            }
            Act::Cut(wire) => {
                self.cut.insert(wire);
                self.pair.wires[wire].cut([false; 2]);
            }
            Act::Lose(wire) => {
                self.cut.insert(wire);
                self.pair.wires[wire].cut([true; 2]);
            }
            Act::Notice(wire, client) => {
                self.pair.notice(wire, side(client));
            }
            Act::Dial => {
                self.pair.dial([None; 2]);
            }
            Act::Migrate => {
                self.left.migrations -= 1;
                self.pair
                    .client
                    .migrate(now, unbroken_proto::Duration::from_secs(1), bytes::Bytes::new());
            }
            Act::Send(client) => {
                self.sent[usize::from(!client)] += 1;
                let _ = self.pair.put(side(client), STREAM, 3);
            }
            Act::Close(client) => {
                self.closed[usize::from(!client)] = true;
                if let Some(session) = self.pair.machine(side(client)) {
                    session
                        .close(now, 5, bytes::Bytes::new())
                        .expect("because the code fits");
                }
            }
            Act::Wait => {
                self.left.waits = self.left.waits.saturating_sub(1);
                if let Some(at) = self.pair.next_deadline() {
                    self.pair.now = self.pair.now.max(at);
                }
                self.pair.timers();
            }
        }
        self.quiesce();
    }

    fn key(&self) -> u64 {
        let mut key = 0u64;
        let mut note = |n: u64| key = mix(key ^ n).wrapping_add(n.rotate_left(9));
        for session in [Some(&self.pair.client), self.pair.server.as_ref()] {
            note(session.and_then(probe).map_or(u64::MAX, |seen| seen.state_hash));
            note(session.map_or(u64::MAX, unbroken_proto::Session::inspect_links));
        }
        for wire in &self.pair.wires {
            note(u64::from(wire.client.is_some()));
            note(match wire.server {
                ServerEnd::Silent(_) => 1,
                ServerEnd::Handshake(..) => 2,
                ServerEnd::Bound(_) => 3,
                ServerEnd::Closed => 4,
            });
            for from in [Side::Client, Side::Server] {
                note(wire.in_flight(from).len() as u64);
                // Sealed packets differ with every key; how long they are tells their frames apart.
                wire.in_flight(from)
                    .iter()
                    .for_each(|packet| note(packet.len() as u64 * 8 + u64::from(packet[0])));
            }
        }
        self.cut.iter().for_each(|wire| note(*wire as u64 + 100));
        let left = &self.left;
        note(u64::from(left.migrations) | u64::from(left.late) << 8 | u64::from(left.waits) << 16);
        note(self.sent[0] | self.sent[1] << 8 | u64::from(self.closed[0]) << 16 | u64::from(self.closed[1]) << 17);
        note(hash_bytes(format!("{:?}", self.pair.ended).as_bytes()));
        note(self.pair.ledger.totals().1);
        key
    }

    /// What must hold in every state.
    fn check(&mut self, path: &[Act]) {
        for session in [Some(&self.pair.client), self.pair.server.as_ref()]
            .into_iter()
            .flatten()
        {
            let Some(seen) = probe(session) else { continue };
            assert!(seen.acked <= seen.next, "{path:?}");
            assert_eq!(seen.redundant_replay, 0, "{path:?}");
        }
        if let (Some(client), Some(server)) = (probe(&self.pair.client), self.pair.server.as_ref().and_then(probe)) {
            assert!(client.acked <= server.expected, "freed before it arrived: {path:?}");
            assert!(server.acked <= client.expected, "freed before it arrived: {path:?}");
        }
        use unbroken_proto::event::EndReason;
        for (us, ended) in self.pair.ended.clone().into_iter().enumerate() {
            let Some(ended) = ended else { continue };
            let verdict = self.pair.ledger.check_fates(side(us == 0), &ended);
            assert_eq!(verdict, Ok(()), "{path:?}");
            let right = match ended.reason {
                EndReason::Closed { .. } | EndReason::LingerExpired => self.closed != [false; 2],
                EndReason::AbortedByPeer => self.closed != [false; 2],
                EndReason::Expired | EndReason::Unknown => true,
                _ => false,
            };
            assert!(right, "side {us} ended with {:?}: {path:?}", ended.reason);
        }
    }
}

/// From here on the network is well: everything written arrives, a close completes.
fn check_fair(mut node: Node, path: &[Act]) {
    let streams = [STREAM];
    for _ in 0..8 {
        node.pair.wait(20_000_000_000);
        for side in [Side::Client, Side::Server] {
            if side == Side::Client || node.established() {
                node.pair.read_all(side, &streams);
            }
        }
    }
    let over = node.is_over();
    if node.closed == [false; 2] && node.pair.ended == [None, None] {
        assert!(
            node.pair.ledger.is_settled(),
            "stuck after {path:?}: {:?}",
            node.pair.ledger.unsettled()
        );
        assert_eq!(node.pair.client.state(), SessionState::Attached, "stuck after {path:?}");
    }
    assert!(
        node.closed == [false; 2] || over || !node.established(),
        "a close never ends after {path:?}"
    );
    let at_rest = node
        .pair
        .wires
        .iter()
        .all(|wire| wire.client.is_none() || node.pair.client.is_wanted(wire.was));
    assert!(at_rest, "a connection is left after {path:?}");
}

fn replay(setup: &Setup, budget: Budget, path: &[Act]) -> Node {
    let mut node = Node::begin(setup, budget);
    path.iter().for_each(|act| node.apply(*act));
    node
}

/// Visits every state within the budget.
///
/// # Panics
/// When an invariant fails, with the path that leads there.
pub fn explore(setup: &Setup, budget: Budget) -> Explored {
    let mut explored = Explored::default();
    let mut seen = BTreeSet::new();
    let mut stack: Vec<Vec<Act>> = vec![Vec::new()];
    while let Some(mut path) = stack.pop() {
        let mut node = replay(setup, budget, &path);
        loop {
            if !seen.insert(node.key()) {
                break;
            }
            explored.states += 1;
            node.check(&path);
            if explored.states >= budget.states || path.len() >= budget.depth {
                explored.cut_short = true;
                break;
            }
            let actions = node.actions();
            if actions == [Act::Wait] || explored.states % 5 == 0 {
                explored.fair += 1;
                check_fair(replay(setup, budget, &path), &path);
            }
            explored.edges += actions.len();
            let Some((first, rest)) = actions.split_first() else {
                explored.ends += 1;
                break;
            };
            for act in rest {
                let mut branch = path.clone();
                branch.push(*act);
                stack.push(branch);
            }
            node.apply(*first);
            path.push(*first);
        }
        if explored.states >= budget.states {
            break;
        }
    }
    explored
}
