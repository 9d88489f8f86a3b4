//! What is done about each cause, step by step: the table in the documentation, the intents, every answer of the host, and
//! the pace of the presets.

use std::collections::BTreeSet;

use bytes::Bytes;
use unbroken_proto::config::{MAX_PRESERVED, Stuck};
use unbroken_proto::error::PreservedTooLarge;
use unbroken_proto::event::{EndReason, Ended, Event};
use unbroken_proto::reconnect::{
    Attempt, Backoff, Continuity, IntentKind, Outcome, OutputHistory, Preparation, ReconnectIntent, ShellState,
    Strategies, Strategy,
};
use unbroken_proto::server::Refusal;
use unbroken_proto::session::SessionState;
use unbroken_proto::time::Duration;
use unbroken_proto::{Cause, Health, SessionConfig, Side, StreamId};
use unbroken_tests::harness::Pace;
use unbroken_tests::pair::{DialFate, Pair, Setup};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

fn intent(pair: &Pair) -> ReconnectIntent {
    pair.client.wanted_connection().expect("because something is wanted")
}

/// Attached for a second, with one stream.
fn attached(setup: &Setup) -> (Pair, StreamId) {
    let mut pair = Pair::new(setup);
    let stream = pair.establish();
    pair.wait(SECOND);
    (pair, stream)
}

/// The newest connection is gone, because of `cause`, and both ends know.
fn lose(pair: &mut Pair, cause: Cause) {
    let wire = pair.wires.len() - 1;
    let (now, epoch) = (pair.instant(), pair.wires[wire].client.take());
    pair.client
        .detach(now, epoch.expect("because the client has it"), cause);
    pair.notice(wire, Side::Server);
    pair.read_events();
}

/// Sleeps until the attempt is due, and no further.
fn until_due(pair: &mut Pair) -> ReconnectIntent {
    let wanted = intent(pair);
    let due = wanted.not_before.as_nanos();
    pair.now = pair.now.max(due);
    pair.timers();
    intent(pair)
}

fn last_attempt(pair: &Pair) -> Attempt {
    *pair
        .client
        .reconnecting()
        .history()
        .last()
        .expect("because one was made")
}

fn ended(pair: &mut Pair) -> Ended {
    pair.read_events();
    pair.ended[0].clone().expect("because it is over")
}

/// The default table, as a person would write it.
const TABLE: [(Cause, Strategy, bool); 15] = [
    (Cause::Network, Strategy::Resume, false),
    (Cause::Refused, Strategy::Resume, false),
    (Cause::Timeout, Strategy::Resume, false),
    (Cause::Heartbeat, Strategy::Resume, false),
    (Cause::ServerAsked, Strategy::Resume, false),
    (Cause::Protocol, Strategy::Resume, false),
    (Cause::Local, Strategy::Resume, false),
    (Cause::Untrusted, Strategy::Resume, false),
    (Cause::NoService, Strategy::Resume, false),
    (Cause::Denied, Strategy::Resume, false),
    (Cause::TooLarge, Strategy::Resume, false),
    (Cause::Authentication, Strategy::Resume, true),
    (Cause::StateDamaged, Strategy::Restore, false),
    (Cause::ProcessEnded, Strategy::Restart, false),
    (Cause::ApplicationLost, Strategy::Recover, false),
];

#[test]
fn the_default_table_is_walked_from_cause_to_answer() {
    for (cause, strategy, refresh) in TABLE {
        let (mut pair, _) = attached(&Setup::default());
        lose(&mut pair, cause);
        let wanted = until_due(&mut pair);
        assert_eq!((wanted.strategy, wanted.cause), (strategy, Some(cause)));
        assert_eq!(wanted.kind, IntentKind::Resume);
        assert_eq!(wanted.refresh_credential, refresh, "{cause}");
        let asked = match strategy {
            Strategy::Restore => Some(Preparation::Restore),
            Strategy::Restart => Some(Preparation::Restart),
            Strategy::Recover => Some(Preparation::Recover),
            _ => None,
        };
        assert_eq!(wanted.preparation, asked, "{cause}");
        let (now, attempt) = (pair.instant(), wanted.attempt);
        pair.pump();
        let early = pair.client.state() == SessionState::Attached;
        assert_eq!(early, asked.is_none() && !refresh, "{cause}: no dial before the answer");
        match asked {
            Some(Preparation::Restore) => {
                pair.client
                    .handle_answer(now, attempt, unbroken_proto::reconnect::Answer::Restored)
            }
            Some(Preparation::Restart) => pair.client.handle_answer(
                now,
                attempt,
                unbroken_proto::reconnect::Answer::Restarted(Continuity::Kept),
            ),
            Some(Preparation::Recover) => {
                pair.client
                    .handle_answer(now, attempt, unbroken_proto::reconnect::Answer::Recovered)
            }
            Some(other) => panic!("{other:?} is not known here"),
            None => pair.client.handle_answer(
                now,
                0,
                unbroken_proto::reconnect::Answer::Credential(Bytes::from_static(b"new")),
            ),
        }
        pair.pump();
        assert_eq!(pair.client.state(), SessionState::Attached, "{cause}");
        let last = last_attempt(&pair);
        assert_eq!((last.number, last.outcome), (attempt, Outcome::Succeeded), "{cause}");
    }
}

