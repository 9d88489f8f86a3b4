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
use unbroken_tests::duo::{DialFate, Duo, Setup};
use unbroken_tests::rig::Pace;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

fn intent(duo: &Duo) -> ReconnectIntent {
    duo.client.wanted_connection().expect("because something is wanted")
}

/// Attached for a second, with one stream.
fn attached(setup: &Setup) -> (Duo, StreamId) {
    let mut duo = Duo::new(setup);
    let stream = duo.establish();
    duo.wait(SECOND);
    (duo, stream)
}

/// The newest connection is gone, because of `cause`, and both ends know.
fn lose(duo: &mut Duo, cause: Cause) {
    let wire = duo.wires.len() - 1;
    let (now, epoch) = (duo.instant(), duo.wires[wire].client.take());
    duo.client.detach(now, epoch.expect("because the client has it"), cause);
    duo.notice(wire, Side::Server);
    duo.read_events();
}

/// Sleeps until the attempt is due, and no further.
fn until_due(duo: &mut Duo) -> ReconnectIntent {
    let wanted = intent(duo);
    let due = wanted.not_before.as_nanos();
    duo.now = duo.now.max(due);
    duo.timers();
    intent(duo)
}

fn last_attempt(duo: &Duo) -> Attempt {
    *duo.client
        .reconnecting()
        .history()
        .last()
        .expect("because one was made")
}

fn ended(duo: &mut Duo) -> Ended {
    duo.read_events();
    duo.ended[0].clone().expect("because it is over")
}

/// The default table, as a person would write it.
const TABLE: [(Cause, Strategy, bool); 13] = [
    (Cause::Network, Strategy::Resume, false),
    (Cause::Refused, Strategy::Resume, false),
    (Cause::Timeout, Strategy::Resume, false),
    (Cause::Heartbeat, Strategy::Resume, false),
    (Cause::ServerAsked, Strategy::Resume, false),
    (Cause::Protocol, Strategy::Resume, false),
    (Cause::Local, Strategy::Resume, false),
    (Cause::Untrusted, Strategy::Resume, false),
    (Cause::NoService, Strategy::Resume, false),
    (Cause::Authentication, Strategy::Resume, true),
    (Cause::StateDamaged, Strategy::Restore, false),
    (Cause::ProcessEnded, Strategy::Restart, false),
    (Cause::ApplicationLost, Strategy::Recover, false),
];

