use bytes::{Bytes, BytesMut};

use super::super::testing::{Pair, events};
use crate::error::PreservedTooLarge;
use crate::event::{EndReason, Event};
use crate::id::Carrier;
use crate::limits::MAX_PRESERVED;
use crate::reconnect::{
    Answer, Backoff, Cause, Continuity, IntentKind, Outcome, Preparation, Reached, ReconnectIntent, Strategies,
    Strategy,
};
use crate::security::{Auth, SharedSecret};
use crate::server::{Drain, Route};
use crate::session::{Session, SessionState};
use crate::stream::StreamOptions;
use crate::time::Duration;

fn intent(pair: &Pair) -> ReconnectIntent {
    pair.client.wanted_connection().expect("because one is wanted")
}

/// Attached, then broken by `cause` under `strategies`.
fn broken(strategies: Strategies, cause: Cause) -> Pair {
    let mut pair = Pair::with_client(|config| config.strategies = strategies);
    pair.dial();
    events(&mut pair.client);
    pair.cut_with(cause);
    pair
}

#[test]
fn each_cause_is_answered_with_its_strategy() {
    for cause in Cause::ALL {
        for strategy in [
            Strategy::Resume,
            Strategy::Restore,
            Strategy::Restart,
            Strategy::Recover,
        ] {
            let pair = broken(Strategies::default().with(cause, strategy), cause);
            let intent = intent(&pair);
            assert_eq!(intent.strategy, strategy, "{cause}");
            assert_eq!(
                (intent.kind, intent.cause, intent.preparation),
                (IntentKind::Resume, Some(cause), strategy.preparation())
            );
            assert_eq!(intent.refresh_credential, cause == Cause::Authentication);
        }
    }
}

#[test]
fn no_dial_counts_before_the_preparation_is_answered() {
    let mut pair = broken(Strategies::default(), Cause::StateDamaged);
    let wanted = intent(&pair);
    pair.now = wanted.not_before;
    assert!(pair.client.attach(pair.now, Carrier::ordered()).is_err());
    // The wrong answer, and one for another attempt, change nothing.
    pair.client.handle_answer(pair.now, wanted.attempt, Answer::Recovered);
    pair.client
        .handle_answer(pair.now, wanted.attempt + 1, Answer::Restored);
    assert_eq!(intent(&pair), wanted);
    pair.now = pair.now + Duration::from_secs(20);
    pair.client.handle_answer(pair.now, wanted.attempt, Answer::Restored);
    let ready = intent(&pair);
    assert!(ready.is_dial() && ready.attempt == wanted.attempt);
    assert!(
        ready.deadline > pair.now + Duration::from_secs(5),
        "the dial has its own time"
    );
    pair.dial();
    assert_eq!(pair.client.state(), SessionState::Attached);
}

#[test]
fn what_could_not_be_prepared_is_prepared_again() {
    let mut pair = broken(Strategies::default(), Cause::ProcessEnded);
    let first = intent(&pair);
    pair.client
        .handle_answer(pair.now, first.attempt, Answer::Failed(Cause::Network));
    let second = intent(&pair);
    assert!(second.attempt > first.attempt && second.preparation == Some(Preparation::Restart));
    // Nor is it forgotten when the host takes too long.
    pair.now = second.deadline;
    pair.client.handle_timeout(pair.now);
    let third = intent(&pair);
    assert_eq!((third.strategy, third.cause), (Strategy::Restart, Some(Cause::Timeout)));
    pair.client
        .handle_answer(pair.now, third.attempt, Answer::Restarted(Continuity::Kept));
    pair.client
        .handle_answer(pair.now, third.attempt, Answer::Failed(Cause::Network));
    assert_eq!(
        intent(&pair).strategy,
        Strategy::Resume,
        "it runs; only the dial failed"
    );
}

#[test]
fn a_fresh_start_ends_the_session_with_its_fates() {
    let mut pair = Pair::with_client(|config| {
        config.strategies = Strategies::default().with(Cause::ApplicationLost, Strategy::Fresh);
    });
    pair.dial();
    let now = pair.now;
    let stream = pair
        .client
        .open(now, StreamOptions::default())
        .expect("because there is room");
    pair.client
        .stream(stream)
        .send(now, Bytes::from_static(b"unsaid"))
        .expect("because there is room");
    pair.client.reconnect().report_failure(now, Cause::ApplicationLost);
    pair.settle();
    let ended = match events(&mut pair.client).pop() {
        Some(Event::Ended(ended)) => ended,
        other => panic!("{other:?}"),
    };
    let cause = Cause::ApplicationLost;
    assert_eq!(ended.reason, EndReason::Fresh { cause });
    assert_eq!(ended.fates.streams[0].not_delivered[0].payload, &b"unsaid"[..]);
    assert_eq!(pair.server().state(), SessionState::Ended, "the server was told");
}

