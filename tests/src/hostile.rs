//! A machine against a peer that has proven itself and then does as it likes, spelled by bytes: for the
//! fuzzers, the corpus replay and the random tests. Whatever comes, nothing panics, and nothing held
//! exceeds what was configured.

use bytes::{Bytes, BytesMut};
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::wire::frame::{Close, Data, End, EndCode, Frame, Open, Part};
use unbroken_proto::wire::packet::PacketType;
use unbroken_proto::wire::{FrameWriter, frames};
use unbroken_proto::{Carrier, Cause, Epoch, Session, SessionConfig, Side, StreamId};

use crate::pair::{Pair, ServerEnd, Setup};
use crate::probe::most_unread;

/// Any bytes as the plaintext of a packet: frames or one error, and frames come out as they went in.
///
/// # Panics
/// The decoder took something that does not survive being written and read again.
pub fn decode(data: &[u8]) {
    let read: Vec<_> = frames(Bytes::copy_from_slice(data)).collect();
    let good: Vec<Frame> = read.into_iter().map_while(Result::ok).collect();
    let mut again = Vec::new();
    let mut writer = FrameWriter::new(&mut again);
    good.iter().for_each(|frame| writer.push(frame));
    writer.finish();
    let reread: Vec<Frame> = frames(again.into()).map_while(Result::ok).collect();
    assert_eq!(reread, good, "frames change when they are written and read again");
}

/// Bytes as a spelling of what happens.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A small number mostly, an extreme one now and then.
    fn number(&mut self) -> u64 {
        match self.byte() {
            None => 0,
            Some(small @ 0..=199) => u64::from(small % 20),
            Some(200..=219) => (1 << 62) - 1 - u64::from(self.byte().unwrap_or(0)),
            Some(_) => u64::from(self.byte().unwrap_or(0)) << (self.byte().unwrap_or(0) % 50),
        }
    }

    fn bytes(&mut self, most: usize) -> Bytes {
        let len = usize::from(self.byte().unwrap_or(0))
            .saturating_mul(9)
            .min(most)
            .min(self.0.len());
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        Bytes::copy_from_slice(taken)
    }

    fn frame(&mut self) -> Frame {
        let stream = StreamId(self.number().max(1));
        match self.byte().unwrap_or(0) % 16 {
            0..=2 => {
                let flags = self.byte().unwrap_or(0);
                let (message_end, stream_end) = (flags & 1 == 1, flags & 6 == 6);
                Frame::Data(Data {
                    stream,
                    payload: self.bytes(4_000),
                    message_end,
                    stream_end,
                })
            }
            3 => Frame::Open(Open {
                stream,
                priority: 0,
                fragment_size: 16_000,
                label: self.bytes(255),
            }),
            4 => Frame::Reset {
                stream,
                code: self.number(),
            },
            5 => Frame::Stop {
                stream,
                code: self.number(),
            },
            6 => Frame::Credit {
                stream: self.number(),
                limit: self.number(),
            },
            7 => Frame::Close(Close {
                code: self.number(),
                reason: Bytes::new(),
                position: self.number(),
            }),
            8 => Frame::Closed {
                position: self.number(),
            },
            9 => Frame::Ack {
                position: self.number(),
            },
            10 => Frame::From {
                position: self.number(),
            },
            11 => {
                let data = Data {
                    stream,
                    payload: self.bytes(2_000),
                    message_end: true,
                    stream_end: false,
                };
                let (offset, behind) = (self.number(), self.number());
                let total = offset.saturating_add(data.payload.len() as u64).saturating_add(behind);
                Frame::Part(Part { data, offset, total })
            }
            12 => Frame::Resync {
                position: self.number(),
            },
            13 => Frame::Ping { id: self.number() },
            14 => Frame::GoAway {
                within: self.number(),
                alternate: self.bytes(100),
            },
            _ => match self.byte().unwrap_or(0) {
                0..=99 => Frame::Pong { id: self.number() },
                100..=199 => Frame::Rekey,
                _ => {
                    let codes = [
                        EndCode::Done,
                        EndCode::StateLost,
                        EndCode::ProtocolError,
                        EndCode::RetryLater,
                    ];
                    let code = codes[usize::from(self.byte().unwrap_or(0)) % codes.len()];
                    Frame::End(End::new(code, Some(self.number())).into())
                }
            },
        }
    }

    fn packet(&mut self) -> Vec<u8> {
        let mut plaintext = Vec::new();
        let mut writer = FrameWriter::new(&mut plaintext);
        for _ in 0..=self.byte().unwrap_or(0) % 6 {
            writer.push(&self.frame());
        }
        writer.finish();
        plaintext
    }
}

/// A packet that `machine` never packed, under its keys: what a peer can say that has proven itself and then
/// does as it likes. `None` where the connection `epoch` is not its current one.
pub fn seal(machine: &mut Session, epoch: Epoch, plaintext: &[u8]) -> Option<Vec<u8>> {
    let mut packet = vec![PacketType::Sealed.byte()];
    packet.extend_from_slice(plaintext);
    machine.send_keys(epoch)?.seal(&mut packet).then_some(packet)
}

