//! Each oracle of the conclusions can fail, and lets pass what is so.

use unbroken_proto::event::{EndReason, Ended, Fates};
use unbroken_proto::session::Inspection;
use unbroken_proto::wire::frame::Verdict as Told;
use unbroken_proto::{SessionId, Side};

use super::truth::{Glance, Truth};
use super::{Kept, Verdict};

const OLD: SessionId = SessionId([1; 16]);
const NEW: SessionId = SessionId([2; 16]);
/// A second, in the simulator's time.
const S: u64 = 1_000_000_000;

fn glance(id: Option<SessionId>, attaches: u64, see: impl FnOnce(&mut Inspection)) -> Glance {
    let mut seen = Inspection::default();
    see(&mut seen);
    Glance {
        id,
        attaches,
        ended: false,
        seen,
    }
}

/// A session that a server made for the first client, on the first connection.
fn made() -> Truth {
    let mut truth = Truth::default();
    truth.made(1, 0, OLD, None);
    truth
}

/// The same, once its owner has read a sealed packet and taken `expected` frames over.
fn confirmed(expected: u64) -> Truth {
    let mut truth = made();
    let owner = glance(Some(OLD), 1, |seen| {
        seen.expected = expected;
        seen.stated = expected;
    });
    truth.see_as(0, Side::Server, owner).expect("it is so");
    truth
}

#[track_caller]
fn fails(verdict: Verdict, oracle: &str) {
    let said = verdict.expect_err("it is not so");
    assert!(said.starts_with(&format!("oracle {oracle}: ")), "{said}");
}

#[test]
fn acknowledged_is_what_the_peer_took_over() {
    let client = |acked| glance(Some(OLD), 1, |seen| seen.acked = acked);
    assert_eq!(confirmed(3).see_as(0, Side::Client, client(3)), Ok(()));
    fails(confirmed(3).see_as(0, Side::Client, client(4)), "acknowledged");
    let owner = glance(Some(OLD), 1, |seen| seen.acked = 1);
    fails(made().see_as(0, Side::Server, owner), "acknowledged");
}

#[test]
fn unknown_is_what_the_registry_has_nothing_of() {
    let unknown = Told::Unknown { reach: 0 };
    let nothing = |_| Kept::Nothing;
    fails(confirmed(1).verdict(S, OLD, &unknown, nothing), "Unknown");
    let mut over = confirmed(1);
    over.killed(0, OLD);
    assert_eq!(over.verdict(S, OLD, &unknown, nothing), Ok(()));
    fails(over.verdict(S, OLD, &unknown, |_| Kept::Tombstone), "Unknown");
    fails(over.verdict(S, OLD, &unknown, |_| Kept::Session), "Unknown");
    // Another lives, and the registry does not hold it.
    over.made(2, 1, NEW, None);
    over.see_as(0, Side::Server, glance(Some(NEW), 1, |_| {}))
        .expect("it is so");
    fails(over.verdict(S, OLD, &unknown, nothing), "Unknown");
    let held = |id| if id == NEW { Kept::Session } else { Kept::Nothing };
    assert_eq!(over.verdict(S, OLD, &unknown, held), Ok(()));
}

#[test]
fn reach_goes_no_further_back_than_the_oldest_tombstone_that_is_missing() {
    let mut over = confirmed(1);
    over.killed(S, OLD);
    let told = |reach| Told::Unknown { reach };
    let nothing = |_| Kept::Nothing;
    assert_eq!(over.verdict(3 * S, OLD, &told(2_000), nothing), Ok(()));
    fails(over.verdict(3 * S, OLD, &told(2_001), nothing), "reach");
    // It was the registry before this one.
    over.restarted();
    assert_eq!(over.verdict(3 * S, OLD, &told(2_001), nothing), Ok(()));
}

