//! What may happen next, one thing at a time.

use bytes::Bytes;
use unbroken_proto::session::SessionState;
use unbroken_proto::{Duration, Side};

use crate::world::{World, index, side};
use unbroken_tests::pair::ServerEnd;

/// Deadlines that pass one after the other while nothing else happens.
const LONGEST_WAIT: u32 = 6;

/// One thing that happens. `true` is the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Act {
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
    /// The side's application sends its next message.
    Send(bool),
    /// It reads, and deals with what it reads.
    Read(bool),
    /// It closes.
    Close(bool),
    /// The side's host asks for a record, and begins to write it.
    Write(bool),
    /// The record under way is kept.
    Keep(bool),
    /// The client's process dies, the server's, or both, and begins again. Beside each: whether the record under way is whole.
    Kill([Option<bool>; 2]),
    /// Time passes to the next deadline.
    Wait,
}

impl World {
    pub(crate) fn actions(&self) -> Vec<Act> {
        let mut acts = Vec::new();
        self.network(&mut acts);
        for client in [true, false] {
            self.of_host(client, &mut acts);
            self.of_application(client, &mut acts);
        }
        let waits = acts.is_empty() && self.waited < LONGEST_WAIT && !self.is_over();
        if waits && self.pair.next_deadline().is_some() {
            acts.push(Act::Wait);
        }
        // A kill is nothing that must come.
        if self.left.kills > 0 {
            self.kills(&mut acts);
        }
        acts
    }

    fn network(&self, acts: &mut Vec<Act>) {
        for (wire, known) in self.pair.wires.iter().enumerate() {
            let open = [known.client.is_some(), !matches!(known.server, ServerEnd::Closed)];
            let flies = [
                !known.in_flight(Side::Client).is_empty(),
                !known.in_flight(Side::Server).is_empty(),
            ];
            for client in [true, false] {
                // A server that closed its connection has nobody left to hear it.
                let late = self.left.late > 0 && !client && open[1];
                if flies[index(client)] && (open[index(!client)] || late) {
                    acts.push(Act::Deliver(wire, client));
                }
            }
            let cut = self.cut.contains(&wire);
            if !cut && self.left.cuts > 0 && (open[0] || open[1]) {
                acts.push(Act::Cut(wire));
                if flies[0] || flies[1] {
                    acts.push(Act::Lose(wire));
                }
            }
            for client in [true, false] {
                let other_gone = !open[index(!client)] && !flies[index(!client)];
                if open[index(client)] && (cut || other_gone) {
                    acts.push(Act::Notice(wire, client));
                }
            }
        }
        let due = self.pair.dial_at().is_some_and(|at| at <= self.pair.now);
        if due && self.pair.wires.len() < self.left.connections {
            acts.push(Act::Dial);
        }
        if self.left.migrations > 0 && self.pair.client.state() == SessionState::Attached {
            acts.push(Act::Migrate);
        }
    }

    fn of_host(&self, client: bool, acts: &mut Vec<Act>) {
        if self.left.is_slow && self.wants_record(client) {
            acts.push(Act::Write(client));
        }
        if self.disks[index(client)].is_writing() {
            acts.push(Act::Keep(client));
        }
    }

    fn of_application(&self, client: bool, acts: &mut Vec<Act>) {
        if self.may_send(client) {
            acts.push(Act::Send(client));
        }
        if self.left.is_lazy && self.may_read(client) {
            acts.push(Act::Read(client));
        }
        let us = index(client);
        let may = self.left.closes[us] && self.is_established() && !self.apps[us].has_closed;
        if may && self.pair.ended[us].is_none() {
            acts.push(Act::Close(client));
        }
    }

    fn kills(&self, acts: &mut Vec<Act>) {
        let fates = |us: usize, mortal: bool| {
            let mut fates = Vec::new();
            // A client whose session is over has nothing to begin again with.
            if mortal && (us == 1 || !self.disks[0].is_removed) {
                fates.push(Some(false));
                if self.disks[us].is_writing() {
                    fates.push(Some(true));
                }
            }
            fates
        };
        let [client, server, both] = self.left.mortal;
        acts.extend(fates(0, client).into_iter().map(|fate| Act::Kill([fate, None])));
        let server_is_there = self.pair.server.is_some() || !self.pair.wires.is_empty();
        acts.extend(
            fates(1, server && server_is_there)
                .into_iter()
                .map(|fate| Act::Kill([None, fate])),
        );
        for ours in fates(0, both) {
            for theirs in fates(1, both && server_is_there) {
                acts.push(Act::Kill([ours, theirs]));
            }
        }
    }

    pub(crate) fn apply(&mut self, act: Act) {
        let now = self.pair.instant();
        match act {
            Act::Deliver(wire, client) => {
                let late = !client && self.pair.wires[wire].client.is_none();
                self.left.late -= u32::from(late);
                self.deliver(wire, client);
            }
            Act::Cut(wire) | Act::Lose(wire) => {
                self.left.cuts -= 1;
                self.cut.insert(wire);
                self.pair.wires[wire].cut([matches!(act, Act::Lose(_)); 2]);
            }
            Act::Notice(wire, client) => drop(self.pair.notice(wire, side(client))),
            Act::Dial => drop(self.pair.dial([None; 2])),
            Act::Migrate => {
                self.left.migrations -= 1;
                self.pair.client.migrate(now, Duration::from_secs(1), Bytes::new());
            }
            Act::Send(client) => drop(self.send(client)),
            Act::Read(client) => drop(self.read(client)),
            Act::Close(client) => drop(self.close(client)),
            Act::Write(client) => drop(self.write(client)),
            Act::Keep(client) => drop(self.keep(client)),
            Act::Kill(who) => {
                self.left.kills -= 1;
                for (us, written) in who.into_iter().enumerate() {
                    if let Some(written) = written {
                        self.kill(us == 0, written);
                    }
                }
            }
            Act::Wait => self.wait(),
        }
        self.waited = if act == Act::Wait { self.waited + 1 } else { 0 };
        self.quiesce();
    }

    pub(crate) fn wait(&mut self) {
        if let Some(at) = self.pair.next_deadline() {
            self.pair.now = self.pair.now.max(at);
        }
        self.pair.timers();
    }

    pub(crate) fn is_over(&self) -> bool {
        self.pair.ended.iter().all(Option::is_some)
    }
}
