//! What the host says at an odd moment: while the session closes, while an attempt waits, or while another is
//! under way.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use super::super::testing::{Pair, events};
use super::super::*;
use crate::event::{EndReason, Event};
use crate::id::{Carrier, Epoch};
use crate::liveness::Health;
use crate::reconnect::{Backoff, Cause, Continuity, Outcome, Preparation, ReconnectIntent, Strategies, Strategy};
use crate::time::Duration;

fn intent(pair: &Pair) -> ReconnectIntent {
    pair.client.wanted_connection().expect("because one is wanted")
}

fn reason(session: &mut Session) -> Option<EndReason> {
    match events(session).pop() {
        Some(Event::Ended(ended)) => Some(ended.reason),
        _ => None,
    }
}

#[test]
fn a_session_that_is_forced_while_it_closes_keeps_to_its_backoff() {
    let mut pair = Pair::new();
    pair.dial();
    pair.client
        .close(pair.now, 7, Bytes::new())
        .expect("because the code fits");
    pair.client.reconnect().force(pair.now);
    let mut dials = 0;
    let until = pair.now + Duration::from_secs(1);
    while intent(&pair).not_before < until && dials < 100 {
        pair.now = pair.now.max(intent(&pair).not_before);
        pair.client.handle_timeout(pair.now);
        let attempt = intent(&pair).attempt;
        pair.client
            .handle_answer(pair.now, attempt, crate::reconnect::Answer::Failed(Cause::Refused));
        dials += 1;
    }
    assert!(dials < 100, "it dials without a pause");
}

#[test]
fn a_session_that_closes_gives_way_to_no_fresh_one() {
    // Planned, and not begun.
    let fresh = Strategies::default().with(Cause::Network, Strategy::Fresh);
    let mut pair = Pair::with_client(|config| {
        config.strategies = fresh;
        config.backoff = Backoff::five_tries();
    });
    pair.dial();
    pair.cut();
    pair.client
        .close(pair.now, 7, Bytes::new())
        .expect("because the code fits");
    assert_eq!(intent(&pair).strategy, Strategy::Resume, "to learn what arrived");
    pair.now = intent(&pair).not_before;
    pair.client.handle_timeout(pair.now);
    assert_eq!(reason(&mut pair.client), None);
    pair.dial();
    assert!(matches!(
        reason(&mut pair.client),
        Some(EndReason::Closed { code: 7, .. })
    ));
    // The host had begun to prepare; its answer comes too late to matter.
    let mut pair = Pair::new();
    pair.dial();
    pair.cut_with(Cause::ProcessEnded);
    let wanted = intent(&pair);
    assert_eq!(wanted.preparation, Some(Preparation::Restart));
    pair.now = wanted.not_before + Duration::from_secs(20);
    pair.client
        .close(pair.now, 7, Bytes::new())
        .expect("because the code fits");
    pair.client.handle_answer(
        pair.now,
        wanted.attempt,
        crate::reconnect::Answer::Restarted(Continuity::Lost),
    );
    assert_eq!(reason(&mut pair.client), None);
    let wanted = intent(&pair);
    assert!(wanted.is_dial() && wanted.deadline > pair.now, "{wanted:?}");
    pair.dial();
    assert!(matches!(
        reason(&mut pair.client),
        Some(EndReason::Closed { code: 7, .. })
    ));
    // A connection is up: nothing has to be asked of anybody.
    let mut pair = Pair::new();
    pair.dial();
    pair.client.reconnect().report_failure(pair.now, Cause::ApplicationLost);
    pair.client
        .close(pair.now, 7, Bytes::new())
        .expect("because the code fits");
    assert_eq!(pair.client.wanted_connection(), None);
}

#[test]
fn a_report_about_what_is_not_being_tried_yet_costs_no_try() {
    let mut pair = Pair::with_client(|config| {
        config.backoff = Backoff {
            attempts: Some(2),
            ..Backoff::five_tries()
        };
    });
    pair.dial();
    pair.sleep(Duration::from_secs(10));
    pair.settle();
    pair.cut();
    let due = intent(&pair).not_before;
    assert!(due > pair.now);
    // The host learns bit by bit what is wrong.
    for _ in 0..3 {
        pair.client.reconnect().report_failure(pair.now, Cause::ProcessEnded);
    }
    let wanted = intent(&pair);
    assert_eq!(
        (wanted.preparation, wanted.not_before),
        (Some(Preparation::Restart), due)
    );
    assert_eq!(wanted.cause, Some(Cause::ProcessEnded));
    assert_eq!(pair.client.reconnecting().stats().failures, 0);
    // What is known of the credential holds all the same.
    pair.client.reconnect().report_failure(pair.now, Cause::Authentication);
    assert!(intent(&pair).refresh_credential);
}

