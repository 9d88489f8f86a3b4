//! The single steps: everything a host may do, one at a time.

use bytes::BytesMut;
use unbroken_proto::event::Event;
use unbroken_proto::server::{Admission, Route};
use unbroken_proto::stream::{Chunk, StreamOptions};
use unbroken_proto::{Carrier, Cause, Epoch, Session, Side, StreamId};

use super::setup::{DialFate, Dialled, Pair};
use super::wire::{ServerEnd, Wire};

impl Pair {
    /// Dials if the client wants a connection now. `budgets`: bytes that pass each way.
    pub fn dial(&mut self, budgets: [Option<usize>; 2]) -> bool {
        let now = self.instant();
        let Some(intent) = self.client.wanted_connection() else {
            // A dial whose wish is gone is given up; should the wish come back, it begins anew.
            self.answered = 0;
            return false;
        };
        if intent.not_before > now || intent.attempt == self.answered || !intent.is_dial() {
            return false;
        }
        let attempt = intent.attempt;
        self.answered = attempt;
        let fate = self.dials.pop_front().unwrap_or(DialFate::Up);
        self.dialled.push(Dialled {
            at: self.now,
            intent,
            fate: fate.clone(),
        });
        let budgets = match fate {
            DialFate::Up => budgets,
            DialFate::Dead => [Some(0); 2],
            DialFate::Hangs => return true,
            DialFate::Fails(cause) => {
                self.client
                    .handle_answer(now, attempt, unbroken_proto::reconnect::Answer::Failed(cause));
                return true;
            }
            DialFate::Postponed(after) => {
                self.client
                    .handle_answer(now, attempt, unbroken_proto::reconnect::Answer::Postponed(after));
                return true;
            }
        };
        let Ok(epoch) = self.client.attach(now, Carrier::ordered()) else {
            return false;
        };
        let id = self.registry.connection_accepted(now, Carrier::ordered());
        self.wires.push(Wire::new(epoch, id, budgets));
        true
    }

    /// When the client wants its next connection, if it does.
    #[must_use]
    pub fn dial_at(&self) -> Option<u64> {
        let intent = self.client.wanted_connection()?;
        (intent.attempt != self.answered && intent.is_dial()).then(|| intent.not_before.as_nanos())
    }

    /// A connection of somebody else's, who says `packet`. Returns its number.
    pub fn attack(&mut self, packet: &[u8]) -> usize {
        let id = self.registry.connection_accepted(self.instant(), Carrier::ordered());
        let mut wire = Wire::new(Epoch(u64::MAX), id, [None; 2]);
        wire.client = None;
        wire.write(Side::Client, packet);
        self.wires.push(wire);
        self.wires.len() - 1
    }

    /// Asks `side` for one packet on `wire`.
    pub fn transmit(&mut self, wire: usize, side: Side) -> bool {
        let now = self.instant();
        let Some(known) = self.wires.get(wire) else {
            return false;
        };
        let epoch = if side == Side::Client {
            known.client
        } else {
            known.server_epoch()
        };
        let Some(epoch) = epoch else { return false };
        let mut packet = Vec::new();
        let wanted = self.machine(side).is_some_and(|session| session.wants_transmit());
        let some = self
            .machine(side)
            .is_some_and(|session| session.poll_transmit(now, epoch, &mut packet));
        assert!(wanted || !some, "it packs what it said it does not want to send");
        if some {
            self.wires[wire].write(side, &packet);
        }
        some
    }

    /// Delivers the next packet that `from` wrote on `wire`, also to an end that gave up.
    pub fn deliver(&mut self, wire: usize, from: Side) -> bool {
        let Some(packet) = self.wires.get_mut(wire).and_then(|wire| wire.take(from)) else {
            return false;
        };
        match from {
            Side::Server => self.give_client(wire, packet),
            Side::Client => self.give_server(wire, packet),
        }
        true
    }

    fn give_client(&mut self, wire: usize, packet: BytesMut) {
        let now = self.instant();
        let epoch = self.wires[wire].was;
        if self.client.handle_input(now, epoch, packet).is_err() {
            self.close(wire, Side::Client);
        }
    }

