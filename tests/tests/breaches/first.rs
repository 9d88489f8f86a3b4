//! What a server is told by somebody who has proven nothing, or proves itself and lies: first packets, handshakes,
//! resumes.

use bytes::Bytes;
use unbroken_proto::session::SessionState;
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::wire::frame::{Frame, Offer, Parameters, Predecessor};
use unbroken_proto::wire::handshake::{Reject, encode_offer};
use unbroken_proto::{Side, StreamId};
use unbroken_tests::pair::{Pair, ServerEnd, Setup};
use unbroken_tests::rng::Rng;

use super::noise::{Handshake, Keys, Resume, claim, predecessor_mac};
use super::{Outcome, frames, plaintext};

const SUITES: [u8; 2] = [3, 4];
const SECOND: u64 = 1_000_000_000;

/// A server with a session that nobody attacks, whose registry is told things by strangers.
struct Target {
    pair: Pair,
    stream: StreamId,
}

impl Target {
    fn new(rng: &mut Rng) -> Target {
        let seed = rng.number().to_le_bytes()[0];
        let mut pair = Pair::new(&Setup {
            seed,
            ..Setup::default()
        });
        let stream = pair.establish();
        pair.wait(SECOND);
        Target { pair, stream }
    }

    /// A stranger's first packet: the number of its connection, and what it hears.
    fn first_packet(&mut self, packet: &[u8]) -> (usize, Option<Vec<u8>>) {
        let wire = self.pair.attack(packet);
        assert!(self.pair.deliver(wire, Side::Client));
        (wire, self.heard(wire))
    }

    fn say(&mut self, wire: usize, packet: &[u8]) -> Option<Vec<u8>> {
        self.pair.wires[wire].write(Side::Client, packet);
        assert!(self.pair.deliver(wire, Side::Client));
        self.heard(wire)
    }

    fn heard(&mut self, wire: usize) -> Option<Vec<u8>> {
        while self.pair.transmit(wire, Side::Server) {}
        self.pair.wires[wire].take(Side::Server).map(|packet| packet.to_vec())
    }

    fn answer(&self, wire: usize, heard: Option<&[u8]>) -> String {
        let closed = matches!(self.pair.wires[wire].server, ServerEnd::Closed);
        match heard {
            None if closed => "drop".to_owned(),
            None => "nothing".to_owned(),
            Some(packet) => match Reject::decode(packet) {
                Ok(Reject::Retry { .. }) => "REJECT Retry".to_owned(),
                Ok(reject) => format!("REJECT {reject:?}"),
                Err(_) => format!("packet of type {}", packet[0]),
            },
        }
    }

    /// What became of it; the session that nobody attacked has to go on.
    fn outcome(mut self, wire: usize, heard: Option<&[u8]>) -> Outcome {
        let answer = self.answer(wire, heard);
        let lives = talks(&mut self.pair, self.stream);
        Outcome { answer, lives }
    }

    fn outcome_of(mut self, packet: &[u8]) -> Outcome {
        let (wire, heard) = self.first_packet(packet);
        self.outcome(wire, heard.as_deref())
    }

    /// A handshake up to AUTH_PROOF, which is still to be made.
    fn challenged(&mut self, rng: &mut Rng, suite: u8) -> (usize, Handshake) {
        let (handshake, hello) = Handshake::hello(rng, suite, false);
        let (wire, challenge) = self.first_packet(&hello);
        let challenge = challenge.expect("because HELLO is good");
        (wire, handshake.challenged(&challenge))
    }
}

/// Both ends say something, and it arrives.
pub(crate) fn talks(pair: &mut Pair, stream: StreamId) -> bool {
    for side in [Side::Client, Side::Server] {
        if !pair.put(side, stream, 20) {
            return false;
        }
    }
    pair.wait(10 * SECOND);
    pair.read_all(Side::Client, &[stream]);
    pair.read_all(Side::Server, &[stream]);
    pair.ledger.is_settled()
}

pub(crate) fn parameters() -> Parameters {
    Parameters {
        stream_window: 4_096,
        session_window: 8_192,
        max_streams: 4,
        packet_limit: 65_535,
        outbox_limit: 1 << 20,
        inbox_limit: 65_536,
        keepalive_interval: 10_000,
        detached_lifetime: 600_000,
    }
}

pub(crate) fn offer(suites: &[u8], predecessor: Option<Predecessor>) -> Offer {
    Offer {
        versions: vec![1],
        suites: suites.to_vec(),
        parameters: parameters(),
        name: Bytes::new(),
        credential: Bytes::new(),
        predecessor,
    }
}

