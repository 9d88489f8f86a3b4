//! Scripted exchanges in which a connection is cut after byte i one way and byte j the other, for
//! all pairs: inside both handshakes, in the data, during a resume, a planned swap and a close.
//!
//! A packet that is cut anywhere never arrives, so bytes of one packet are one case; to be sure of
//! that, every i is also tried with an uncut other direction, and with `UNBROKEN_FULL=1` every pair.

use std::collections::BTreeSet;

use unbroken_proto::event::{Closer, EndReason};
use unbroken_proto::session::SessionState;
use unbroken_proto::time::Duration;
use unbroken_proto::{Session, SessionConfig, Side, StreamId};
use unbroken_tests::pair::{Cut, Notice, Pair, Plan, Setup};

/// What happens in an exchange besides two messages each way and the close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Plain,
    PlannedSwap,
    ServerAsks,
    BothClose,
    ServerCloses,
}

const STREAM: StreamId = StreamId(1);

fn setup() -> Setup {
    let config = SessionConfig::default().with_linger(Duration::from_secs(60));
    Setup {
        client: config.clone(),
        server: config,
        ..Setup::default()
    }
}

/// Runs the script under the plan and checks that nothing was lost and both ends know it.
fn exchange(script: Script, plan: &Plan) -> Pair {
    let mut pair = Pair::new(&setup());
    let stream = pair.open(Side::Client);
    assert_eq!(stream, STREAM);
    let mut step = 0;
    pair.run(plan, |pair| {
        act(pair, script, &mut step);
        pair.ended.iter().all(Option::is_some)
    });
    check(&mut pair, script, plan);
    pair
}

fn act(pair: &mut Pair, script: Script, step: &mut u32) {
    pair.read_all(Side::Client, &[STREAM]);
    if pair
        .server
        .as_ref()
        .is_some_and(|server| server.id().is_some() && server.state() != SessionState::Connecting)
    {
        pair.read_all(Side::Server, &[STREAM]);
    }
    let now = pair.instant();
    match *step {
        0 => {
            assert!(pair.put(Side::Client, STREAM, 40));
            *step = 1;
        }
        1 if pair.ledger.half(STREAM, Side::Client).read == 40 => {
            assert!(pair.put(Side::Server, STREAM, 30));
            *step = 2;
        }
        2 if pair.ledger.half(STREAM, Side::Server).read == 30 => {
            match script {
                Script::PlannedSwap => pair.client.migrate(now, Duration::from_secs(5), bytes::Bytes::new()),
                Script::ServerAsks => {
                    let server = pair.server.as_mut().expect("because it answered");
                    server.migrate(now, Duration::from_secs(5), bytes::Bytes::new());
                }
                _ => {}
            }
            assert!(pair.put(Side::Client, STREAM, 0) || !pair.ledger.half(STREAM, Side::Client).messages);
            assert!(pair.put(Side::Client, STREAM, 25));
            assert!(pair.put(Side::Server, STREAM, 35));
            pair.finish(Side::Client, STREAM);
            pair.finish(Side::Server, STREAM);
            *step = 3;
        }
        3 if pair.ledger.is_settled() && swap_done(pair, script) => {
            if script != Script::ServerCloses {
                pair.client
                    .close(now, 7, bytes::Bytes::from_static(b"bye"))
                    .expect("because the code fits");
            }
            if matches!(script, Script::BothClose | Script::ServerCloses)
                && let Some(server) = &mut pair.server
            {
                server
                    .close(now, 7, bytes::Bytes::from_static(b"bye"))
                    .expect("because the code fits");
            }
            *step = 4;
        }
        _ => {}
    }
}

/// A planned swap was asked for: the script goes on when the client no longer wants one.
fn swap_done(pair: &Pair, script: Script) -> bool {
    !matches!(script, Script::PlannedSwap | Script::ServerAsks) || pair.client.stats().attaches > 1
}

fn check(pair: &mut Pair, script: Script, plan: &Plan) {
    pair.read_all(Side::Client, &[STREAM]);
    pair.read_all(Side::Server, &[STREAM]);
    assert!(pair.ledger.is_settled(), "{plan:?}: {:?}", pair.ledger.unsettled());
    let ended = pair.ended.clone();
    for (side, ended) in [Side::Client, Side::Server].into_iter().zip(&ended) {
        let ended = ended.as_ref().expect("because the run waited for it");
        assert_eq!(pair.ledger.check_fates(side, ended), Ok(()), "{plan:?}");
        let by = match (script, side) {
            (Script::BothClose, _) => None,
            (Script::ServerCloses, Side::Server) | (_, Side::Client)
                if !matches!((script, side), (Script::ServerCloses, Side::Client)) =>
            {
                Some(Closer::Local)
            }
            _ => Some(Closer::Peer),
        };
        match (&ended.reason, by) {
            (EndReason::Closed { code: 7, reason, by }, expected) if reason.as_ref() == b"bye" => {
                assert!(
                    expected.is_none_or(|expected| expected == *by),
                    "{plan:?} {side:?}: closed by {by:?}"
                );
            }
            // Who cannot be reached any more may not learn that the close was complete.
            (EndReason::LingerExpired | EndReason::Expired, _) if is_lonely(plan) => {}
            (reason, _) => panic!("{plan:?}: {side:?} ended with {reason:?}"),
        }
    }
    for session in [Some(&pair.client), pair.server.as_ref()].into_iter().flatten() {
        if session.stats().attaches == 0 {
            continue;
        }
        assert_eq!(session.inspect().redundant, 0, "{plan:?}: redundant replay");
        assert_eq!(
            (session.poll_timeout(), session.wanted_connection()),
            (None, None),
            "{script:?} {plan:?} {:?}",
            pair.events
        );
    }
}

