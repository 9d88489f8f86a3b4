use alloc::vec;
use alloc::vec::Vec;

use bytes::BytesMut;

use super::{Claim, ClientResume, ResumeClear, Resumed, ServerResume, parse_resume};
use crate::error::ConnectionError;
use crate::id::{SessionId, Side};
use crate::security::noise::{Noise, Pattern, Setup};
use crate::security::seal::Forged;
use crate::security::testing::{BadResume, established, resume_packet, rng};
use crate::security::{Keys, ResumptionSecret, Suite};

const COUNTER: u64 = 0x0102_0304_0506_0708;
const SUITES: [Suite; 2] = [Suite::Aes256GcmPsk, Suite::ChaChaPoly];

fn request(secret: &ResumptionSecret, seed: u8) -> (ClientResume, Vec<u8>) {
    ClientResume::new(secret, SessionId([3; 16]), COUNTER, 77, true, &mut rng(seed))
}

fn open(secrets: [Option<&ResumptionSecret>; 2], packet: &[u8]) -> Result<ServerResume, Forged> {
    ServerResume::open(secrets, packet, &mut rng(50))
}

/// A whole resume under `secret`; the client's outcome, the server's keys and secret.
fn resume(secret: &ResumptionSecret, seed: u8) -> (Resumed, Keys, ResumptionSecret) {
    let (client, packet) = request(secret, seed);
    let server = open([Some(secret), None], &packet).expect("because the secret is the right one");
    let (answer, keys, next) = server.answer(99, false).expect("because the client's key is sound");
    assert!(packet.len() + answer.len() <= 160, "the budget");
    assert_eq!((packet.len(), answer.len()), (84, 58));
    (
        client.on_resumed(&answer).expect("because nobody disturbed it"),
        keys,
        next,
    )
}

#[test]
fn both_sides_agree_and_learn_each_others_claims() {
    for suite in Suite::all() {
        let outcome = established(suite, 1);
        let (client, packet) = request(&outcome.client.secret, 1);
        let server = open([Some(&outcome.server.secret), None], &packet).expect("because it is the session's");
        let claim = Claim {
            position: 77,
            alive: true,
        };
        assert_eq!((server.which, server.claim), (0, Some(claim)));
        let (answer, mut keys, next) = server.answer(99, false).expect("because the client's key is sound");
        let mut resumed = client.on_resumed(&answer).expect("because nobody disturbed it");
        assert_eq!((resumed.position, resumed.alive), (99, false));
        assert_eq!(resumed.secret.key(), next.key());
        assert_ne!(next.key(), outcome.server.secret.key());

        let mut packet = vec![1, 2, 3];
        resumed
            .keys
            .sealer
            .seal(&mut packet, 0)
            .expect("because the key is fresh");
        let mut sealed = BytesMut::from(&packet[..]);
        assert_eq!(keys.opener.open(&mut sealed), Ok(()));
        assert_eq!(&sealed[..], [1, 2, 3]);
        let mut packet = vec![4];
        keys.sealer.seal(&mut packet, 0).expect("because the key is fresh");
        assert_eq!(resumed.keys.opener.open(&mut BytesMut::from(&packet[..])), Ok(()));
    }
}

#[test]
fn clear_fields_are_read_back() {
    let secret = established(Suite::ChaChaPolyPsk, 1).client.secret;
    let (_, packet) = request(&secret, 1);
    let expected = ResumeClear {
        version: 1,
        suite: Suite::ChaChaPolyPsk.byte(),
        id: SessionId([3; 16]),
        counter: COUNTER,
    };
    assert_eq!(parse_resume(&packet), Some(expected));
    for length in (0..packet.len()).chain([packet.len() + 1, 256, 257]) {
        let mut other = packet.clone();
        other.resize(length, 0);
        assert_eq!(parse_resume(&other), None);
    }
    let mut other = packet;
    other[0] = 5;
    assert_eq!(parse_resume(&other), None);
}

#[test]
fn either_secret_opens_and_says_which() {
    for suite in SUITES {
        let current = established(suite, 1).client.secret;
        let candidate = resume(&current, 2).2;
        let (_, old) = request(&current, 3);
        let (_, new) = request(&candidate, 3);
        let held = [Some(&current), Some(&candidate)];
        assert_eq!(open(held, &old).map(|resume| resume.which), Ok(0));
        assert_eq!(open(held, &new).map(|resume| resume.which), Ok(1));
        assert_eq!(open([None, Some(&candidate)], &new).map(|resume| resume.which), Ok(1));
        // Once the candidate is confirmed, the stolen old one opens nothing.
        assert_eq!(open([Some(&candidate), None], &old).err(), Some(Forged));
        assert_eq!(open([None, None], &new).err(), Some(Forged));
    }
}

// PROTOCOL R3.17, R3.18
#[test]
fn two_trials_always_whatever_is_held_and_whatever_opens() {
    // Each trial draws the same from the generator; what it gives next counts them.
    let secret = established(Suite::Aes256Gcm, 1).client.secret;
    let other = established(Suite::Aes256Gcm, 2).client.secret;
    let (_, packet) = request(&secret, 1);
    let after = |secrets| {
        let mut rng = rng(9);
        let _ = ServerResume::open(secrets, &packet, &mut rng);
        rng.next_u64()
    };
    let expected = after([Some(&secret), Some(&other)]);
    for secrets in [
        [None, None],
        [Some(&secret), None],
        [None, Some(&secret)],
        [Some(&other), None],
    ] {
        assert_eq!(after(secrets), expected);
    }
}