/// One end is ours and honest, the other does what `data` says.
///
/// # Panics
/// The honest machine panicked, or held more than it was configured to.
pub fn hostile(data: &[u8]) {
    let mut script = Script(data);
    let config = SessionConfig::default()
        .with_outbox_limit(8_192)
        .with_inbox_limit(65_536)
        .with_stream_window(4_096)
        .with_session_window(8_192)
        .with_max_streams(4);
    let victim = if script.byte().unwrap_or(0) % 2 == 0 {
        Side::Server
    } else {
        Side::Client
    };
    let mut pair = Pair::new(&Setup {
        client: config.clone(),
        server: config.clone(),
        ..Setup::default()
    });
    assert!(pair.dial([None; 2]), "because the client wants a connection");
    exchange(&mut pair, 0);
    while let Some(what) = script.byte() {
        let now = pair.instant();
        match what % 12 {
            0..=4 => {
                let plaintext = script.packet();
                inject(&mut pair, victim, &plaintext);
            }
            5 => {
                let plaintext = script.bytes(2_000);
                inject(&mut pair, victim, &plaintext);
            }
            6 => raw(&mut pair, victim, &mut script),
            7 => {
                pair.now += script.number().min(100_000).saturating_mul(10_000_000);
                pair.timers();
            }
            8 => swap(&mut pair),
            9 => {
                if let Some(machine) = pair.machine(victim) {
                    for _ in 0..4 {
                        if let Some(accepted) = machine.accept(now) {
                            let _whatever = machine.stream(accepted.id).send(now, Bytes::from_static(b"reply"));
                        }
                    }
                    for id in 1..9 {
                        while let Ok(Some(_)) = machine.stream(StreamId(id)).recv(now) {}
                    }
                }
            }
            10 => {
                let len = usize::try_from(script.number()).unwrap_or(usize::MAX).min(9_000);
                if let Some(machine) = pair.machine(victim) {
                    let opened = machine.open(now, StreamOptions::default());
                    let id = opened.unwrap_or(StreamId(script.number()));
                    let _whatever = machine.stream(id).send(now, Bytes::from(vec![7; len]));
                }
            }
            _ => {
                let newest = pair.wires.len() - 1;
                exchange(&mut pair, newest);
            }
        }
        check(&mut pair, victim, &config);
    }
}

/// The epochs of both ends on the newest connection.
fn epochs(pair: &Pair) -> Option<(Epoch, Epoch)> {
    let wire = pair.wires.last()?;
    wire.client.zip(wire.server_epoch())
}

fn inject(pair: &mut Pair, victim: Side, plaintext: &[u8]) {
    let Some((client, server)) = epochs(pair) else { return };
    let now = pair.instant();
    let (peer, from, to) = match victim {
        Side::Server => (Side::Client, client, server),
        Side::Client => (Side::Server, server, client),
    };
    let Some(packet) = pair.machine(peer).and_then(|machine| seal(machine, from, plaintext)) else {
        return;
    };
    if let Some(machine) = pair.machine(victim) {
        let _dropped = machine.handle_input(now, to, BytesMut::from(&packet[..]));
    }
}

/// Bytes that nobody sealed, on the live connection or as a first packet.
fn raw(pair: &mut Pair, victim: Side, script: &mut Script<'_>) {
    let now = pair.instant();
    let packet = BytesMut::from(&script.bytes(2_000)[..]);
    if script.byte().unwrap_or(0).is_multiple_of(2) {
        let connection = pair.registry.connection_accepted(now, Carrier::ordered());
        drop(pair.registry.first_packet(now, connection, packet));
        pair.registry.connection_closed(now, connection);
    } else if let Some((client, server)) = epochs(pair) {
        let epoch = if victim == Side::Client { client } else { server };
        if let Some(machine) = pair.machine(victim) {
            let _dropped = machine.handle_input(now, epoch, packet);
        }
    }
}

/// The connection goes, and another comes if the client wants one.
fn swap(pair: &mut Pair) {
    let now = pair.instant();
    if let Some((client, server)) = epochs(pair) {
        pair.client.detach(now, client, Cause::Network);
        if let Some(machine) = pair.machine(Side::Server) {
            machine.detach(now, server, Cause::Network);
        }
    }
    if let Some(at) = pair.dial_at() {
        pair.now = pair.now.max(at);
        if pair.dial([None; 2]) {
            let newest = pair.wires.len() - 1;
            exchange(pair, newest);
        }
    }
}

/// Honest packets both ways on one connection, for a while.
fn exchange(pair: &mut Pair, wire: usize) {
    for _ in 0..12 {
        let mut moved = false;
        for side in [Side::Client, Side::Server] {
            moved |= pair.transmit(wire, side);
            moved |= pair.deliver(wire, side);
        }
        if !moved
            || matches!(
                pair.wires.get(wire).map(|wire| &wire.server),
                Some(ServerEnd::Closed) | None
            )
        {
            return;
        }
    }
}

fn check(pair: &mut Pair, victim: Side, config: &SessionConfig) {
    let Some(machine) = pair.machine(victim) else { return };
    bounded(machine, config);
    for _ in 0..1_000 {
        if machine.poll_event().is_none() {
            return;
        }
    }
    panic!("more events than anybody asked for");
}

fn bounded(machine: &Session, config: &SessionConfig) {
    let stats = machine.stats();
    // What `send` admits, the control reserve, and one CLOSE.
    assert!(
        stats.outbox_bytes <= config.outbox_limit + (64 << 10) + 2_048,
        "outbox: {stats:?}"
    );
    let committed = machine.inspect().committed_bytes;
    assert!(
        committed <= config.outbox_limit + (64 << 10) + 2_048,
        "committed: {committed}"
    );
    assert!(stats.inbox_bytes <= config.inbox_limit, "inbox: {stats:?}");
    assert!(stats.unread_bytes <= most_unread(config), "unread: {stats:?}");
}