/// The table in the documentation says what the code does.
#[test]
fn the_documented_table_is_the_default_one() {
    let source = include_str!("../../proto/src/reconnect/mod.rs");
    let names = |cell: &str| -> Vec<Cause> {
        let named = |name: &str| Cause::ALL.into_iter().find(|cause| cause.name() == name.trim());
        cell.split(',').filter_map(named).collect()
    };
    let mut seen = BTreeSet::new();
    let mut by_choice = BTreeSet::new();
    for row in source.lines().filter(|line| line.starts_with("//! | ")) {
        let cells: Vec<&str> = row.trim_start_matches("//! |").split(" | ").collect();
        let [causes, strategy, asks, _answers] = cells[..] else {
            continue;
        };
        let strategies: Vec<Strategy> = [
            Strategy::Resume,
            Strategy::Restore,
            Strategy::Restart,
            Strategy::Recover,
            Strategy::Fresh,
            Strategy::Force,
        ]
        .into_iter()
        .filter(|known| strategy.contains(&format!("(Strategy::{known:?})")))
        .collect();
        let [known] = strategies[..] else { continue };
        if names(causes).is_empty() {
            by_choice.insert(format!("{known:?}"));
        }
        for cause in names(causes) {
            assert!(seen.insert(cause), "{cause} stands there twice");
            let expected = TABLE.iter().find(|(row, ..)| *row == cause);
            let (_, strategy, refresh) = expected.expect("because the table is whole");
            assert_eq!(
                (known, asks.contains("refresh_credential")),
                (*strategy, *refresh),
                "{cause}"
            );
            assert_eq!(Strategies::default().for_cause(cause), *strategy);
            let preparation = strategy
                .preparation()
                .map(|asked| format!("[`Preparation::{asked:?}`]"));
            assert!(preparation.is_none_or(|asked| asks.contains(&asked)), "{cause}: {asks}");
        }
    }
    assert_eq!(seen.len(), Cause::ALL.len(), "{seen:?}");
    assert_eq!(by_choice, BTreeSet::from(["Force".to_owned(), "Fresh".to_owned()]));
}

/// What the host may answer to "restore", and when.
#[test]
fn restore_is_answered_well_badly_late_or_never() {
    let damaged = || {
        let (mut pair, stream) = attached(&Setup::default());
        assert!(pair.put(Side::Client, stream, 50));
        lose(&mut pair, Cause::StateDamaged);
        let wanted = until_due(&mut pair);
        (pair, stream, wanted)
    };
    // Well, after a while: what was sent arrives.
    let (mut pair, stream, wanted) = damaged();
    pair.wait(20 * SECOND);
    let now = pair.instant();
    pair.client
        .handle_answer(now, wanted.attempt, unbroken_proto::reconnect::Answer::Restored);
    pair.pump();
    pair.read_all(Side::Server, &[stream]);
    assert!(pair.ledger.is_settled());
    // Badly: it is asked again, with a new number and not at once.
    let (mut pair, _, wanted) = damaged();
    let now = pair.instant();
    pair.client.handle_answer(
        now,
        wanted.attempt,
        unbroken_proto::reconnect::Answer::Failed(Cause::StateDamaged),
    );
    let again = intent(&pair);
    assert_eq!(again.preparation, Some(Preparation::Restore));
    assert!(again.attempt > wanted.attempt);
    assert_eq!(
        pair.client.reconnecting().stats().failures,
        1,
        "the host's word is enough for a failure, not for a success"
    );
    // Never: the attempt's own deadline ends it; then the answer is too late and worth nothing.
    let (mut pair, _, wanted) = damaged();
    let limit = wanted.not_before + Strategies::default().preparation_timeout;
    assert_eq!(wanted.deadline, limit);
    pair.wait(limit.as_nanos() - pair.now - 1);
    assert_eq!(intent(&pair).attempt, wanted.attempt);
    pair.wait(1);
    let next = intent(&pair);
    assert_eq!((next.attempt, next.cause), (wanted.attempt + 1, Some(Cause::Timeout)));
    let now = pair.instant();
    pair.client
        .handle_answer(now, wanted.attempt, unbroken_proto::reconnect::Answer::Restored);
    assert_eq!(intent(&pair), next);
    pair.pump();
    assert_ne!(pair.client.state(), SessionState::Attached);
}

