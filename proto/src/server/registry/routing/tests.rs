use alloc::vec;

use super::*;
use crate::accept::Tombstone;
use crate::accept::{Report, Status};
use crate::config::SessionConfig;
use crate::config::WindowBudget;
use crate::error::ConnectionError;
use crate::id::SessionId;
use crate::liveness::Health;
use crate::security::{Auth, ClientHandshake, ClientResume, Established, ServerAuth, TRIALS};
use crate::server::table::Entry;
use crate::server::{Admission, Refusal};
use crate::time::Duration;
use crate::wire::frame::Verdict;
use crate::wire::frame::{EndCode, Frame, Offer, Predecessor};
use crate::wire::{frames, handshake::encode_offer};
use bytes::Bytes;

pub(crate) fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

pub(crate) fn config() -> ServerConfig {
    ServerConfig::new(ServerAuth::anonymous())
}

pub(crate) fn registry(config: ServerConfig) -> Registry {
    Registry::new(config, Seed([7; 32]), at(0)).expect("the configuration is valid")
}

pub(crate) fn offer(predecessor: Option<Predecessor>) -> Offer {
    Offer {
        versions: vec![1],
        suites: vec![Suite::ChaChaPoly.byte()],
        parameters: SessionConfig::default().parameters(),
        name: Bytes::from_static(b"shell"),
        credential: Bytes::from_static(b"token"),
        predecessor,
    }
}

/// A client, its random numbers and what it has of the handshake.
pub(crate) struct Client {
    rng: Rng,
    pub(crate) now: Instant,
}

impl Client {
    pub(crate) fn new(number: u8) -> Client {
        Client {
            rng: Rng::new(&Seed([number; 32])),
            now: at(1),
        }
    }

    pub(crate) fn hello(&mut self, suite: Suite) -> (ClientHandshake, BytesMut) {
        let (handshake, hello) = ClientHandshake::new(&Auth::anonymous(), suite, &mut self.rng);
        (handshake, BytesMut::from(&hello[..]))
    }

    pub(crate) fn begin(&mut self, registry: &mut Registry) -> (ClientHandshake, Incoming) {
        let connection = registry.connection_accepted(self.now, Carrier::ordered());
        let (mut handshake, hello) = self.hello(Suite::ChaChaPoly);
        let Route::Handshake(mut incoming) = registry.first_packet(self.now, connection, hello) else {
            panic!("no handshake")
        };
        let mut challenge = Vec::new();
        assert!(incoming.poll_transmit(&mut challenge));
        assert!(!incoming.poll_transmit(&mut challenge));
        handshake.on_challenge(&challenge).expect("an honest challenge");
        (handshake, incoming)
    }

    /// A whole handshake up to the host's decision; `predecessor` makes one of the handshake hash.
    pub(crate) fn prove(
        &mut self,
        registry: &mut Registry,
        predecessor: impl FnOnce(&[u8; 32]) -> Option<Predecessor>,
    ) -> (Established, Incoming) {
        let (handshake, mut incoming) = self.begin(registry);
        let offer = offer(predecessor(handshake.hash_after_2()));
        let (proof, established) = handshake.prove(&encode_offer(&offer)).expect("a proof");
        incoming
            .handle_input(self.now, BytesMut::from(&proof[..]))
            .expect("an honest proof");
        (established, incoming)
    }

    pub(crate) fn admitted(&mut self, registry: &mut Registry) -> Established {
        let (established, incoming) = self.prove(registry, |_| None);
        assert!(matches!(registry.admit(self.now, incoming), Admission::New { .. }));
        established
    }
}

pub(crate) fn report(established: &Established, status: Status) -> Report {
    Report {
        id: established.id,
        status,
        health: Health::Healthy,
        bytes: 0,
        reason: None,
    }
}

pub(crate) fn tombstone(established: &Established, position: u64) -> Tombstone {
    Tombstone {
        id: established.id,
        position,
        over: None,
        is_final: true,
        believable: 0..=0,
        counter: 1,
        verifiers: vec![established.secret.verifier()],
    }
}

pub(crate) fn claim(old: &Established, hash: &[u8; 32]) -> Predecessor {
    let mac = old.secret.verifier().mac(hash);
    Predecessor {
        id: old.id.0,
        counter: 3,
        position: 0,
        mac,
    }
}

