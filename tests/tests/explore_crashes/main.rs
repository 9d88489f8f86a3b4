//! The exhaustive small model of durable sessions, with one kill at any step: every order of deliver, lose, cut, notice, attach,
//! write, keep, read and kill, on the real machines. `UNBROKEN_FULL=1` explores the larger worlds.

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

const SMALL: Budget = Budget {
    messages: [1, 1],
    connections: 3,
    cuts: 0,
    kills: 1,
    mortal: [true, true, true],
    migrations: 0,
    late: 0,
    closes: [false; 2],
    is_lazy: false,
    is_slow: false,
    is_up: false,
    states: 2_000_000,
    depth: 80,
    fair_every: 5,
};

/// At least `least` states are visited.
fn run(name: &str, least: usize, small: Budget, full: Budget) {
    let budget = if std::env::var_os("UNBROKEN_FULL").is_some() {
        full
    } else {
        small
    };
    let begun = std::time::Instant::now();
    let explored = explore(&setup(), budget);
    println!("{name}: {explored:?} in {:?}", begun.elapsed());
    assert!(explored.states >= least, "{name}: only {explored:?}");
}

#[test]
fn a_session_begins() {
    let small = Budget {
        messages: [1, 0],
        states: 3_000,
        ..SMALL
    };
    run("begins", 100, small, SMALL);
}

#[test]
fn a_message_each_way() {
    let small = Budget { is_up: true, states: 3_000, ..SMALL };
    run("messages", 100, small, SMALL);
}