#[test]
fn the_default_table_is_walked_from_cause_to_answer() {
    for (cause, strategy, refresh) in TABLE {
        let (mut duo, _) = attached(&Setup::default());
        lose(&mut duo, cause);
        let wanted = until_due(&mut duo);
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
        let (now, attempt) = (duo.instant(), wanted.attempt);
        duo.pump();
        let early = duo.client.state() == SessionState::Attached;
        assert_eq!(early, asked.is_none() && !refresh, "{cause}: no dial before the answer");
        match asked {
            Some(Preparation::Restore) => {
                duo.client
                    .handle_answer(now, attempt, unbroken_proto::reconnect::Answer::Restored)
            }
            Some(Preparation::Restart) => duo.client.handle_answer(
                now,
                attempt,
                unbroken_proto::reconnect::Answer::Restarted(Continuity::Kept),
            ),
            Some(Preparation::Recover) => {
                duo.client
                    .handle_answer(now, attempt, unbroken_proto::reconnect::Answer::Recovered)
            }
            Some(other) => panic!("{other:?} is not known here"),
            None => duo.client.handle_answer(
                now,
                0,
                unbroken_proto::reconnect::Answer::Credential(Bytes::from_static(b"new")),
            ),
        }
        duo.pump();
        assert_eq!(duo.client.state(), SessionState::Attached, "{cause}");
        let last = last_attempt(&duo);
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
        let (mut duo, stream) = attached(&Setup::default());
        assert!(duo.put(Side::Client, stream, 50));
        lose(&mut duo, Cause::StateDamaged);
        let wanted = until_due(&mut duo);
        (duo, stream, wanted)
    };
    // Well, after a while: what was sent arrives.
    let (mut duo, stream, wanted) = damaged();
    duo.wait(20 * SECOND);
    let now = duo.instant();
    duo.client
        .handle_answer(now, wanted.attempt, unbroken_proto::reconnect::Answer::Restored);
    duo.pump();
    duo.read_all(Side::Server, &[stream]);
    assert!(duo.ledger.is_settled());
    // Badly: it is asked again, with a new number and not at once.
    let (mut duo, _, wanted) = damaged();
    let now = duo.instant();
    duo.client.handle_answer(
        now,
        wanted.attempt,
        unbroken_proto::reconnect::Answer::Failed(Cause::StateDamaged),
    );
    let again = intent(&duo);
    assert_eq!(again.preparation, Some(Preparation::Restore));
    assert!(again.attempt > wanted.attempt);
    assert_eq!(
        duo.client.reconnecting().stats().failures,
        1,
        "the host's word is enough for a failure, not for a success"
    );
    // Never: the attempt's own deadline ends it; then the answer is too late and worth nothing.
    let (mut duo, _, wanted) = damaged();
    let limit = wanted.not_before + Strategies::default().preparation_timeout;
    assert_eq!(wanted.deadline, limit);
    duo.wait(limit.as_nanos() - duo.now - 1);
    assert_eq!(intent(&duo).attempt, wanted.attempt);
    duo.wait(1);
    let next = intent(&duo);
    assert_eq!((next.attempt, next.cause), (wanted.attempt + 1, Some(Cause::Timeout)));
    let now = duo.instant();
    duo.client
        .handle_answer(now, wanted.attempt, unbroken_proto::reconnect::Answer::Restored);
    assert_eq!(intent(&duo), next);
    duo.pump();
    assert_ne!(duo.client.state(), SessionState::Attached);
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
        let (mut duo, _) = attached(&Setup::default());
        let now = duo.instant();
        let kept = duo.client.reconnect().preserve(now, shell().encode());
        assert_eq!(kept, Ok(()));
        let flood = Bytes::from(vec![0; MAX_PRESERVED + 1]);
        assert_eq!(duo.client.reconnect().preserve(now, flood), Err(PreservedTooLarge));
        lose(&mut duo, cause);
        // A first failure does not lose it.
        let wanted = until_due(&mut duo);
        let now = duo.instant();
        match asked {
            Preparation::Restart => duo.client.handle_answer(
                now,
                wanted.attempt,
                unbroken_proto::reconnect::Answer::Failed(Cause::Network),
            ),
            _ => duo.client.handle_answer(
                now,
                wanted.attempt,
                unbroken_proto::reconnect::Answer::Failed(Cause::Network),
            ),
        }
        let wanted = until_due(&mut duo);
        assert_eq!(wanted.preparation, Some(asked));
        assert_eq!(ShellState::decode(wanted.preserved), Ok(shell()));
        let mut output = OutputHistory::new(8);
        output.push(b"cc main.c\nok\n");
        assert_eq!((output.bytes(), output.forgotten()), (b"in.c\nok\n"[..].to_vec(), 5));
        // It dies with nobody: not with the attach, and a fresh session has it, too.
        let now = duo.instant();
        match asked {
            Preparation::Restart => duo.client.handle_answer(
                now,
                wanted.attempt,
                unbroken_proto::reconnect::Answer::Restarted(Continuity::Lost),
            ),
            _ => duo
                .client
                .handle_answer(now, wanted.attempt, unbroken_proto::reconnect::Answer::Recovered),
        }
        duo.pump();
        if asked == Preparation::Restart {
            assert!(matches!(ended(&mut duo).reason, EndReason::Fresh { .. }));
            duo.follow(&Setup::default());
            duo.pump();
        }
        assert_eq!(duo.client.state(), SessionState::Attached);
        assert_eq!(*duo.client.reconnecting().preserved(), shell().encode());
    }
}