#[test]
fn a_first_dial_that_is_forced_is_told_to_begin_now() {
    let mut pair = Pair::with_client(|config| config.backoff = Backoff::five_tries());
    let attempt = intent(&pair).attempt;
    pair.client
        .handle_answer(pair.now, attempt, crate::reconnect::Answer::Failed(Cause::Refused));
    assert!(intent(&pair).not_before > pair.now);
    pair.client.reconnect().force(pair.now);
    assert_eq!(intent(&pair).not_before, pair.now);
    assert_eq!(
        pair.client
            .reconnecting()
            .history()
            .last()
            .map(|attempt| attempt.started),
        Some(pair.now)
    );
}

/// The client attached with a swap under way, whose connection has not proven itself; its epoch.
fn swapping(pair: &mut Pair) -> Epoch {
    pair.dial();
    pair.sleep(Duration::from_millis(25));
    pair.settle();
    pair.client.migrate(pair.now, Duration::ZERO, Bytes::new());
    pair.client
        .attach(pair.now, Carrier::ordered())
        .expect("because a swap was asked for")
}

fn last(session: &Session) -> (Strategy, Outcome) {
    let last = session.reconnecting().history().last().expect("because there is one");
    (last.strategy, last.outcome)
}

#[test]
fn a_swap_is_no_answer_to_another_attempt() {
    let mut pair = Pair::new();
    let swap = swapping(&mut pair);
    pair.client.reconnect().report_failure(pair.now, Cause::ApplicationLost);
    let wanted = intent(&pair);
    assert_eq!(wanted.preparation, Some(Preparation::Recover));
    // It fails.
    pair.client.detach(pair.now, swap, Cause::Network);
    assert_eq!(intent(&pair), wanted);
    assert_eq!(last(&pair.client), (Strategy::Recover, Outcome::Pending));
    // It works.
    let mut pair = Pair::new();
    let swap = swapping(&mut pair);
    pair.client.reconnect().report_failure(pair.now, Cause::ApplicationLost);
    let wanted = intent(&pair);
    let mut resume = Vec::new();
    assert!(pair.client.poll_transmit(pair.now, swap, &mut resume));
    let connection = pair.registry.connection_accepted(pair.now, Carrier::ordered());
    let route = pair
        .registry
        .first_packet(pair.now, connection, BytesMut::from(&resume[..]));
    let crate::server::Route::Resume { incoming, .. } = route else {
        panic!("not a resume")
    };
    let now = pair.now;
    let theirs = pair.server().adopt(now, incoming).expect("because the proof is good");
    pair.links.push((swap, Some(theirs)));
    pair.settle();
    assert!(events(&mut pair.client).iter().any(|event| matches!(
        event,
        Event::Attached {
            swap: crate::event::Swap::Planned,
            ..
        }
    )));
    assert_eq!(last(&pair.client), (Strategy::Recover, Outcome::Pending));
    pair.client
        .handle_answer(pair.now, wanted.attempt, crate::reconnect::Answer::Recovered);
    assert_eq!(last(&pair.client), (Strategy::Recover, Outcome::Succeeded));
}

/// What is wanted can be had: a host that dials as soon as it is told to would else do so again and again.
#[test]
fn nothing_is_dialled_beside_a_connection_that_has_yet_to_prove_itself() {
    for closes in [false, true] {
        let mut pair = Pair::new();
        let swap = swapping(&mut pair);
        pair.client.reconnect().report_failure(pair.now, Cause::ApplicationLost);
        let wanted = intent(&pair);
        let first = pair.links[0].0;
        pair.client.detach(pair.now, first, Cause::Network);
        assert!(pair.client.is_wanted(swap));
        if closes {
            pair.client
                .close(pair.now, 7, Bytes::new())
                .expect("because the code fits");
        } else {
            pair.client
                .handle_answer(pair.now, wanted.attempt, crate::reconnect::Answer::Recovered);
        }
        assert_eq!(pair.client.wanted_connection(), None);
        pair.client.detach(pair.now, swap, Cause::Network);
        let wanted = intent(&pair);
        assert!(wanted.is_dial(), "{wanted:?}");
        assert!(pair.client.attach(wanted.not_before, Carrier::ordered()).is_ok());
    }
}

#[test]
fn a_host_that_slept_right_after_it_sent_comes_to_rest() {
    let mut pair = Pair::new();
    pair.dial();
    pair.now = pair.now + pair.client.config.idle_after;
    pair.client.handle_timeout(pair.now);
    pair.settle();
    assert_eq!(pair.client.health(pair.now), Health::Idle);
    let now = pair.now + Duration::from_millis(1);
    pair.client
        .open(now, crate::stream::StreamOptions::default())
        .expect("because there is room");
    let mut packet = Vec::new();
    assert!(pair.client.poll_transmit(now, pair.links[0].0, &mut packet));
    // The machine stands still for as long as makes a session idle, and nothing has come.
    let now = now + pair.client.config.idle_after;
    pair.client.handle_timeout(now);
    assert!(pair.client.poll_timeout().is_none_or(|next| next > now));
}
