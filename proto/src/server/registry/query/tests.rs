use alloc::string::String;
use alloc::vec;

use bytes::Bytes;

use super::super::routing::tests::{Client, at, config, first_frame, registry, rejected, report, tombstone};
use super::*;
use crate::accept::Status;
use crate::config::WhenDetachedFull;
use crate::event::EndReason;
use crate::security::Established;
use crate::server::{Admission, Placement, Report};
use crate::time::Duration;
use crate::wire::frame::{EndCode, Frame};

fn holding(established: &Established, status: Status, bytes: u64) -> Report {
    Report {
        bytes,
        ..report(established, status)
    }
}

fn ended(established: &Established, reason: EndReason) -> Report {
    Report {
        reason: Some(reason),
        ..report(established, Status::Ended(Some(tombstone(established, 1))))
    }
}

fn attached(registry: &mut Registry, number: u8) -> Established {
    let established = Client::new(number).admitted(registry);
    registry.update(at(1), report(&established, Status::Attached));
    established
}

fn commands(registry: &mut Registry) -> Vec<(SessionId, SessionCommand)> {
    core::iter::from_fn(|| registry.poll_command()).collect()
}

fn close() -> SessionCommand {
    SessionCommand::Close {
        code: 7,
        reason: Bytes::from_static(b"enough"),
    }
}

#[test]
fn sessions_are_found_by_id_name_label_and_identity() {
    let mut registry = registry(config());
    let mut client = Client::new(1);
    let (one, incoming) = client.prove(&mut registry, |_| None);
    let placement = Placement {
        identity: Bytes::from_static(b"alice"),
        labels: vec![Bytes::from_static(b"shells"), Bytes::from(vec![b'x'; 256])],
    };
    let admission = registry.admit_as(at(1), incoming, &placement);
    assert!(matches!(admission, Admission::New { .. }));
    assert_eq!(registry.find(Select::Name("shell")), [], "hidden until established");
    assert_eq!(registry.find(Select::Session(one.id)), [one.id]);
    registry.update(at(1), report(&one, Status::Attached));
    let two = attached(&mut registry, 2);
    let key = registry.session(two.id).expect("held").client_key;
    let mut both = [one.id, two.id];
    both.sort();

    assert_eq!(registry.find(Select::All), both);
    assert_eq!(registry.find(Select::Name("shell")), both);
    assert_eq!(registry.find(Select::Name("shel")), []);
    assert_eq!(registry.find(Select::Identity(b"alice")), [one.id]);
    assert_eq!(registry.find(Select::Identity(&key.0)), [two.id]);
    assert_eq!(registry.find(Select::Label(b"shells")), [one.id]);
    assert!(registry.label(at(1), two.id, b"shells") && registry.label(at(1), two.id, b"shells"));
    assert_eq!(registry.find(Select::Label(b"shells")), both);
    registry.unlabel(at(1), one.id, b"shells");
    assert_eq!(registry.find(Select::Label(b"shells")), [two.id]);

    let info = registry.session(two.id).expect("held");
    assert_eq!(info.labels, ["shells"]);
    assert_eq!(
        (info.status, info.name, info.held_bytes),
        (SessionStatus::Connected, String::from("shell"), 0)
    );
    registry.update(at(2), ended(&two, EndReason::Aborted));
    assert_eq!(registry.find(Select::Name("shell")), [one.id]);
    assert_eq!(registry.find(Select::Label(b"shells")), []);
    assert_eq!(registry.find(Select::Identity(&key.0)), []);
    assert_eq!(registry.session(two.id), None);
}

#[test]
fn labels_are_bounded() {
    let mut registry = registry(config());
    let one = attached(&mut registry, 1);
    let labels: Vec<_> = (0..17_u8).map(|n| registry.label(at(1), one.id, &[n])).collect();
    assert_eq!(labels.iter().filter(|held| **held).count(), 16);
    assert!(registry.label(at(1), one.id, &[3]), "it is there");
    assert!(!registry.label(at(1), one.id, &[3; 256]));
    assert!(!registry.label(at(1), SessionId([9; 16]), &[3]));
}