pub(crate) fn first_frame(established: &mut Established, rejection: Rejection) -> Frame {
    let packet = rejection.packet.expect("a last packet");
    assert_eq!(packet[0], PacketType::Sealed.byte());
    let mut sealed = BytesMut::from(&packet[1..]);
    established
        .keys
        .opener
        .open(&mut sealed)
        .expect("it opens for the client");
    frames(sealed.freeze())
        .next()
        .expect("a frame")
        .expect("one that can be read")
}

pub(crate) fn rejected(admission: Admission) -> Rejection {
    match admission {
        Admission::Lookup { .. } => panic!("nothing is looked up"),
        Admission::Reject(rejection) => rejection,
        Admission::New { .. } => panic!("a new session"),
        Admission::Resume { .. } => panic!("a predecessor"),
    }
}

pub(crate) fn refused_in_the_clear(route: Route) -> Option<Reject> {
    let Route::Reject(rejection) = route else {
        panic!("not rejected")
    };
    rejection
        .packet
        .map(|packet| Reject::decode(&packet).expect("a REJECT"))
}

pub(crate) fn resume_packet(id: SessionId) -> BytesMut {
    // As long as an honest one, and forged.
    let mut packet = BytesMut::zeroed(84);
    packet[0] = PacketType::Resume.byte();
    packet[1] = 1;
    packet[2] = Suite::ChaChaPoly.byte();
    packet[3..19].copy_from_slice(&id.0);
    packet
}

/// One that its session would take.
pub(crate) fn authentic(established: &Established) -> BytesMut {
    let mut rng = Rng::new(&Seed([3; 32]));
    let (_, packet) = ClientResume::new(&established.secret, established.id, 1, 0, false, &mut rng);
    BytesMut::from(&packet[..])
}

pub(crate) fn first(registry: &mut Registry, now: Instant, packet: BytesMut) -> Route {
    let connection = registry.connection_accepted(now, Carrier::ordered());
    registry.first_packet(now, connection, packet)
}

#[test]
fn a_new_session_is_hidden_until_it_is_established() {
    let mut registry = registry(config());
    let mut client = Client::new(1);
    let (established, incoming) = client.prove(&mut registry, |_| None);
    let request = incoming.request().expect("proven").clone();
    assert_eq!(
        (request.name.as_str(), &request.credential[..]),
        ("shell", &b"token"[..])
    );
    assert!(registry.is_wanted(incoming.connection()));
    assert!(matches!(registry.admit(at(1), incoming), Admission::New { .. }));
    assert_eq!((registry.session_count(), registry.sessions().count()), (1, 0));

    for _ in 0..2 {
        registry.update(at(2), report(&established, Status::Attached));
    }
    registry.update(at(3), report(&established, Status::Attached));
    let listed: Vec<_> = registry.sessions().collect();
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].id, listed[0].is_attached(), listed[0].since),
        (established.id, true, at(2))
    );
    assert_eq!(
        (listed[0].name.as_str(), listed[0].client_key),
        ("shell", request.client_key)
    );

    registry.update(at(4), report(&established, Status::Provisional));
    assert_eq!(registry.sessions().count(), 1, "nothing goes back to provisional");
    registry.update(at(5), report(&established, Status::Detached));
    assert!(
        registry
            .sessions()
            .all(|session| !session.is_attached() && session.since == at(5))
    );

    for _ in 0..2 {
        registry.update(
            at(6),
            report(&established, Status::Ended(Some(tombstone(&established, 9)))),
        );
    }
    assert_eq!((registry.session_count(), registry.tombstone_count()), (0, 1));
    registry.update(at(7), report(&established, Status::Attached));
    assert_eq!((registry.session_count(), registry.tombstone_count()), (0, 1));
    while let Some(timeout) = registry.poll_timeout().filter(|timeout| *timeout <= at(7 + 3_600)) {
        registry.handle_timeout(timeout);
    }
    assert_eq!((registry.tombstone_count(), registry.poll_timeout()), (0, None));
}

