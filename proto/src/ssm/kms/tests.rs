#![allow(clippy::unwrap_used, reason = "a test")]

use alloc::format;
use alloc::vec::Vec;

use proptest::collection::vec as list;
use proptest::prelude::*;

use crate::ssm::body::{Base64, EncryptionChallenge};
use crate::ssm::kms::{Challenge, CountedNonce, DataKey, Direction, KmsError, OVERHEAD};

fn key() -> DataKey {
    let mut bytes = [1; 64];
    bytes[32..].fill(2);
    DataKey::new(bytes)
}

#[test]
fn a_data_key_has_64_bytes_and_does_not_show_them() {
    for length in [0, 32, 63, 65] {
        let refused = DataKey::from_slice(&alloc::vec![7; length]).map(|_| ());
        assert_eq!(refused, Err(KmsError::KeyLength { length }));
    }
    assert_eq!(format!("{:?}", key()), "DataKey(<64 bytes>)");
    assert_eq!(
        format!("{:?}", key().direction(Direction::AgentToClient)),
        "DirectionKey(..)"
    );
    assert_eq!(format!("{:?}", Challenge::new([7; 64])), "Challenge(<64 bytes>)");
}

#[test]
fn a_payload_of_nothing_is_28_bytes() {
    let key = key().direction(Direction::AgentToClient);
    let mut sealed = Vec::new();
    key.seal([9; 12], b"", &mut sealed).unwrap();
    assert_eq!(sealed.len(), OVERHEAD);
    assert_eq!(key.open(&sealed), Ok(Vec::new()));
    for length in 0..OVERHEAD {
        assert_eq!(key.open(&sealed[..length]), Err(KmsError::TooShort { length }));
    }
}

#[test]
fn each_direction_has_a_key_of_its_own() {
    let (agent, client) = (
        key().direction(Direction::AgentToClient),
        key().direction(Direction::ClientToAgent),
    );
    let mut sealed = Vec::new();
    agent.seal([9; 12], b"$ ", &mut sealed).unwrap();
    assert_eq!(client.open(&sealed), Err(KmsError::NotAuthentic));
    // The agent's is the first half.
    let halves = DataKey::new([1; 64]);
    assert_eq!(
        halves.direction(Direction::ClientToAgent).open(&sealed),
        Ok(b"$ ".to_vec())
    );
}

#[test]
fn nonces_are_counted_from_the_low_byte() {
    let mut nonces = CountedNonce::new([0xff, 0xff, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(nonces.advance()[..4], [0xff, 0xff, 3, 0]);
    assert_eq!(nonces.advance()[..4], [0, 0, 4, 0]);
    assert_eq!(nonces.advance()[..4], [1, 0, 4, 0]);
    let mut last = CountedNonce::new([0xff; 12]);
    assert_eq!(last.advance(), [0xff; 12]);
    assert_eq!(last.advance(), [0; 12]);
}

#[test]
fn a_challenge_is_answered_under_the_other_key() {
    let (agent, client) = (
        key().direction(Direction::AgentToClient),
        key().direction(Direction::ClientToAgent),
    );
    let challenge = Challenge::new([5; 64]);
    let asked = challenge.seal(&agent, [1; 12]).unwrap();
    let answer = Challenge::open(&agent, &asked).unwrap().seal(&client, [2; 12]).unwrap();
    assert_eq!(Challenge::open(&client, &answer), Ok(challenge.clone()));
    assert_ne!(challenge, Challenge::new([6; 64]));
    assert_eq!(Challenge::open(&client, &asked), Err(KmsError::NotAuthentic));
    let empty = EncryptionChallenge {
        challenge: Base64::default(),
    };
    assert_eq!(Challenge::open(&client, &empty), Err(KmsError::TooShort { length: 0 }));
}

proptest! {
    #[test]
    fn what_is_sealed_opens(nonce: [u8; 12], plaintext in list(any::<u8>(), 0..300)) {
        let key = key().direction(Direction::ClientToAgent);
        let mut sealed = b"before".to_vec();
        key.seal(nonce, &plaintext, &mut sealed).unwrap();
        prop_assert_eq!(&sealed[..6], b"before");
        prop_assert_eq!(sealed.len(), 6 + plaintext.len() + OVERHEAD);
        prop_assert_eq!(key.open(&sealed[6..]), Ok(plaintext));
    }

    #[test]
    fn what_was_changed_does_not_open(at in 0..40usize, bit in 0..8u32) {
        let key = key().direction(Direction::ClientToAgent);
        let mut sealed = Vec::new();
        key.seal([3; 12], b"twelve bytes", &mut sealed).unwrap();
        sealed[at] ^= 1 << bit;
        prop_assert_eq!(key.open(&sealed), Err(KmsError::NotAuthentic));
    }

    #[test]
    fn any_bytes_do_not_open(bytes: Vec<u8>) {
        prop_assert!(key().direction(Direction::ClientToAgent).open(&bytes).is_err());
    }
}