#[test]
fn a_process_that_came_back_without_the_session_means_a_fresh_start() {
    let mut pair = broken(Strategies::default(), Cause::ProcessEnded);
    let attempt = intent(&pair).attempt;
    pair.client
        .handle_answer(pair.now, attempt, Answer::Restarted(Continuity::Lost));
    let last = events(&mut pair.client).pop();
    let cause = Cause::ProcessEnded;
    assert!(matches!(last, Some(Event::Ended(ended)) if ended.reason == EndReason::Fresh { cause }));
    assert!(pair.client.wanted_connection().is_none());
}

#[test]
fn recovering_keeps_a_connection_that_works() {
    let mut pair = Pair::new();
    pair.dial();
    pair.client.reconnect().report_failure(pair.now, Cause::ApplicationLost);
    let wanted = intent(&pair);
    assert_eq!(wanted.preparation, Some(Preparation::Recover));
    assert_eq!(pair.client.state(), SessionState::Attached);
    pair.client.handle_answer(pair.now, wanted.attempt, Answer::Recovered);
    assert!(pair.client.wanted_connection().is_none());
    // And when the connection goes meanwhile, a dial follows the answer.
    pair.client.reconnect().report_failure(pair.now, Cause::ApplicationLost);
    pair.cut();
    let wanted = intent(&pair);
    assert_eq!(wanted.preparation, Some(Preparation::Recover));
    pair.client.handle_answer(pair.now, wanted.attempt, Answer::Recovered);
    assert!(intent(&pair).is_dial());
}

#[test]
fn force_escalates_with_a_pause_between_and_ends_for_a_fresh_session() {
    let mut pair = Pair::new();
    pair.dial();
    pair.client.reconnect().force(pair.now);
    let pause = Strategies::default().escalation_pause;
    for strategy in [Strategy::Resume, Strategy::Restore, Strategy::Restart] {
        let wanted = intent(&pair);
        assert_eq!(wanted.strategy, strategy);
        let earliest = if strategy == Strategy::Resume {
            pair.now
        } else {
            pair.now + pause
        };
        assert_eq!(wanted.not_before, earliest);
        pair.now = wanted.not_before;
        pair.client.handle_timeout(pair.now);
        match strategy {
            Strategy::Restore => {
                pair.client
                    .handle_answer(pair.now, wanted.attempt, Answer::Failed(Cause::StateDamaged))
            }
            Strategy::Restart => pair
                .client
                .handle_answer(pair.now, wanted.attempt, Answer::Failed(Cause::Timeout)),
            _ => pair
                .client
                .handle_answer(pair.now, wanted.attempt, Answer::Failed(Cause::Refused)),
        }
    }
    assert!(pair.client.wanted_connection().is_none(), "nothing is left to ask for");
    let due = pair.client.poll_timeout().expect("because the pause ends");
    assert_eq!(due, pair.now + pause);
    pair.client.handle_timeout(due);
    let last = events(&mut pair.client).pop();
    assert!(matches!(last, Some(Event::Ended(ended)) if matches!(ended.reason, EndReason::Fresh { .. })));
}

#[test]
fn force_is_over_when_the_session_is_attached_again() {
    let mut pair = broken(
        Strategies::default().with(Cause::Network, Strategy::Force),
        Cause::Network,
    );
    let wanted = intent(&pair);
    pair.client
        .handle_answer(pair.now, wanted.attempt, Answer::Failed(Cause::Refused));
    let wanted = intent(&pair);
    pair.client.handle_answer(pair.now, wanted.attempt, Answer::Restored);
    pair.dial();
    assert_eq!(pair.client.state(), SessionState::Attached);
    pair.cut();
    assert_eq!(intent(&pair).strategy, Strategy::Resume, "it begins from the start");
}

#[test]
fn an_authentication_failure_is_not_tried_again_without_a_fresh_credential() {
    let mut pair = broken(Strategies::default(), Cause::Network);
    let wanted = intent(&pair);
    pair.client
        .handle_answer(pair.now, wanted.attempt, Answer::Failed(Cause::Authentication));
    let asks = |pair: &mut Pair| {
        events(&mut pair.client)
            .iter()
            .filter(|e| **e == Event::CredentialNeeded)
            .count()
    };
    assert_eq!(asks(&mut pair), 1);
    assert!(intent(&pair).refresh_credential);
    pair.sleep(Duration::from_secs(300));
    assert!(
        pair.client.attach(pair.now, Carrier::ordered()).is_err(),
        "not after any time"
    );
    pair.client
        .handle_answer(pair.now, 0, Answer::Credential(Bytes::from_static(b"new")));
    assert!(intent(&pair).is_dial());
    let attempt = intent(&pair).attempt;
    pair.client
        .handle_answer(pair.now, attempt, Answer::Failed(Cause::Authentication));
    pair.client.handle_answer(pair.now, 0, Answer::NoCredential);
    let last = events(&mut pair.client).pop();
    assert!(matches!(last, Some(Event::Ended(ended)) if ended.reason == EndReason::Unauthorized));
}