#[test]
fn a_session_that_never_was_established_leaves_nothing() {
    let mut registry = registry(config());
    let established = Client::new(1).admitted(&mut registry);
    registry.update(at(2), report(&established, Status::Ended(None)));
    assert_eq!(
        (
            registry.session_count(),
            registry.tombstone_count(),
            registry.poll_timeout()
        ),
        (0, 0, None)
    );
    assert_eq!(
        registry.tombstones.reach(at(2), &established.peer_key),
        config().tombstone_lifetime
    );
}

#[test]
fn a_resume_goes_to_its_owner_or_is_refused_alike() {
    let mut registry = registry(config());
    let established = Client::new(1).admitted(&mut registry);
    let Route::Resume { session, mut incoming } = first(&mut registry, at(2), authentic(&established)) else {
        panic!("the session is held")
    };
    assert_eq!((session, incoming.request()), (established.id, None));
    assert_eq!(
        incoming.handle_input(at(2), BytesMut::new()),
        Err(ConnectionError::UnexpectedPacket)
    );

    let Route::Resume { incoming, .. } = first(&mut registry, at(2), authentic(&established)) else {
        panic!("the session is held")
    };
    let orphaned = registry.orphan(at(2), incoming);
    assert_eq!(registry.session_count(), 1, "nothing unproven ends a session");
    let unknown = first(&mut registry, at(2), resume_packet(SessionId([9; 16])));
    assert_eq!(orphaned.packet, Some(Reject::Refused.encode()));
    assert_eq!(refused_in_the_clear(unknown), Some(Reject::Refused));
    assert_eq!(registry.pending.len(), 0);
}

/// What can be measured of a refusal: the answer, what goes on with it, and the trials.
fn refused(registry: &mut Registry, packet: &[u8]) -> (Option<Reject>, u64, usize, usize) {
    let (refused, trials) = (registry.snapshot().refused, TRIALS.get());
    let route = first(registry, at(2), BytesMut::from(packet));
    (
        refused_in_the_clear(route),
        registry.snapshot().refused.unknown - refused.unknown,
        TRIALS.get() - trials,
        registry.pending.len(),
    )
}

/// Kills `forged_resume_routed` and `stranger_refused_at_once`.
#[test]
fn a_refused_resume_takes_the_same_work_whether_there_is_such_a_session_or_not() {
    let mut registry = registry(config());
    let held = Client::new(1).admitted(&mut registry);
    let over = Client::new(2).admitted(&mut registry);
    let tombstone = tombstone(&over, 7);
    registry.update(at(2), report(&over, Status::Attached));
    registry.update(at(2), report(&over, Status::Ended(Some(tombstone))));
    let packets = |id: SessionId| {
        let forged = resume_packet(id);
        let mut changed = authentic(&held);
        changed[3..19].copy_from_slice(&id.0);
        changed[30] ^= 1;
        let mut of_another_suite = authentic(&held);
        of_another_suite[3..19].copy_from_slice(&id.0);
        of_another_suite[2] = Suite::Aes256Gcm.byte();
        [forged, changed, of_another_suite]
    };
    for id in [held.id, over.id, SessionId([9; 16])] {
        for packet in packets(id) {
            let same = (Some(Reject::Refused), 1, 2, 0);
            assert_eq!(refused(&mut registry, &packet), same, "{id:?}");
        }
    }
    let mut of_no_suite = authentic(&held);
    of_no_suite[2] = 99;
    let known = refused(&mut registry, &of_no_suite);
    of_no_suite[3..19].copy_from_slice(&[9; 16]);
    assert_eq!(refused(&mut registry, &of_no_suite), known);
    // What was the session's own is nobody's any more.
    assert_eq!(refused(&mut registry, &authentic(&over)).0, Some(Reject::Refused));
    let route = first(&mut registry, at(2), authentic(&held));
    assert!(matches!(route, Route::Resume { session, .. } if session == held.id));
}

