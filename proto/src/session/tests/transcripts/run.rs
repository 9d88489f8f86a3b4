//! Carries the steps of a transcript out between two ends, and writes the transcript anew.

extern crate std;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use std::collections::HashMap;

use bytes::Bytes;

use super::end::End;
use super::script::{STEPS, Script, bytes, counts, name, number, other, side};
use crate::id::Side;
use crate::security::witness::{Inside, Witness};
use crate::time::Instant;
use crate::wire::frame::Frame;
use crate::wire::handshake::{Reject, decode_offer};
use crate::wire::packet::PacketType;
use crate::wire::tests::decode;
use crate::wire::tests::show::{hex, show_frame, show_offer, show_reject};

/// What an end said on a connection, on its way to the other.
type Way = (Side, u64);

enum Flight {
    Packet(Vec<u8>),
    Closed,
}

struct Run<'a> {
    client: &'a mut dyn End,
    server: &'a mut dyn End,
    witness: Witness,
    now: Instant,
    /// What came so far, and how many of it are steps and packets.
    at: usize,
    steps: usize,
    packets: usize,
    connections: BTreeSet<u64>,
    /// What stays on its way.
    held: HashMap<Way, VecDeque<Flight>>,
    /// The position of the next sequenced frame, once FROM has said one.
    cursors: HashMap<Way, u64>,
    text: String,
}

/// The transcript of `script`, as it is between these two, as long as what came of it up to a step is what is expected.
pub(super) fn run(
    script: &Script,
    (client, server): (&mut dyn End, &mut dyn End),
    is_expected: impl Fn(&str, usize) -> bool,
) -> String {
    let mut run = Run {
        client,
        server,
        witness: Witness::new(script.first_nonce),
        now: Instant::from_millis(0),
        at: 0,
        steps: 0,
        packets: 0,
        connections: BTreeSet::new(),
        held: HashMap::new(),
        cursors: HashMap::new(),
        text: String::new(),
    };
    for line in &script.lines {
        let (key, value) = line.split_once(": ").unwrap_or_default();
        run.text += &format!("{line}\n");
        run.at += usize::from(counts(key));
        run.steps += usize::from(STEPS.contains(&key));
        run.step(key, &value.split(' ').collect::<Vec<_>>());
        if !is_expected(&run.text, run.steps) {
            break;
        }
    }
    run.text
}

fn type_name(kind: PacketType) -> &'static str {
    match kind {
        PacketType::Hello => "HELLO",
        PacketType::Challenge => "CHALLENGE",
        PacketType::AuthProof => "AUTH_PROOF",
        PacketType::Resume => "RESUME",
        PacketType::Resumed => "RESUMED",
        PacketType::Reject => "REJECT",
        PacketType::Sealed => "SEALED",
    }
}

