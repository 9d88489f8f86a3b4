use alloc::vec::Vec;

use super::*;
use crate::security::Verifier;

const HOUR: Duration = Duration::from_secs(3_600);
/// What a reach is short of, once something was forgotten.
const MARGIN: u64 = WatchedClock::LONGEST.as_secs();

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
        over: None,
        is_final: true,
        believable: 0..=0,
        counter: 1,
        verifiers: Vec::new(),
    }
}

/// Time passes until then, and somebody looks as often as is asked for.
fn pass(tombstones: &mut Tombstones, until: Instant) {
    while let Some(look) = tombstones.deadline().filter(|look| *look < until) {
        tombstones.expire(look);
    }
    // Nobody has to look when nothing depends on it; then the caller does.
    while tombstones.clock.next_look(until) < until && tombstones.clock.time < until {
        let look = tombstones.clock.next_look(until);
        tombstones.expire(look);
    }
    tombstones.expire(until);
}

fn entomb(tombstones: &mut Tombstones, seconds: u64, client: PublicKey, tombstone: Tombstone) {
    pass(tombstones, at(seconds));
    tombstones.entomb(at(seconds), client, tombstone);
}

fn reach(tombstones: &mut Tombstones, seconds: u64, client: u8) -> u64 {
    pass(tombstones, at(seconds));
    tombstones.reach(at(seconds), &key(client)).as_secs()
}

// PROTOCOL R11.7
#[test]
fn what_forgot_nothing_remembers_all_that_it_ever_made() {
    let mut tombstones = Tombstones::new(HOUR, 8, at(100));
    // Also what began with it: the answer is some time under way.
    assert_eq!(reach(&mut tombstones, 100, 1), 3_600);
    assert_eq!(reach(&mut tombstones, 100_000, 1), 3_600);
}

/// Nobody has looked yet, so that no time was seen to pass.
#[test]
fn what_is_forgotten_at_once_is_forgotten_all_the_same() {
    let mut tombstones = Tombstones::new(HOUR, 8, at(0));
    tombstones.forgotten(at(5_000), key(1));
    assert_eq!(reach(&mut tombstones, 5_000, 1), 0);
    assert_eq!(reach(&mut tombstones, 5_030, 1), 30 - MARGIN);
}

#[test]
fn a_tombstone_lives_its_time_and_goes() {
    let mut tombstones = Tombstones::new(HOUR, 8, at(0));
    entomb(&mut tombstones, 10, key(1), tombstone(1));
    assert_eq!(tombstones.deadline(), Some(at(20)), "somebody has to look meanwhile");
    pass(&mut tombstones, Instant::from_millis(3_609_999));
    assert_eq!(tombstones.deadline(), Some(at(3_610)));
    assert!(tombstones.contains(SessionId([1; 16])));
    tombstones.expire(at(3_610));
    assert_eq!(
        (tombstones.len(), tombstones.by_id.len(), tombstones.by_client.len()),
        (0, 0, 0)
    );
    assert_eq!(reach(&mut tombstones, 3_610, 1), 3_600, "it went in time");
}

#[test]
fn the_same_session_is_entombed_once() {
    let mut tombstones = Tombstones::new(HOUR, 8, at(0));
    entomb(&mut tombstones, 1, key(1), tombstone(1));
    entomb(&mut tombstones, 2, key(1), tombstone(1));
    assert_eq!((tombstones.len(), tombstones.by_client[&key(1)].graves.len()), (1, 1));
    assert_eq!(tombstones.due(), Some(at(3_601)));
}

// PROTOCOL R11.7
#[test]
fn one_dropped_early_shortens_the_reach_of_all_who_may_have_owned_it() {
    let mut tombstones = Tombstones::new(HOUR, 2, at(0));
    for number in 1..=3 {
        entomb(&mut tombstones, 10 * u64::from(number), key(number), tombstone(number));
    }
    assert!(!tombstones.contains(SessionId([1; 16])));
    assert_eq!(tombstones.len(), 2);
    // Nobody can tell who comes with a new key, and the first key is new again.
    assert_eq!(reach(&mut tombstones, 40, 1), 30 - MARGIN);
    assert_eq!(reach(&mut tombstones, 40, 9), 30 - MARGIN);
    // The second has a tombstone of its own from before.
    assert_eq!(reach(&mut tombstones, 40, 2), 3_600);
    // A key that comes again brings what all have lost, and is not touched by what others lose then.
    entomb(&mut tombstones, 50, key(1), tombstone(4));
    assert_eq!(reach(&mut tombstones, 60, 1), 50 - MARGIN);
    assert_eq!(reach(&mut tombstones, 60, 9), 40 - MARGIN);
}