#[test]
fn a_predecessor_that_is_held_goes_to_its_owner() {
    let mut registry = registry(config());
    let old = Client::new(1).admitted(&mut registry);
    let (mut new, incoming) = Client::new(2).prove(&mut registry, |hash| Some(claim(&old, hash)));
    let Admission::Resume { session, incoming } = registry.admit(at(2), incoming) else {
        panic!("it is held")
    };
    assert_eq!((session, registry.session_count()), (old.id, 1));
    let IncomingKind::Proven(proven) = &incoming.kind else {
        panic!("it is proven")
    };
    let named = proven.offer.predecessor.as_ref().expect("named");
    assert!(old.secret.verifier().check(&proven.hash_after_2, &named.mac));
    let Frame::End(end) = first_frame(&mut new, registry.orphan(at(2), incoming)) else {
        panic!("not an END")
    };
    assert_eq!(end.code, EndCode::RetryLater);
}

/// The verdict that the session made of it tells its client.
fn verdict(registry: &mut Registry, now: Instant, incoming: Incoming) -> Option<Verdict> {
    let IncomingKind::Proven(proven) = &incoming.kind else {
        panic!("it is proven")
    };
    let told = registry.verdict(now, proven);
    assert!(matches!(registry.admit(now, incoming), Admission::New { .. }));
    told
}

// PROTOCOL R3.15, R8.11
#[test]
fn a_tombstone_speaks_to_whoever_proves_the_session_was_his() {
    let mut registry = registry(config());
    let old = Client::new(1).admitted(&mut registry);
    registry.update(at(1), report(&old, Status::Ended(Some(tombstone(&old, 9)))));
    let (_, incoming) = Client::new(2).prove(&mut registry, |hash| Some(claim(&old, hash)));
    assert_eq!(
        verdict(&mut registry, at(1), incoming),
        Some(Verdict::Expired { position: 9 })
    );
    let forged = |hash: &[u8; 32]| {
        Some(Predecessor {
            mac: [0x55; 32],
            ..claim(&old, hash)
        })
    };
    let (_, incoming) = Client::new(3).prove(&mut registry, forged);
    assert_eq!(verdict(&mut registry, at(1), incoming), Some(Verdict::Superseded));
    // Another's proof is not good for this handshake.
    let (_, incoming) = Client::new(4).prove(&mut registry, |_| Some(claim(&old, &[1; 32])));
    assert_eq!(verdict(&mut registry, at(1), incoming), Some(Verdict::Superseded));
    let stranger = |hash: &[u8; 32]| {
        Some(Predecessor {
            id: [77; 16],
            ..claim(&old, hash)
        })
    };
    let (_, incoming) = Client::new(5).prove(&mut registry, stranger);
    assert_eq!(
        verdict(&mut registry, at(2), incoming),
        Some(Verdict::Unknown { reach: 3_600_000 })
    );
    let (_, incoming) = Client::new(6).prove(&mut registry, |_| None);
    assert_eq!(verdict(&mut registry, at(2), incoming), None);
    assert_eq!(registry.session_count(), 5);
}

// PROTOCOL R11.3
#[test]
fn a_full_registry_still_tells_the_truth_about_what_is_over() {
    let mut config = config();
    config.max_sessions = 1;
    let mut registry = registry(config);
    let old = Client::new(1).admitted(&mut registry);
    registry.update(at(1), report(&old, Status::Ended(Some(tombstone(&old, 9)))));
    assert!(registry.poll_ended().is_some());
    Client::new(2).admitted(&mut registry);

    let (mut new, incoming) = Client::new(3).prove(&mut registry, |_| None);
    let frame = first_frame(&mut new, rejected(registry.admit(at(1), incoming)));
    assert!(matches!(frame, Frame::End(end) if end.code == EndCode::Busy));

    let (mut new, incoming) = Client::new(4).prove(&mut registry, |hash| Some(claim(&old, hash)));
    let Frame::Final(answer) = first_frame(&mut new, rejected(registry.admit(at(1), incoming))) else {
        panic!("not a FINAL")
    };
    assert_eq!(
        (answer.verdict, answer.incarnation),
        (Some(Verdict::Expired { position: 9 }), registry.incarnation)
    );

    let stranger = |hash: &[u8; 32]| {
        Some(Predecessor {
            id: [77; 16],
            ..claim(&old, hash)
        })
    };
    let (mut new, incoming) = Client::new(5).prove(&mut registry, stranger);
    let Frame::End(end) = first_frame(&mut new, rejected(registry.admit(at(1), incoming))) else {
        panic!("not an END")
    };
    assert_eq!((end.code, end.after), (EndCode::RetryLater, Some(1_000)));
    assert_eq!(registry.session_count(), 1);
}

