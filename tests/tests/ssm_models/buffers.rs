//! Buffers, and limits of sending again.

use unbroken_proto::Duration;
use unbroken_tests::ssm::agent::Kind;
use unbroken_tests::ssm::gateway::{self, End};
use unbroken_tests::ssm::source::Source;

use crate::support::{Scenario, at, seconds};

#[test]
fn the_plugin_discards_the_oldest_of_more_than_ten_thousand() {
    let mut gateway = gateway::Options::relay(Duration::from_millis(2));
    gateway.loses_acknowledgements = Some(End::Agent);
    let mut scenario = Scenario::new(1, Kind::SshStdio, gateway);
    scenario.up = Source::bulk(&mut scenario.rng(), 10_200 * 1024, at(1_000));
    (scenario.run.to_the_limit, scenario.run.limit) = (true, Duration::from_secs(15));
    let ran = scenario.run();
    let outgoing = ran.plugin.outgoing();
    println!(
        "{} frames kept, {} discarded, {} bytes",
        outgoing.len(),
        outgoing.forgotten,
        outgoing.bytes()
    );
    assert_eq!((outgoing.len(), outgoing.forgotten), (10_000, 201));
    assert_eq!(outgoing.head(), Some(201));
}

#[test]
fn what_was_discarded_never_arrives() {
    let mut gateway = gateway::Options::relay(Duration::from_millis(2));
    gateway.loses = [(End::Client, 30)].into();
    gateway.loses_acknowledgements = Some(End::Agent);
    let mut scenario = Scenario::new(1, Kind::SshStdio, gateway);
    scenario.plugin.outgoing = 20;
    scenario.up = Source::bulk(&mut scenario.rng(), 100 * 1024, at(1_000));
    let ran = scenario.run();
    assert!(ran.outcome.wedged && ran.outcome.up.intact);
    assert_eq!(ran.outcome.up.delivered.len(), 29 * 1024);
}

#[test]
fn the_agent_sends_what_it_cannot_store_once() {
    let mut gateway = gateway::Options::relay(Duration::from_millis(2));
    gateway.loses_acknowledgements = Some(End::Client);
    let mut scenario = Scenario::new(1, Kind::SshStdio, gateway);
    scenario.agent.outgoing = 500;
    scenario.down = Source::bulk(&mut scenario.rng(), 800 * 1024, at(1_000));
    (scenario.run.to_the_limit, scenario.run.limit) = (true, Duration::from_secs(5));
    let ran = scenario.run();
    let outgoing = ran.agent.outgoing();
    assert_eq!((outgoing.len(), outgoing.head()), (500, Some(0)));
    assert_eq!(outgoing.forgotten, 302);
    // Its first data were dropped because the plugin was not ready, or everything was delivered all the same.
    assert!(ran.outcome.down.intact);
}

#[test]
fn three_thousand_resends_terminate_the_session() {
    let mut gateway = gateway::Options::relay(Duration::from_millis(2));
    gateway.loses_acknowledgements = Some(End::Agent);
    let mut scenario = Scenario::new(1, Kind::Shell, gateway);
    scenario.down.push(at(1_000), b"$ ");
    scenario.run.to_the_limit = true;
    scenario.run.limit = Duration::from_secs(400);
    let ran = scenario.run();
    // The first frame, its size, is sent when the first output has come.
    let took = seconds(ran.outcome.time) - 1.0;
    println!(
        "{} resends, ended after {took:.1} s: {:?}",
        ran.plugin.counts.resends, ran.outcome.client_ended
    );
    // Measured: 302.2 s.
    assert!((300.0..304.0).contains(&took));
    assert!((3_000..=3_003).contains(&ran.plugin.counts.resends));
    assert!(
        ran.outcome
            .client_ended
            .is_some_and(|why| why.starts_with("Exiting session"))
    );
}

#[test]
fn numbers_that_two_threads_take_stop_the_session() {
    let mut scenario = Scenario::new(1, Kind::SshStdio, gateway::Options::relay(Duration::from_millis(2)));
    // Measured under stress: 935 of 19304.
    scenario.plugin.race = 48;
    scenario.up = Source::bulk(&mut scenario.rng(), 1024 * 200, at(1_000));
    let ran = scenario.run();
    println!("{} of 200 frames shared a number", ran.plugin.counts.shared_numbers);
    assert!((3..=20).contains(&ran.plugin.counts.shared_numbers));
    assert!(ran.outcome.wedged);
    // A number that never comes; or the frame that is lost is not noticed at all.
    assert!(ran.outcome.up.delivered.len() < 1024 * 200);
}