#[test]
fn handshakes_that_never_open_ask_for_a_credential_in_the_end() {
    let mut pair = Pair::new();
    for failures in 1..=3 {
        assert!(!intent(&pair).refresh_credential, "{failures}");
        let junk = BytesMut::from(&[2; 96][..]);
        pair.now = intent(&pair).not_before;
        let epoch = pair
            .client
            .attach(pair.now, Carrier::ordered())
            .expect("because one is wanted");
        let mut hello = alloc::vec::Vec::new();
        pair.client.poll_transmit(pair.now, epoch, &mut hello);
        let _ = pair.client.handle_input(pair.now, epoch, junk);
        assert_eq!(intent(&pair).cause, Some(Cause::Authentication));
    }
    assert!(pair.client.reconnecting().is_credential_welcome());
    assert!(intent(&pair).is_dial(), "who proved nothing holds nothing up");
    pair.client.handle_answer(pair.now, 0, Answer::NoCredential);
    assert_eq!(ended(&mut pair), Some(EndReason::Unauthorized), "the host has no other");
}

/// Kills `denied_waits_for_a_credential` and `denied_ends_a_session`.
#[test]
fn who_has_proven_nothing_and_denies_access_holds_nothing_up() {
    let asks = |pair: &mut Pair| {
        let asks = events(&mut pair.client).into_iter();
        asks.filter(|event| *event == Event::CredentialNeeded).count()
    };
    for mut pair in [Pair::new(), broken(Strategies::default(), Cause::Denied)] {
        let was_established = pair.client.id().is_some();
        for denial in 0..4 {
            let wanted = intent(&pair);
            assert!(wanted.is_dial(), "{denial}");
            pair.now = wanted.not_before;
            pair.client
                .handle_answer(pair.now, wanted.attempt, Answer::Failed(Cause::Denied));
        }
        assert_eq!(asks(&mut pair), 1, "once for all of them");
        assert!(pair.client.reconnecting().is_credential_welcome());
        pair.client.handle_answer(pair.now, 0, Answer::NoCredential);
        if !was_established {
            assert_eq!(ended(&mut pair), Some(EndReason::Unauthorized));
            continue;
        }
        let wanted = intent(&pair);
        pair.client
            .handle_answer(pair.now, wanted.attempt, Answer::Failed(Cause::Denied));
        assert!(!pair.client.reconnecting().is_credential_welcome(), "the host has none");
        assert_eq!(asks(&mut pair), 0);
        // Under seal, or by the host itself, it is another thing.
        let wanted = intent(&pair);
        pair.client
            .handle_answer(pair.now, wanted.attempt, Answer::Failed(Cause::Authentication));
        assert_eq!((asks(&mut pair), intent(&pair).is_dial()), (1, false));
        pair.client
            .handle_answer(pair.now, 0, Answer::Credential(Bytes::from_static(b"new")));
        pair.dial();
        assert_eq!(pair.client.state(), SessionState::Attached);
        pair.cut_with(Cause::Denied);
        assert_eq!(
            asks(&mut pair),
            1,
            "what was declined is asked for again once a connection stood"
        );
    }
}

/// It was dialled with the old one. Kills `outdated_denial_asks_again`.
#[test]
fn a_denial_of_a_credential_that_was_replaced_meanwhile_asks_for_none() {
    for hangs in [Hangs::Dial, Hangs::First] {
        let mut pair = Pair::new();
        let fails = |pair: &mut Pair| {
            let wanted = intent(pair);
            pair.now = wanted.not_before;
            pair.client
                .handle_answer(pair.now, wanted.attempt, Answer::Failed(Cause::Denied));
        };
        fails(&mut pair);
        assert!(pair.client.reconnecting().is_credential_welcome());
        pair.now = intent(&pair).not_before;
        hang(&mut pair, hangs);
        pair.client
            .handle_answer(pair.now, 0, Answer::Credential(Bytes::from_static(b"new")));
        if hangs == Hangs::Dial {
            fails(&mut pair);
        } else {
            let epoch = pair
                .client
                .connections
                .candidate
                .as_ref()
                .map(|candidate| candidate.epoch);
            let epoch = epoch.expect("because it hangs");
            pair.client.detach(pair.now, epoch, Cause::Denied);
        }
        assert!(!pair.client.reconnecting().is_credential_welcome(), "{hangs:?}");
        fails(&mut pair);
        assert!(
            pair.client.reconnecting().is_credential_welcome(),
            "the new one was shown"
        );
    }
}