#[test]
fn the_host_refuses_under_seal() {
    let mut registry = registry(config());
    let later = Refusal::RetryLater {
        after: Duration::from_micros(1_500),
        alternate: Bytes::from_static(b"there"),
    };
    let too_long = Refusal::RetryLater {
        after: Duration::ZERO,
        alternate: Bytes::from(vec![b'x'; 2_000]),
    };
    for (refusal, code, after, alternate) in [
        (Refusal::Unauthorized, EndCode::Unauthorized, None, ""),
        (Refusal::RefreshCredentials, EndCode::RefreshCredentials, None, ""),
        (Refusal::Busy, EndCode::Busy, None, ""),
        (later, EndCode::RetryLater, Some(2), "there"),
        (too_long, EndCode::RetryLater, Some(0), ""),
    ] {
        let (mut established, incoming) = Client::new(1).prove(&mut registry, |_| None);
        let Frame::End(end) = first_frame(&mut established, registry.refuse(at(1), incoming, refusal)) else {
            panic!("not an END")
        };
        assert_eq!(
            (end.code, end.after, &end.alternate[..]),
            (code, after, alternate.as_bytes())
        );
    }
    assert_eq!((registry.pending.len(), registry.session_count()), (0, 0));
    let (_, unproven) = Client::new(1).begin(&mut registry);
    assert_eq!(registry.refuse(at(1), unproven, Refusal::Busy), Rejection::SILENT);
    let (_, unproven) = Client::new(1).begin(&mut registry);
    assert_eq!(rejected(registry.admit(at(1), unproven)), Rejection::SILENT);
}

#[test]
fn who_was_displaced_or_is_late_has_to_come_again() {
    let mut config = config();
    config.max_handshakes = 1;
    let mut registry = registry(config);
    let (mut displaced, first) = Client::new(1).prove(&mut registry, |_| None);
    let (mut late, second) = Client::new(2).prove(&mut registry, |_| None);
    assert!(!registry.is_wanted(first.connection()) && registry.is_wanted(second.connection()));
    assert_eq!((second.deadline(), registry.poll_timeout()), (at(11), Some(at(11))));
    for (established, incoming, now) in [(&mut displaced, first, at(1)), (&mut late, second, at(11))] {
        let frame = first_frame(established, rejected(registry.admit(now, incoming)));
        assert!(matches!(frame, Frame::End(end) if end.code == EndCode::RetryLater));
    }
    assert_eq!((registry.session_count(), registry.poll_timeout()), (0, None));
}

#[test]
fn nothing_but_one_proof_in_time_has_a_place_in_a_handshake() {
    let mut registry = registry(config());
    let junk = || BytesMut::from(&[PacketType::AuthProof.byte(), 1, 2, 3][..]);
    let (_, mut incoming) = Client::new(1).begin(&mut registry);
    assert!(incoming.handle_input(at(1), junk()).is_err());
    assert_eq!(
        incoming.handle_input(at(1), junk()),
        Err(ConnectionError::UnexpectedPacket),
        "nothing else is tried"
    );

    let (_, mut incoming) = Client::new(1).begin(&mut registry);
    let sealed = BytesMut::from(&[PacketType::Sealed.byte(), 1][..]);
    assert_eq!(
        incoming.handle_input(at(1), sealed),
        Err(ConnectionError::UnexpectedPacket)
    );

    let (_, mut incoming) = Client::new(1).begin(&mut registry);
    let mut large = BytesMut::zeroed(8_193);
    large[0] = PacketType::AuthProof.byte();
    assert_eq!(incoming.handle_input(at(1), large), Err(ConnectionError::TooLarge));

    let (handshake, mut incoming) = Client::new(1).begin(&mut registry);
    let (proof, _) = handshake.prove(&encode_offer(&offer(None))).expect("a proof");
    assert_eq!(
        incoming.handle_input(at(11), BytesMut::from(&proof[..])),
        Err(ConnectionError::Handshake)
    );

    let (_, mut proven) = Client::new(1).prove(&mut registry, |_| None);
    assert_eq!(
        proven.handle_input(at(1), junk()),
        Err(ConnectionError::UnexpectedPacket)
    );
    assert_eq!(proven.request(), None);
}