    fn give_server(&mut self, wire: usize, packet: BytesMut) {
        let now = self.instant();
        let end = std::mem::replace(&mut self.wires[wire].server, ServerEnd::Closed);
        self.wires[wire].server = match end {
            ServerEnd::Closed => ServerEnd::Closed,
            ServerEnd::Bound(epoch) => {
                let refused = self
                    .server
                    .as_mut()
                    .is_none_or(|server| server.handle_input(now, epoch, packet).is_err());
                if refused {
                    self.flush(wire, epoch);
                }
                if refused {
                    ServerEnd::Closed
                } else {
                    ServerEnd::Bound(epoch)
                }
            }
            ServerEnd::Silent(id) => match self.registry.first_packet(now, id, packet) {
                Route::Handshake(mut incoming) => {
                    let mut answer = Vec::new();
                    while incoming.poll_transmit(&mut answer) {
                        self.wires[wire].write(Side::Server, &std::mem::take(&mut answer));
                    }
                    ServerEnd::Handshake(id, Box::new(incoming))
                }
                Route::Resume { incoming, .. } => self.adopt(wire, incoming),
                Route::Lookup { .. } => panic!("nothing is looked up"),
                Route::Reject(rejection) => self.reject(wire, rejection.packet),
            },
            ServerEnd::Handshake(id, mut incoming) => {
                if incoming.handle_input(now, packet).is_err() {
                    self.registry.connection_closed(now, id);
                    ServerEnd::Closed
                } else if incoming.request().is_none() {
                    ServerEnd::Handshake(id, incoming)
                } else if let Some(refusal) = self.refusals.pop_front() {
                    let rejection = self.registry.refuse(now, *incoming, refusal);
                    self.reject(wire, rejection.packet)
                } else {
                    match self.registry.admit(now, *incoming) {
                        Admission::New { session, epoch } => {
                            self.former.extend(self.server.replace(session));
                            ServerEnd::Bound(epoch)
                        }
                        Admission::Resume { incoming, .. } => self.adopt(wire, incoming),
                        Admission::Lookup { .. } => panic!("nothing is looked up"),
                        Admission::Reject(rejection) => self.reject(wire, rejection.packet),
                    }
                }
            }
        };
        self.pass_report();
    }

    fn adopt(&mut self, wire: usize, incoming: unbroken_proto::server::Incoming) -> ServerEnd {
        let now = self.instant();
        let Some(server) = &mut self.server else {
            let rejection = self.registry.orphan(now, incoming);
            return self.reject(wire, rejection.packet);
        };
        match server.adopt(now, incoming) {
            Ok(epoch) => ServerEnd::Bound(epoch),
            Err(rejection) => self.reject(wire, rejection.packet),
        }
    }

    fn reject(&mut self, wire: usize, packet: Option<Vec<u8>>) -> ServerEnd {
        if let Some(packet) = packet {
            self.wires[wire].write(Side::Server, &packet);
        }
        ServerEnd::Closed
    }

    fn flush(&mut self, wire: usize, epoch: Epoch) {
        let now = self.instant();
        let mut packet = Vec::new();
        while self
            .server
            .as_mut()
            .is_some_and(|server| server.poll_transmit(now, epoch, &mut packet))
        {
            self.wires[wire].write(Side::Server, &std::mem::take(&mut packet));
        }
    }

    /// Passes the server's report on to the registry.
    pub fn pass_report(&mut self) {
        let now = self.instant();
        if let Some(report) = self.server.as_mut().and_then(Session::poll_report) {
            self.registry.update(now, report);
        }
    }

    /// `side` hears that `wire` is gone.
    pub fn notice(&mut self, wire: usize, side: Side) -> bool {
        let now = self.instant();
        let Some(known) = self.wires.get_mut(wire) else {
            return false;
        };
        match side {
            Side::Client => {
                let Some(epoch) = known.client.take() else { return false };
                self.client.detach(now, epoch, Cause::Network);
            }
            Side::Server => match std::mem::replace(&mut known.server, ServerEnd::Closed) {
                ServerEnd::Bound(epoch) => {
                    if let Some(server) = &mut self.server {
                        server.detach(now, epoch, Cause::Network);
                    }
                }
                ServerEnd::Silent(id) | ServerEnd::Handshake(id, _) => self.registry.connection_closed(now, id),
                ServerEnd::Closed => return false,
            },
        }
        self.pass_report();
        true
    }

    /// `side` closes `wire` without telling its machine.
    pub fn close(&mut self, wire: usize, side: Side) {
        match side {
            Side::Client => self.wires[wire].client = None,
            Side::Server => self.wires[wire].server = ServerEnd::Closed,
        }
    }