/// A session that is detached and has to give way: its end is clean, and tells the truth about each message.
#[test]
fn fresh_while_detached_tells_every_fate() {
    let setup = Setup {
        strategies: Strategies::default().with(Cause::ProcessEnded, Strategy::Fresh),
        ..Setup::default()
    };
    let (mut duo, stream) = attached(&setup);
    duo.ledger.half(stream, Side::Client).messages = true;
    // One arrives and is acknowledged, one arrives and nobody can know, one leaves and does not arrive, one never leaves.
    assert!(duo.put(Side::Client, stream, 10));
    duo.wait(SECOND);
    assert!(duo.put(Side::Client, stream, 20));
    while duo.transmit(0, Side::Client) {}
    while duo.deliver(0, Side::Client) {}
    duo.wires[0].cut([true; 2]);
    assert!(duo.put(Side::Client, stream, 30));
    while duo.transmit(0, Side::Client) {}
    lose(&mut duo, Cause::Network);
    assert!(duo.put(Side::Client, stream, 40));
    duo.dials.extend([DialFate::Fails(Cause::ProcessEnded)]);
    let before = duo.client.reconnecting().stats().attempts;
    duo.wait(5 * SECOND);
    duo.read_all(Side::Server, &[stream]);
    let ended = ended(&mut duo);
    let cause = Cause::ProcessEnded;
    assert_eq!(ended.reason, EndReason::Fresh { cause });
    let fate = &ended.fates.streams[0];
    assert_eq!((fate.delivered.messages, fate.unknown.messages), (1, 2));
    assert_eq!(fate.not_delivered.len(), 1);
    assert_eq!(duo.ledger.check_fates(Side::Client, &ended), Ok(()));
    assert_eq!(
        (duo.client.poll_timeout(), duo.client.wanted_connection()),
        (None, None)
    );
    // The attempt goes on in the one that follows, and succeeds with it.
    duo.follow(&setup);
    duo.pump();
    assert_eq!(duo.client.state(), SessionState::Attached);
    let last = last_attempt(&duo);
    assert_eq!((last.strategy, last.outcome), (Strategy::Fresh, Outcome::Succeeded));
    let stats = duo.client.reconnecting().stats();
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
            let mut duo = Duo::new(&Setup {
                backoff: pace.backoff(),
                seed,
                ..Setup::default()
            });
            duo.establish();
            duo.wait(10 * SECOND);
            let most = pace.tries.unwrap_or(9);
            for tries in 0..most {
                if tries == 0 {
                    lose(&mut duo, Cause::Network);
                } else {
                    let (now, attempt) = (duo.instant(), until_due(&mut duo).attempt);
                    let now = now.max(intent(&duo).not_before);
                    duo.client
                        .handle_answer(now, attempt, unbroken_proto::reconnect::Answer::Failed(Cause::Refused));
                }
                let delay = intent(&duo).not_before.as_nanos() - duo.now;
                let fits = (pace.least(tries)..=pace.most(tries)).contains(&delay);
                assert!(fits, "{} try {tries}: {delay} ns", pace.name);
            }
            let (now, attempt) = (duo.instant(), until_due(&mut duo).attempt);
            let now = now.max(intent(&duo).not_before);
            duo.client
                .handle_answer(now, attempt, unbroken_proto::reconnect::Answer::Failed(Cause::Refused));
            let over = duo.client.state() == SessionState::Ended;
            assert_eq!(over, pace.tries.is_some(), "{}", pace.name);
        }
    }
}

#[test]
fn only_ten_stable_seconds_reset_the_backoff() {
    for (stayed, expected) in [(10 * SECOND - 1, 4 * SECOND), (10 * SECOND, SECOND)] {
        let mut duo = Duo::new(&Setup {
            backoff: Backoff::endless_doubling(),
            ..Setup::default()
        });
        duo.establish();
        lose(&mut duo, Cause::Network);
        duo.wait(2 * SECOND);
        assert_eq!(duo.client.state(), SessionState::Attached);
        duo.wait(stayed);
        lose(&mut duo, Cause::Network);
        let delay = intent(&duo).not_before.as_nanos() - duo.now;
        assert_eq!(delay, expected, "attached for {stayed} ns");
    }
}