// PROTOCOL R3.3
#[test]
fn a_suite_or_version_that_was_passed_over_ends_the_handshake() {
    let mut registry = registry(config());
    let [aes, chacha] = [Suite::Aes256Gcm, Suite::ChaChaPoly].map(Suite::byte);
    for (versions, suites, honest) in [
        (vec![1], vec![chacha, aes], true),
        (vec![9, 1], vec![200, chacha], true),
        (vec![1], vec![aes, chacha], false),
        (vec![1], vec![aes], false),
        (vec![1], vec![200], false),
        (vec![9], vec![chacha], false),
    ] {
        let (handshake, mut incoming) = Client::new(1).begin(&mut registry);
        let offer = Offer {
            versions,
            suites,
            ..offer(None)
        };
        let (proof, _) = handshake.prove(&encode_offer(&offer)).expect("a proof");
        let read = incoming.handle_input(at(1), BytesMut::from(&proof[..]));
        assert_eq!(
            read,
            if honest {
                Ok(())
            } else {
                Err(ConnectionError::Handshake)
            },
            "{offer:?}"
        );
        registry.connection_closed(at(1), incoming.connection());
    }
    assert_eq!(registry.pending.len(), 0);
}

#[test]
fn what_is_no_first_packet_gets_no_answer() {
    let mut registry = registry(config());
    let mut oversized = BytesMut::zeroed(1_201);
    oversized[0] = PacketType::Hello.byte();
    for packet in [&[][..], &[0], &[2, 1], &[7; 40], &[255], &[4; 300], &[1], &oversized] {
        assert_eq!(
            refused_in_the_clear(first(&mut registry, at(1), BytesMut::from(packet))),
            None
        );
    }
    let connection = registry.connection_accepted(at(1), Carrier::ordered());
    for _ in 0..2 {
        let route = registry.first_packet(at(1), connection, BytesMut::from(&[0][..]));
        assert_eq!(refused_in_the_clear(route), None);
    }
    let route = registry.first_packet(at(1), ConnectionId(1 << 40), resume_packet(SessionId([1; 16])));
    assert_eq!(refused_in_the_clear(route), None, "never accepted");
    let late = registry.connection_accepted(at(1), Carrier::ordered());
    let route = registry.first_packet(at(11), late, resume_packet(SessionId([1; 16])));
    assert_eq!(refused_in_the_clear(route), None, "too late");
    assert_eq!((registry.pending.len(), registry.poll_timeout()), (0, None));
}

#[test]
fn a_version_or_suite_not_spoken_here_is_named() {
    let mut config = config();
    config.suites = vec![Suite::ChaChaPoly];
    let mut registry = registry(config);
    let (_, hello) = Client::new(1).hello(Suite::Aes256Gcm);
    assert_eq!(
        refused_in_the_clear(first(&mut registry, at(1), hello)),
        Some(Reject::SuiteUnsupported)
    );
    let (_, mut hello) = Client::new(1).hello(Suite::ChaChaPoly);
    hello[1] = 2;
    assert_eq!(
        refused_in_the_clear(first(&mut registry, at(1), hello)),
        Some(Reject::VersionUnsupported)
    );
}

// PROTOCOL R2.7
#[test]
fn a_flood_leaves_nothing_and_shuts_nobody_out() {
    let mut config = config();
    (config.hello_rate, config.max_silent, config.max_handshakes) = (30, 16, 16);
    let mut registry = registry(config);
    let established = Client::new(1).admitted(&mut registry);
    let (_, hello) = Client::new(2).hello(Suite::ChaChaPoly);
    let mut retries = 0;
    for number in 0..100_000_u32 {
        registry.connection_accepted(at(1), Carrier::ordered());
        if let Route::Reject(Rejection { packet: Some(packet) }) = first(&mut registry, at(1), hello.clone()) {
            assert!(matches!(
                Reject::decode(&packet),
                Ok(Reject::Retry { after: 1..=10_000 })
            ));
            retries += 1;
        }
        if number.is_multiple_of(100) {
            let Route::Reject(_) = first(&mut registry, at(1), resume_packet(SessionId([9; 16]))) else {
                panic!("unknown")
            };
        }
    }
    assert_eq!(retries, 100_000 - 2, "one of three was spent before");
    assert!(registry.pending.len() <= 32);
    assert_eq!((registry.session_count(), registry.tombstone_count()), (1, 0));
    let route = first(&mut registry, at(1), authentic(&established));
    assert!(matches!(route, Route::Resume { .. }));
    registry.handle_timeout(at(11));
    assert_eq!(registry.pending.len(), 0);
}

