//! The exhaustive small model of durable sessions: every order of deliver, lose, cut, notice, attach, write, keep, read and one
//! kill at any step, of the client's process, the server's or both, which begin again with what was kept by then. The real machines and the
//! real registry. Each application keeps a mark of its own, so that nothing may be lost and nothing be read twice.
//! `UNBROKEN_FULL=1` explores the larger worlds, `UNBROKEN_STATES=n` at most so many states of each.

mod acts;
mod app;
mod checks;
mod disk;
mod explore;
mod heal;
mod world;

use unbroken_proto::SessionConfig;
use unbroken_proto::security::AtRest;
use unbroken_proto::time::Duration;
use unbroken_tests::pair::Setup;

use crate::explore::explore;
use crate::world::Budget;

fn setup() -> Setup {
    let mut config = SessionConfig::default().with_ack_delay(Duration::ZERO);
    config.durable = Some(AtRest::sealed([9; 32]));
    Setup {
        client: config.clone(),
        server: config,
        ..Setup::default()
    }
}

/// One message of the client's on a session that is up, and nothing breaks but what dies.
const SMALL: Budget = Budget {
    messages: [1, 0],
    connections: 3,
    cuts: 0,
    kills: 1,
    mortal: [true, true, true],
    migrations: 0,
    late: 0,
    closes: [false; 2],
    is_lazy: false,
    is_slow: false,
    is_up: true,
    states: 40_000,
    depth: 100,
    fair_every: 5,
};

/// What the larger worlds have in common.
const FULL: Budget = Budget {
    messages: [1, 1],
    connections: 4,
    states: 2_000_000,
    depth: 200,
    fair_every: 2,
    ..SMALL
};

/// The small world has at least `least` states and is explored to its end.
fn run(name: &str, least: usize, small: Budget, full: Budget) {
    let is_full = std::env::var_os("UNBROKEN_FULL").is_some();
    let mut budget = if is_full { full } else { small };
    let most = std::env::var("UNBROKEN_STATES").ok().and_then(|n| n.parse().ok());
    budget.states = most.unwrap_or(budget.states);
    let explored = explore(&setup(), budget);
    println!("{name}: {explored:?}");
    assert!(explored.states >= least, "{name}: only {explored:?}");
    assert!(explored.kills > 10 && explored.healed > 10, "{name}: {explored:?}");
    assert!(is_full || most.is_some() || !explored.cut_short, "{name}: {explored:?}");
}

// PROTOCOL R17.4, R17.5
#[test]
fn a_session_begins() {
    let small = Budget { is_up: false, ..SMALL };
    run("begins", 3_000, small, Budget { is_up: false, ..FULL });
}

// PROTOCOL R17.1, R17.2
#[test]
fn a_message() {
    run("message", 300, SMALL, Budget { kills: 2, ..FULL });
}

// PROTOCOL R17.1, R17.2
#[test]
fn an_answer() {
    let small = Budget {
        messages: [0, 1],
        ..SMALL
    };
    run("answer", 300, small, FULL);
}

// PROTOCOL R17.3, R17.4, R17.5
#[test]
fn a_cut_and_a_new_secret() {
    let small = Budget {
        cuts: 1,
        messages: [0, 0],
        ..SMALL
    };
    let full = Budget {
        cuts: 2,
        late: 1,
        ..small
    };
    run("new secret", 300, small, Budget { connections: 5, ..full });
}

#[test]
fn a_cut_and_a_message() {
    let small = Budget { cuts: 1, ..SMALL };
    run(
        "cut",
        2_000,
        small,
        Budget {
            cuts: 1,
            late: 1,
            ..FULL
        },
    );
}

#[test]
fn a_planned_swap() {
    let small = Budget {
        migrations: 1,
        messages: [0, 0],
        ..SMALL
    };
    let full = Budget {
        migrations: 1,
        messages: [1, 0],
        ..FULL
    };
    run("planned", 900, small, full);
}

// PROTOCOL R17.6
#[test]
fn a_close() {
    let small = Budget {
        closes: [true, false],
        ..SMALL
    };
    let full = Budget {
        closes: [true; 2],
        messages: [1, 1],
        ..FULL
    };
    run("close", 1_500, small, full);
}

/// What is acknowledged and not read yet is there after a restart.
#[test]
fn an_application_that_reads_late() {
    let small = Budget { is_lazy: true, ..SMALL };
    run("late reader", 900, small, Budget { is_lazy: true, ..FULL });
}

/// What a host asks for late is all in one record.
#[test]
fn a_host_that_asks_late() {
    let small = Budget { is_slow: true, ..SMALL };
    run(
        "late host",
        400,
        small,
        Budget {
            is_slow: true,
            cuts: 1,
            ..FULL
        },
    );
}
