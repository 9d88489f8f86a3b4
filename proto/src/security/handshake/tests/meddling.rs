//! What comes of messages that somebody changed, cut, recorded or made up.

use alloc::vec;

use crate::error::ConnectionError;
use crate::security::handshake::{ClientHandshake, HelloRefusal, ServerHandshake};
use crate::security::testing::{Failure, HINT, OFFER, ends, established, handshake, rng, unhex};
use crate::security::{Auth, ServerAuth, SharedSecret, Suite};

#[test]
fn every_flipped_bit_of_every_message_fails() {
    for suite in Suite::all() {
        let ends = ends(suite);
        let lengths = established(suite, 1).packets.map(|packet| packet.len());
        for (which, length) in lengths.into_iter().enumerate() {
            for position in 0..length {
                // One bit of each byte, another one from byte to byte; all eight where fields are clear.
                let bits = if which == 0 && position < 4 + HINT.len() {
                    0..8
                } else {
                    position % 8..position % 8 + 1
                };
                for bit in bits {
                    let outcome = handshake(suite, &ends, 1, |at, packet| {
                        if at == which {
                            packet[position] ^= 1 << bit;
                        }
                    });
                    assert!(
                        outcome.is_err(),
                        "{suite:?}: message {which}, byte {position}, bit {bit}"
                    );
                }
            }
        }
    }
}

// PROTOCOL R3.10
#[test]
fn every_truncation_and_every_extension_fails() {
    for suite in Suite::all() {
        let ends = ends(suite);
        let lengths = established(suite, 1).packets.map(|packet| packet.len());
        for (which, length) in lengths.into_iter().enumerate() {
            for cut in (0..length).chain([length + 1, length + 40]) {
                let outcome = handshake(suite, &ends, 1, |at, packet| {
                    if at == which {
                        packet.resize(cut, 0);
                    }
                });
                assert!(outcome.is_err(), "{suite:?}: message {which} cut to {cut}");
            }
        }
    }
}

#[test]
fn noise_from_strangers_never_panics() {
    let mut chance = rng(77);
    let auths = [
        ends(Suite::Aes256Gcm).1,
        ends(Suite::Aes256GcmPsk).1,
        ServerAuth::anonymous(),
    ];
    for round in 0..2_000_u32 {
        let mut packet = vec![0; (chance.next_u64() % 200) as usize];
        chance.fill(&mut packet);
        // Plausible beginnings reach further than chance alone.
        for (byte, likely) in packet.iter_mut().zip([1, 1, 1 + (round % 5) as u8, (round % 70) as u8]) {
            *byte = likely;
        }
        for auth in &auths {
            let _ = ServerHandshake::new(auth, &Suite::all(), &packet, &mut rng(1));
        }
        let suite = Suite::all()[round as usize % 4];
        let (mut client, _) = ClientHandshake::new(&ends(suite).0, suite, &mut rng(2));
        if let Some(first) = packet.first_mut() {
            *first = 2;
        }
        assert!(client.on_challenge(&packet).is_err());
    }
}

#[test]
fn a_wrong_secret_fails_at_the_proof_only() {
    for suite in [Suite::Aes256GcmPsk, Suite::ChaChaPolyPsk] {
        let wrong = SharedSecret::from_key(HINT, [0x43; 32]).expect("because the hint is short");
        let (client, server) = ends(suite);
        let outcome = handshake(suite, &(client.with_secret(wrong), server), 1, |_, _| ());
        assert_eq!(outcome.err(), Some(Failure::Proof(ConnectionError::Handshake)));
    }
}

// PROTOCOL R3.12
#[test]
fn an_unknown_hint_gets_a_challenge_like_any_other_and_fails_at_the_proof() {
    for suite in [Suite::Aes256GcmPsk, Suite::ChaChaPolyPsk] {
        let (client, server) = ends(suite);
        let unknown = SharedSecret::from_key(b"stolen", [0x42; 32]).expect("because the hint is short");
        let outcome = handshake(suite, &(client.with_secret(unknown), server.clone()), 1, |_, _| ());
        assert_eq!(outcome.err(), Some(Failure::Proof(ConnectionError::Handshake)));

        // Known and unknown draw the same from the generator, so they did the same work.
        let draws = |hint: &[u8]| {
            let secret = SharedSecret::from_key(hint, [0x42; 32]).expect("because the hint is short");
            let (_, hello) = ClientHandshake::new(&Auth::secret(secret), suite, &mut rng(1));
            let mut server_rng = rng(2);
            let answer = ServerHandshake::new(&server, &Suite::all(), &hello, &mut server_rng);
            assert_eq!(answer.map(|(_, challenge)| challenge.len()), Ok(97));
            server_rng.next_u64()
        };
        assert_eq!(draws(HINT), draws(b"stolen"));
    }
}

// PROTOCOL R3.13
#[test]
fn an_ephemeral_key_that_agrees_on_nothing_is_refused_by_both() {
    // Points of small order: zero, one, and the two of order eight.
    let small: [[u8; 32]; 4] = [
        [0; 32],
        core::array::from_fn(|position| u8::from(position == 0)),
        unhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800")
            .try_into()
            .expect("because it has 32 bytes"),
        unhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157")
            .try_into()
            .expect("because it has 32 bytes"),
    ];
    let suite = Suite::ChaChaPoly;
    for point in small {
        let zeroed = |which| {
            handshake(suite, &ends(suite), 1, move |at, packet| {
                if at == which {
                    let start = if at == 0 { 4 } else { 1 };
                    packet[start..start + 32].copy_from_slice(&point);
                }
            })
        };
        assert_eq!(zeroed(0).err(), Some(Failure::Hello(HelloRefusal::Malformed)));
        assert_eq!(zeroed(1).err(), Some(Failure::Challenge(ConnectionError::Handshake)));
    }
}

#[test]
fn messages_of_another_handshake_fail() {
    for suite in Suite::all() {
        let ends = ends(suite);
        let recorded = established(suite, 1).packets;
        for (which, record) in recorded.iter().enumerate() {
            let outcome = handshake(suite, &ends, 2, |at, packet| {
                if at == which {
                    packet.clone_from(record);
                }
            });
            assert!(outcome.is_err(), "{suite:?}: recorded message {which}");
        }
    }
}

// PROTOCOL R3.13
#[test]
fn a_challenge_is_taken_once_and_in_its_turn() {
    let suite = Suite::Aes256GcmPsk;
    let recorded = established(suite, 1).packets;
    let (mut client, _) = ClientHandshake::new(&ends(suite).0, suite, &mut rng(1));
    assert_eq!(client.on_challenge(&recorded[1]), Ok(()));
    assert_eq!(client.on_challenge(&recorded[1]), Err(ConnectionError::Handshake));
    let (client, _) = ClientHandshake::new(&ends(suite).0, suite, &mut rng(1));
    assert_eq!(client.prove(OFFER).err(), Some(ConnectionError::Handshake));
}

#[test]
fn packets_of_another_type_are_unexpected() {
    for other in [0, 1, 3, 4, 5, 6, 7, 255] {
        let outcome = handshake(Suite::ChaChaPoly, &ends(Suite::ChaChaPoly), 1, |at, packet| {
            if at == 1 {
                packet[0] = other;
            }
        });
        assert_eq!(
            outcome.err(),
            Some(Failure::Challenge(ConnectionError::UnexpectedPacket))
        );
    }
}
