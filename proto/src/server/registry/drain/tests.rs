use alloc::vec::Vec;

use bytes::Bytes;

use super::super::routing::tests::{
    Client, at, authentic, config, first, first_frame, registry, rejected, report, tombstone,
};
use super::*;
use crate::accept::Status;
use crate::server::{Admission, Route};
use crate::time::Duration;
use crate::wire::frame::{EndCode, Frame};

fn plan() -> Drain {
    Drain {
        spread: Duration::from_secs(10),
        within: Duration::from_secs(60),
        alternate: Bytes::from_static(b"there"),
    }
}

#[test]
fn every_client_is_asked_once_and_not_all_at_once() {
    let mut registry = registry(config());
    for number in 0..40 {
        let established = Client::new(number).admitted(&mut registry);
        registry.update(at(1), report(&established, Status::Attached));
    }
    let late = Client::new(40).admitted(&mut registry);
    registry.drain(at(2), plan());
    let mut asked = Vec::new();
    while let Some(now) = registry.poll_timeout().filter(|due| *due < at(13)) {
        registry.handle_timeout(now);
        assert!(registry.poll_timeout().is_none_or(|next| next > now));
        while let Some((id, command)) = registry.poll_command() {
            let SessionCommand::Leave { within, alternate } = command else {
                panic!("{command:?}")
            };
            assert_eq!((now + within, &alternate[..]), (at(62), &b"there"[..]));
            asked.push((now, id));
        }
    }
    let in_half = asked.iter().filter(|(now, _)| *now < at(7)).count();
    assert!((8..32).contains(&in_half), "{in_half} of 40 in the first half");
    asked.sort_by_key(|(_, id)| *id);
    asked.dedup_by_key(|(_, id)| *id);
    assert_eq!(asked.len(), 40);
    registry.update(at(20), report(&late, Status::Attached));
    registry.handle_timeout(at(31));
    assert!(matches!(registry.poll_command(), Some((id, SessionCommand::Leave { .. })) if id == late.id));
}

#[test]
fn newcomers_go_elsewhere_and_those_who_were_here_may_come_back() {
    let mut registry = registry(config());
    let held = Client::new(1).admitted(&mut registry);
    registry.update(at(1), report(&held, Status::Attached));
    registry.drain(at(1), plan());
    let (mut client, incoming) = Client::new(2).prove(&mut registry, |_| None);
    let Frame::End(end) = first_frame(&mut client, rejected(registry.admit(at(1), incoming))) else {
        panic!("not an END")
    };
    let after = end.after;
    assert_eq!((end.code, &end.alternate[..]), (EndCode::RetryLater, &b"there"[..]));
    assert!(
        after.is_some_and(|after| (60_000..=70_000).contains(&after)),
        "{after:?}"
    );
    assert_eq!(registry.snapshot().refused.draining, 1);
    let route = first(&mut registry, at(1), authentic(&held));
    assert!(matches!(route, Route::Resume { .. }));

    registry.stop_draining(at(2));
    assert_eq!(registry.draining(), None);
    let (_, incoming) = Client::new(3).prove(&mut registry, |_| None);
    assert!(matches!(registry.admit(at(2), incoming), Admission::New { .. }));
}

#[test]
fn what_remains_is_told() {
    let mut registry = registry(config());
    let [one, two] = [1, 2].map(|number| Client::new(number).admitted(&mut registry));
    for established in [&one, &two] {
        registry.update(at(1), report(established, Status::Attached));
    }
    registry.drain(at(2), plan());
    registry.update(at(3), report(&two, Status::Detached));
    let status = registry.draining().expect("under way");
    assert_eq!((status.connected, status.detached, status.until), (1, 1, at(62)));
    assert!(status.unasked > 0 && !status.is_over(at(61)) && status.is_over(at(62)));
    for established in [&one, &two] {
        registry.update(
            at(4),
            report(established, Status::Ended(Some(tombstone(established, 1)))),
        );
    }
    assert!(registry.draining().expect("under way").is_over(at(4)));
    registry.handle_timeout(at(30));
    assert_eq!(registry.poll_command(), None, "nobody is asked who is gone");
}

#[test]
fn who_was_away_when_it_was_asked_is_asked_when_it_comes_back() {
    let mut registry = registry(config());
    let away = Client::new(1).admitted(&mut registry);
    registry.update(at(1), report(&away, Status::Attached));
    registry.update(at(2), report(&away, Status::Detached));
    registry.drain(at(2), plan());
    let asked = |registry: &mut Registry, now| {
        registry.handle_timeout(now);
        core::iter::from_fn(|| registry.poll_command()).count()
    };
    asked(&mut registry, at(13));
    registry.update(at(20), report(&away, Status::Attached));
    assert_eq!(
        registry.draining().map(|status| status.unasked),
        Some(0),
        "the spread is over"
    );
    assert_eq!(asked(&mut registry, at(20)), 1);
    // Not because of the swap that it makes then.
    registry.update(at(31), report(&away, Status::Attached));
    assert_eq!(asked(&mut registry, at(50)), 0);
}
