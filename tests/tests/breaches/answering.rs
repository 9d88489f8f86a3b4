//! What a client is told by a server that has proven nothing, or proves itself and lies.

use bytes::BytesMut;
use unbroken_proto::session::SessionState;
use unbroken_proto::wire::frame::{End, EndCode, Final, Frame, Verdict};
use unbroken_proto::{Carrier, Cause, Epoch, Session, Side};
use unbroken_tests::pair::{Pair, Setup};
use unbroken_tests::rng::Rng;

use super::first::parameters;
use super::noise::{Handshake, Keys, Resume, claim};
use super::{Outcome, end_name, frames, plaintext};

/// The key that the pair's client has pinned.
const KEY: [u8; 32] = [9; 32];

/// A client's machine, dialling a server that is played by hand.
pub(crate) struct Caller {
    pub(crate) pair: Pair,
    epoch: Epoch,
    /// Its packet that is still to be read.
    pub(crate) said: Vec<u8>,
}

impl Caller {
    fn new(rng: &mut Rng) -> Caller {
        let seed = rng.number().to_le_bytes()[0];
        let pair = Pair::new(&Setup {
            seed,
            ..Setup::default()
        });
        Caller::dial(pair)
    }

    pub(crate) fn dial(mut pair: Pair) -> Caller {
        let at = pair.dial_at().expect("because a connection is wanted");
        pair.now = pair.now.max(at);
        pair.client.handle_timeout(pair.instant());
        let epoch = pair
            .client
            .attach(pair.instant(), Carrier::ordered())
            .expect("because a connection is wanted");
        let mut caller = Caller {
            pair,
            epoch,
            said: Vec::new(),
        };
        caller.said = caller.packet().expect("because it begins");
        caller
    }

    pub(crate) fn packet(&mut self) -> Option<Vec<u8>> {
        let (now, epoch) = (self.pair.instant(), self.epoch);
        let mut packet = Vec::new();
        self.pair
            .client
            .poll_transmit(now, epoch, &mut packet)
            .then_some(packet)
    }

    pub(crate) fn hear(&mut self, packet: &[u8]) -> bool {
        let (now, epoch) = (self.pair.instant(), self.epoch);
        self.pair
            .client
            .handle_input(now, epoch, BytesMut::from(packet))
            .is_ok()
    }

    /// It has read CHALLENGE; its AUTH_PROOF is still to be answered.
    pub(crate) fn proven(rng: &mut Rng) -> (Caller, Keys) {
        let mut caller = Caller::new(rng);
        let (server, challenge) = Handshake::challenge(rng, KEY, &caller.said);
        assert!(caller.hear(&challenge));
        let proof = caller.packet().expect("because the server is the right one");
        let (_, keys) = server.proven(&proof);
        (caller, keys)
    }

    /// It has a session, has sent its first frame, and reads that it arrived.
    fn established(rng: &mut Rng) -> (Caller, Keys) {
        let (mut caller, mut keys) = Caller::proven(rng);
        let answer = keys.seal(&plaintext(&[Frame::Final(answer(None).into())]));
        assert!(caller.hear(&answer));
        caller.pair.open(Side::Client);
        while let Some(packet) = caller.packet() {
            assert!(keys.open(&packet).is_some());
        }
        let first = plaintext(&[Frame::From { position: 0 }, Frame::Ack { position: 1 }]);
        let first = keys.seal(&first);
        assert!(caller.hear(&first));
        assert_eq!(caller.pair.client.state(), SessionState::Attached);
        (caller, keys)
    }

    /// It lost its connection, and its RESUME is still to be answered.
    pub(crate) fn resuming(rng: &mut Rng) -> (Caller, Keys) {
        let (mut caller, keys) = Caller::established(rng);
        let now = caller.pair.instant();
        caller.pair.client.detach(now, caller.epoch, Cause::Network);
        let caller = Caller::dial(caller.pair);
        assert_eq!(caller.said[0], 4, "RESUME");
        (caller, keys)
    }

    /// What became of it, after the packet that it was to judge.
    fn outcome(mut self) -> Outcome {
        let answer = match self.packet() {
            Some(packet) => format!("packet of type {}", packet[0]),
            None if self.pair.client.is_wanted(self.epoch) => "nothing".to_owned(),
            None => "drop".to_owned(),
        };
        let wants = |client: &Session| client.state() != SessionState::Ended && client.wanted_connection().is_some();
        Outcome {
            answer,
            lives: wants(&self.pair.client),
        }
    }

    fn told(mut self, packet: &[u8]) -> Outcome {
        self.hear(packet);
        self.outcome()
    }
}

pub(crate) fn answer(verdict: Option<Verdict>) -> Final {
    Final {
        parameters: parameters(),
        incarnation: [5; 8],
        verdict,
    }
}