fn ended(pair: &mut Pair) -> Option<EndReason> {
    events(&mut pair.client).into_iter().find_map(|event| match event {
        Event::Ended(ended) => Some(ended.reason),
        _ => None,
    })
}

/// In each phase: the dial, and each packet of a handshake that is not answered. Kills `hanging_attempt_goes_on`.
#[test]
fn a_wish_gives_up_an_attempt_that_hangs() {
    let wish = |pair: &mut Pair| {
        let attempts = pair.client.reconnecting().stats().attempts;
        pair.client.reconnect().at_once(pair.now);
        pair.client.reconnecting().stats().attempts - attempts
    };
    // Whether a session exists, and what comes of the attempt.
    for (resuming, hangs) in [
        (false, Hangs::Dial),
        (false, Hangs::Carrier),
        (false, Hangs::First),
        (false, Hangs::Second),
        (true, Hangs::Dial),
        (true, Hangs::Carrier),
        (true, Hangs::First),
    ] {
        let mut pair = match resuming {
            true => broken(Strategies::default(), Cause::Network),
            false => Pair::new(),
        };
        let first = intent(&pair);
        pair.now = first.not_before;
        hang(&mut pair, hangs);
        assert_eq!(wish(&mut pair), 0, "it has only begun");
        pair.now = pair.now + Duration::from_millis(1_001);
        assert_eq!(wish(&mut pair), 1, "{resuming}, {hangs:?}");
        let second = intent(&pair);
        assert_eq!((second.not_before, second.kind), (pair.now, first.kind));
        assert!(second.attempt > first.attempt && second.deadline > first.deadline && second.is_dial());
        let mut history = pair.client.reconnecting().history();
        let given_up = history.find(|attempt| attempt.number == first.attempt);
        assert_eq!(given_up.map(|attempt| attempt.outcome), Some(Outcome::Abandoned));
        drop(history);
        assert_eq!(wish(&mut pair), 0);
        pair.dial();
        assert_eq!(pair.client.state(), SessionState::Attached);
    }
}

#[test]
fn a_wish_asks_for_nothing_that_was_prepared_again() {
    let mut pair = broken(Strategies::default(), Cause::StateDamaged);
    let first = intent(&pair);
    pair.now = first.not_before;
    pair.client.handle_answer(pair.now, first.attempt, Answer::Restored);
    pair.now = pair.now + Duration::from_millis(1_001);
    pair.client.reconnect().at_once(pair.now);
    let second = intent(&pair);
    assert!(second.attempt > first.attempt && second.is_dial());
    assert_eq!(second.strategy, Strategy::Restore);
}

/// Where an attempt goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hangs {
    Dial,
    /// The connection is up and takes no packet.
    Carrier,
    /// The first packet of the handshake is not answered.
    First,
    Second,
}

/// The attempt that is wanted comes so far.
fn hang(pair: &mut Pair, hangs: Hangs) {
    if hangs == Hangs::Dial {
        return;
    }
    let epoch = pair
        .client
        .attach(pair.now, Carrier::ordered())
        .expect("because one is wanted");
    if hangs == Hangs::Carrier {
        return;
    }
    let mut packet = alloc::vec::Vec::new();
    assert!(pair.client.poll_transmit(pair.now, epoch, &mut packet));
    if hangs == Hangs::First {
        return;
    }
    let connection = pair.registry.connection_accepted(pair.now, Carrier::ordered());
    let first = BytesMut::from(&packet[..]);
    let Route::Handshake(mut incoming) = pair.registry.first_packet(pair.now, connection, first) else {
        panic!("it is a handshake")
    };
    packet.clear();
    assert!(incoming.poll_transmit(&mut packet));
    let challenge = BytesMut::from(&packet[..]);
    pair.client
        .handle_input(pair.now, epoch, challenge)
        .expect("because it is honest");
    assert!(pair.client.poll_transmit(pair.now, epoch, &mut packet));
}

#[test]
fn one_attempt_takes_no_longer_than_the_host_allows() {
    let limit = Duration::from_secs(4);
    let mut pair = Pair::with_client(|config| config.backoff.attempt_timeout = Some(limit));
    let wanted = intent(&pair);
    assert_eq!(wanted.deadline, wanted.not_before + limit);
    pair.now = wanted.not_before + Duration::from_secs(3);
    pair.client
        .attach(pair.now, Carrier::ordered())
        .expect("because one is wanted");
    assert_eq!(
        pair.client.poll_timeout(),
        Some(wanted.deadline),
        "dial and handshake together"
    );
    pair.client.handle_timeout(wanted.deadline);
    assert_eq!(intent(&pair).cause, Some(Cause::Timeout));
}

