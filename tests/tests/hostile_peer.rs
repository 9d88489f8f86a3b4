//! A peer that has proven itself and then does as it likes.

use unbroken_tests::hostile::{decode, hostile};
use unbroken_tests::rng::Rng;
use unbroken_tests::ssm;

/// `UNBROKEN_SEED=n` runs one.
fn seeds() -> Box<dyn Iterator<Item = u64>> {
    match std::env::var("UNBROKEN_SEED").ok().and_then(|seed| seed.parse().ok()) {
        Some(seed) => Box::new(std::iter::once(seed)),
        None => Box::new(0..6_000),
    }
}

fn bytes(seed: u64) -> Vec<u8> {
    let mut rng = Rng::new(seed);
    let len = usize::try_from(rng.below(600)).expect("because it is small");
    (0..len).map(|_| rng.number().to_le_bytes()[0]).collect()
}

#[test]
fn whatever_a_proven_peer_does_nothing_panics_or_grows() {
    for seed in seeds() {
        let data = bytes(seed);
        let run = std::panic::catch_unwind(|| hostile(&data));
        assert!(run.is_ok(), "seed {seed}");
    }
}

#[test]
fn any_plaintext_is_frames_or_one_error() {
    for seed in seeds() {
        decode(&bytes(seed));
    }
}

#[test]
fn any_message_of_session_manager_is_read_or_refused() {
    for seed in seeds() {
        ssm::messages::decode(&bytes(seed));
    }
}

#[test]
fn a_session_manager_peer_that_sends_anything_breaks_nothing() {
    for seed in seeds() {
        ssm::hostile::play(&bytes(seed));
    }
}
