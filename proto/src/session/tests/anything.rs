//! A host that says anything at any time to a session that dials.

extern crate std;

use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::testing::Pair;
use super::super::*;
use crate::event::{EndReason, Event};
use crate::id::Carrier;
use crate::reconnect::{Backoff, Cause, Continuity, Outcome, Preparation, Strategies, Strategy as Remedy};
use crate::time::{Duration, Instant};

#[derive(Clone, Copy, Debug)]
enum Op {
    /// Answers a wish to dial with a connection, and lets all of it happen.
    Dial,
    /// The same, and nothing more comes over it.
    Attach,
    DialFailed(u64, usize),
    Cut(usize),
    CandidateLost(usize),
    Prepared(u64, Preparation, Result<Continuity, usize>),
    Credential(bool),
    Pause(bool),
    Force,
    Report(usize),
    Migrate,
    ServerAsks,
    Now,
    Send,
    Close,
    Table(usize, Remedy),
    Tries(Option<u32>),
    /// Until the next deadline, or a while.
    Sleep(bool),
}

fn op() -> impl Strategy<Value = Op> {
    let cause = 0..Cause::ALL.len();
    let answer = prop_oneof![
        3 => Just(Ok(Continuity::Kept)),
        1 => Just(Ok(Continuity::Lost)),
        1 => cause.clone().prop_map(Err),
    ];
    let preparation = prop_oneof![
        Just(Preparation::Restore),
        Just(Preparation::Restart),
        Just(Preparation::Recover)
    ];
    let remedy = prop_oneof![
        Just(Remedy::Resume),
        Just(Remedy::Restore),
        Just(Remedy::Restart),
        Just(Remedy::Recover),
        Just(Remedy::Fresh),
        Just(Remedy::Force),
    ];
    prop_oneof![
        9 => Just(Op::Dial),
        5 => Just(Op::Attach),
        4 => (0..2u64, cause.clone()).prop_map(|(age, cause)| Op::DialFailed(age, cause)),
        6 => cause.clone().prop_map(Op::Cut),
        4 => cause.clone().prop_map(Op::CandidateLost),
        6 => (0..2u64, preparation, answer).prop_map(|(age, what, answer)| Op::Prepared(age, what, answer)),
        3 => prop_oneof![9 => Just(true), 1 => Just(false)].prop_map(Op::Credential),
        3 => any::<bool>().prop_map(Op::Pause),
        2 => Just(Op::Force),
        4 => cause.clone().prop_map(Op::Report),
        3 => Just(Op::Migrate),
        2 => Just(Op::ServerAsks),
        2 => Just(Op::Now),
        2 => Just(Op::Send),
        1 => Just(Op::Close),
        2 => (cause, remedy).prop_map(|(cause, remedy)| Op::Table(cause, remedy)),
        1 => prop_oneof![Just(None), (0..4u32).prop_map(Some)].prop_map(Op::Tries),
        6 => any::<bool>().prop_map(Op::Sleep),
    ]
}

fn cause(index: usize) -> Cause {
    Cause::ALL[index]
}

/// What is to come true of every attempt, counted apart.
#[derive(Default)]
struct Seen {
    recovered: u64,
    closed: bool,
}

fn act(pair: &mut Pair, seen: &mut Seen, op: Op) {
    let now = pair.now;
    let wanted = pair.client.wanted_connection();
    let attempt = wanted.as_ref().map_or(0, |intent| intent.attempt);
    let dials = wanted.as_ref().is_some_and(|intent| intent.is_dial());
    match op {
        Op::Dial if dials => {
            pair.now = now.max(wanted.map_or(now, |intent| intent.not_before));
            pair.client.handle_timeout(pair.now);
            let still = pair.client.wanted_connection().is_some_and(|intent| intent.is_dial());
            let served = pair
                .server
                .as_ref()
                .is_none_or(|server| server.state() != SessionState::Ended);
            if still && served {
                pair.dial();
            }
        }
        Op::Attach if dials => {
            let attached = pair.client.attach(now, Carrier::ordered());
            assert!(attached.is_ok(), "it was wanted");
        }
        Op::Dial | Op::Attach => {}
        Op::DialFailed(age, with) => pair.client.handle_answer(
            now,
            attempt.saturating_sub(age),
            crate::reconnect::Answer::Failed(cause(with)),
        ),
        Op::Cut(with) => pair.cut_with(cause(with)),
        Op::CandidateLost(with) => {
            if let Some(epoch) = pair
                .client
                .connections
                .candidate
                .as_ref()
                .map(|candidate| candidate.epoch)
            {
                pair.client.detach(now, epoch, cause(with));
            }
        }
        Op::Prepared(age, what, answer) => {
            let attempt = attempt.saturating_sub(age);
            let plain = answer.map(|_| ()).map_err(cause);
            seen.recovered += u64::from(what == Preparation::Recover && plain.is_ok());
            match what {
                Preparation::Restore => pair.client.handle_answer(
                    now,
                    attempt,
                    plain.map_or_else(crate::reconnect::Answer::Failed, |()| {
                        crate::reconnect::Answer::Restored
                    }),
                ),
                Preparation::Restart => pair.client.handle_answer(
                    now,
                    attempt,
                    answer
                        .map_err(cause)
                        .map_or_else(crate::reconnect::Answer::Failed, crate::reconnect::Answer::Restarted),
                ),
                Preparation::Recover => pair.client.handle_answer(
                    now,
                    attempt,
                    plain.map_or_else(crate::reconnect::Answer::Failed, |()| {
                        crate::reconnect::Answer::Recovered
                    }),
                ),
            }
        }
        Op::Credential(some) => pair.client.handle_answer(
            now,
            0,
            some.then(|| Bytes::from_static(b"new")).map_or(
                crate::reconnect::Answer::NoCredential,
                crate::reconnect::Answer::Credential,
            ),
        ),
        Op::Pause(true) => pair.client.reconnect().pause(now),
        Op::Pause(false) => pair.client.reconnect().resume(now),
        Op::Force => pair.client.reconnect().force(now),
        Op::Report(with) => pair.client.reconnect().report_failure(now, cause(with)),
        Op::Migrate => pair.client.migrate(now, Duration::ZERO, Bytes::new()),
        Op::ServerAsks => {
            if let Some(server) = &mut pair.server {
                server.migrate(now, Duration::from_secs(1), Bytes::from_static(b"there"));
                pair.settle();
            }
        }
        Op::Now => pair.client.reconnect().at_once(now),
        Op::Send => {
            if let Ok(stream) = pair.client.open(now, crate::stream::StreamOptions::default()) {
                let _full = pair.client.stream(stream).send(now, Bytes::from_static(b"x"));
                pair.settle();
            }
        }
        Op::Close => {
            pair.client.close(now, 1, Bytes::new()).expect("because the code fits");
            seen.closed |= pair.client.state() == SessionState::Closing;
        }
        Op::Table(of, remedy) => {
            let table = Strategies::default().with(cause(of), remedy);
            pair.client.reconnect().set_strategies(now, table);
        }
        Op::Tries(attempts) => {
            let backoff = Backoff {
                attempts,
                ..Backoff::default()
            };
            assert!(pair.client.reconnect().set_backoff(now, backoff).is_ok());
        }
        Op::Sleep(until_due) => {
            let due = pair.client.poll_timeout().filter(|_| until_due);
            pair.now = due.unwrap_or(now + Duration::from_millis(300)).max(now);
            pair.client.handle_timeout(pair.now);
            if let Some(server) = &mut pair.server {
                server.handle_timeout(pair.now);
            }
            pair.settle();
        }
    }
}