/// A client without the machine that has a session with the pair's server, and the server's half of it.
pub(crate) struct Member {
    pub(crate) pair: Pair,
    pub(crate) wire: usize,
    /// Of its newest connection.
    pub(crate) keys: Keys,
    pub(crate) id: [u8; 16],
    pub(crate) counter: u64,
}

impl Member {
    /// What this first packet of another connection is answered.
    fn answer_to(mut self, rng: &mut Rng, packet: &[u8]) -> Outcome {
        let wire = self.pair.attack(packet);
        assert!(self.pair.deliver(wire, Side::Client));
        let heard = self.pair.wires[wire].take(Side::Server);
        let answer = self.outcome(wire, heard.as_deref());
        let lives = self.resumes(rng, 1);
        Outcome { answer, lives }
    }

    pub(crate) fn new(rng: &mut Rng) -> Member {
        let suite = *rng.pick(&SUITES);
        Member::of_suite(rng, suite)
    }

    pub(crate) fn of_suite(rng: &mut Rng, suite: u8) -> Member {
        let mut member = Member::unconfirmed(rng, offer(&[suite], None));
        member.say(&[Frame::From { position: 0 }]);
        assert_eq!(member.state(), SessionState::Attached);
        member
    }

    /// It has read FINAL, and has said nothing yet. The suite is the first of its offer.
    pub(crate) fn unconfirmed(rng: &mut Rng, offer: Offer) -> Member {
        let suite = offer.suites[0];
        let seed = rng.number().to_le_bytes()[0];
        let mut target = Target {
            pair: Pair::new(&Setup {
                seed,
                ..Setup::default()
            }),
            stream: StreamId(1),
        };
        let (wire, handshake) = target.challenged(rng, suite);
        let (proof, mut keys) = handshake.prove(&encode_offer(&offer));
        let answer = target.say(wire, &proof).expect("because the proof is good");
        let answer = frames(keys.open(&answer).expect("because it is FINAL"));
        assert!(
            matches!(&answer[..], [Frame::Final(answer)] if answer.verdict.is_none()),
            "{answer:?}"
        );
        Member {
            id: keys.id,
            pair: target.pair,
            wire,
            keys,
            counter: 0,
        }
    }

    pub(crate) fn state(&self) -> SessionState {
        self.pair
            .server
            .as_ref()
            .map_or(SessionState::Ended, |server| server.state())
    }

    pub(crate) fn lives(&self) -> bool {
        self.state() != SessionState::Ended
    }

    /// Says `frames` on its newest connection; the frames of what comes back at once.
    pub(crate) fn say(&mut self, said: &[Frame]) -> Vec<Frame> {
        let packet = self.keys.seal(&plaintext(said));
        self.pair.wires[self.wire].write(Side::Client, &packet);
        assert!(self.pair.deliver(self.wire, Side::Client));
        self.hear()
    }

    pub(crate) fn hear(&mut self) -> Vec<Frame> {
        while self.pair.transmit(self.wire, Side::Server) {}
        let mut heard = Vec::new();
        while let Some(packet) = self.pair.wires[self.wire].take(Side::Server) {
            heard.extend(frames(self.keys.open(&packet).expect("because both have the keys")));
        }
        heard
    }

    /// RESUME under a counter, with a claim; the connection, and what comes back.
    pub(crate) fn resume(
        &mut self,
        rng: &mut Rng,
        counter: u64,
        claim: &[u8],
        zero_point: bool,
    ) -> (Resume, usize, Option<Vec<u8>>) {
        let known = (self.keys.suite, &self.keys.secret, self.id);
        let (resume, packet) = Resume::begin(rng, known, counter, claim, zero_point);
        let wire = self.pair.attack(&packet);
        assert!(self.pair.deliver(wire, Side::Client));
        while self.pair.transmit(wire, Side::Server) {}
        let heard = self.pair.wires[wire].take(Side::Server).map(|packet| packet.to_vec());
        (resume, wire, heard)
    }

    /// A good RESUME, confirmed by `confirming`; the server's claim and what it says then.
    pub(crate) fn attach(&mut self, rng: &mut Rng, stated: &[u8], confirming: &[Frame]) -> (Vec<u8>, Vec<Frame>) {
        self.counter += 1;
        let (resume, wire, heard) = self.resume(rng, self.counter, stated, false);
        let (theirs, keys) = resume.resumed(&heard.expect("because the proof is good"));
        (self.wire, self.keys) = (wire, keys);
        let heard = self.say(confirming);
        (theirs, heard)
    }

