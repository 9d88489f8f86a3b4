//! The exhaustive small model: every order of deliver, lose, cut, notice, attach and time-out, on the
//! real machines. `UNBROKEN_FULL=1` explores the larger worlds.

use unbroken_proto::time::Duration;
use unbroken_proto::{SessionConfig, Side};
use unbroken_tests::pair::{Budget, Setup, explore};

fn setup() -> Setup {
    let config = SessionConfig::default().with_ack_delay(Duration::ZERO);
    let _ = Side::Client;
    Setup {
        client: config.clone(),
        server: config,
        ..Setup::default()
    }
}

const SMALL: Budget = Budget {
    messages: 1,
    connections: 2,
    migrations: 0,
    late: 1,
    waits: 0,
    closes: [false; 2],
    states: 200_000,
    depth: 60,
};

fn run(name: &str, small: Budget, full: Budget) {
    let budget = if std::env::var_os("UNBROKEN_FULL").is_some() {
        full
    } else {
        small
    };
    let explored = explore(&setup(), budget);
    println!("{name}: {explored:?}");
    assert!(explored.states > 100, "{name}: only {explored:?}");
}

// PROTOCOL R10.12
#[test]
fn a_swap_with_a_late_packet() {
    run(
        "unplanned",
        SMALL,
        Budget {
            messages: 2,
            connections: 3,
            states: 2_000_000,
            ..SMALL
        },
    );
}

// PROTOCOL R10.11, R10.12
#[test]
fn a_planned_swap() {
    let small = Budget {
        migrations: 1,
        states: 15_000,
        ..SMALL
    };
    run(
        "planned",
        small,
        Budget {
            messages: 2,
            connections: 3,
            states: 2_000_000,
            ..small
        },
    );
}

// PROTOCOL R8.7
#[test]
fn crossing_closes() {
    let small = Budget {
        closes: [true; 2],
        states: 15_000,
        ..SMALL
    };
    run(
        "closes",
        small,
        Budget {
            connections: 3,
            migrations: 1,
            states: 2_000_000,
            ..small
        },
    );
}