#[test]
fn the_servers_later_is_kept_with_jitter_on_top() {
    use crate::wire::handshake::Reject;
    let mut delays = alloc::collections::BTreeSet::new();
    let mut pair = broken(Strategies::default(), Cause::Network);
    for _ in 0..8 {
        pair.now = intent(&pair).not_before;
        let epoch = pair
            .client
            .attach(pair.now, Carrier::ordered())
            .expect("because one is wanted");
        let retry = Reject::Retry { after: 10_000 }.encode();
        pair.client
            .handle_input(pair.now, epoch, BytesMut::from(&retry[..]))
            .expect("because it is well formed");
        let delay = intent(&pair).not_before.saturating_since(pair.now);
        assert!((10..=30).contains(&delay.as_secs()), "{delay:?}");
        delays.insert(delay);
    }
    assert_eq!(delays.len(), 8, "they are all different");
}

#[test]
fn an_alternate_where_nobody_answers_is_left_for_the_usual_place() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    pair.sleep(Duration::from_millis(25));
    pair.settle();
    pair.server()
        .migrate(now, Duration::from_secs(9), Bytes::from_static(b"elsewhere"));
    pair.settle();
    let wanted = intent(&pair);
    assert_eq!(
        (wanted.kind, &wanted.alternate[..]),
        (IntentKind::Migrate, &b"elsewhere"[..])
    );
    pair.cut();
    assert_eq!(intent(&pair).alternate, &b"elsewhere"[..], "it was not tried yet");
    let attempt = intent(&pair).attempt;
    pair.now = intent(&pair).not_before;
    pair.client.handle_timeout(pair.now);
    pair.client
        .handle_answer(pair.now, attempt, Answer::Failed(Cause::Refused));
    assert!(intent(&pair).alternate.is_empty());
}

#[test]
fn the_backoff_starts_afresh_only_after_a_stable_connection() {
    let mut pair = Pair::with_client(|config| config.backoff = Backoff::five_tries());
    pair.dial();
    let delay = |pair: &mut Pair| {
        pair.cut();
        let delay = intent(pair).not_before.saturating_since(pair.now);
        pair.now = pair.now + delay;
        pair.client.handle_timeout(pair.now);
        delay.as_millis()
    };
    // The first dial was the first of the five.
    assert_eq!(delay(&mut pair), 3_000);
    pair.dial();
    pair.sleep(Duration::from_secs(9));
    pair.settle();
    assert_eq!(delay(&mut pair), 4_500);
    pair.dial();
    pair.sleep(Duration::from_secs(10));
    pair.settle();
    assert_eq!(delay(&mut pair), 2_000);
}

fn outcomes(session: &Session) -> alloc::vec::Vec<(u64, Strategy, Outcome)> {
    session
        .reconnecting()
        .history()
        .map(|attempt| (attempt.number, attempt.strategy, attempt.outcome))
        .collect()
}

#[test]
fn history_tells_what_was_tried_and_only_an_attach_is_a_success() {
    let mut pair = Pair::new();
    pair.dial();
    pair.cut_with(Cause::Heartbeat);
    let lost = pair.now;
    pair.now = intent(&pair).not_before;
    let attempt = intent(&pair).attempt;
    assert_eq!(pair.client.reconnecting().stats().next_retry, Some(pair.now));
    pair.client
        .handle_answer(pair.now, attempt, Answer::Failed(Cause::Refused));
    pair.now = intent(&pair).not_before;
    let epoch = pair
        .client
        .attach(pair.now, Carrier::ordered())
        .expect("because one is wanted");
    // The host has a connection, but it is only a candidate.
    assert_eq!(pair.client.reconnecting().stats().successes, 1);
    pair.client.detach(pair.now, epoch, Cause::Network);
    pair.now = intent(&pair).not_before;
    pair.dial();
    assert_eq!(
        outcomes(&pair.client),
        [
            (1, Strategy::Fresh, Outcome::Succeeded),
            (2, Strategy::Resume, Outcome::Failed(Cause::Refused)),
            (3, Strategy::Resume, Outcome::Failed(Cause::Network)),
            (4, Strategy::Resume, Outcome::Succeeded),
        ]
    );
    let stats = pair.client.reconnecting().stats();
    assert_eq!((stats.attempts, stats.successes, stats.failures), (4, 2, 2));
    assert_eq!(stats.disconnections(Cause::Heartbeat), 1);
    assert_eq!(stats.last_time_to_resume, Some(pair.now.saturating_since(lost)));
    assert_eq!((stats.next_retry, stats.success_rate()), (None, Some(0.5)));
    let told: alloc::vec::Vec<_> = core::iter::from_fn(|| pair.client.poll_event())
        .filter_map(|event| match event {
            Event::Reconnect(attempt) => Some((attempt.number, attempt.outcome == Outcome::Pending)),
            _ => None,
        })
        .collect();
    let expected: alloc::vec::Vec<_> = (1..=4).flat_map(|number| [(number, true), (number, false)]).collect();
    assert_eq!(told, expected, "every change is an event");
}