fn shell() -> ShellState {
    let mut shell = ShellState::new(8)
        .with_working_directory("/srv".into())
        .with_environment(vec![("LANG".into(), "C".into())])
        .with_last_command("make".into());
    shell.output.push(b"cc main.c\nok\n");
    shell
}

#[test]
fn restart_and_recover_hand_the_preserved_state_and_output_back() {
    for (cause, asked) in [
        (Cause::ProcessEnded, Preparation::Restart),
        (Cause::ApplicationLost, Preparation::Recover),
    ] {
        let (mut pair, _) = attached(&Setup::default());
        let now = pair.instant();
        let kept = pair.client.reconnect().preserve(now, shell().encode());
        assert_eq!(kept, Ok(()));
        let flood = Bytes::from(vec![0; MAX_PRESERVED + 1]);
        assert_eq!(pair.client.reconnect().preserve(now, flood), Err(PreservedTooLarge));
        lose(&mut pair, cause);
        // A first failure does not lose it.
        let wanted = until_due(&mut pair);
        let now = pair.instant();
        match asked {
            Preparation::Restart => pair.client.handle_answer(
                now,
                wanted.attempt,
                unbroken_proto::reconnect::Answer::Failed(Cause::Network),
            ),
            _ => pair.client.handle_answer(
                now,
                wanted.attempt,
                unbroken_proto::reconnect::Answer::Failed(Cause::Network),
            ),
        }
        let wanted = until_due(&mut pair);
        assert_eq!(wanted.preparation, Some(asked));
        assert_eq!(ShellState::decode(wanted.preserved), Ok(shell()));
        let mut output = OutputHistory::new(8);
        output.push(b"cc main.c\nok\n");
        assert_eq!((output.bytes(), output.forgotten()), (b"in.c\nok\n"[..].to_vec(), 5));
        // It dies with nobody: not with the attach, and a fresh session has it, too.
        let now = pair.instant();
        match asked {
            Preparation::Restart => pair.client.handle_answer(
                now,
                wanted.attempt,
                unbroken_proto::reconnect::Answer::Restarted(Continuity::Lost),
            ),
            _ => pair
                .client
                .handle_answer(now, wanted.attempt, unbroken_proto::reconnect::Answer::Recovered),
        }
        pair.pump();
        if asked == Preparation::Restart {
            assert!(matches!(ended(&mut pair).reason, EndReason::Fresh { .. }));
            pair.follow(&Setup::default());
            pair.pump();
        }
        assert_eq!(pair.client.state(), SessionState::Attached);
        assert_eq!(*pair.client.reconnecting().preserved(), shell().encode());
    }
}