#[test]
fn orders_wait_for_their_owner_and_the_newest_of_a_kind_counts() {
    let mut registry = registry(config());
    let [one, two] = [1, 2].map(|number| attached(&mut registry, number));
    assert_eq!(registry.command(at(1), Select::All, &SessionCommand::Abort), Ok(2));
    assert_eq!(registry.command(at(1), Select::Session(one.id), &close()), Ok(1));
    let newer = SessionCommand::Close {
        code: 8,
        reason: Bytes::new(),
    };
    assert_eq!(registry.command(at(1), Select::Session(one.id), &newer), Ok(1));
    assert_eq!(registry.snapshot().ordered, 2);
    let mut given = commands(&mut registry);
    given.sort_by_key(|(id, _)| *id != one.id);
    assert_eq!(
        given,
        [
            (one.id, SessionCommand::Abort),
            (one.id, newer),
            (two.id, SessionCommand::Abort)
        ]
    );
    assert_eq!(registry.poll_command(), None);

    let picked = registry.command_where(at(2), |info| info.id == two.id, &close());
    assert_eq!((picked, registry.snapshot().ordered), (Ok(1), 1));
    registry.update(at(2), ended(&two, EndReason::Aborted));
    assert_eq!(registry.poll_command(), None, "it went with its session");
    assert_eq!(registry.command(at(2), Select::Session(two.id), &close()), Ok(0));
}

#[test]
fn a_close_with_a_code_beyond_the_wire_commands_nobody() {
    let mut registry = registry(config());
    let one = attached(&mut registry, 1);
    let large = SessionCommand::Close {
        code: u64::MAX,
        reason: Bytes::new(),
    };
    let refused = Err(CodeTooLarge(u64::MAX));
    assert_eq!(registry.command(at(1), Select::Session(one.id), &large), refused);
    assert_eq!(registry.command_where(at(1), |_| true, &large), refused);
    assert_eq!(registry.poll_command(), None);
}

#[test]
fn every_session_is_handed_out_once_when_it_is_over() {
    let mut registry = registry(config());
    let [closed, lost, expired] = [1, 2, 3].map(|number| attached(&mut registry, number));
    let never = Client::new(4).admitted(&mut registry);
    // A resume, and reports that come twice or late, change nothing.
    registry.update(at(2), report(&closed, Status::Detached));
    registry.update(at(2), report(&closed, Status::Attached));
    assert_eq!(registry.poll_ended(), None);
    for _ in 0..2 {
        registry.update(at(3), ended(&closed, EndReason::LingerExpired));
        registry.lost(at(4), lost.id);
        registry.update(at(5), ended(&expired, EndReason::Expired));
        registry.update(at(6), report(&never, Status::Ended(None)));
        registry.lost(at(7), closed.id);
        registry.update(at(7), ended(&lost, EndReason::Aborted));
    }
    let snapshot = registry.snapshot();
    assert_eq!((snapshot.ended_waiting, snapshot.ended, snapshot.admitted), (4, 4, 4));
    let over: Vec<_> = core::iter::from_fn(|| registry.poll_ended()).collect();
    let told: Vec<_> = over
        .iter()
        .map(|over| (over.info.id, over.reason.clone(), over.at))
        .collect();
    assert_eq!(
        told,
        [
            (closed.id, Some(EndReason::LingerExpired), at(3)),
            (lost.id, None, at(4)),
            (expired.id, Some(EndReason::Expired), at(5)),
            (never.id, None, at(6)),
        ]
    );
    assert_eq!(over[3].info.status, SessionStatus::Connecting);
    assert_eq!(registry.snapshot().ended_waiting, 0);
}

#[test]
fn what_nobody_cleaned_up_after_uses_room() {
    let mut config = config();
    config.max_sessions = 1;
    let mut registry = registry(config);
    let one = attached(&mut registry, 1);
    registry.update(at(1), ended(&one, EndReason::Aborted));
    let (_, incoming) = Client::new(2).prove(&mut registry, |_| None);
    assert!(matches!(registry.admit(at(1), incoming), Admission::Reject(_)));
    assert!(registry.poll_ended().is_some());
    Client::new(3).admitted(&mut registry);
    assert_eq!(registry.snapshot().refused.no_room, 1);
}