/// The packet with something wrong about it that its cryptography shows.
fn spoilt(rng: &mut Rng, mut packet: Vec<u8>) -> Vec<u8> {
    let last = packet.len() as u64 - 1;
    match rng.below(4) {
        0 => {
            let at = usize::try_from(rng.between(0, last)).expect("because it is small");
            packet[at] ^= 1 << rng.below(8);
        }
        1 => packet.truncate(usize::try_from(rng.between(0, last)).expect("because it is small")),
        2 => packet.extend(vec![
            0;
            usize::try_from(rng.scaled(1, 9_000)).expect("because it is small")
        ]),
        _ => packet = vec![*rng.pick(&[0, 1, 3, 4, 7, 8, 255]); 40],
    }
    packet
}

pub(crate) fn spoilt_challenge(rng: &mut Rng, _: Side) -> Outcome {
    let caller = Caller::new(rng);
    let (_, challenge) = Handshake::challenge(rng, KEY, &caller.said);
    let challenge = spoilt(rng, challenge);
    caller.told(&challenge)
}

pub(crate) fn another_server(rng: &mut Rng, _: Side) -> Outcome {
    let caller = Caller::new(rng);
    let key = [u8::try_from(rng.between(10, 200)).expect("because it is a byte"); 32];
    let (_, challenge) = Handshake::challenge(rng, key, &caller.said);
    caller.told(&challenge)
}

pub(crate) fn spoilt_final(rng: &mut Rng, _: Side) -> Outcome {
    let (caller, mut keys) = Caller::proven(rng);
    let good = Frame::Final(answer(None).into());
    let packet = match rng.below(7) {
        0 => {
            let packet = keys.seal(&plaintext(&[good]));
            spoilt(rng, packet)
        }
        1 => keys.seal(&plaintext(&[Frame::Ping { id: 1 }])),
        2 => keys.seal(&[plaintext(&[good]), plaintext(&[Frame::Ping { id: 1 }])].concat()),
        3 => {
            let end = Frame::End(End::new(EndCode::Busy, None).into());
            keys.seal(&plaintext(&[end, Frame::Ping { id: 1 }]))
        }
        4 => {
            let code = *rng.pick(&[EndCode::Done, EndCode::StateLost]);
            keys.seal(&plaintext(&[Frame::End(End::new(code, None).into())]))
        }
        5 => {
            let verdicts = [
                Verdict::Superseded,
                Verdict::Resumed { position: 0 },
                Verdict::Unknown { reach: 1 },
            ];
            let verdict = rng.pick(&verdicts).clone();
            keys.seal(&plaintext(&[Frame::Final(answer(Some(verdict)).into())]))
        }
        _ => keys.seal(&vec![
            0x10;
            usize::try_from(rng.between(8_192, 20_000))
                .expect("because it is small")
        ]),
    };
    caller.told(&packet)
}

pub(crate) fn spoilt_resumed(rng: &mut Rng, _: Side) -> Outcome {
    let (caller, keys) = Caller::resuming(rng);
    let last = *rng.pick(&[0, 2, 255]);
    let (packet, _) = Resume::answer(rng, &keys.secret, &caller.said, &claim(1, last));
    let packet = if last == 0 { spoilt(rng, packet) } else { packet };
    caller.told(&packet)
}

pub(crate) fn any_reject(rng: &mut Rng, _: Side) -> Outcome {
    let caller = if rng.chance(500) {
        Caller::new(rng)
    } else {
        Caller::resuming(rng).0
    };
    let rejects: [&[u8]; 10] = [
        &[6, 2],
        &[6, 1, 5],
        &[6, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        &[6, 3],
        &[6, 4],
        &[6],
        &[6, 9],
        &[6, 2, 0],
        &[6, 1],
        &[6, 1, 0x40, 5],
    ];
    let reject: &&[u8] = rng.pick(&rejects);
    caller.told(reject)
}

/// RESUMED claims what cannot be: the client says so in its first sealed packet.
pub(crate) fn impossible_claim(rng: &mut Rng) -> Outcome {
    let (mut caller, keys) = Caller::resuming(rng);
    // It has committed one frame, and has the server's word that it arrived.
    let position = if rng.chance(500) { 0 } else { rng.scaled(2, u64::MAX) };
    let stated = claim(position, 0);
    let (packet, mut keys) = Resume::answer(rng, &keys.secret, &caller.said, &stated);
    caller.hear(&packet);
    let said = caller
        .packet()
        .map(|packet| frames(keys.open(&packet).expect("because both have the keys")));
    Outcome {
        answer: end_name(&said.unwrap_or_default()),
        lives: caller.pair.client.state() != SessionState::Ended,
    }
}