#[test]
fn expired_names_the_position_at_which_the_session_ended() {
    let told = |position| Told::Expired { position };
    let tombstone = |_| Kept::Tombstone;
    fails(confirmed(4).verdict(S, OLD, &told(4), tombstone), "Expired");
    let mut over = confirmed(4);
    over.killed(0, OLD);
    assert_eq!(over.clone().verdict(S, OLD, &told(4), tombstone), Ok(()));
    fails(over.clone().verdict(S, OLD, &told(3), tombstone), "Expired");
    // It was true when it was said, and is not any more.
    over.verdict(S, OLD, &told(4), tombstone).expect("it is so");
    let owner = glance(Some(OLD), 1, |seen| {
        seen.expected = 5;
        seen.stated = 5;
    });
    fails(over.see_as(S, Side::Server, owner), "Expired");
    fails(made().verdict(S, OLD, &told(0), tombstone), "Expired");
}

#[test]
fn who_was_told_the_final_position_leaves_nothing_unknown() {
    let mut truth = confirmed(1);
    truth.told(2, Told::Expired { position: 1 });
    let before = glance(Some(OLD), 1, |_| {});
    let after = Glance { ended: true, ..before };
    truth.concluded(2, &before, &after).expect("it is so");
    let end = |id, unknown| truth.check_end_as(Some(id), &EndReason::Expired, unknown);
    assert_eq!(end(OLD, false), Ok(()));
    fails(end(OLD, true), "Expired");
    assert_eq!(end(NEW, true), Ok(()));
}

#[test]
fn superseded_is_nobody_whose_client_has_no_copy() {
    let told = Told::Superseded;
    fails(confirmed(1).verdict(S, OLD, &told, |_| Kept::Session), "Superseded");
    let ended = Ended::new(EndReason::Superseded, Fates::default());
    fails(confirmed(1).check_end(Some(OLD), &ended), "Superseded");
}

#[test]
fn resumed_is_a_session_that_lives_at_its_position() {
    assert_eq!(confirmed(2).resumed(2, OLD, 2), Ok(()));
    fails(confirmed(2).resumed(2, OLD, 1), "Resumed");
    fails(confirmed(2).resumed(2, NEW, 0), "Resumed");
    let mut over = confirmed(2);
    over.killed(0, OLD);
    fails(over.resumed(2, OLD, 2), "Resumed");
    // The client is somewhere else than it was told.
    let mut truth = confirmed(2);
    truth.resumed(2, OLD, 2).expect("it is so");
    let before = glance(Some(OLD), 1, |_| {});
    let told = glance(Some(OLD), 2, |seen| seen.acked = 2);
    assert_eq!(truth.concluded(2, &before, &told), Ok(()));
    fails(truth.concluded(2, &before, &glance(Some(OLD), 2, |_| {})), "Resumed");
    fails(truth.concluded(3, &before, &told), "Resumed");
}

#[test]
fn who_begins_again_had_nothing_that_arrived() {
    let before = glance(Some(OLD), 1, |seen| seen.next = 3);
    let after = glance(Some(NEW), 2, |_| {});
    let begins = |mut truth: Truth| {
        truth.made(2, 0, NEW, Some(Told::Unknown { reach: 0 }));
        truth.concluded(2, &before, &after).map(|()| truth)
    };
    let mut again = begins(made()).expect("nobody has read anything");
    fails(begins(confirmed(0)).map(drop), "begins again");
    fails(begins(confirmed(1)).map(drop), "begins again");
    // What it left behind arrives after all.
    let owner = glance(Some(OLD), 1, |seen| seen.expected = 1);
    fails(again.see_as(S, Side::Server, owner), "begins again");
}

#[test]
fn what_was_dropped_as_never_confirmed_takes_nothing_over() {
    let mut truth = made();
    truth.killed(0, OLD);
    let nothing = glance(Some(OLD), 0, |_| {});
    assert_eq!(truth.see_as(S, Side::Server, nothing), Ok(()));
    let something = glance(Some(OLD), 0, |seen| seen.expected = 1);
    fails(truth.see_as(S, Side::Server, something), "provisional");
}