/// Whether an end was left to find out about a broken connection by itself.
fn is_lonely(plan: &Plan) -> bool {
    plan.cuts
        .iter()
        .any(|cut| matches!(cut.notice, Notice::OnlyClient | Notice::OnlyServer))
        || !plan.cuts.is_empty()
}

/// Where packets end on connection `wire` of the run with `plan`, both ways.
fn boundaries(script: Script, before: &[Cut], wire: usize) -> [usize; 2] {
    let pair = exchange(
        script,
        &Plan {
            cuts: before.to_vec(),
            late: false,
        },
    );
    [Side::Client, Side::Server].map(|side| pair.wires.get(wire).map_or(0, |wire| wire.passed(side)))
}

/// The points that make a difference: every change of what arrives, found by walking all bytes with
/// the other direction uncut.
fn points(script: Script, before: &[Cut], wire: usize, up: bool, total: usize) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    let mut points = Vec::new();
    for bytes in 0..=total {
        let cut = Cut {
            wire,
            up: if up { bytes } else { usize::MAX },
            down: if up { usize::MAX } else { bytes },
            notice: Notice::ServerFirst,
        };
        let mut cuts = before.to_vec();
        cuts.push(cut);
        let pair = exchange(script, &Plan { cuts, late: false });
        let shape: Vec<usize> = pair
            .wires
            .iter()
            .flat_map(|wire| [wire.passed(Side::Client), wire.passed(Side::Server)])
            .collect();
        if seen.insert(shape) {
            points.push(bytes);
        }
    }
    points
}

fn all_pairs(script: Script, before: &[Cut], wire: usize, notices: &[Notice]) -> usize {
    let [up, down] = boundaries(script, before, wire);
    assert!(up > 0 && down > 0, "the script never used connection {wire}");
    let full = std::env::var_os("UNBROKEN_FULL").is_some();
    let (ups, downs) = if full {
        ((0..=up).collect(), (0..=down).collect())
    } else {
        (
            points(script, before, wire, true, up),
            points(script, before, wire, false, down),
        )
    };
    let mut runs = 0;
    for notice in notices {
        for i in &ups {
            for j in &downs {
                for late in [false, true] {
                    let mut cuts = before.to_vec();
                    cuts.push(Cut {
                        wire,
                        up: *i,
                        down: *j,
                        notice: *notice,
                    });
                    exchange(script, &Plan { cuts, late });
                    runs += 1;
                }
            }
        }
    }
    println!(
        "{script:?}, connection {wire}: {runs} runs, {up} x {down} bytes, {} x {} points",
        ups.len(),
        downs.len()
    );
    runs
}

const NOTICES: [Notice; 4] = [
    Notice::ServerFirst,
    Notice::ClientFirst,
    Notice::OnlyClient,
    Notice::OnlyServer,
];

#[test]
fn uncut() {
    for script in [
        Script::Plain,
        Script::PlannedSwap,
        Script::ServerAsks,
        Script::BothClose,
        Script::ServerCloses,
    ] {
        let pair = exchange(script, &Plan::default());
        let attaches = pair.server.as_ref().map(Session::stats).map(|stats| stats.attaches);
        let swaps = matches!(script, Script::PlannedSwap | Script::ServerAsks);
        assert_eq!(attaches, Some(1 + u64::from(swaps)), "{script:?}");
    }
}

// PROTOCOL R5.1, R5.6
#[test]
fn first_connection() {
    assert!(all_pairs(Script::Plain, &[], 0, &NOTICES) > 100);
}

#[test]
fn first_connection_with_a_close_from_the_server_or_both() {
    all_pairs(Script::ServerCloses, &[], 0, &NOTICES[..2]);
    all_pairs(Script::BothClose, &[], 0, &NOTICES[..2]);
}

#[test]
fn second_connection_during_a_resume() {
    let [up, down] = boundaries(Script::Plain, &[], 0);
    for (up, down) in [(up / 2, down), (up, down / 2), (up * 3 / 4, down * 3 / 4)] {
        let before = Cut {
            wire: 0,
            up,
            down,
            notice: Notice::ServerFirst,
        };
        all_pairs(Script::Plain, &[before], 1, &NOTICES);
    }
}

#[test]
fn old_connection_during_a_planned_swap() {
    all_pairs(Script::PlannedSwap, &[], 0, &NOTICES);
    all_pairs(Script::ServerAsks, &[], 0, &NOTICES[..1]);
}

#[test]
fn new_connection_during_a_planned_swap() {
    all_pairs(Script::PlannedSwap, &[], 1, &NOTICES);
    all_pairs(Script::ServerAsks, &[], 1, &NOTICES[..1]);
}

// PROTOCOL R5.6
#[test]
fn both_connections_of_a_planned_swap() {
    let [up, down] = boundaries(Script::PlannedSwap, &[], 0);
    let tail = |total: usize| [total / 2, total * 2 / 3, total * 3 / 4, total * 7 / 8, total - 1, total];
    for (i, j) in tail(up).into_iter().zip(tail(down)) {
        for notice in [Notice::OnlyClient, Notice::ServerFirst] {
            let before = Cut {
                wire: 0,
                up: i,
                down: j,
                notice,
            };
            if boundaries(Script::PlannedSwap, &[before], 1) != [0, 0] {
                all_pairs(Script::PlannedSwap, &[before], 1, &[notice]);
            }
        }
    }
}