/// A session that is detached and has to give way: its end is clean, and tells the truth about each message.
#[test]
fn fresh_while_detached_tells_every_fate() {
    let setup = Setup {
        strategies: Strategies::default().with(Cause::ProcessEnded, Strategy::Fresh),
        ..Setup::default()
    };
    let (mut pair, stream) = attached(&setup);
    pair.ledger.half(stream, Side::Client).messages = true;
    // One arrives and is acknowledged, one arrives and nobody can know, one leaves and does not arrive, one never leaves.
    assert!(pair.put(Side::Client, stream, 10));
    pair.wait(SECOND);
    assert!(pair.put(Side::Client, stream, 20));
    while pair.transmit(0, Side::Client) {}
    while pair.deliver(0, Side::Client) {}
    pair.wires[0].cut([true; 2]);
    assert!(pair.put(Side::Client, stream, 30));
    while pair.transmit(0, Side::Client) {}
    lose(&mut pair, Cause::Network);
    assert!(pair.put(Side::Client, stream, 40));
    pair.dials.extend([DialFate::Fails(Cause::ProcessEnded)]);
    let before = pair.client.reconnecting().stats().attempts;
    pair.wait(5 * SECOND);
    pair.read_all(Side::Server, &[stream]);
    let ended = ended(&mut pair);
    let cause = Cause::ProcessEnded;
    assert_eq!(ended.reason, EndReason::Fresh { cause });
    let fate = &ended.fates.streams[0];
    assert_eq!((fate.delivered.messages, fate.unknown.messages), (1, 2));
    assert_eq!(fate.not_delivered.len(), 1);
    assert_eq!(pair.ledger.check_fates(Side::Client, &ended), Ok(()));
    assert_eq!(
        (pair.client.poll_timeout(), pair.client.wanted_connection()),
        (None, None)
    );
    // The attempt goes on in the one that follows, and succeeds with it.
    pair.follow(&setup);
    pair.pump();
    assert_eq!(pair.client.state(), SessionState::Attached);
    let last = last_attempt(&pair);
    assert_eq!((last.strategy, last.outcome), (Strategy::Fresh, Outcome::Succeeded));
    let stats = pair.client.reconnecting().stats();
    assert_eq!((stats.attempts, stats.resumes), (before + 1, 1));
    assert!(
        stats
            .last_time_to_resume
            .is_some_and(|gap| gap < Duration::from_secs(6))
    );
}

/// Each preset's delays, against the numbers of its row; and the first one again after ten stable seconds, not before.
#[test]
fn presets_keep_their_numbers() {
    for pace in Pace::ALL {
        for seed in 0..40 {
            let mut pair = Pair::new(&Setup {
                backoff: pace.backoff(),
                seed,
                ..Setup::default()
            });
            pair.establish();
            pair.wait(10 * SECOND);
            let most = pace.tries.unwrap_or(9);
            for tries in 0..most {
                if tries == 0 {
                    lose(&mut pair, Cause::Network);
                } else {
                    let (now, attempt) = (pair.instant(), until_due(&mut pair).attempt);
                    let now = now.max(intent(&pair).not_before);
                    pair.client
                        .handle_answer(now, attempt, unbroken_proto::reconnect::Answer::Failed(Cause::Refused));
                }
                let delay = intent(&pair).not_before.as_nanos() - pair.now;
                let fits = (pace.least(tries)..=pace.most(tries)).contains(&delay);
                assert!(fits, "{} try {tries}: {delay} ns", pace.name);
            }
            let (now, attempt) = (pair.instant(), until_due(&mut pair).attempt);
            let now = now.max(intent(&pair).not_before);
            pair.client
                .handle_answer(now, attempt, unbroken_proto::reconnect::Answer::Failed(Cause::Refused));
            let over = pair.client.state() == SessionState::Ended;
            assert_eq!(over, pace.tries.is_some(), "{}", pace.name);
        }
    }
}

#[test]
fn only_ten_stable_seconds_reset_the_backoff() {
    for (stayed, expected) in [(10 * SECOND - 1, 4 * SECOND), (10 * SECOND, SECOND)] {
        let mut pair = Pair::new(&Setup {
            backoff: Backoff::endless_doubling(),
            ..Setup::default()
        });
        pair.establish();
        lose(&mut pair, Cause::Network);
        pair.wait(2 * SECOND);
        assert_eq!(pair.client.state(), SessionState::Attached);
        pair.wait(stayed);
        lose(&mut pair, Cause::Network);
        let delay = intent(&pair).not_before.as_nanos() - pair.now;
        assert_eq!(delay, expected, "attached for {stayed} ns");
    }
}