#[test]
fn a_fresh_session_carries_the_line_on_and_makes_the_attempt_a_success() {
    let strategies = Strategies::default().with(Cause::ProcessEnded, Strategy::Fresh);
    let mut old = broken(strategies, Cause::ProcessEnded);
    let due = old.client.poll_timeout().expect("because the backoff holds it back");
    old.client.handle_timeout(due);
    assert_eq!(old.client.state(), SessionState::Ended);
    let handover = old.client.reconnecting().handover().expect("because it is a client");
    let mut new = Pair::with_client(|config| config.handover = Some(alloc::boxed::Box::new(handover)));
    let pending = (2, Strategy::Fresh, Outcome::Pending);
    assert_eq!(outcomes(&new.client).last(), Some(&pending));
    assert_eq!(intent(&new).attempt, 2);
    new.dial();
    assert_eq!(
        outcomes(&new.client).last().map(|last| last.2),
        Some(Outcome::Succeeded)
    );
    let stats = new.client.reconnecting().stats();
    assert_eq!((stats.attempts, stats.successes, stats.resumes), (2, 2, 1));
}

#[test]
fn a_pause_stops_every_attempt_until_it_is_over() {
    let mut pair = broken(Strategies::default(), Cause::Network);
    let before = intent(&pair);
    pair.client.reconnect().pause(pair.now);
    pair.client.reconnect().pause(pair.now);
    assert!(pair.client.wanted_connection().is_none() && pair.client.reconnecting().is_paused());
    assert!(pair.client.attach(pair.now, Carrier::ordered()).is_err());
    pair.sleep(Duration::from_secs(100));
    pair.client.reconnect().at_once(pair.now);
    assert!(pair.client.wanted_connection().is_none());
    pair.client.reconnect().resume(pair.now);
    let after = intent(&pair);
    assert_eq!((after.attempt, after.not_before), (before.attempt, pair.now));
    assert!(after.deadline > pair.now);
    let told: alloc::vec::Vec<Event> = events(&mut pair.client)
        .into_iter()
        .filter(|event| matches!(event, Event::ReconnectPaused | Event::ReconnectResumed))
        .collect();
    assert_eq!(told, [Event::ReconnectPaused, Event::ReconnectResumed]);
    pair.dial();
    assert_eq!(pair.client.state(), SessionState::Attached);
}

#[test]
fn preserved_state_comes_back_with_restart_and_recover_and_goes_to_the_heir() {
    let state = Bytes::from_static(b"cwd=/srv");
    for cause in [Cause::ProcessEnded, Cause::ApplicationLost, Cause::Network] {
        let mut pair = Pair::new();
        let too_much = Bytes::from(alloc::vec![0; MAX_PRESERVED + 1]);
        pair.client
            .reconnect()
            .preserve(pair.now, state.clone())
            .expect("because it is short");
        assert_eq!(
            pair.client.reconnect().preserve(pair.now, too_much),
            Err(PreservedTooLarge)
        );
        pair.dial();
        pair.cut_with(cause);
        let handed = intent(&pair).preserved;
        let expected = if cause == Cause::Network { &Bytes::new() } else { &state };
        assert_eq!(&handed, expected);
        pair.client.abort(pair.now);
        let handover = pair.client.reconnecting().handover().expect("because it is a client");
        let heir = Pair::with_client(|config| config.handover = Some(alloc::boxed::Box::new(handover)));
        assert_eq!(heir.client.reconnecting().preserved(), &state);
    }
}

#[test]
fn what_would_fail_again_ends_a_session_that_never_was_and_no_other() {
    for cause in Cause::ALL {
        let mut fresh = Pair::new();
        let wanted = intent(&fresh);
        fresh
            .client
            .handle_answer(fresh.now, wanted.attempt, Answer::Failed(cause));
        assert_eq!(
            ended(&mut fresh),
            Strategies::default()
                .is_final(cause)
                .then_some(EndReason::GaveUp { cause })
        );
        assert_eq!(
            fresh.client.wanted_connection().is_none(),
            Strategies::default().is_final(cause)
        );
        let mut pair = broken(Strategies::resume_always(), Cause::Network);
        let wanted = intent(&pair);
        pair.now = wanted.not_before;
        pair.client
            .handle_answer(pair.now, wanted.attempt, Answer::Failed(cause));
        let again = intent(&pair);
        assert!(again.attempt > wanted.attempt && again.cause == Some(cause));
    }
}

