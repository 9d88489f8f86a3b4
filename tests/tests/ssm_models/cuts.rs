//! Connections that die.

use unbroken_proto::Duration;
use unbroken_tests::ssm::agent::Kind;
use unbroken_tests::ssm::gateway::{self, Cut, Outage, Whom};
use unbroken_tests::ssm::peer::DialError;
use unbroken_tests::ssm::source::Source;

use crate::support::{Ran, Scenario, at, given, seconds, seeds};

const ROUND_TRIP: Duration = Duration::from_millis(40);

/// An agent prints 100 lines a second for 3 s; the sockets are killed once in between.
fn printing(seed: u64, whom: Whom, mut gateway: gateway::Options) -> Ran {
    gateway.cuts = vec![Cut { at: at(3_000), whom }];
    let mut scenario = Scenario::new(seed, Kind::Shell, gateway);
    scenario.plugin.write_errors = false;
    scenario.down = Source::lines(&mut scenario.rng(), 300, 100, at(1_500));
    scenario.run()
}

/// How many of the sessions wedge.
fn wedged(what: &str, count: u64, whom: Whom, gateway: &gateway::Options) -> usize {
    let mut wedged = Vec::new();
    let mut slowest = Duration::ZERO;
    for seed in seeds(1, count) {
        let ran = printing(seed, whom, gateway.clone());
        let outcome = &ran.outcome;
        assert!(outcome.down.intact, "seed {seed}: out of order");
        assert_eq!(outcome.recoveries.len(), 1, "seed {seed}");
        if outcome.wedged {
            assert!(!outcome.complete());
            // The agent sends one frame again and again, and the plugin says nothing to it.
            assert!(ran.plugin.counts.silent_duplicates > 50, "seed {seed}");
            wedged.push(seed);
        } else {
            assert!(outcome.complete(), "seed {seed}");
            slowest = slowest.max(outcome.slowest_recovery().expect("it is complete"));
        }
        if given().is_some() {
            println!("{what}: {:?}", outcome.recoveries);
        }
    }
    println!(
        "{what}: {} of {count} wedged (seeds {wedged:?}); the others took at most {slowest:?}",
        wedged.len()
    );
    wedged.len()
}

#[test]
fn both_sockets_killed_once_wedge_most_sessions() {
    let count = wedged("both sockets", 21, Whom::Both, &gateway::Options::relay(ROUND_TRIP));
    // The real programs: 15 of 21.
    assert!(given().is_some() || (9..=20).contains(&count));
}

#[test]
fn nothing_wedges_when_duplicates_are_acknowledged_for_the_client() {
    let mut gateway = gateway::Options::relay(ROUND_TRIP);
    gateway.acknowledges_for_client = true;
    let count = wedged("both sockets, acknowledged for the client", 21, Whom::Both, &gateway);
    assert!(given().is_some() || count == 0);
}

#[test]
fn one_socket_killed_wedges_few_sessions() {
    let relay = gateway::Options::relay(ROUND_TRIP);
    // The real programs: 1 of 12, and 0 of 12.
    let client = wedged("the client's socket", 12, Whom::Client, &relay);
    assert!(given().is_some() || client <= 2);
    let agent = wedged("the agent's socket", 12, Whom::Agent, &relay);
    assert!(given().is_some() || agent <= 5);
    // With a delay between the client and the service, acknowledgements and output are lost on the same leg.
    wedged(
        "the client's socket, a network's delay",
        12,
        Whom::Client,
        &gateway::Options::network(ROUND_TRIP),
    );
}

/// A plugin whose dials fail from 5 s on, after its socket was killed.
fn cut_off(seed: u64, kind: Kind, error: DialError, until: u64) -> Scenario {
    let mut gateway = gateway::Options::relay(ROUND_TRIP);
    gateway.cuts = vec![Cut {
        at: at(5_000),
        whom: Whom::Client,
    }];
    gateway.outages = vec![Outage {
        whom: Whom::Client,
        from: at(5_000),
        until: at(until),
        error,
    }];
    let mut scenario = Scenario::new(seed, kind, gateway);
    scenario.run.to_the_limit = true;
    scenario.run.limit = Duration::from_secs(120);
    scenario
}