#[test]
fn a_duplicate_id_is_not_let_in() {
    let mut registry = registry(config());
    let old = Client::new(1).admitted(&mut registry);
    for state in 0..2 {
        let (mut new, mut incoming) = Client::new(2).prove(&mut registry, |_| None);
        let IncomingKind::Proven(proven) = &mut incoming.kind else {
            panic!("it is proven")
        };
        proven.established.id = old.id;
        let frame = first_frame(&mut new, rejected(registry.admit(at(1), incoming)));
        assert!(matches!(frame, Frame::End(end) if end.code == EndCode::RetryLater));
        assert_eq!(
            (registry.session_count(), registry.tombstone_count()),
            (1 - state, state)
        );
        registry.update(at(1), report(&old, Status::Ended(Some(tombstone(&old, 1)))));
    }
}

#[test]
fn a_session_lost_by_its_owner_shortens_the_reach() {
    let mut registry = registry(config());
    let established = Client::new(1).admitted(&mut registry);
    registry.update(at(1), report(&established, Status::Attached));
    registry.lost(at(5), established.id);
    registry.lost(at(6), established.id);
    assert_eq!(registry.session_count(), 0);
    registry.handle_timeout(at(15));
    registry.handle_timeout(at(25));
    let reach = registry.tombstones.reach(at(25), &established.peer_key);
    assert_eq!(reach, Duration::from_secs(20 - 11), "short of what is not sure");
}

#[test]
fn each_registry_has_its_own_incarnation_and_the_same_seed_the_same() {
    let incarnation = |seed| {
        Registry::new(config(), Seed([seed; 32]), at(0))
            .expect("valid")
            .incarnation
    };
    assert_eq!(incarnation(1), incarnation(1));
    assert_ne!(incarnation(1), incarnation(2));
}

#[test]
fn a_session_costs_little_here() {
    assert!(
        size_of::<(SessionId, Entry)>() <= 144,
        "{} bytes",
        size_of::<(SessionId, Entry)>()
    );
    assert!(size_of::<Handshake>() <= 512, "{} bytes", size_of::<Handshake>());
}

#[test]
fn limits_are_checked() {
    let tweaks: [fn(&mut ServerConfig); 10] = [
        |config| config.max_silent = 0,
        |config| config.max_handshakes = (1 << 20) + 1,
        |config| config.hello_rate = 0,
        |config| config.resume_rate = 0,
        |config| config.max_sessions = 0,
        |config| config.tombstone_lifetime = Duration::ZERO,
        |config| config.max_tombstones = (1 << 24) + 1,
        |config| config.session.max_streams = 0,
        |config| config.session.max_stream_window = 255,
        |config| config.session.max_session_window = (1 << 30) + 1,
    ];
    for tweak in tweaks {
        let mut config = config();
        tweak(&mut config);
        let refused = Registry::new(config, Seed([1; 32]), at(0)).err();
        assert!(matches!(refused, Some(ConfigError::OutOfRange { .. })), "{refused:?}");
    }
    let mut config = config();
    config.suites = vec![Suite::ChaChaPolyPsk];
    assert_eq!(config.validate(), Err(ConfigError::NoSuite), "nobody has a secret");
}

/// Kills `registry_without_budget`.
#[test]
fn sessions_of_a_registry_grow_out_of_one_budget_its_own_or_the_hosts() {
    let made = |config| {
        let registry = Registry::new(config, Seed([1; 32]), at(0)).expect("because the limits are valid");
        registry.session.window_budget.clone()
    };
    assert_eq!(made(config()).map(|budget| budget.size()), Some(1 << 30));
    let own = WindowBudget::new(5);
    let mut shared = config();
    shared.session.window_budget = Some(own.clone());
    assert_eq!(made(shared), Some(own));
}