    fn outcome(&self, wire: usize, heard: Option<&[u8]>) -> String {
        let closed = matches!(self.pair.wires[wire].server, ServerEnd::Closed);
        match heard.map(|packet| (packet[0], Reject::decode(packet))) {
            None if closed => "drop".to_owned(),
            None => "nothing".to_owned(),
            Some((_, Ok(Reject::Retry { .. }))) => "REJECT Retry".to_owned(),
            Some((_, Ok(reject))) => format!("REJECT {reject:?}"),
            Some((kind, Err(_))) => format!("packet of type {kind}"),
        }
    }

    /// A resume that is as it should be still works.
    fn resumes(&mut self, rng: &mut Rng, counter: u64) -> bool {
        self.counter = counter;
        let stated = claim(0, 0);
        self.attach(rng, &stated, &[Frame::From { position: 0 }]);
        self.state() == SessionState::Attached
    }
}

fn bytes(rng: &mut Rng, length: u64) -> Vec<u8> {
    (0..length).map(|_| rng.number().to_le_bytes()[0]).collect()
}

fn a_hello(rng: &mut Rng) -> Vec<u8> {
    let suite = *rng.pick(&SUITES);
    Handshake::hello(rng, suite, false).1
}

pub(crate) fn no_first_packet(rng: &mut Rng, _: Side) -> Outcome {
    let length = rng.scaled(0, 200);
    let mut packet = bytes(rng, length);
    if let Some(kind) = packet.first_mut() {
        *kind = *rng.pick(&[0, 2, 3, 5, 6, 7, 8, 0x40, 0xff]);
    }
    Target::new(rng).outcome_of(&packet)
}

pub(crate) fn too_long(rng: &mut Rng, _: Side) -> Outcome {
    let (kind, most) = *rng.pick(&[(1, 1_200), (4, 256)]);
    let length = rng.scaled(most, 65_534);
    let packet = [vec![kind, 1, 4], bytes(rng, length - 2)].concat();
    Target::new(rng).outcome_of(&packet)
}

pub(crate) fn another_version(rng: &mut Rng, _: Side) -> Outcome {
    let mut hello = a_hello(rng);
    hello[1] = *rng.pick(&[0, 2, 3, 0x80, 0xff]);
    // What follows is that version's to say.
    hello.truncate(usize::try_from(rng.between(2, 36)).expect("because it is small"));
    Target::new(rng).outcome_of(&hello)
}

pub(crate) fn another_suite(rng: &mut Rng, _: Side) -> Outcome {
    let mut hello = a_hello(rng);
    // Those with a shared secret are not accepted here.
    hello[2] = *rng.pick(&[0, 1, 2, 5, 0x80, 0xff]);
    Target::new(rng).outcome_of(&hello)
}

pub(crate) fn malformed_hello(rng: &mut Rng, _: Side) -> Outcome {
    let mut hello = a_hello(rng);
    match rng.below(3) {
        0 => hello[3] = u8::try_from(rng.between(1, 255)).expect("because it is a byte"),
        1 => hello.extend(bytes(rng, 7)),
        _ => {
            let length = *rng.pick(&[1, 2, 3, 4, 20, 35]);
            hello.truncate(length);
            if length == 2 {
                hello.pop();
            }
        }
    }
    Target::new(rng).outcome_of(&hello)
}

pub(crate) fn zero_hello(rng: &mut Rng, _: Side) -> Outcome {
    let suite = *rng.pick(&SUITES);
    let (_, hello) = Handshake::hello(rng, suite, true);
    Target::new(rng).outcome_of(&hello)
}

pub(crate) fn hellos_in_a_hurry(rng: &mut Rng, _: Side) -> Outcome {
    let mut target = Target::new(rng);
    let hello = a_hello(rng);
    for _ in 0..100 {
        let (_, heard) = target.first_packet(&hello);
        if heard.as_ref().is_some_and(|packet| packet[0] == 6) {
            break;
        }
    }
    target.outcome_of(&hello)
}

pub(crate) fn resume_of_another_length(rng: &mut Rng, _: Side) -> Outcome {
    let member = Member::new(rng);
    let known = (member.keys.suite, &member.keys.secret, member.id);
    let (_, mut packet) = Resume::begin(rng, known, 1, &claim(0, 0), false);
    let length = *rng.pick(&[1, 26, 27, 83, 85, 256]);
    packet.resize(length, 0);
    // A length is judged first.
    packet
        .iter_mut()
        .skip(1)
        .take(2)
        .for_each(|byte| *byte ^= u8::try_from(rng.below(2)).expect("because it is small"));
    member.answer_to(rng, &packet)
}