/// A fleet that is told "later" at the same instant does not come back in step; nobody comes sooner.
#[test]
fn later_is_kept_by_everybody_and_by_nobody_in_step() {
    let mut whens = BTreeSet::new();
    for seed in 0..100 {
        let mut duo = Duo::new(&Setup {
            seed,
            backoff: Backoff::endless_doubling(),
            ..Setup::default()
        });
        let after = Duration::from_secs(20);
        let alternate = Bytes::from_static(b"the other one");
        duo.refusals.push_back(Refusal::RetryLater { after, alternate });
        duo.pump();
        let wanted = intent(&duo);
        let delay = wanted.not_before.as_nanos() - duo.now;
        assert!((20 * SECOND..=30 * SECOND).contains(&delay), "{delay}");
        assert_eq!(
            (wanted.cause, &wanted.alternate[..]),
            (Some(Cause::ServerAsked), &b"the other one"[..])
        );
        whens.insert(delay / (100 * MS));
        // Nobody is there: the usual place is tried again.
        duo.dials.push_back(DialFate::Fails(Cause::Refused));
        duo.wait(delay);
        assert!(intent(&duo).alternate.is_empty());
        duo.wait(60 * SECOND);
        assert_eq!(duo.client.state(), SessionState::Attached);
    }
    assert!(whens.len() > 50, "{} different tenths of a second", whens.len());
}

#[test]
fn refresh_waits_for_the_host_and_never_is_final() {
    let mut duo = Duo::new(&Setup::default());
    duo.refusals.push_back(Refusal::RefreshCredentials);
    duo.wait(3_600 * SECOND);
    assert!(duo.events.contains(&(Side::Client, Event::CredentialNeeded)));
    assert_eq!(duo.dialled.len(), 1, "an hour passes, and nothing is dialled");
    let now = duo.instant();
    duo.client.handle_answer(
        now,
        0,
        unbroken_proto::reconnect::Answer::Credential(Bytes::from_static(b"fresh")),
    );
    duo.wait(SECOND);
    assert_eq!(duo.client.state(), SessionState::Attached);
    let mut duo = Duo::new(&Setup::default());
    duo.refusals.push_back(Refusal::Unauthorized);
    duo.pump();
    assert_eq!(ended(&mut duo).reason, EndReason::Unauthorized);
}

#[test]
fn force_goes_through_all_steps_and_says_so() {
    let (mut duo, _) = attached(&Setup::default());
    let now = duo.instant();
    duo.client.reconnect().force(now);
    duo.dials.push_back(DialFate::Fails(Cause::Refused));
    let begin = duo.now;
    let mut steps = Vec::new();
    while duo.client.state() != SessionState::Ended {
        duo.pump();
        if let Some(wanted) = duo
            .client
            .wanted_connection()
            .filter(|_| duo.client.state() != SessionState::Ended)
        {
            let wanted = if wanted.not_before.as_nanos() > duo.now {
                until_due(&mut duo)
            } else {
                wanted
            };
            steps.push((wanted.strategy, (duo.now - begin) / SECOND));
            let now = duo.instant();
            let cause = match wanted.preparation {
                Some(Preparation::Restore) => Cause::StateDamaged,
                _ => Cause::Timeout,
            };
            let answer = unbroken_proto::reconnect::Answer::Failed(cause);
            duo.client.handle_answer(now, wanted.attempt, answer);
        } else if let Some(next) = duo.next_deadline() {
            duo.now = duo.now.max(next);
            duo.timers();
        }
    }
    assert_eq!(steps, [(Strategy::Restore, 2), (Strategy::Restart, 4)]);
    let last = last_attempt(&duo);
    assert_eq!(
        (last.strategy, last.outcome),
        (Strategy::Fresh, Outcome::Pending),
        "it goes on in the heir"
    );
    assert_eq!((duo.now - begin) / SECOND, 6);
    assert!(matches!(
        ended(&mut duo).reason,
        EndReason::Fresh { cause: Cause::Timeout }
    ));
}