/// A population that is told "later" at the same instant does not come back in step; nobody comes sooner.
#[test]
fn later_is_kept_by_everybody_and_by_nobody_in_step() {
    let mut whens = BTreeSet::new();
    for seed in 0..100 {
        let mut pair = Pair::new(&Setup {
            seed,
            backoff: Backoff::endless_doubling(),
            ..Setup::default()
        });
        let after = Duration::from_secs(20);
        let alternate = Bytes::from_static(b"the other one");
        pair.refusals.push_back(Refusal::RetryLater { after, alternate });
        pair.pump();
        let wanted = intent(&pair);
        let delay = wanted.not_before.as_nanos() - pair.now;
        assert!((20 * SECOND..=30 * SECOND).contains(&delay), "{delay}");
        assert_eq!(
            (wanted.cause, &wanted.alternate[..]),
            (Some(Cause::ServerAsked), &b"the other one"[..])
        );
        whens.insert(delay / (100 * MS));
        // Nobody is there: the usual place is tried again.
        pair.dials.push_back(DialFate::Fails(Cause::Refused));
        pair.wait(delay);
        assert!(intent(&pair).alternate.is_empty());
        pair.wait(60 * SECOND);
        assert_eq!(pair.client.state(), SessionState::Attached);
    }
    assert!(whens.len() > 50, "{} different tenths of a second", whens.len());
}

#[test]
fn refresh_waits_for_the_host_and_never_is_final() {
    let mut pair = Pair::new(&Setup::default());
    pair.refusals.push_back(Refusal::RefreshCredentials);
    pair.wait(3_600 * SECOND);
    assert!(pair.events.contains(&(Side::Client, Event::CredentialNeeded)));
    assert_eq!(pair.dialled.len(), 1, "an hour passes, and nothing is dialled");
    let now = pair.instant();
    pair.client.handle_answer(
        now,
        0,
        unbroken_proto::reconnect::Answer::Credential(Bytes::from_static(b"fresh")),
    );
    pair.wait(SECOND);
    assert_eq!(pair.client.state(), SessionState::Attached);
    let mut pair = Pair::new(&Setup::default());
    pair.refusals.push_back(Refusal::Unauthorized);
    pair.pump();
    assert_eq!(ended(&mut pair).reason, EndReason::Unauthorized);
}

#[test]
fn force_goes_through_all_steps_and_says_so() {
    let (mut pair, _) = attached(&Setup::default());
    let now = pair.instant();
    pair.client.reconnect().force(now);
    pair.dials.push_back(DialFate::Fails(Cause::Refused));
    let begin = pair.now;
    let mut steps = Vec::new();
    while pair.client.state() != SessionState::Ended {
        pair.pump();
        if let Some(wanted) = pair
            .client
            .wanted_connection()
            .filter(|_| pair.client.state() != SessionState::Ended)
        {
            let wanted = if wanted.not_before.as_nanos() > pair.now {
                until_due(&mut pair)
            } else {
                wanted
            };
            steps.push((wanted.strategy, (pair.now - begin) / SECOND));
            let now = pair.instant();
            let cause = match wanted.preparation {
                Some(Preparation::Restore) => Cause::StateDamaged,
                _ => Cause::Timeout,
            };
            let answer = unbroken_proto::reconnect::Answer::Failed(cause);
            pair.client.handle_answer(now, wanted.attempt, answer);
        } else if let Some(next) = pair.next_deadline() {
            pair.now = pair.now.max(next);
            pair.timers();
        }
    }
    assert_eq!(steps, [(Strategy::Restore, 2), (Strategy::Restart, 4)]);
    let last = last_attempt(&pair);
    assert_eq!(
        (last.strategy, last.outcome),
        (Strategy::Fresh, Outcome::Pending),
        "it goes on in the heir"
    );
    assert_eq!((pair.now - begin) / SECOND, 6);
    assert!(matches!(
        ended(&mut pair).reason,
        EndReason::Fresh { cause: Cause::Timeout }
    ));
}

/// When each change of health comes, to the millisecond.
#[test]
fn health_under_silence_and_a_black_hole() {
    let healths = |pair: &mut Pair| -> Vec<Health> {
        let told = pair.events.iter().filter_map(|(side, event)| match event {
            Event::Health(health) if *side == Side::Client => Some(*health),
            _ => None,
        });
        let told = told.collect();
        pair.events.clear();
        told
    };
    let mut pair = Pair::new(&Setup::default());
    let stream = pair.establish();
    pair.wait(60 * SECOND - 1);
    assert_eq!(healths(&mut pair), [Health::Healthy]);
    pair.wait(1);
    assert_eq!(healths(&mut pair), [Health::Idle], "a minute of nothing but heartbeats");
    assert!(pair.put(Side::Client, stream, 10));
    pair.pump();
    pair.timers();
    pair.wait(SECOND);
    assert_eq!(healths(&mut pair), [Health::Healthy]);
    // Nothing passes any more, and something waits: probed after a second, suspect a second later, given up after three.
    pair.wires[0].cut([true; 2]);
    assert!(pair.put(Side::Client, stream, 10));
    pair.wait(2 * SECOND - 1);
    assert_eq!(healths(&mut pair), []);
    pair.wait(1);
    assert_eq!(healths(&mut pair), [Health::Suspect]);
    pair.wait(2 * SECOND);
    assert_eq!(healths(&mut pair).first(), Some(&Health::Detached));
    assert_eq!(pair.client.reconnecting().stats().disconnections(Cause::Heartbeat), 1);
}

