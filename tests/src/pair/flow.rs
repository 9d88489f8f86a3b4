//! Runs the two by a plan: which connections are cut where, and who hears of it.

use unbroken_proto::session::SessionState;
use unbroken_proto::{Side, StreamId};

use super::setup::Pair;

/// Who notices that a connection broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The client, then the server.
    ClientFirst,
    /// The server, then the client.
    ServerFirst,
    /// Only the client; the server learns of it from its successor, or from silence.
    OnlyClient,
    /// Only the server.
    OnlyServer,
}

/// Where one connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The connection's number, from 0.
    pub wire: usize,
    /// Bytes that pass from the client.
    pub up: usize,
    /// Bytes that pass from the server.
    pub down: usize,
    /// Who hears of it.
    pub notice: Notice,
}

/// All cuts of a run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// At most one a connection.
    pub cuts: Vec<Cut>,
    /// What is in flight when the cut is noticed still arrives, after the notice.
    pub late: bool,
}

impl Plan {
    fn of(&self, wire: usize) -> Option<Cut> {
        self.cuts.iter().copied().find(|cut| cut.wire == wire)
    }

    fn budgets(&self, wire: usize) -> [Option<usize>; 2] {
        self.of(wire).map_or([None; 2], |cut| [Some(cut.up), Some(cut.down)])
    }
}

impl Pair {
    /// Runs until `script` says it is over. It is asked whenever something happened.
    ///
    /// # Panics
    /// When virtual time runs out first.
    pub fn run(&mut self, plan: &Plan, mut script: impl FnMut(&mut Pair) -> bool) {
        let limit = self.now + 600_000_000_000;
        let mut noticed = Vec::new();
        loop {
            if script(self) {
                return;
            }
            if self.flow(plan) || self.break_wires(plan, &mut noticed) {
                continue;
            }
            let next = self.next_deadline().filter(|at| *at <= limit);
            let Some(next) = next else {
                panic!(
                    "nothing happens any more under {plan:?}: {:?} / {:?}, {:?}",
                    self.client.state(),
                    self.server.as_ref().map(|s| s.state()),
                    self.events,
                );
            };
            self.now = self.now.max(next);
            self.timers();
        }
    }

    /// Everything that can happen now happens.
    pub fn pump(&mut self) {
        while self.flow(&Plan::default()) {}
    }

    /// One round of what can happen now. False: nothing did.
    pub fn step(&mut self) -> bool {
        self.flow(&Plan::default())
    }

    /// Lets `nanos` pass, waking at every deadline on the way as a host would.
    pub fn wait(&mut self, nanos: u64) {
        let end = self.now + nanos;
        self.pump();
        while let Some(next) = self.next_deadline().filter(|at| *at <= end) {
            self.now = self.now.max(next);
            self.timers();
            self.pump();
        }
        self.now = end;
    }

    /// Runs until the session is up on both sides, with one stream open that the server has accepted.
    ///
    /// # Panics
    /// When that does not come about.
    pub fn establish(&mut self) -> StreamId {
        let stream = self.open(Side::Client);
        self.pump();
        self.read_all(Side::Server, &[stream]);
        self.pump();
        assert_eq!(self.client.state(), SessionState::Attached, "{:?}", self.events);
        stream
    }

    /// Everything that can happen now without anything breaking. False: nothing did.
    fn flow(&mut self, plan: &Plan) -> bool {
        let mut any = self.dial(plan.budgets(self.wires.len()));
        for wire in 0..self.wires.len() {
            for side in [Side::Client, Side::Server] {
                while self.transmit(wire, side) {
                    any = true;
                }
            }
            let hold = plan.late && self.wires[wire].broken;
            for side in [Side::Client, Side::Server] {
                while !hold && self.deliver(wire, side) {
                    any = true;
                }
            }
        }
        self.pass_report();
        any |= self.read_events();
        self.tidy() || any
    }

    /// Nothing more comes through the broken connections: those who hear of it do.
    fn break_wires(&mut self, plan: &Plan, noticed: &mut Vec<usize>) -> bool {
        for wire in 0..self.wires.len() {
            if noticed.contains(&wire) {
                continue;
            }
            let given_up = self.wires[wire].client.is_none();
            if !self.wires[wire].broken && !given_up {
                continue;
            }
            noticed.push(wire);
            let notice = plan.of(wire).map_or(Notice::ServerFirst, |cut| cut.notice);
            let order: &[Side] = match notice {
                Notice::ClientFirst => &[Side::Client, Side::Server],
                Notice::ServerFirst => &[Side::Server, Side::Client],
                Notice::OnlyClient => &[Side::Client],
                Notice::OnlyServer => &[Side::Server],
            };
            for side in order {
                self.notice(wire, *side);
            }
            if plan.late {
                while self.deliver(wire, Side::Client) || self.deliver(wire, Side::Server) {}
            }
            return true;
        }
        // A connection that the server closed is closed for the client, too.
        for wire in 0..self.wires.len() {
            let closed = matches!(self.wires[wire].server, super::wire::ServerEnd::Closed);
            if closed && self.wires[wire].client.is_some() && !noticed.contains(&wire) {
                noticed.push(wire);
                return self.notice(wire, Side::Client);
            }
        }
        false
    }
}