/// When each change of health comes, to the millisecond.
#[test]
fn health_under_silence_and_a_black_hole() {
    let healths = |duo: &mut Duo| -> Vec<Health> {
        let told = duo.events.iter().filter_map(|(side, event)| match event {
            Event::Health(health) if *side == Side::Client => Some(*health),
            _ => None,
        });
        let told = told.collect();
        duo.events.clear();
        told
    };
    let mut duo = Duo::new(&Setup::default());
    let stream = duo.establish();
    duo.wait(60 * SECOND - 1);
    assert_eq!(healths(&mut duo), [Health::Healthy]);
    duo.wait(1);
    assert_eq!(healths(&mut duo), [Health::Idle], "a minute of nothing but heartbeats");
    assert!(duo.put(Side::Client, stream, 10));
    duo.pump();
    duo.timers();
    duo.wait(SECOND);
    assert_eq!(healths(&mut duo), [Health::Healthy]);
    // Nothing passes any more, and something waits: probed after a second, suspect a second later, given up after three.
    duo.wires[0].cut([true; 2]);
    assert!(duo.put(Side::Client, stream, 10));
    duo.wait(2 * SECOND - 1);
    assert_eq!(healths(&mut duo), []);
    duo.wait(1);
    assert_eq!(healths(&mut duo), [Health::Suspect]);
    duo.wait(2 * SECOND);
    assert_eq!(healths(&mut duo).first(), Some(&Health::Detached));
    assert_eq!(duo.client.reconnecting().stats().disconnections(Cause::Heartbeat), 1);
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
    let send = |duo: &mut Duo, stream| {
        duo.ledger.half(stream, Side::Client).messages = true;
        assert!(duo.put(Side::Client, stream, 10));
        let wire = duo.wires.len() - 1;
        while duo.transmit(wire, Side::Client) {}
    };
    for most in [1, 3] {
        let (mut duo, stream) = attached(&stuck(Some(most), None));
        send(&mut duo, stream);
        let mut attaches = 0;
        while duo.client.state() != SessionState::Ended {
            lose(&mut duo, Cause::Network);
            until_due(&mut duo);
            // It attaches; what it sends again is lost with the connection.
            assert!(duo.dial([None; 2]));
            let wire = duo.wires.len() - 1;
            assert!(duo.transmit(wire, Side::Client) && duo.deliver(wire, Side::Client));
            assert!(duo.transmit(wire, Side::Server) && duo.deliver(wire, Side::Server));
            attaches += 1;
            while duo.transmit(wire, Side::Client) {}
            duo.wires[wire].cut([true; 2]);
        }
        assert_eq!(attaches, most + 1);
        let ended = ended(&mut duo);
        assert_eq!(ended.reason, EndReason::Stuck);
        assert_eq!(ended.fates.streams[0].unknown.messages, 1);
        assert_eq!(duo.ledger.check_fates(Side::Client, &ended), Ok(()));
    }
    let (mut duo, stream) = attached(&stuck(None, Some(Duration::from_secs(2))));
    send(&mut duo, stream);
    duo.wires[0].cut([true; 2]);
    let begin = duo.now;
    while duo.client.state() != SessionState::Ended {
        duo.now = duo.next_deadline().expect("because it waits").max(duo.now);
        duo.timers();
    }
    assert_eq!(duo.now - begin, 2 * SECOND);
    let ended = ended(&mut duo);
    assert_eq!(
        (ended.reason.clone(), ended.fates.streams[0].unknown.messages),
        (EndReason::Stuck, 1)
    );
    assert_eq!(duo.ledger.check_fates(Side::Client, &ended), Ok(()));
}

/// The classic defect: a host that has a connection has not resumed a session.
#[test]
fn a_connection_that_proves_nothing_is_no_success() {
    let (mut duo, _) = attached(&Setup::default());
    lose(&mut duo, Cause::Network);
    duo.dials.extend([const { DialFate::Dead }; 3]);
    duo.wait(25 * SECOND);
    let stats = duo.client.reconnecting().stats();
    assert_eq!(
        (stats.successes, stats.resumes),
        (1, 0),
        "the first handshake and no other"
    );
    assert!(stats.failures >= 1, "{stats:?}");
    duo.wait(100 * SECOND);
    let stats = duo.client.reconnecting().stats();
    assert_eq!((stats.successes, stats.failures, stats.resumes), (2, 3, 1));
    let outcomes: Vec<Outcome> = duo
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