    /// Closes what the machines no longer want; last words are sent first.
    pub fn tidy(&mut self) -> bool {
        let mut any = false;
        for wire in 0..self.wires.len() {
            let epoch = self.wires[wire].client.filter(|epoch| !self.client.is_wanted(*epoch));
            if epoch.is_some() {
                while self.transmit(wire, Side::Client) {}
                self.close(wire, Side::Client);
                any = true;
            }
            let epoch = self.wires[wire].server_epoch();
            let unwanted = epoch.filter(|epoch| self.server.as_ref().is_none_or(|server| !server.is_wanted(*epoch)));
            if unwanted.is_some() {
                while self.transmit(wire, Side::Server) {}
                self.close(wire, Side::Server);
                any = true;
            }
        }
        any
    }

    /// Fires what is due.
    ///
    /// # Panics
    /// When a deadline is not honest.
    pub fn timers(&mut self) {
        let now = self.instant();
        for side in [Side::Client, Side::Server] {
            let Some(session) = self.machine(side) else { continue };
            if session.poll_timeout().is_some_and(|at| at <= now) {
                session.handle_timeout(now);
                assert!(
                    session.poll_timeout().is_none_or(|at| at > now),
                    "{side:?}: due again at once"
                );
            }
        }
        if self.registry.poll_timeout().is_some_and(|at| at <= now) {
            self.registry.handle_timeout(now);
        }
        for wire in &mut self.wires {
            if let ServerEnd::Silent(id) | ServerEnd::Handshake(id, _) = &wire.server
                && !self.registry.is_wanted(*id)
            {
                wire.server = ServerEnd::Closed;
            }
        }
        self.pass_report();
    }

    /// The earliest deadline of the two machines, the registry and the next dial.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let server = self.server.as_ref().and_then(Session::poll_timeout);
        let timers = [self.client.poll_timeout(), server, self.registry.poll_timeout()];
        let timers = timers.into_iter().flatten().map(|at| at.as_nanos());
        timers.chain(self.dial_at()).min()
    }

    /// Reads all events. False: there were none.
    pub fn read_events(&mut self) -> bool {
        let before = self.events.len();
        for side in [Side::Client, Side::Server] {
            while let Some(event) = self.machine(side).and_then(Session::poll_event) {
                let hidden =
                    side == Side::Server && self.server.as_ref().is_some_and(|server| server.stats().attaches == 0);
                if let (Event::Ended(ended), false) = (&event, hidden) {
                    self.ended[usize::from(side == Side::Server)] = Some(ended.clone());
                }
                self.events.push((side, event));
            }
        }
        self.events.len() > before
    }

    /// Opens a stream.
    ///
    /// # Panics
    /// When the machine refuses.
    pub fn open(&mut self, side: Side) -> StreamId {
        let now = self.instant();
        let options = StreamOptions::default();
        let session = self.machine(side).expect("because the script waits for the machine");
        let id = session
            .open(now, options.clone())
            .expect("because the script keeps the limits");
        self.ledger.opened(id, &options);
        id
    }

    /// Writes the next `len` bytes of the stream: one message, or that many bytes, as the half is.
    pub fn put(&mut self, side: Side, stream: StreamId, len: usize) -> bool {
        let now = self.instant();
        let half = self.ledger.half(stream, side);
        let (messages, mut payload) = (half.messages, half.payload(len));
        let Some(session) = self.machine(side) else {
            return false;
        };
        let taken = if messages {
            session.stream(stream).send(now, payload).is_ok().then_some(len)
        } else {
            session.stream(stream).write(now, &mut payload).ok()
        };
        let half = self.ledger.half(stream, side);
        match taken {
            Some(len) if messages => half.sent(len),
            Some(len) => half.wrote(len),
            None => return false,
        }
        true
    }

    /// Half-closes.
    pub fn finish(&mut self, side: Side, stream: StreamId) -> bool {
        let now = self.instant();
        let done = self
            .machine(side)
            .is_some_and(|session| session.stream(stream).finish(now).is_ok());
        self.ledger.half(stream, side).finished |= done;
        done
    }

    /// Accepts and reads everything there is.
    ///
    /// # Panics
    /// When what is read is not what was written.
    pub fn read_all(&mut self, side: Side, streams: &[StreamId]) {
        let now = self.instant();
        while let Some(stream) = self.machine(side).and_then(|session| session.accept(now)) {
            let verdict = self.ledger.accepted(side, &stream);
            assert_eq!(verdict, Ok(()));
        }
        for id in streams {
            loop {
                let Some(session) = self.machine(side) else { return };
                let Ok(Some(chunk)) = session.stream(*id).recv(now) else {
                    break;
                };
                let verdict = self.ledger.read(side, *id, &chunk);
                assert_eq!(verdict, Ok(()));
                if chunk == Chunk::End {
                    break;
                }
            }
        }
    }
}