#[test]
fn every_flipped_bit_of_resume_fails() {
    for suite in SUITES {
        let secret = established(suite, 1).client.secret;
        let (_, packet) = request(&secret, 1);
        for position in 0..packet.len() {
            for bit in 0..8 {
                let mut packet = packet.clone();
                packet[position] ^= 1 << bit;
                assert_eq!(
                    open([Some(&secret), Some(&secret)], &packet).err(),
                    Some(Forged),
                    "{position}"
                );
            }
        }
        for length in (0..packet.len()).chain([packet.len() + 1]) {
            let mut packet = packet.clone();
            packet.resize(length, 0);
            assert_eq!(open([Some(&secret), None], &packet).err(), Some(Forged));
        }
    }
}

#[test]
fn every_flipped_bit_of_resumed_fails() {
    for suite in SUITES {
        let secret = established(suite, 1).client.secret;
        let answer = || {
            let (client, packet) = request(&secret, 1);
            let server = open([Some(&secret), None], &packet).expect("because it is the session's");
            (
                client,
                server.answer(99, true).expect("because the client's key is sound").0,
            )
        };
        let length = answer().1.len();
        for position in 0..length {
            let (client, mut resumed) = answer();
            resumed[position] ^= 1 << (position % 8);
            assert!(client.on_resumed(&resumed).is_err(), "{position}");
        }
        for cut in (0..length).chain([length + 1]) {
            let (client, mut resumed) = answer();
            resumed.resize(cut, 0);
            assert!(client.on_resumed(&resumed).is_err(), "{cut}");
        }
    }
}

#[test]
fn a_recorded_answer_is_worthless() {
    let secret = established(Suite::ChaChaPoly, 1).client.secret;
    let (_, first) = request(&secret, 1);
    let server = open([Some(&secret), None], &first).expect("because it is the session's");
    let (recorded, _, _) = server.answer(99, true).expect("because the client's key is sound");
    let (client, _) = request(&secret, 2);
    assert_eq!(client.on_resumed(&recorded).err(), Some(ConnectionError::Handshake));
    let (client, _) = request(&secret, 2);
    assert_eq!(
        client.on_resumed(&[6, 2]).err(),
        Some(ConnectionError::UnexpectedPacket)
    );
}

// PROTOCOL R3.17
#[test]
fn a_suite_that_is_not_the_sessions_opens_nothing() {
    // The same secret bytes under another suite's byte: the plain and the psk suite share a pattern.
    let secret = established(Suite::Aes256Gcm, 1).client.secret;
    let twin = ResumptionSecret::for_test(Suite::Aes256GcmPsk, *secret.key());
    let (_, packet) = request(&twin, 1);
    assert_eq!(open([Some(&secret), None], &packet).err(), Some(Forged));
}

#[test]
fn a_position_may_be_anything_and_is_the_sessions_to_judge() {
    let secret = established(Suite::Aes256Gcm, 1).client.secret;
    for position in [0, 1, (1 << 62) - 1, u64::MAX] {
        let (_, packet) = ClientResume::new(&secret, SessionId([3; 16]), 1, position, false, &mut rng(1));
        let server = open([Some(&secret), None], &packet).expect("because it is the session's");
        let alive = false;
        assert_eq!(server.claim, Some(Claim { position, alive }));
    }
}

#[test]
fn a_proven_client_with_a_zero_ephemeral_key_gets_no_answer() {
    // It holds the secret, so its RESUME opens; the zero point is met when the server answers.
    let secret = established(Suite::ChaChaPoly, 1).client.secret;
    let packet = resume_packet(&secret, SessionId([3; 16]), COUNTER, BadResume::ZeroPoint);
    let server = open([Some(&secret), None], &packet).expect("because the secret is the right one");
    assert_eq!(server.answer(0, false).err(), Some(ConnectionError::Handshake));
}

#[test]
fn a_claim_that_is_neither_dead_nor_alive_is_authentic_and_none() {
    let secret = established(Suite::ChaChaPoly, 1).client.secret;
    for (last, sound) in [(0, true), (1, true), (2, false), (255, false)] {
        let packet = resume_packet(&secret, SessionId([3; 16]), COUNTER, BadResume::Claim(last));
        for held in [[Some(&secret), None], [None, Some(&secret)]] {
            let server = open(held, &packet).expect("because it is authentic");
            assert_eq!(server.claim.is_some(), sound, "{last}");
        }
    }
}

#[test]
fn an_unfinished_handshake_yields_no_keys() {
    let secret = established(Suite::ChaChaPoly, 1).client.secret;
    let pattern = Pattern::Resume { secret: secret.key() };
    let setup = Setup {
        side: Side::Client,
        suite: Suite::ChaChaPoly,
        clear: &[],
        pattern,
    };
    assert_eq!(
        Noise::new(&setup, &mut rng(1)).split().err(),
        Some(ConnectionError::Handshake)
    );
}

#[test]
fn noise_from_strangers_never_panics() {
    let secret = established(Suite::Aes256Gcm, 1).client.secret;
    let mut chance = rng(5);
    for round in 0..500_u32 {
        let mut packet = vec![0; 84];
        chance.fill(&mut packet);
        for (byte, likely) in packet.iter_mut().zip([4, 1, (round % 6) as u8]) {
            *byte = likely;
        }
        assert!(parse_resume(&packet).is_some());
        assert_eq!(open([Some(&secret), None], &packet).err(), Some(Forged));
        let (client, _) = request(&secret, 1);
        packet[0] = 5;
        packet.truncate((chance.next_u64() % 85) as usize);
        assert!(client.on_resumed(&packet).is_err());
    }
}