#[test]
fn six_dials_and_then_a_zombie() {
    for seed in seeds(1, 5) {
        let ran = cut_off(seed, Kind::Shell, DialError::Refused, u64::MAX).run();
        let dials = &ran.outcome.dials.0[1..];
        let tries: Vec<f64> = dials
            .iter()
            .map(|dial| seconds(dial.saturating_since(at(5_000))))
            .collect();
        println!("seed {seed}: dials after {tries:.2?} s");
        assert_eq!(tries.len(), 6);
        // Measured: 0, 0.15, 0.45, 1.05, 2.23, 4.6.
        for (try_, (low, high)) in tries.iter().zip([
            (0.0, 0.0),
            (0.1, 0.21),
            (0.3, 0.62),
            (0.7, 1.42),
            (1.5, 3.02),
            (3.1, 6.22),
        ]) {
            assert!((low..=high).contains(try_), "seed {seed}: {tries:?}");
        }
        assert!(ran.plugin.is_zombie());
        assert_eq!(ran.outcome.client_ended, None);
    }
}

#[test]
fn server_errors_are_tried_24_times() {
    let ran = cut_off(1, Kind::Shell, DialError::ServerError, u64::MAX).run();
    let dials = &ran.outcome.dials.0[1..];
    let last = dials[dials.len() - 1].saturating_since(at(5_000));
    println!("{} requests in {:.1} s", dials.len(), seconds(last));
    // Measured: 24 requests in 57 s.
    assert_eq!(dials.len(), 24);
    assert!((50.0..70.0).contains(&seconds(last)));
    let none = cut_off(1, Kind::Shell, DialError::NoCredentials, u64::MAX).run();
    assert!(none.plugin.is_zombie() && none.outcome.dials.0.len() == 2);
    let gone = cut_off(1, Kind::Shell, DialError::NoSession, u64::MAX).run();
    assert!(gone.outcome.client_ended.is_some_and(|why| why.contains("timed out")));
}

#[test]
fn the_first_connection_has_one_dial_more() {
    let mut scenario = cut_off(1, Kind::Shell, DialError::Refused, u64::MAX);
    scenario.gateway.outages[0].from = at(0);
    let ran = scenario.run();
    assert_eq!(ran.outcome.dials.0.len(), 7);
    assert!(ran.plugin.is_zombie());
}

#[test]
fn a_write_without_a_connection_ends_the_client() {
    for (kind, ends) in [(Kind::Shell, true), (Kind::SshStdio, true), (Kind::Forwarding, false)] {
        let mut scenario = cut_off(1, kind, DialError::Refused, 6_000);
        scenario.down.push(at(1_000), b"$ ");
        scenario.up.push(at(2_000), b"before");
        scenario.up.push(at(5_500), b"in between");
        scenario.up.push(at(20_000), b"after");
        let ran = scenario.run();
        assert_eq!(ran.outcome.client_ended.is_some(), ends, "{kind:?}");
        // Where the process stays, nothing of what comes later gets through either.
        assert_eq!(ran.outcome.up.delivered, b"before", "{kind:?}");
    }
}

#[test]
fn the_hour_is_survived_when_nothing_is_on_its_way() {
    let mut gateway = gateway::Options::relay(ROUND_TRIP);
    gateway.closes_after = Some(Duration::from_secs(3_600));
    let mut scenario = Scenario::new(1, Kind::Shell, gateway);
    (scenario.run.wedged_after, scenario.run.limit) = (Duration::from_secs(8_000), Duration::from_secs(20_000));
    for hour in 0..3 {
        scenario
            .down
            .push(at(1_000 * (1_000 + 3_600 * hour)), b"still here\r\n");
        scenario.up.push(at(1_000 * (1_000 + 3_600 * hour)), b"yes\r");
    }
    let ran = scenario.run();
    assert!(ran.outcome.complete());
    // Both sockets, twice.
    assert_eq!(ran.outcome.recoveries.len(), 4);
}