pub(crate) fn resume_that_opens_nothing(rng: &mut Rng, _: Side) -> Outcome {
    let member = Member::new(rng);
    let known = (member.keys.suite, &member.keys.secret, member.id);
    let (_, mut packet) = Resume::begin(rng, known, 1, &claim(0, 0), false);
    let other = *rng.pick(&[1, 2, 3, 4, 0, 9, 255]);
    match rng.below(4) {
        0 => packet[1] = *rng.pick(&[0, 2, 255]),
        1 if other != packet[2] => packet[2] = other,
        2 => packet[3..19].fill(0x77),
        _ => {
            let at = usize::try_from(rng.between(3, 83)).expect("because it is small");
            packet[at] ^= 1 << rng.below(8);
        }
    }
    member.answer_to(rng, &packet)
}

pub(crate) fn resume_under_a_used_counter(rng: &mut Rng, _: Side) -> Outcome {
    let mut member = Member::new(rng);
    // 0 is used from the beginning.
    let used = if rng.chance(500) {
        0
    } else {
        rng.scaled(1, u64::MAX - 1)
    };
    if used > 0 {
        assert!(member.resumes(rng, used));
    }
    let counter = *rng.pick(&[used, used.saturating_sub(1), 0, used / 2]);
    let (_, wire, heard) = member.resume(rng, counter, &claim(0, 0), false);
    let answer = member.outcome(wire, heard.as_deref());
    let lives = member.resumes(rng, used + 1);
    Outcome { answer, lives }
}

pub(crate) fn authentic_and_wrong(rng: &mut Rng, _: Side) -> Outcome {
    let mut member = Member::new(rng);
    let zero_point = rng.chance(500);
    let last = if zero_point {
        0
    } else {
        u8::try_from(rng.between(2, 255)).expect("because it is a byte")
    };
    let counter = rng.scaled(1, u64::MAX);
    let stated = claim(rng.number(), last);
    let (_, wire, heard) = member.resume(rng, counter, &stated, zero_point);
    let answer = member.outcome(wire, heard.as_deref());
    // Its counter was not used up.
    let lives = member.resumes(rng, 1);
    Outcome { answer, lives }
}

pub(crate) fn attempts_in_a_hurry(rng: &mut Rng, _: Side) -> Outcome {
    let mut member = Member::new(rng);
    for counter in 1..=3 {
        let (_, _, heard) = member.resume(rng, counter, &claim(0, 0), false);
        assert_eq!(heard.map(|packet| packet[0]), Some(5), "RESUMED");
        member.pair.now += rng.below(SECOND / 2);
    }
    member.pair.now += rng.below(SECOND / 2);
    let (_, wire, heard) = member.resume(rng, 4, &claim(0, 0), false);
    let answer = member.outcome(wire, heard.as_deref());
    let (_, _, again) = member.resume(rng, 4, &claim(0, 0), false);
    assert_eq!(again, Some(vec![6, 2]), "the counter was used up");
    member.pair.now += SECOND;
    let lives = member.resumes(rng, 5);
    Outcome { answer, lives }
}

pub(crate) fn no_proof(rng: &mut Rng, _: Side) -> Outcome {
    let mut target = Target::new(rng);
    let suite = *rng.pick(&SUITES);
    let (wire, handshake) = target.challenged(rng, suite);
    let (mut proof, mut keys) = handshake.prove(&encode_offer(&offer(&[suite], None)));
    let packet = match rng.below(6) {
        0 => Vec::new(),
        1 => a_hello(rng),
        2 => keys.seal(&plaintext(&[Frame::Ping { id: 1 }])),
        3 => {
            let at = usize::try_from(rng.between(1, proof.len() as u64 - 1)).expect("because it is small");
            proof[at] ^= 1 << rng.below(8);
            proof
        }
        4 => {
            proof.truncate(usize::try_from(rng.between(1, proof.len() as u64 - 1)).expect("because it is small"));
            proof
        }
        _ => {
            let length = rng.between(1, 9_000);
            proof.extend(bytes(rng, length));
            proof
        }
    };
    let heard = target.say(wire, &packet);
    target.outcome(wire, heard.as_deref())
}

