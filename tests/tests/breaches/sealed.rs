//! What a peer hears that has proven itself, and then says under seal what it must not. The honest machine at its end
//! lends its keys, and knows of nothing.

use bytes::{Bytes, BytesMut};
use unbroken_proto::session::SessionState;
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::time::Duration;
use unbroken_proto::wire::frame::{Close, Data, End, EndCode, Frame, Open, Part};
use unbroken_proto::{Epoch, Session, SessionConfig, Side, StreamId};
use unbroken_tests::hostile::seal;
use unbroken_tests::pair::{Pair, Setup};
use unbroken_tests::rng::Rng;

use super::first::{Member, talks};
use super::noise::claim;
use super::{Outcome, answering, end_name, frames, plaintext};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
const INBOX: usize = 65_536;
/// The end of all integers.
const LARGEST: u64 = (1 << 62) - 1;

/// Two ends, one of which is tried.
pub(crate) struct Rig {
    pub(crate) pair: Pair,
    pub(crate) victim: Side,
    pub(crate) wire: usize,
    pub(crate) stream: StreamId,
    refused: bool,
    heard: Vec<Frame>,
}

fn limits() -> SessionConfig {
    SessionConfig::default()
        .with_stream_window(4_096)
        .with_session_window(8_192)
        .with_max_streams(4)
        .with_inbox_limit(INBOX)
}

fn pair(rng: &mut Rng, limits: SessionConfig) -> Pair {
    Pair::new(&Setup {
        seed: rng.number().to_le_bytes()[0],
        client: limits.clone(),
        server: limits,
        ..Setup::default()
    })
}

impl Rig {
    /// Attached and at rest, with a stream of the client's.
    pub(crate) fn new(rng: &mut Rng, victim: Side) -> Rig {
        Rig::limited(rng, victim, limits())
    }

    /// The same with other limits.
    fn limited(rng: &mut Rng, victim: Side, limits: SessionConfig) -> Rig {
        let mut pair = pair(rng, limits);
        let stream = pair.establish();
        pair.wait(SECOND);
        Rig {
            pair,
            victim,
            wire: 0,
            stream,
            refused: false,
            heard: Vec::new(),
        }
    }

    /// Attached just now: the end that breaks the rules has said nothing on the connection yet.
    pub(crate) fn fresh(rng: &mut Rng, victim: Side) -> Rig {
        let mut pair = pair(rng, limits());
        assert!(pair.dial([None; 2]));
        for side in [Side::Client, Side::Server, Side::Client] {
            pair.transmit(0, side);
            assert!(pair.deliver(0, side));
        }
        assert!(pair.transmit(0, Side::Server) && pair.deliver(0, Side::Server));
        assert_eq!(pair.client.state(), SessionState::Attached);
        if victim == Side::Client {
            assert!(pair.transmit(0, Side::Client) && pair.deliver(0, Side::Client));
        }
        Rig {
            pair,
            victim,
            wire: 0,
            stream: StreamId(1),
            refused: false,
            heard: Vec::new(),
        }
    }

    /// In the midst of a planned swap: what each end said last on the old connection is lost, and only the victim knows.
    fn swapping(rng: &mut Rng, victim: Side) -> Rig {
        let mut pair = pair(rng, SessionConfig::default().with_inbox_limit(INBOX));
        let stream = pair.establish();
        // Each has said something that the other has acknowledged.
        for side in [Side::Client, Side::Server] {
            assert!(pair.put(side, stream, 5));
        }
        pair.wait(SECOND);
        let now = pair.instant();
        pair.client.migrate(now, Duration::from_secs(1), Bytes::new());
        assert!(pair.dial([None; 2]));
        assert!(pair.transmit(1, Side::Client) && pair.deliver(1, Side::Client) && pair.transmit(1, Side::Server));
        pair.wires[0].cut([true; 2]);
        for side in [Side::Client, Side::Server] {
            for _ in 0..rng.between(1, 3) {
                assert!(pair.put(side, stream, 40));
                while pair.transmit(0, side) {}
            }
        }
        assert!(pair.deliver(1, Side::Server));
        assert!(pair.transmit(1, Side::Client) && pair.deliver(1, Side::Client));
        assert!(pair.transmit(1, Side::Server) && pair.deliver(1, Side::Server));
        Rig {
            pair,
            victim,
            wire: 1,
            stream,
            refused: false,
            heard: Vec::new(),
        }
    }