fn check(pair: &mut Pair, seen: &Seen) {
    pair.client.handle_timeout(pair.now);
    assert!(pair.client.poll_timeout().is_none_or(|next| next > pair.now), "Law 4");
    let stats = pair.client.reconnecting().stats();
    assert!(
        stats.successes <= pair.client.stats().attaches + seen.recovered,
        "counted early"
    );
    let pending = pair
        .client
        .reconnecting()
        .history()
        .any(|attempt| attempt.outcome == Outcome::Pending);
    if pair.client.state() == SessionState::Ended {
        assert!(pair.client.wanted_connection().is_none());
        let fresh = matches!(pair.client.end_reason(), Some(EndReason::Fresh { .. }));
        assert!(!(fresh && seen.closed), "it was closed, and asks to be opened again");
        return;
    }
    let candidate = pair.client.connections.candidate.is_some();
    let dialing = pair
        .client
        .reconnecting
        .dialing
        .as_ref()
        .expect("because it dials until it ends");
    let wants = dialing.want.is_some();
    assert!(wants || candidate || !pending, "an attempt that nothing will end");
    assert!(
        wants || candidate || pair.client.connections.current.is_some(),
        "nobody brings it back"
    );
    let dials = pair.client.wanted_connection().is_some_and(|intent| intent.is_dial());
    assert!(!(dials && candidate), "it wants what it would refuse");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_host_says_the_session_stays_honest(ops in proptest::collection::vec(op(), 1..60)) {
        let mut pair = Pair::new();
        let mut seen = Seen::default();
        for op in ops {
            act(&mut pair, &mut seen, op);
            check(&mut pair, &seen);
        }
    }
}

/// Everything that is to be seen from outside of a pair, its deadlines among it.
fn view(pair: &mut Pair) -> String {
    let sessions = [Some(&mut pair.client), pair.server.as_mut()];
    let seen = sessions.into_iter().flatten().map(|session| {
        let events: Vec<Event> = core::iter::from_fn(|| session.poll_event()).collect();
        let (wanted, deadline) = (session.wanted_connection(), session.poll_timeout());
        let history: Vec<_> = session.reconnecting().history().copied().collect();
        let stats = session.reconnecting().stats();
        let health = session.health(Instant::ZERO);
        format!(
            "{deadline:?} {:?} {health:?} {wanted:?} {history:?} {stats:?} {events:?}",
            session.state()
        )
    });
    let seen: Vec<String> = seen.collect();
    format!(
        "{seen:?} {:?} {:?}",
        pair.registry.poll_timeout(),
        pair.registry.snapshot()
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_clock_that_goes_back_is_one_that_stands_still(ops in proptest::collection::vec((op(), 0..100_000u64), 1..60)) {
        let (mut still, mut back) = (Pair::new(), Pair::new());
        let (mut seen, mut ignored) = (Seen::default(), Seen::default());
        for (op, millis) in ops {
            let top = still.now;
            for pair in [&mut still, &mut back] {
                pair.client.handle_timeout(top);
                pair.registry.handle_timeout(top);
                let server = pair.server.as_mut();
                server.into_iter().for_each(|server| server.handle_timeout(top));
            }
            if !matches!(op, Op::Sleep(_)) {
                back.now = Instant::from_nanos(top.as_nanos().saturating_sub(millis * 1_000_000));
            }
            act(&mut still, &mut seen, op);
            act(&mut back, &mut ignored, op);
            prop_assert_eq!(view(&mut still), view(&mut back), "after {:?}", op);
            still.now = still.now.max(top);
            back.now = still.now;
        }
    }
}