impl Run<'_> {
    fn end(&mut self, side: Side) -> &mut dyn End {
        match side {
            Side::Client => &mut *self.client,
            Side::Server => &mut *self.server,
        }
    }

    fn line(&mut self, key: &str, value: &str) {
        self.at += usize::from(counts(key));
        self.text += &format!("{key}: {value}\n");
    }

    fn step(&mut self, key: &str, words: &[&str]) {
        match (key, words) {
            ("time", [millis]) => {
                self.now = Instant::from_millis(number(millis));
                let now = self.now;
                self.client.wait(now);
                self.server.wait(now);
            }
            ("does", [end, step @ ..]) => {
                if let ["dials", connection] = step {
                    self.connections.insert(number(connection));
                }
                let now = self.now;
                self.end(side(end)).does(now, step);
            }
            ("cut", [connection]) => {
                let connection = number(connection);
                self.held.retain(|way, _| way.1 != connection);
                self.client.lose(self.now, connection);
                self.server.lose(self.now, connection);
            }
            ("hold", [end, connection]) => {
                self.held.insert((side(end), number(connection)), VecDeque::new());
                return;
            }
            ("release", [end, connection, count @ ..]) => {
                let way = (side(end), number(connection));
                let count = count.first().map_or(usize::MAX, |count| number(count) as usize);
                for _ in 0..count {
                    let Some(next) = self.held.get_mut(&way).and_then(VecDeque::pop_front) else {
                        break;
                    };
                    self.arrive(way, &next);
                    self.settle();
                }
                if words.len() == 2 {
                    self.held.remove(&way);
                }
            }
            ("forged", [end, connection, packet]) => {
                let now = self.now;
                self.end(side(end)).input(now, number(connection), &bytes(packet));
            }
            _ => return,
        }
        self.hear();
        self.settle();
    }

    /// Carries packets until nobody has any.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            for connection in self.connections.clone() {
                for side in [Side::Client, Side::Server] {
                    moved |= self.carry((side, connection));
                }
            }
            if !moved && !self.close() {
                return;
            }
        }
    }

    fn carry(&mut self, way: Way) -> bool {
        let (now, at) = (self.now, self.at);
        let Some(packet) = self.end(way.0).poll(now, way.1, at) else {
            return false;
        };
        self.packets += 1;
        self.show(way, &packet);
        self.send(way, Flight::Packet(packet));
        true
    }

    /// Both ends may close a connection at once.
    fn close(&mut self) -> bool {
        let mut closed = Vec::new();
        for connection in self.connections.clone() {
            for side in [Side::Client, Side::Server] {
                let at = self.at;
                if self.end(side).closes(connection, at) {
                    self.line("closes", &format!("{} {connection}", name(side)));
                    closed.push((side, connection));
                }
            }
        }
        let moved = !closed.is_empty();
        closed.into_iter().for_each(|way| self.send(way, Flight::Closed));
        moved
    }

    fn send(&mut self, way: Way, flight: Flight) {
        match self.held.get_mut(&way) {
            Some(held) => held.push_back(flight),
            None => self.arrive(way, &flight),
        }
    }

    fn arrive(&mut self, way: Way, flight: &Flight) {
        let now = self.now;
        let end = self.end(other(way.0));
        match flight {
            Flight::Packet(packet) => end.input(now, way.1, packet),
            Flight::Closed => end.lose(now, way.1),
        }
        self.hear();
    }

    fn hear(&mut self) {
        let now = self.now;
        for side in [Side::Client, Side::Server] {
            for heard in self.end(side).gets(now) {
                self.line("gets", &format!("{} {heard}", name(side)));
            }
        }
    }

    fn show(&mut self, way: Way, packet: &[u8]) {
        let kind = PacketType::of(packet).map_or("-", type_name);
        let number = self.packets;
        self.line("packet", &format!("{number} {} {} {kind}", name(way.0), way.1));
        if let Some(inside) = self.witness.inside(packet) {
            self.show_inside(way, packet, &inside);
        } else if let Ok(reject) = Reject::decode(packet) {
            self.line("reject", &show_reject(reject));
        }
        self.line("hex", &hex(packet));
    }

    fn show_inside(&mut self, way: Way, packet: &[u8], inside: &Inside) {
        if let Some(secret) = inside.ephemeral {
            self.line("ephemeral", &hex(&secret));
        }
        if let Some(nonce) = inside.nonce {
            self.line("nonce", &format!("{nonce}"));
            for frame in decode(&inside.plaintext).expect("because it was packed here") {
                self.show_frame(way, &frame);
            }
            return;
        }
        match PacketType::of(packet) {
            Ok(PacketType::AuthProof) => {
                let offer = decode_offer(Bytes::from(inside.plaintext.clone()));
                for (key, value) in show_offer(&offer.expect("because it was packed here")) {
                    self.line(key, &value);
                }
            }
            Ok(PacketType::Resume | PacketType::Resumed) => {
                let (position, predecessor) = inside.plaintext.split_first_chunk().expect("because it is a claim");
                let position = u64::from_be_bytes(*position);
                let predecessor = if predecessor == [1] { "alive" } else { "dead" };
                self.line("claim", &format!("position={position} predecessor={predecessor}"));
            }
            _ => {}
        }
    }

    fn show_frame(&mut self, way: Way, frame: &Frame) {
        self.line("frame", &show_frame(frame));
        if let Frame::From { position } = frame {
            self.cursors.insert(way, *position);
        }
        if let Some(cursor) = self.cursors.get_mut(&way).filter(|_| frame.is_sequenced()) {
            let position = *cursor;
            *cursor += 1;
            self.line("position", &format!("{position}"));
        }
    }
}