/// An acknowledgement that never comes, though connections do: by count and by time, with every fate told.
#[test]
fn a_session_that_moves_nothing_ends_stuck() {
    let stuck = |replays, unacknowledged| Setup {
        client: SessionConfig::default().with_stuck(
            Stuck::default()
                .with_replays(replays)
                .with_unacknowledged(unacknowledged),
        ),
        // The client's confirmations will be lost, again and again.
        server: SessionConfig::default().with_max_attempts(100),
        ..Setup::default()
    };
    let send = |pair: &mut Pair, stream| {
        pair.ledger.half(stream, Side::Client).messages = true;
        assert!(pair.put(Side::Client, stream, 10));
        let wire = pair.wires.len() - 1;
        while pair.transmit(wire, Side::Client) {}
    };
    for most in [1, 3] {
        let (mut pair, stream) = attached(&stuck(Some(most), None));
        send(&mut pair, stream);
        let mut attaches = 0;
        while pair.client.state() != SessionState::Ended {
            lose(&mut pair, Cause::Network);
            until_due(&mut pair);
            // It attaches; what it sends again is lost with the connection.
            assert!(pair.dial([None; 2]));
            let wire = pair.wires.len() - 1;
            assert!(pair.transmit(wire, Side::Client) && pair.deliver(wire, Side::Client));
            assert!(pair.transmit(wire, Side::Server) && pair.deliver(wire, Side::Server));
            attaches += 1;
            while pair.transmit(wire, Side::Client) {}
            pair.wires[wire].cut([true; 2]);
        }
        assert_eq!(attaches, most + 1);
        let ended = ended(&mut pair);
        assert_eq!(ended.reason, EndReason::Stuck);
        assert_eq!(ended.fates.streams[0].unknown.messages, 1);
        assert_eq!(pair.ledger.check_fates(Side::Client, &ended), Ok(()));
    }
    let (mut pair, stream) = attached(&stuck(None, Some(Duration::from_secs(2))));
    send(&mut pair, stream);
    pair.wires[0].cut([true; 2]);
    let begin = pair.now;
    while pair.client.state() != SessionState::Ended {
        pair.now = pair.next_deadline().expect("because it waits").max(pair.now);
        pair.timers();
    }
    assert_eq!(pair.now - begin, 2 * SECOND);
    let ended = ended(&mut pair);
    assert_eq!(
        (ended.reason.clone(), ended.fates.streams[0].unknown.messages),
        (EndReason::Stuck, 1)
    );
    assert_eq!(pair.ledger.check_fates(Side::Client, &ended), Ok(()));
}

/// The classic defect: a host that has a connection has not resumed a session.
#[test]
fn a_connection_that_proves_nothing_is_no_success() {
    let (mut pair, _) = attached(&Setup::default());
    lose(&mut pair, Cause::Network);
    pair.dials.extend([const { DialFate::Dead }; 3]);
    pair.wait(25 * SECOND);
    let stats = pair.client.reconnecting().stats();
    assert_eq!(
        (stats.successes, stats.resumes),
        (1, 0),
        "the first handshake and no other"
    );
    assert!(stats.failures >= 1, "{stats:?}");
    pair.wait(100 * SECOND);
    let stats = pair.client.reconnecting().stats();
    assert_eq!((stats.successes, stats.failures, stats.resumes), (2, 3, 1));
    let outcomes: Vec<Outcome> = pair
        .client
        .reconnecting()
        .history()
        .map(|attempt| attempt.outcome)
        .collect();
    let failed = Outcome::Failed(Cause::Timeout);
    assert_eq!(
        outcomes,
        [Outcome::Succeeded, failed, failed, failed, Outcome::Succeeded]
    );
}