pub(crate) fn malformed_offer(rng: &mut Rng, _: Side) -> Outcome {
    let mut target = Target::new(rng);
    let suite = *rng.pick(&SUITES);
    let (wire, handshake) = target.challenged(rng, suite);
    let mut good = offer(&[suite], None);
    let mut cut = None;
    match rng.below(7) {
        0 => good.versions.clear(),
        1 => good.suites.clear(),
        2 => good.name = Bytes::from_static(&[0xc3, 0x28]),
        3 => good.parameters.packet_limit = *rng.pick(&[0, 1_199, 65_536, 1 << 40]),
        4 => good.parameters.stream_window = rng.below(256),
        5 => good.parameters.keepalive_interval = 0,
        _ => cut = Some(rng.below(2)),
    }
    let mut encoded = encode_offer(&good);
    match cut {
        Some(0) => drop(encoded.pop()),
        Some(_) => encoded.push(0),
        None => {}
    }
    let (proof, _) = handshake.prove(&encoded);
    let heard = target.say(wire, &proof);
    target.outcome(wire, heard.as_deref())
}

pub(crate) fn better_suite_passed_over(rng: &mut Rng, _: Side) -> Outcome {
    let mut target = Target::new(rng);
    let suite = *rng.pick(&SUITES);
    let (wire, handshake) = target.challenged(rng, suite);
    let better = 7 - suite;
    let suites = [
        vec![better, suite],
        vec![9, better, suite],
        vec![better],
        vec![2, better],
    ];
    let suites: &Vec<u8> = rng.pick(&suites);
    let (proof, _) = handshake.prove(&encode_offer(&offer(suites, None)));
    let heard = target.say(wire, &proof);
    target.outcome(wire, heard.as_deref())
}

/// A full handshake that names the member's session; what FINAL says, and its keys.
pub(crate) fn ask(
    rng: &mut Rng,
    mut member: Member,
    suite: u8,
    adjust: impl FnOnce(&mut Predecessor),
) -> (Member, Keys, Frame) {
    let mut target = Target {
        pair: member.pair,
        stream: StreamId(1),
    };
    let (wire, handshake) = target.challenged(rng, suite);
    member.counter += 1;
    let mut named = Predecessor {
        id: member.id,
        counter: member.counter,
        position: 0,
        mac: predecessor_mac(member.keys.suite, &member.keys.secret, &handshake.h2),
    };
    adjust(&mut named);
    let (proof, mut keys) = handshake.prove(&encode_offer(&offer(&[suite], Some(named))));
    let answer = target.say(wire, &proof).expect("because the proof is good");
    let mut answer = frames(keys.open(&answer).expect("because it is FINAL"));
    let member = Member {
        pair: target.pair,
        wire,
        ..member
    };
    (member, keys, answer.remove(0))
}

pub(crate) fn wrong_predecessor(rng: &mut Rng, _: Side) -> Outcome {
    let mut member = Member::new(rng);
    let used = rng.scaled(1, 1 << 40);
    assert!(member.resumes(rng, used));
    let suite = *rng.pick(&SUITES);
    let (lower, bit) = (rng.chance(500), rng.below(256));
    let below = rng.below(used + 1);
    let (mut member, _, answer) = ask(rng, member, suite, |named| {
        if lower {
            named.counter = below;
        } else {
            named.mac[usize::try_from(bit / 8).expect("because it is small")] ^= 1 << (bit % 8);
        }
    });
    let lives = member.resumes(rng, used + 1);
    Outcome {
        answer: verdict_name(&answer),
        lives,
    }
}

fn verdict_name(answer: &Frame) -> String {
    match answer {
        Frame::Final(answer) => match &answer.verdict {
            None => "FINAL".to_owned(),
            Some(verdict) => {
                let verdict = format!("{verdict:?}");
                format!("FINAL {}", verdict.split(' ').next().unwrap_or_default())
            }
        },
        Frame::End(end) => format!("END {:?}", end.code),
        other => format!("{other:?}"),
    }
}

/// What AUTH_PROOF says of a session that lives cannot be.
pub(crate) fn impossible_predecessor(rng: &mut Rng, _: Side) -> Outcome {
    let mut member = Member::new(rng);
    let now = member.pair.instant();
    let server = member.pair.server.as_mut().expect("because it is attached");
    server
        .open(now, StreamOptions::default())
        .expect("because there is room");
    assert!(!member.hear().is_empty());
    member.say(&[Frame::Ack { position: 1 }]);
    let suite = *rng.pick(&SUITES);
    let position = if rng.chance(500) { 0 } else { rng.scaled(2, 1 << 61) };
    let (member, _, answer) = ask(rng, member, suite, |named| named.position = position);
    Outcome {
        answer: verdict_name(&answer),
        lives: member.lives(),
    }
}