#[test]
fn a_session_may_be_put_under_another_policy_and_taken_out() {
    let mut pair = Pair::new();
    pair.dial();
    let now = pair.now;
    let slow = Backoff::endless_doubling();
    assert_eq!(pair.client.reconnect().set_backoff(now, slow), Ok(()));
    let wrong = Backoff {
        multiplier: 50,
        ..Backoff::default()
    };
    assert!(pair.client.reconnect().set_backoff(now, wrong).is_err());
    pair.cut();
    assert_eq!(
        intent(&pair).not_before.saturating_since(now),
        Duration::from_secs(2),
        "the first dial was the first try"
    );
    pair.client
        .reconnect()
        .set_strategies(now, Strategies::default().with(Cause::Refused, Strategy::Restore));
    let attempt = intent(&pair).attempt;
    pair.client.handle_answer(now, attempt, Answer::Failed(Cause::Refused));
    assert_eq!(intent(&pair).strategy, Strategy::Restore);
    assert_eq!(pair.client.reconnect().set_backoff(now, Backoff::never()), Ok(()));
    let attempt = intent(&pair).attempt;
    pair.client.handle_answer(now, attempt, Answer::Restored);
    pair.dial();
    pair.cut_with(Cause::Heartbeat);
    let last = events(&mut pair.client).pop();
    let cause = Cause::Heartbeat;
    assert!(matches!(last, Some(Event::Ended(ended)) if ended.reason == EndReason::GaveUp { cause }));
}

// PROTOCOL R8.8
#[test]
fn a_close_before_the_first_handshake_delivers_what_is_queued() {
    let queued = |pair: &mut Pair| {
        let now = pair.now;
        let stream = pair
            .client
            .open(now, StreamOptions::default())
            .expect("because there is room");
        pair.client
            .stream(stream)
            .send(now, Bytes::from_static(b"last words"))
            .expect("because there is room");
        pair.client.close(now, 7, Bytes::new()).expect("because the code fits");
        assert_eq!(pair.client.state(), SessionState::Closing);
    };
    let mut pair = Pair::new();
    queued(&mut pair);
    // A dial that fails is not the end of it.
    let attempt = intent(&pair).attempt;
    pair.client
        .handle_answer(pair.now, attempt, Answer::Failed(Cause::Refused));
    assert_eq!(intent(&pair).strategy, Strategy::Fresh);
    pair.now = intent(&pair).not_before;
    pair.dial();
    let all = events(&mut pair.client);
    assert!(matches!(all.first(), Some(Event::Closing { .. })), "{all:?}");
    match all.last() {
        Some(Event::Ended(ended)) => {
            assert!(matches!(ended.reason, EndReason::Closed { code: 7, .. }), "{ended:?}");
            assert_eq!(ended.fates.streams[0].delivered.messages, 1);
        }
        other => panic!("{other:?}"),
    }
    let told = events(pair.server());
    assert!(told.contains(&Event::Closing {
        by: crate::event::Closer::Peer
    }));
    // Nobody answers: after the linger time it is handed back.
    let mut pair = Pair::new();
    queued(&mut pair);
    let limit = pair.now + pair.client.config.linger;
    while let Some(at) = pair.client.poll_timeout() {
        assert!(at <= limit, "nothing is left to do after that");
        pair.client.handle_timeout(at);
    }
    match events(&mut pair.client).pop() {
        Some(Event::Ended(ended)) => {
            assert_eq!(ended.reason, EndReason::LingerExpired);
            assert_eq!(ended.fates.streams[0].not_delivered[0].payload, &b"last words"[..]);
        }
        other => panic!("{other:?}"),
    }
    // With nothing to deliver there is nothing to wait for.
    let mut pair = Pair::new();
    pair.client
        .close(pair.now, 7, Bytes::new())
        .expect("because the code fits");
    assert_eq!(pair.client.state(), SessionState::Ended);
}

#[test]
fn history_is_bounded_and_keeps_the_newest() {
    let mut pair = Pair::with_client(|config| config.history_limit = 3);
    pair.dial();
    pair.cut();
    for _ in 0..10 {
        let wanted = intent(&pair);
        pair.now = wanted.not_before;
        pair.client
            .handle_answer(pair.now, wanted.attempt, Answer::Failed(Cause::Refused));
    }
    let numbers: alloc::vec::Vec<u64> = pair
        .client
        .reconnecting()
        .history()
        .map(|attempt| attempt.number)
        .collect();
    assert_eq!(numbers, [9, 10, 11, 12], "three that are over, and the one that waits");
    assert_eq!(
        pair.client.reconnecting().stats().failures,
        10,
        "the numbers know of all"
    );
}

/// What the client's last finished attempt came to, after one dial of a server that is not for it.
fn last_attempt(pair: &Pair) -> crate::reconnect::Attempt {
    let ended = |attempt: &&crate::reconnect::Attempt| attempt.outcome != Outcome::Pending;
    let history = pair.client.reconnecting().history();
    *history.filter(ended).last().expect("because one failed")
}