    /// The same, and the victim has asked for what is lost: the position it asked for, the peer's n, and where it stood.
    fn asking(rng: &mut Rng, victim: Side) -> (Rig, u64, u64) {
        let mut rig = Rig::swapping(rng, victim);
        let own = rig.peer_machine().inspect().next;
        rig.pair.notice(0, victim);
        rig.listen();
        let asked = rig.heard.iter().find_map(|frame| match frame {
            Frame::Resync { position } => Some(*position),
            _ => None,
        });
        rig.heard.clear();
        (rig, asked.expect("because something is missing"), own)
    }

    fn peer(&self) -> Side {
        match self.victim {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    fn epoch(&self, side: Side) -> Epoch {
        let wire = &self.pair.wires[self.wire];
        let epoch = if side == Side::Client {
            wire.client
        } else {
            wire.server_epoch()
        };
        epoch.expect("because it is attached")
    }

    pub(crate) fn victim_machine(&mut self) -> &mut Session {
        let victim = self.victim;
        self.pair.machine(victim).expect("because it is attached")
    }

    fn peer_machine(&mut self) -> &mut Session {
        let peer = self.peer();
        self.pair.machine(peer).expect("because it is attached")
    }

    /// The next stream of the peer's own.
    fn own(&self) -> u64 {
        if self.victim == Side::Server { 3 } else { 2 }
    }

    /// A stream of the victim's that it has not opened.
    fn theirs(&self, rng: &mut Rng) -> u64 {
        let parity = u64::from(self.victim == Side::Client);
        4 + 2 * rng.below(50) + parity
    }

    pub(crate) fn sealed(&mut self, said: &[u8]) -> Vec<u8> {
        let epoch = self.epoch(self.peer());
        seal(self.peer_machine(), epoch, said).expect("because the connection is current")
    }

    /// The victim reads a packet, and answers.
    pub(crate) fn hand(&mut self, packet: &[u8]) {
        let (now, epoch) = (self.pair.instant(), self.epoch(self.victim));
        let packet = BytesMut::from(packet);
        self.refused = self.victim_machine().handle_input(now, epoch, packet).is_err();
        self.listen();
    }

    /// Reads what the victim has to say.
    fn listen(&mut self) {
        let (now, ours, theirs) = (self.pair.instant(), self.epoch(self.peer()), self.epoch(self.victim));
        let mut packet = Vec::new();
        while self.victim_machine().poll_transmit(now, theirs, &mut packet) {
            let mut opened = BytesMut::from(&packet[1..]);
            let mut keys = self.peer_machine().send_keys(ours).expect("because it is current");
            assert!(keys.open(&mut opened), "because both have the keys");
            self.heard.extend(frames(opened.to_vec()));
            packet.clear();
        }
    }

    pub(crate) fn say_bytes(&mut self, said: &[u8]) {
        let packet = self.sealed(said);
        self.hand(&packet);
    }

    pub(crate) fn say(&mut self, said: &[Frame]) {
        self.say_bytes(&plaintext(said));
    }

    /// What must be no breach.
    pub(crate) fn say_well(&mut self, said: &[Frame]) {
        self.say(said);
        assert!(!self.refused, "{said:?}");
        assert!(self.lives(), "{said:?}");
    }

    pub(crate) fn take_heard(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.heard)
    }

    fn lives(&mut self) -> bool {
        self.victim_machine().state() != SessionState::Ended
    }

    /// What came of the last packet.
    fn outcome(mut self) -> Outcome {
        let answer = end_name(&self.heard);
        let answer = if answer == "nothing" && self.refused {
            "drop".to_owned()
        } else {
            answer
        };
        let mut lives = self.lives();
        if lives {
            // The session goes on where the connection does not.
            for side in [Side::Client, Side::Server] {
                self.pair.notice(self.wire, side);
            }
            lives = talks(&mut self.pair, self.stream);
        }
        Outcome { answer, lives }
    }

    fn said(mut self, frames: &[Frame]) -> Outcome {
        self.say(frames);
        self.outcome()
    }

    fn said_bytes(mut self, plaintext: &[u8]) -> Outcome {
        self.say_bytes(plaintext);
        self.outcome()
    }
}

pub(crate) fn opening(stream: u64, fragment_size: u64) -> Frame {
    Frame::Open(Open {
        stream: StreamId(stream),
        priority: 128,
        fragment_size,
        label: Bytes::new(),
    })
}

pub(crate) fn data(stream: u64, len: usize) -> Frame {
    Frame::Data(Data {
        stream: StreamId(stream),
        payload: Bytes::from(vec![7; len]),
        message_end: true,
        stream_end: false,
    })
}

/// Some bytes of a message of `total`.
pub(crate) fn part(stream: u64, (offset, len): (u64, usize), total: u64) -> Frame {
    let Frame::Data(data) = data(stream, len) else {
        unreachable!("because it is DATA")
    };
    Frame::Part(Part { data, offset, total })
}

fn ending(stream: u64) -> Frame {
    Frame::Data(Data {
        stream: StreamId(stream),
        payload: Bytes::new(),
        message_end: false,
        stream_end: true,
    })
}

fn closing(position: u64) -> Frame {
    Frame::Close(Close {
        code: 1,
        reason: Bytes::new(),
        position,
    })
}

fn reset(stream: u64) -> Frame {
    Frame::Reset {
        stream: StreamId(stream),
        code: 1,
    }
}

fn usize_of(number: u64) -> usize {
    usize::try_from(number).expect("because it is small")
}

pub(crate) fn no_sealed_packet(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    let mut packet = rig.sealed(&plaintext(&[Frame::Ping { id: 1 }]));
    match rng.below(3) {
        0 => packet.clear(),
        _ => packet[0] = *rng.pick(&[0, 1, 2, 3, 4, 5, 6, 8, 0x47, 0xff]),
    }
    rig.hand(&packet);
    rig.outcome()
}

pub(crate) fn longer_than_any(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    let long = data(1, usize_of(rng.between(65_520, 70_000)));
    let packet = rig.sealed(&plaintext(&[long]));
    rig.hand(&packet);
    rig.outcome()
}

pub(crate) fn longer_than_its_receiver_takes(rng: &mut Rng, victim: Side) -> Outcome {
    let limit = usize_of(rng.between(1_200, 20_000));
    let mut rig = Rig::limited(rng, victim, limits().with_packet_limit(limit));
    // PINGs, each of which is allowed, of two bytes but for one of three.
    let pings = |len: usize| {
        let odd: &[u8] = if len % 2 == 1 { &[0x0d, 0x40, 0x40] } else { &[] };
        [odd, &[0x0d, 1].repeat((len - odd.len()) / 2)].concat()
    };
    let well = rig.sealed(&pings(limit - 17));
    assert_eq!(well.len(), limit);
    rig.hand(&well);
    assert!(!rig.refused && rig.lives(), "it is as long as it may be");
    let more = usize_of(rng.between(1, 3_000));
    rig.take_heard();
    rig.said_bytes(&pings(limit - 17 + more))
}

pub(crate) fn part_that_is_none(rng: &mut Rng, victim: Side) -> Outcome {
    let rig = Rig::new(rng, victim);
    let stream = rig.stream.0;
    let said = match rng.below(4) {
        0 => part(stream, (rng.below(50), 0), 100),
        1 => part(stream, (0, 100), 100),
        2 => part(stream, (rng.between(91, 500), 10), 100),
        _ => part(stream, (0, 10), 64_000 + rng.between(1, 1 << 20)),
    };
    rig.said(&[said])
}

pub(crate) fn part_out_of_turn(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    let stream = rig.stream.0;
    if rng.chance(200) {
        return rig.said(&[part(stream, (rng.between(1, 50), 10), 100)]);
    }
    rig.say_well(&[
        part(stream, (0, 30), 100),
        Frame::Ping { id: 1 },
        part(stream, (30, 20), 100),
    ]);
    let wrong = match rng.below(7) {
        0 => part(stream, (rng.below(50), 10), 100),
        1 => part(stream, (rng.between(51, 90), 10), 100),
        2 => part(stream, (50, 10), rng.between(101, 200)),
        3 => part(stream + 2, (50, 10), 100),
        4 => data(stream, 10),
        5 => opening(rig.own(), 16_000),
        _ => Frame::Credit {
            stream: 0,
            limit: 1 << 40,
        },
    };
    rig.said(&[wrong])
}

pub(crate) fn does_not_open(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    let mut packet = rig.sealed(&plaintext(&[Frame::Ping { id: 1 }]));
    match rng.below(4) {
        0 => {
            let at = usize_of(rng.between(1, packet.len() as u64 - 1));
            packet[at] ^= 1 << rng.below(8);
        }
        1 => packet.truncate(usize_of(rng.between(1, packet.len() as u64 - 1))),
        2 => packet.push(0),
        // One is missing before it.
        _ => packet = rig.sealed(&plaintext(&[Frame::Ping { id: 2 }])),
    }
    rig.hand(&packet);
    rig.outcome()
}

pub(crate) fn cut_short(rng: &mut Rng, victim: Side) -> Outcome {
    let rig = Rig::new(rng, victim);
    let samples = [
        opening(rig.own(), 16_000),
        reset(1),
        Frame::Credit {
            stream: 0,
            limit: 1 << 40,
        },
        closing(3),
        Frame::End(End::new(EndCode::Done, Some(1)).into()),
        Frame::Ack { position: 0 },
        Frame::GoAway {
            within: 5,
            alternate: Bytes::from_static(b"there"),
        },
    ];
    let mut said = plaintext(&[rng.pick(&samples).clone()]);
    said.truncate(usize_of(rng.below(said.len() as u64)));
    rig.said_bytes(&said)
}

pub(crate) fn long_integer(rng: &mut Rng, victim: Side) -> Outcome {
    let rig = Rig::new(rng, victim);
    let value = rng.below(64).to_le_bytes()[0];
    let long: &[u8] = match rng.below(3) {
        0 => &[0x40, value],
        1 => &[0x80, 0, 0, value],
        _ => &[0xc0, 0, 0, 0, 0, 0, 0, value],
    };
    let kind = *rng.pick(&[0x0a, 0x0d, 0x0e]);
    rig.said_bytes(&[&[kind][..], long].concat())
}

pub(crate) fn long_string(rng: &mut Rng, victim: Side) -> Outcome {
    let rig = Rig::new(rng, victim);
    let own = rig.own().to_le_bytes()[0];
    let (head, most): (&[u8], u16) = match rng.below(3) {
        0 => (&[1, own, 128, 0x7e, 0x80], 255),
        1 => (&[5, 1], 1_024),
        _ => (&[0x0f, 1], 1_024),
    };
    let length = most + u16::try_from(rng.between(1, 5_000)).expect("because it is small");
    let said = [
        head,
        &(length | 0x4000).to_be_bytes(),
        &vec![b'x'; usize::from(length) + 9],
    ]
    .concat();
    rig.said_bytes(&said)
}

pub(crate) fn unknown_frame(rng: &mut Rng, victim: Side) -> Outcome {
    let rig = Rig::new(rng, victim);
    let kind = *rng.pick(&[0, 6, 7, 0x12, 0x13, 0x3f, 0x60, 0x6f, 0x80, 0xff]);
    let mut said = if rng.chance(500) {
        plaintext(&[Frame::Ping { id: 1 }])
    } else {
        Vec::new()
    };
    said.extend([kind, 0, 0]);
    rig.said_bytes(&said)
}

pub(crate) fn value_out_of_range(rng: &mut Rng, victim: Side) -> Outcome {
    let rig = Rig::new(rng, victim);
    let own = rig.own().to_le_bytes()[0];
    let said: &[u8] = match rng.below(6) {
        // Fragment sizes of 999 and 64,001.
        0 => &[1, own, 128, 0x43, 0xe7, 0],
        1 => &[1, own, 128, 0x80, 0, 0xfa, 1, 0],
        // END with a code that is none, and with a marker that is none.
        2 => &[9, 9, 0, 0, 0, 0],
        3 => &[9, 0, 0, 2, 0, 0],
        // The same stream, and no stream before.
        4 => &[0x44, 1, 9],
        _ => &[0x4d, 9],
    };
    rig.said_bytes(said)
}

pub(crate) fn final_again(rng: &mut Rng, victim: Side) -> Outcome {
    let rig = Rig::new(rng, victim);
    let answer = unbroken_proto::wire::frame::Final {
        parameters: super::first::parameters(),
        incarnation: [1; 8],
        verdict: None,
    };
    let mut said = if rng.chance(300) {
        plaintext(&[Frame::Ping { id: 1 }])
    } else {
        Vec::new()
    };
    said.extend(plaintext(&[Frame::Final(answer.into())]));
    rig.said_bytes(&said)
}

pub(crate) fn before_from(rng: &mut Rng, victim: Side) -> Outcome {
    let rig = Rig::fresh(rng, victim);
    let own = if victim == Side::Server { 1 } else { 2 };
    let first = rng
        .pick(&[
            opening(own, 16_000),
            Frame::Credit {
                stream: 0,
                limit: 9_000,
            },
            closing(0),
        ])
        .clone();
    let said = if rng.chance(500) {
        vec![Frame::Ping { id: 1 }, first]
    } else {
        vec![first]
    };
    rig.said(&said)
}

pub(crate) fn from_above(rng: &mut Rng, victim: Side) -> Outcome {
    if rng.chance(500) {
        let position = rng.scaled(1, LARGEST);
        return Rig::fresh(rng, victim).said(&[Frame::From { position }]);
    }
    let mut rig = Rig::new(rng, victim);
    let position = rig.victim_machine().inspect().expected + rng.scaled(1, 1 << 60);
    rig.said(&[Frame::From { position }, data(1, 1)])
}

pub(crate) fn from_again(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    rig.say_well(&[opening(rig.own(), 16_000)]);
    let position = rng.between(0, rig.victim_machine().inspect().expected);
    rig.said(&[Frame::From { position }])
}

pub(crate) fn ack_beyond(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    let position = (rig.victim_machine().inspect().next + rng.scaled(1, LARGEST / 2)).min(LARGEST);
    rig.said(&[Frame::Ack { position }])
}

pub(crate) fn resync_out_of_place(rng: &mut Rng, victim: Side) -> Outcome {
    if rng.chance(300) {
        let position = rng.scaled(0, LARGEST);
        return Rig::new(rng, victim).said(&[Frame::Resync { position }]);
    }
    let mut rig = Rig::swapping(rng, victim);
    // The victim packs nothing on the old connection any more.
    let own = rig.victim_machine().inspect().next;
    if rng.chance(500) {
        rig.say_well(&[Frame::Resync { position: own - 1 }]);
        return rig.said(&[Frame::Resync { position: own - 1 }]);
    }
    let position = (own + rng.scaled(0, 1 << 40)).min(LARGEST);
    rig.said(&[Frame::Resync { position }])
}

pub(crate) fn resync_below(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::swapping(rng, victim);
    let (acked, own) = (
        rig.victim_machine().inspect().acked,
        rig.victim_machine().inspect().next,
    );
    // The peer has acknowledged one, and asks for it again.
    let acked = acked.max(own - 1);
    rig.say_well(&[Frame::Ack { position: acked }]);
    let position = rng.below(acked);
    rig.said(&[Frame::Resync { position }])
}

pub(crate) fn resync_answered_low(rng: &mut Rng, victim: Side) -> Outcome {
    let (rig, asked, own) = Rig::asking(rng, victim);
    let lost = own - asked;
    let again =
        |rng: &mut Rng, count: u64| -> Vec<Frame> { (0..count).map(|_| data(1, usize_of(rng.below(30)))).collect() };
    let said = match rng.below(3) {
        0 => vec![Frame::From {
            position: rng.below(asked),
        }],
        // All of it again, and on without saying so although more came before.
        1 => {
            let mut said = vec![data(1, 5), Frame::From { position: asked }];
            said.extend(again(rng, lost + 1));
            said
        }
        _ => {
            let mut said = vec![data(1, 5), Frame::From { position: asked }];
            said.extend(again(rng, lost));
            said.push(Frame::From { position: own });
            said
        }
    };
    rig.said(&said)
}

pub(crate) fn resync_answered_high(rng: &mut Rng, victim: Side) -> Outcome {
    let (rig, asked, own) = Rig::asking(rng, victim);
    let said = if rng.chance(500) {
        vec![Frame::From {
            position: asked + rng.scaled(1, 1 << 40),
        }]
    } else {
        let mut said = vec![Frame::From { position: asked }];
        said.extend((asked..own).map(|_| data(1, 1)));
        said.push(Frame::From {
            position: own + rng.scaled(1, 1 << 40),
        });
        said
    };
    rig.said(&said)
}

pub(crate) fn inbox_overrun(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::swapping(rng, victim);
    let len = usize_of(rng.between(1, 16_000));
    let most = INBOX / (len + 64);
    for _ in 0..most {
        rig.say_well(&[data(1, len)]);
    }
    rig.said(&[data(1, len)])
}

pub(crate) fn closed_out_of_place(rng: &mut Rng, victim: Side) -> Outcome {
    let position = rng.scaled(0, LARGEST);
    Rig::new(rng, victim).said(&[Frame::Closed { position }])
}

/// The victim has sent two frames, of which the peer has acknowledged one.
fn half_acknowledged(rng: &mut Rng, victim: Side) -> (Rig, u64, u64) {
    let mut rig = Rig::new(rng, victim);
    let (now, stream) = (rig.pair.instant(), rig.stream);
    for _ in 0..2 {
        let sent = rig
            .victim_machine()
            .stream(stream)
            .send(now, Bytes::from_static(b"perhaps"));
        assert_eq!(sent, Ok(()));
        rig.listen();
    }
    let next = rig.victim_machine().inspect().next;
    rig.say_well(&[Frame::Ack { position: next - 1 }]);
    rig.heard.clear();
    (rig, next - 1, next)
}

/// Below what was acknowledged, or above what was committed.
fn impossible(rng: &mut Rng, acked: u64, next: u64) -> u64 {
    if rng.chance(500) {
        rng.below(acked)
    } else {
        (next + rng.scaled(1, LARGEST / 2)).min(LARGEST)
    }
}

pub(crate) fn closed_out_of_range(rng: &mut Rng, victim: Side) -> Outcome {
    let (mut rig, acked, _) = half_acknowledged(rng, victim);
    let now = rig.pair.instant();
    rig.victim_machine()
        .close(now, 1, Bytes::new())
        .expect("because the code fits");
    rig.listen();
    let next = rig.victim_machine().inspect().next;
    let position = impossible(rng, acked, next);
    rig.said(&[Frame::Closed { position }])
}

pub(crate) fn close_out_of_range(rng: &mut Rng, victim: Side) -> Outcome {
    let (rig, acked, next) = half_acknowledged(rng, victim);
    let position = impossible(rng, acked, next);
    rig.said(&[closing(position)])
}

pub(crate) fn more_behind_close(rng: &mut Rng, victim: Side) -> Outcome {
    let (mut rig, acked, _) = half_acknowledged(rng, victim);
    rig.say_well(&[closing(acked)]);
    rig.heard.clear();
    let own = rig.own();
    let later = [
        data(1, 1),
        opening(own, 16_000),
        closing(acked),
        Frame::Credit {
            stream: 0,
            limit: 9_000,
        },
    ];
    let later = rng.pick(&later).clone();
    rig.said(&[later])
}

pub(crate) fn above_its_close(rng: &mut Rng, victim: Side) -> Outcome {
    if rng.chance(500) {
        // It waits for its turn, behind what is missing.
        let mut rig = Rig::swapping(rng, victim);
        let (acked, next) = (
            rig.victim_machine().inspect().acked,
            rig.victim_machine().inspect().next,
        );
        rig.say_well(&[closing(acked)]);
        rig.heard.clear();
        return rig.said(&[Frame::Ack { position: next }]);
    }
    let (mut rig, acked, next) = half_acknowledged(rng, victim);
    rig.say_well(&[closing(acked)]);
    rig.heard.clear();
    rig.said(&[Frame::Ack { position: next }])
}

pub(crate) fn end_out_of_range(rng: &mut Rng, victim: Side) -> Outcome {
    let (mut rig, acked, next) = half_acknowledged(rng, victim);
    let position = impossible(rng, acked, next);
    let code = *rng.pick(&[EndCode::Done, EndCode::ProtocolError, EndCode::Aborted]);
    rig.say(&[Frame::End(End::new(code, Some(position)).into())]);
    let reason = rig.victim_machine().end_reason().cloned();
    assert_eq!(
        reason,
        Some(unbroken_proto::event::EndReason::StateLost),
        "it was believed"
    );
    rig.outcome()
}

pub(crate) fn behind_end(rng: &mut Rng, victim: Side) -> Outcome {
    let rig = Rig::new(rng, victim);
    let code = *rng.pick(&[EndCode::Done, EndCode::Aborted, EndCode::ProtocolError]);
    let mut said = plaintext(&[Frame::End(End::new(code, None).into())]);
    match rng.below(3) {
        0 => said.push(0x50),
        1 => said.extend(plaintext(&[Frame::Ping { id: 1 }])),
        _ => said.extend(plaintext(&[Frame::Ack { position: LARGEST }])),
    }
    rig.said_bytes(&said)
}

pub(crate) fn stream_out_of_place(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    let now = rig.pair.instant();
    let (mut theirs, own) = (rig.theirs(rng), rig.own() + 2 * rng.below(50));
    if rng.chance(300) {
        // The victim's application has it, and the peer has heard nothing of it.
        let opened = rig.victim_machine().open(now, StreamOptions::default());
        theirs = opened.expect("because there is room").0;
    }
    let stream = *rng.pick(&[theirs, own]);
    let id = StreamId(stream);
    let said = match rng.below(6) {
        0 => opening(theirs, 16_000),
        1 => data(stream, usize_of(rng.below(40))),
        2 => reset(stream),
        3 => Frame::Stop { stream: id, code: 0 },
        4 => Frame::Credit { stream, limit: LARGEST },
        _ => {
            let kind = *rng.pick(&[0x41, 2, 3]);
            return rig.said_bytes(&[kind, 0, 0]);
        }
    };
    rig.said(&[said])
}

pub(crate) fn open_not_above(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    let first = rig.own() + 2 * rng.below(50);
    rig.say_well(&[opening(first, 16_000)]);
    let again = first - 2 * rng.below(first / 2);
    rig.said(&[opening(again, 16_000)])
}

pub(crate) fn behind_the_end(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    let stream = rig.own();
    let over = if rng.chance(500) { ending(stream) } else { reset(stream) };
    let said = [opening(stream, 16_000), over];
    if rng.chance(500) {
        rig.say_well(&said);
    } else {
        said.iter().for_each(|frame| rig.say_well(std::slice::from_ref(frame)));
    }
    let later = rng
        .pick(&[data(stream, 0), data(stream, 5), ending(stream), reset(stream)])
        .clone();
    rig.said(&[later])
}

pub(crate) fn too_many_streams(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    // The client has one already.
    let held = u64::from(victim == Side::Server);
    let mut stream = rig.own();
    for _ in held..4 {
        rig.say_well(&[opening(stream, 16_000)]);
        stream += 2;
    }
    rig.said(&[opening(stream + 2 * rng.below(9), 16_000)])
}

pub(crate) fn beyond_credit(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    let stream = rig.own();
    rig.say_well(&[opening(stream, 16_000)]);
    // 4,096 for each stream, 8,192 for all.
    if rng.chance(500) {
        let first = usize_of(rng.below(4_032));
        rig.say_well(&[data(stream, first)]);
        let left = 4_096 - (first + 64);
        let over = left.saturating_sub(64) + usize::from(left >= 64) + usize_of(rng.below(500));
        return rig.said(&[data(stream, over)]);
    }
    rig.say_well(&[opening(stream + 2, 16_000), opening(stream + 4, 16_000)]);
    rig.say_well(&[data(stream, 4_032), data(stream + 2, 4_032)]);
    rig.said(&[data(stream + 4, usize_of(rng.below(4_000)))])
}

pub(crate) fn credit_lowered(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    let (stream, first) = *rng.pick(&[(0, 8_192), (1, 4_096)]);
    let limit = first + rng.below(10_000);
    rig.say_well(&[Frame::Credit { stream, limit }]);
    let limit = rng.below(limit);
    rig.said(&[Frame::Credit { stream, limit }])
}

pub(crate) fn beyond_fragment_size(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    let own = rig.own();
    let size = rng.between(1_000, 3_000);
    rig.say_well(&[opening(own, size)]);
    let more = rng.between(1, 900);
    if rng.chance(500) {
        return rig.said(&[data(own, usize_of(size + more))]);
    }
    let total = size + more;
    rig.say_well(&[part(own, (0, usize_of(size)), total)]);
    rig.said(&[part(own, (size, usize_of(more)), total)])
}

pub(crate) fn overdue_rekey(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    let (now, ours, theirs) = (rig.pair.instant(), rig.epoch(rig.peer()), rig.epoch(victim));
    let said = plaintext(&[Frame::Pong { id: 1 }]);
    for _ in 0..1 << 20 {
        let packet = seal(rig.peer_machine(), ours, &said).expect("because the connection is current");
        let packet = BytesMut::from(&packet[..]);
        if rig.victim_machine().handle_input(now, theirs, packet).is_err() {
            rig.refused = true;
            break;
        }
    }
    rig.listen();
    rig.outcome()
}

pub(crate) fn on_a_retired_connection(rng: &mut Rng, victim: Side) -> Outcome {
    let mut rig = Rig::new(rng, victim);
    let said = [
        vec![Frame::End(End::new(EndCode::Aborted, None).into())],
        vec![Frame::Ack { position: LARGEST }],
        vec![closing(0)],
    ];
    let said: &Vec<Frame> = rng.pick(&said);
    let packet = rig.sealed(&plaintext(said));
    let old = rig.epoch(victim);
    for side in [Side::Client, Side::Server] {
        rig.pair.notice(0, side);
    }
    rig.pair.wait(SECOND);
    rig.wire = 1;
    let now = rig.pair.instant();
    let garbage = rng.chance(300);
    let packet = if garbage {
        BytesMut::from(&[7; 40][..])
    } else {
        BytesMut::from(&packet[..])
    };
    rig.refused = rig.victim_machine().handle_input(now, old, packet).is_err();
    rig.listen();
    rig.outcome()
}

/// A position stated in RESUME or RESUMED that contradicts what was committed or acknowledged.
pub(crate) fn impossible_claim(rng: &mut Rng, victim: Side) -> Outcome {
    if victim == Side::Client {
        return answering::impossible_claim(rng);
    }
    let mut member = Member::new(rng);
    let now = member.pair.instant();
    let server = member.pair.server.as_mut().expect("because it is attached");
    server
        .open(now, StreamOptions::default())
        .expect("because there is room");
    assert!(!member.hear().is_empty());
    member.say(&[Frame::Ack { position: 1 }]);
    let high = rng.chance(500);
    let position = if high { rng.scaled(2, u64::MAX) } else { 0 };
    // Below what was acknowledged is no contradiction if the old connection lives.
    let stated = claim(position, if high { u8::from(rng.chance(500)) } else { 0 });
    let confirming = rng.pick(&[Frame::From { position: 0 }, Frame::Ping { id: 1 }]).clone();
    let (_, heard) = member.attach(rng, &stated, &[confirming]);
    Outcome {
        answer: end_name(&heard),
        lives: member.lives(),
    }
}