const MIB: u64 = 1 << 20;

#[test]
fn detached_sessions_share_a_budget_that_shuts_the_door() {
    let mut config = config();
    config.max_detached_bytes = 2 * MIB;
    let mut registry = registry(config);
    let one = attached(&mut registry, 1);
    registry.update(at(2), holding(&one, Status::Attached, 9 * MIB));
    assert_eq!(registry.snapshot().detached_bytes, 0, "only detached ones count");
    registry.update(at(3), holding(&one, Status::Detached, 2 * MIB));
    assert_eq!(registry.snapshot().detached_bytes, 2 * MIB + 2_048);
    assert_eq!(registry.poll_command(), None);
    let (mut client, incoming) = Client::new(2).prove(&mut registry, |_| None);
    let frame = first_frame(&mut client, rejected(registry.admit(at(3), incoming)));
    assert!(matches!(frame, Frame::End(end) if end.code == EndCode::Busy));

    registry.update(at(4), holding(&one, Status::Detached, MIB));
    Client::new(3).admitted(&mut registry);
    registry.update(at(5), holding(&one, Status::Attached, MIB));
    assert_eq!(registry.snapshot().detached_bytes, 0);
}

#[test]
fn or_that_ends_the_longest_detached() {
    let mut config = config();
    config.max_detached_bytes = 2 * MIB + 8_192;
    config.when_detached_full = WhenDetachedFull::EndLongestDetached;
    let mut registry = registry(config);
    let [one, two, three] = [1, 2, 3].map(|number| attached(&mut registry, number));
    registry.update(at(2), holding(&two, Status::Detached, MIB));
    registry.update(at(3), holding(&one, Status::Detached, MIB / 2));
    registry.update(at(4), holding(&three, Status::Detached, MIB));
    assert_eq!(commands(&mut registry), [(two.id, SessionCommand::Evict)]);
    // It came back before its owner heard of it, and goes again: it counts anew.
    registry.update(at(5), holding(&two, Status::Attached, MIB));
    assert_eq!(registry.snapshot().detached_bytes, MIB + MIB / 2 + 2 * 2_048);
    registry.update(at(6), holding(&two, Status::Detached, MIB));
    assert_eq!(commands(&mut registry), [(one.id, SessionCommand::Evict)]);
    registry.update(at(7), holding(&one, Status::Detached, 9 * MIB));
    assert_eq!(registry.poll_command(), None, "it is on its way out");
    // The account is kept through ends of either kind.
    for gone in [&one, &three] {
        registry.update(at(8), ended(gone, EndReason::Evicted));
    }
    registry.lost(at(8), two.id);
    assert_eq!(registry.snapshot().detached_bytes, 0);
}

#[test]
fn the_snapshot_counts_by_state_and_by_refusal() {
    let mut registry = registry(config());
    let [one, two] = [1, 2].map(|number| attached(&mut registry, number));
    let _three = Client::new(3).admitted(&mut registry);
    let _four = Client::new(4).begin(&mut registry);
    registry.connection_accepted(at(1), crate::Carrier::ordered());
    registry.update(at(1), report(&two, Status::Detached));
    let snapshot = registry.snapshot();
    assert_eq!((snapshot.connecting, snapshot.connected, snapshot.detached), (1, 1, 1));
    assert_eq!((snapshot.silent, snapshot.handshakes), (1, 1));
    registry.update(at(2), ended(&one, EndReason::Aborted));
    let snapshot = registry.snapshot();
    assert_eq!((snapshot.connected, snapshot.tombstones, snapshot.ended), (0, 1, 1));
    assert_eq!(snapshot.refused, crate::server::Refused::default());
    registry.handle_timeout(at(1) + Duration::from_secs(20));
    assert_eq!((registry.snapshot().silent, registry.snapshot().handshakes), (0, 0));
}
