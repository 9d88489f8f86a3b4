use alloc::vec::Vec;

use super::*;
use crate::security::Verifier;

const HOUR: Duration = Duration::from_secs(3_600);

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

fn key(number: u8) -> PublicKey {
    PublicKey([number; 32])
}

fn tombstone(number: u8) -> Tombstone {
    Tombstone {
        id: SessionId([number; 16]),
        position: 7,
        verifiers: Vec::new(),
    }
}

fn reach(tombstones: &Tombstones, seconds: u64, client: u8) -> u64 {
    tombstones.reach(at(seconds), &key(client)).as_secs()
}

#[test]
fn reach_begins_at_the_start_and_ends_with_the_lifetime() {
    let tombstones = Tombstones::new(HOUR, 8, at(100));
    assert_eq!(reach(&tombstones, 100, 1), 0);
    assert_eq!(reach(&tombstones, 160, 1), 60);
    assert_eq!(reach(&tombstones, 100_000, 1), 3_600);
}

#[test]
fn a_tombstone_lives_its_time_and_goes() {
    let mut tombstones = Tombstones::new(HOUR, 8, at(0));
    tombstones.entomb(at(10), key(1), tombstone(1));
    assert_eq!(tombstones.deadline(), Some(at(3_610)));
    tombstones.expire(Instant::from_millis(3_609_999));
    assert!(tombstones.contains(SessionId([1; 16])));
    tombstones.expire(at(3_610));
    assert_eq!(
        (tombstones.len(), tombstones.by_id.len(), tombstones.by_client.len()),
        (0, 0, 0)
    );
    assert_eq!(reach(&tombstones, 3_610, 1), 3_600, "it went in time");
}

#[test]
fn the_same_session_is_entombed_once() {
    let mut tombstones = Tombstones::new(HOUR, 8, at(0));
    tombstones.entomb(at(1), key(1), tombstone(1));
    tombstones.entomb(at(2), key(1), tombstone(1));
    assert_eq!((tombstones.len(), tombstones.by_client[&key(1)].graves.len()), (1, 1));
    assert_eq!(tombstones.deadline(), Some(at(3_601)));
}

#[test]
fn one_dropped_early_shortens_the_reach_of_all_who_may_have_owned_it() {
    let mut tombstones = Tombstones::new(HOUR, 2, at(0));
    for number in 1..=3 {
        tombstones.entomb(at(10 * u64::from(number)), key(number), tombstone(number));
    }
    assert!(!tombstones.contains(SessionId([1; 16])));
    assert_eq!(tombstones.len(), 2);
    // Nobody can tell who comes with a new key, and the first key is new again.
    assert_eq!(reach(&tombstones, 40, 1), 30);
    assert_eq!(reach(&tombstones, 40, 9), 30);
    // The second has a tombstone of its own from before.
    assert_eq!(reach(&tombstones, 40, 2), 40);
    // A key that comes again brings what all have lost, and is not touched by what others lose then.
    tombstones.entomb(at(50), key(1), tombstone(4));
    assert_eq!(reach(&tombstones, 60, 1), 50);
    assert_eq!(reach(&tombstones, 60, 9), 40);
}

#[test]
fn a_greedy_client_displaces_itself_alone() {
    let mut tombstones = Tombstones::new(HOUR, 16, at(0));
    tombstones.entomb(at(1), key(1), tombstone(1));
    for number in 10..200 {
        tombstones.entomb(at(u64::from(number)), key(2), tombstone(number));
    }
    assert_eq!(tombstones.len(), 16);
    assert!(tombstones.contains(SessionId([1; 16])));
    assert_eq!(reach(&tombstones, 300, 1), 300);
    assert_eq!(reach(&tombstones, 300, 9), 300);
    assert_eq!(
        reach(&tombstones, 300, 2),
        300 - 184,
        "the newest dropped is of second 184"
    );
}

#[test]
fn what_a_client_lost_is_remembered_beyond_its_last_tombstone() {
    let mut tombstones = Tombstones::new(HOUR, 8, at(0));
    tombstones.entomb(at(1), key(1), tombstone(1));
    tombstones.forgotten(at(3_600), key(1));
    assert_eq!(reach(&tombstones, 3_600, 9), 3_600);
    tombstones.expire(at(3_601));
    assert_eq!(reach(&tombstones, 3_610, 1), 10);
    assert_eq!(reach(&tombstones, 3_610, 9), 10);
}

#[test]
fn a_store_of_nothing_remembers_that_it_forgot() {
    let mut tombstones = Tombstones::new(HOUR, 0, at(0));
    tombstones.entomb(at(5), key(1), tombstone(1));
    assert_eq!((tombstones.len(), tombstones.by_client.len()), (0, 0));
    assert_eq!(reach(&tombstones, 6, 1), 1);
}

#[test]
fn many_strangers_leave_it_bounded() {
    let mut tombstones = Tombstones::new(HOUR, 64, at(0));
    for number in 0..5_000_u64 {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let mut client = [0; 32];
        client[..8].copy_from_slice(&number.to_le_bytes());
        let stone = Tombstone {
            id: SessionId(id),
            ..tombstone(0)
        };
        tombstones.entomb(at(number), PublicKey(client), stone);
    }
    assert_eq!(
        (tombstones.len(), tombstones.by_id.len(), tombstones.by_client.len()),
        (64, 64, 64)
    );
}

#[test]
fn a_wrong_mac_gets_no_position() {
    let mut tombstones = Tombstones::new(HOUR, 8, at(0));
    tombstones.entomb(at(1), key(1), tombstone(1));
    let mut predecessor = Predecessor {
        id: [1; 16],
        counter: 1,
        position: 0,
        mac: [0; 32],
    };
    assert_eq!(tombstones.verdict(&predecessor, &[0; 32]), Some(Verdict::Superseded));
    predecessor.id = [2; 16];
    assert_eq!(tombstones.verdict(&predecessor, &[0; 32]), None);
}

#[test]
fn a_tombstone_is_small() {
    let bytes = size_of::<(u64, Grave)>()
        + 2 * size_of::<Verifier>()
        + size_of::<(SessionId, u64)>()
        + size_of::<(PublicKey, Client)>()
        + size_of::<u64>();
    assert!(bytes <= 320, "{bytes} bytes, maps' own overhead apart");
}

/// The session may have ended a moment ago by its client's clock, which would then send again what has arrived.
#[test]
fn what_went_because_the_clock_jumped_is_not_vouched_for() {
    let mut tombstones = Tombstones::new(HOUR, 8, at(0));
    tombstones.entomb(at(10), key(1), tombstone(1));
    tombstones.entomb(at(4_000), key(2), tombstone(2));
    tombstones.expire(at(4_000));
    assert_eq!(reach(&tombstones, 4_000, 1), 0, "it went late");
    tombstones.entomb(at(4_010), key(2), tombstone(3));
    tombstones.expire(at(7_605));
    assert_eq!(
        reach(&tombstones, 7_605, 2),
        0,
        "and so did one of a key that has others"
    );
    assert_eq!(reach(&tombstones, 7_605, 1), 3_600, "nobody else is concerned");
}