#[test]
fn a_wrong_secret_is_a_handshake_that_nobody_answered() {
    let other = SharedSecret::from_key(b"test", [8; 32]).expect("because the hint is short");
    let mut pair = Pair::with_client(|config| config.auth = Auth::secret(other));
    let now = pair.now;
    let epoch = pair
        .client
        .attach(now, Carrier::ordered())
        .expect("because a connection is wanted");
    let connection = pair.registry.connection_accepted(now, Carrier::ordered());
    let mut packet = alloc::vec::Vec::new();
    assert!(pair.client.poll_transmit(now, epoch, &mut packet));
    let route = pair.registry.first_packet(now, connection, BytesMut::from(&packet[..]));
    let Route::Handshake(mut incoming) = route else {
        panic!("a server tells no stranger that it does not know him: {route:?}");
    };
    packet.clear();
    assert!(incoming.poll_transmit(&mut packet));
    let challenged = pair.client.handle_input(now, epoch, BytesMut::from(&packet[..]));
    if challenged.is_ok() {
        pair.client.detach(now, epoch, Cause::Network);
    }
    assert!(last_attempt(&pair).is_unanswered(), "{:?}", last_attempt(&pair));
}

#[test]
fn a_server_that_says_later_has_answered() {
    // In the clear, because too many came.
    let mut pair = Pair::with_configs(|_, server| server.hello_rate = 1);
    let now = pair.now;
    let stranger = Pair::new().client;
    for client in [stranger, core::mem::replace(&mut pair.client, Pair::new().client)] {
        pair.client = client;
        let epoch = pair
            .client
            .attach(now, Carrier::ordered())
            .expect("because a connection is wanted");
        let connection = pair.registry.connection_accepted(now, Carrier::ordered());
        let mut packet = alloc::vec::Vec::new();
        assert!(pair.client.poll_transmit(now, epoch, &mut packet));
        let route = pair.registry.first_packet(now, connection, BytesMut::from(&packet[..]));
        if let Route::Reject(rejection) = route {
            let packet = rejection.packet.expect("because it says when to come");
            let rejected = pair.client.handle_input(now, epoch, BytesMut::from(&packet[..]));
            assert_eq!(rejected, Ok(()));
        }
    }
    let attempt = last_attempt(&pair);
    assert_eq!(
        (attempt.outcome, attempt.reached),
        (Outcome::Failed(Cause::Refused), Reached::Answer)
    );
    assert!(!attempt.is_unanswered());
}

#[test]
fn a_server_that_is_drained_has_answered() {
    let mut pair = Pair::new();
    let now = pair.now;
    pair.registry.drain(now, Drain::within(Duration::from_secs(60)));
    pair.redial();
    let attempt = last_attempt(&pair);
    assert_eq!(
        (attempt.outcome, attempt.reached),
        (Outcome::Failed(Cause::ServerAsked), Reached::Answer)
    );
}

#[test]
fn a_dial_that_fails_reached_nothing() {
    let mut pair = Pair::new();
    pair.client.handle_answer(pair.now, 1, Answer::Failed(Cause::Network));
    assert_eq!(last_attempt(&pair).reached, Reached::Nothing);
    assert!(!last_attempt(&pair).is_unanswered());
    pair.now = intent(&pair).not_before;
    pair.dial();
    let won = pair.client.reconnecting().history().last().copied();
    let won = won.map(|attempt| (attempt.outcome, attempt.reached));
    assert_eq!(won, Some((Outcome::Succeeded, Reached::Answer)));
}

/// Who was told when to come has reached the network: the waits do not grow, while tries count as ever.
#[test]
fn being_told_later_does_not_lengthen_the_backoff() {
    let mut pair = Pair::new();
    pair.dial();
    pair.cut();
    let mut waits = alloc::vec::Vec::new();
    for told in [true; 12].into_iter().chain([false; 12]) {
        let intent = pair.client.wanted_connection().expect("because it is lost");
        pair.now = pair.now.max(intent.not_before);
        let answer = match told {
            true => Answer::Postponed(Duration::from_millis(1)),
            false => Answer::Failed(Cause::Network),
        };
        pair.client.handle_answer(pair.now, intent.attempt, answer);
        let next = pair.client.wanted_connection().expect("because it goes on").not_before;
        waits.push((told, next.saturating_since(pair.now)));
    }
    let longest = |told| waits.iter().filter(|wait| wait.0 == told).map(|wait| wait.1).max();
    assert!(longest(false) > longest(true).map(|wait| wait * 8), "{waits:?}");
    assert_eq!(pair.client.reconnecting().stats().attempts, 2 + 24);
}