// PROTOCOL R11.7
#[test]
fn a_greedy_client_displaces_itself_alone() {
    let mut tombstones = Tombstones::new(HOUR, 16, at(0));
    entomb(&mut tombstones, 1, key(1), tombstone(1));
    for number in 10..200 {
        entomb(&mut tombstones, u64::from(number), key(2), tombstone(number));
    }
    assert_eq!(tombstones.len(), 16);
    assert!(tombstones.contains(SessionId([1; 16])));
    assert_eq!(reach(&mut tombstones, 300, 1), 3_600);
    assert_eq!(reach(&mut tombstones, 300, 9), 3_600);
    assert_eq!(
        reach(&mut tombstones, 300, 2),
        300 - 184 - MARGIN,
        "the newest dropped is of second 184"
    );
}

#[test]
fn what_a_client_lost_is_remembered_beyond_its_last_tombstone() {
    let mut tombstones = Tombstones::new(HOUR, 8, at(0));
    entomb(&mut tombstones, 1, key(1), tombstone(1));
    pass(&mut tombstones, at(3_600));
    tombstones.forgotten(at(3_600), key(1));
    assert_eq!(reach(&mut tombstones, 3_600, 9), 3_600);
    assert_eq!(reach(&mut tombstones, 3_640, 1), 40 - MARGIN);
    assert_eq!(tombstones.len(), 0);
    assert_eq!(reach(&mut tombstones, 3_640, 9), 40 - MARGIN);
    assert_eq!(reach(&mut tombstones, 8_000, 9), 3_600);
    assert_eq!(tombstones.deadline(), None, "nothing depends on time any more");
}

#[test]
fn a_store_of_nothing_remembers_that_it_forgot() {
    let mut tombstones = Tombstones::new(HOUR, 0, at(0));
    entomb(&mut tombstones, 5, key(1), tombstone(1));
    assert_eq!((tombstones.len(), tombstones.by_client.len()), (0, 0));
    assert_eq!(reach(&mut tombstones, 20, 1), 15 - MARGIN);
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
        entomb(&mut tombstones, number, PublicKey(client), stone);
    }
    assert_eq!(
        (tombstones.len(), tombstones.by_id.len(), tombstones.by_client.len()),
        (64, 64, 64)
    );
}

#[test]
fn a_wrong_mac_gets_no_position() {
    let mut tombstones = Tombstones::new(HOUR, 8, at(0));
    entomb(&mut tombstones, 1, key(1), tombstone(1));
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
    assert!(bytes <= 328, "{bytes} bytes, maps' own overhead apart");
}

/// By its client's clock the session may have ended a moment ago: the client would send again what has arrived.
#[test]
fn a_clock_that_jumps_makes_no_tombstone_old() {
    let mut tombstones = Tombstones::new(HOUR, 8, at(0));
    entomb(&mut tombstones, 10, key(1), tombstone(1));
    tombstones.expire(at(50_000));
    assert!(tombstones.contains(SessionId([1; 16])));
    assert_eq!(tombstones.deadline(), Some(at(50_010)));
    pass(&mut tombstones, at(53_599));
    assert_eq!((tombstones.len(), reach(&mut tombstones, 53_600, 1)), (1, 3_600));
    assert_eq!(tombstones.len(), 0);
}

#[test]
fn a_clock_that_jumps_makes_no_reach_longer() {
    let mut tombstones = Tombstones::new(HOUR, 8, at(0));
    tombstones.forgotten(at(5), key(1));
    assert_eq!(reach(&mut tombstones, 45, 1), 40 - MARGIN);
    assert_eq!(tombstones.reach(at(4_000), &key(1)), Duration::from_secs(40 - MARGIN));
    tombstones.expire(at(4_000));
    assert_eq!(reach(&mut tombstones, 4_010, 1), 50 - MARGIN);
}
