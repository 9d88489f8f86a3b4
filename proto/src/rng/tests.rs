use alloc::collections::BTreeSet;
use alloc::vec;
use alloc::vec::Vec;

use super::Rng;
use crate::config::Seed;

fn draw(rng: &mut Rng, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    rng.fill(&mut out);
    out
}

#[test]
fn the_same_seed_gives_the_same_bytes_however_they_are_cut() {
    let mut whole = Rng::new(&Seed([7; 32]));
    let mut pieces = Rng::new(&Seed([7; 32]));
    let expected = draw(&mut whole, 1_000);
    let mut got = Vec::new();
    for len in [1, 0, 7, 224, 225, 300, 243] {
        got.extend(draw(&mut pieces, len));
    }
    assert_eq!(expected, got);
    assert_eq!(whole.next_u64(), pieces.next_u64());
}

#[test]
fn the_first_bytes_are_chacha20s() {
    // ChaCha20 of the all-zero key and nonce (RFC 8439, appendix A.1, vector 1), from byte 32 on.
    let mut rng = Rng::new(&Seed([0; 32]));
    let expected = [
        0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48, 0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37, 0x6a, 0x43,
        0xb8, 0xf4, 0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86,
    ];
    assert_eq!(draw(&mut rng, 32), expected);
}

#[test]
fn seeds_draws_and_forks_all_differ() {
    let mut seen = BTreeSet::new();
    for seed in 0..4 {
        let mut rng = Rng::new(&Seed([seed; 32]));
        for _ in 0..50 {
            let mut fork = rng.fork();
            assert!(seen.insert(draw(&mut rng, 16)));
            assert!(seen.insert(draw(&mut fork, 16)));
            assert!(seen.insert(draw(&mut fork.fork(), 16)));
        }
    }
}

#[test]
fn what_was_drawn_is_wiped() {
    let mut rng = Rng::new(&Seed([9; 32]));
    let drawn = draw(&mut rng, 100);
    assert!(drawn.iter().any(|byte| *byte != 0));
    assert!(rng.pool[..rng.used].iter().skip(super::KEY).all(|byte| *byte == 0));
}
