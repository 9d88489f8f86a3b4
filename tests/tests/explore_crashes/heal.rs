//! Nothing goes wrong any more: connections stay, disks answer, nobody dies.

use unbroken_proto::session::SessionState;

use crate::world::{World, index};

/// How long that may take, in nanoseconds.
const LONG: u64 = 600_000_000_000;

impl World {
    /// Goes on until everything arrived, or a close went through, or for [`LONG`].
    pub(crate) fn heal(&mut self) {
        let limit = self.pair.now + LONG;
        loop {
            while self.round() {}
            let next = self.pair.next_deadline().filter(|at| *at <= limit);
            if self.is_done() || next.is_none() {
                return;
            }
            self.wait();
            self.quiesce();
        }
    }

    fn round(&mut self) -> bool {
        let mut any = false;
        for wire in 0..self.pair.wires.len() {
            while self.pair.wires[wire].client.is_none() && self.deliver(wire, true) {
                any = true;
            }
        }
        any |= self.pair.step();
        any |= self.hear_of_ends();
        for client in [true, false] {
            any |= self.write(client);
            any |= self.keep(client);
            any |= self.read(client);
            while self.send(client) {
                any = true;
            }
            if self.apps[index(client)].wants_close {
                any |= self.close(client);
            }
        }
        self.quiesce();
        any
    }

    fn hear_of_ends(&mut self) -> bool {
        use unbroken_proto::Side;
        let mut any = false;
        for wire in 0..self.pair.wires.len() {
            let known = &self.pair.wires[wire];
            let client_gone = known.client.is_none();
            let server_gone = matches!(known.server, unbroken_tests::pair::ServerEnd::Closed);
            let cut = self.cut.contains(&wire);
            // What is on its way comes first.
            let flies = [Side::Client, Side::Server].map(|from| !known.in_flight(from).is_empty());
            if (cut || server_gone) && !flies[1] {
                any |= self.pair.notice(wire, Side::Client);
            }
            if (cut || client_gone) && !flies[0] {
                any |= self.pair.notice(wire, Side::Server);
            }
        }
        any
    }

    /// Whether there is nothing left to wait for.
    pub(crate) fn is_done(&self) -> bool {
        if self.is_closed() {
            return self.pair.ended[0].is_some() && (self.pair.server.is_none() || self.pair.ended[1].is_some());
        }
        let sent = (0..2).all(|us| self.apps[us].sent == self.left.messages[us]);
        let kept = [true, false]
            .into_iter()
            .all(|client| !self.wants_record(client) && !self.disks[index(client)].is_writing());
        let up = self.pair.client.state() == SessionState::Attached && self.is_established();
        let accepted = self.apps.iter().all(|app| app.has_stream);
        sent && kept && up && accepted && self.pair.ledger.is_settled()
    }
}
