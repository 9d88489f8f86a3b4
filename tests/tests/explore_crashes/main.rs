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

/// One message of the client's, and nothing breaks but what dies.
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
    states: 3_000_000,
    depth: 100,
    fair_every: 5,
};

/// At least `least` states are visited. With `UNBROKEN_FULL` it is the larger world.
fn run(name: &str, least: usize, small: Budget, full: Budget) {
    let mut budget = small;
    if std::env::var_os("UNBROKEN_FULL").is_some() {
        budget = full;
    }
    if let Some(states) = std::env::var("UNBROKEN_STATES").ok().and_then(|n| n.parse().ok()) {
        budget.states = states;
    }
    let begun = std::time::Instant::now();
    let explored = explore(&setup(), budget);
    println!("{name}: {explored:?} in {:?}", begun.elapsed());
    assert!(explored.states >= least, "{name}: only {explored:?}");
}

#[test]
fn a_session_begins() {
    let small = Budget { is_up: false, ..SMALL };
    run("begins", 100, small, small);
}

#[test]
fn a_message_up() {
    run("up", 100, SMALL, SMALL);
}

#[test]
fn a_message_down() {
    let small = Budget { messages: [0, 1], ..SMALL };
    run("down", 100, small, small);
}

#[test]
fn a_cut_and_a_new_secret() {
    let small = Budget { cuts: 1, messages: [0, 0], ..SMALL };
    run("cut", 100, small, small);
}

#[test]
fn a_cut_and_a_message() {
    let small = Budget { cuts: 1, ..SMALL };
    run("cut with message", 100, small, small);
}

#[test]
fn a_planned_swap() {
    let small = Budget { migrations: 1, messages: [0, 0], ..SMALL };
    run("planned", 100, small, small);
}

#[test]
fn a_close() {
    let small = Budget { closes: [true, false], ..SMALL };
    run("close", 100, small, small);
}

#[test]
fn a_lazy_reader() {
    let small = Budget { is_lazy: true, ..SMALL };
    run("lazy", 100, small, small);
}

#[test]
fn a_slow_host() {
    let small = Budget { is_slow: true, ..SMALL };
    run("slow", 100, small, small);
}

#[test]
fn debug_one() {
    use crate::acts::Act::*;
    let path = [Dial, Keep(true), Deliver(0, true), Deliver(0, false), Kill([Some(false), None]), Send(true), Keep(true), Keep(true), Dial, Deliver(1, true), Deliver(1, false), Deliver(1, true), Keep(false), Deliver(1, false), Keep(true)];
    let restorer = std::rc::Rc::new(crate::disk::Restorer::new(&setup()));
    let mut world = crate::world::World::begin(&setup(), &restorer, Budget { is_up: false, ..SMALL });
    for act in path {
        let before = world.pair.events.len();
        world.apply(act);
        println!("{act:?}: {:?} {:?} id {:?} server {:?} {:?}", world.pair.client.state(), world.pair.client.inspect(), world.pair.client.id(), world.pair.server, world.pair.server.as_ref().map(|s| s.inspect()));
        println!("    {:?}", &world.pair.events[before..]);
        for (n, wire) in world.pair.wires.iter().enumerate() { println!("    wire {n} {:?} {:?}: {:?}", wire.client, wire.server_epoch(), wire.log.iter().map(|(c, p)| (*c, p[0], p.len())).collect::<Vec<_>>()); }
    }
}
