//! A server that looks after many sessions, while connections die with and without notice, and reports
//! and orders arrive late: clean-up, drain, broadcast, budgets, names. `SEEDS=2000` in the environment
//! for more than the few of every day.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use unbroken_proto::config::{ClientConfig, SameName, WhenDetachedFull};
use unbroken_proto::event::EndReason;
use unbroken_proto::reconnect::Backoff;
use unbroken_proto::security::{Auth, ServerAuth, StaticKey};
use unbroken_proto::server::{Delivery, Drain, LagPolicy, Select, SessionCommand, SessionStatus, Subscription};
use unbroken_proto::session::SessionState;
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::{Duration, Health, ServerConfig, SessionConfig, SessionId};
use unbroken_tests::population::{Conditions, MS, Population, Reader, SECOND};
use unbroken_tests::tally::Tally;

fn seeds(every_day: u64) -> std::ops::Range<u64> {
    let given = std::env::var("SEEDS").ok().and_then(|text| text.parse().ok());
    0..given.unwrap_or(every_day)
}

/// Detached for 20 s at most, so that a run sees some expire.
fn limits() -> SessionConfig {
    SessionConfig::default()
        .with_detached_lifetime(Duration::from_secs(20))
        .with_keepalive_interval(Duration::from_secs(2))
        .with_keepalive_timeout(Duration::from_secs(4))
        .with_handshake_timeout(Duration::from_secs(3))
}

fn server() -> ServerConfig {
    ServerConfig::new(ServerAuth::anonymous().with_key(StaticKey::from_bytes([5; 32]))).with_session(limits())
}

fn client(name: &str) -> ClientConfig {
    ClientConfig::new(Auth::anonymous())
        .with_name(name.into())
        .with_session(limits())
        .with_backoff(Backoff::default().with_cap(Duration::from_secs(2)))
}

fn attached(population: &Population) -> usize {
    population.clients.iter().filter(|client| client.is_attached()).count()
}

/// Ends what is left and waits until the registry knows.
fn empty(population: &mut Population) {
    population.clients.iter_mut().for_each(|client| client.restarts = false);
    population.conditions = Conditions::default();
    population.command(Select::All, &SessionCommand::Abort);
    // What is provisional is in no list: it is confirmed or given up.
    assert!(
        population.run_until(60, |population| population.server.registry.session_count() == 0) || {
            population.command(Select::All, &SessionCommand::Abort);
            population.run_until(60, |population| population.server.registry.session_count() == 0)
        },
        "{:?}",
        population.server.registry.snapshot()
    );
}

/// Something that ends a session, or may.
fn act(population: &mut Population, tally: &mut Tally) {
    let count = population.clients.len() as u64;
    let someone = usize::try_from(population.rng.below(count)).expect("small");
    let ids: Vec<SessionId> = population.server.owners.keys().copied().collect();
    let id = (!ids.is_empty()).then(|| *population.rng.pick(&ids));
    match population.rng.below(9) {
        0 => {
            let closed = population.with(someone, |session, now| session.close(now, 4, Bytes::new()));
            closed.expect("because the code fits");
        }
        1 => population.with(someone, |session, now| session.abort(now)),
        2 => {
            if let Some(id) = id {
                tally.hit("owner killed");
                population.kill(id);
            }
        }
        number => {
            let order = match number {
                3 => SessionCommand::Abort,
                4 => SessionCommand::Lifetime(Duration::from_millis(population.rng.below(5_000))),
                5 => SessionCommand::Leave {
                    within: Duration::from_secs(1),
                    alternate: Bytes::new(),
                },
                _ => SessionCommand::Close {
                    code: 9,
                    reason: Bytes::from_static(b"closing time"),
                },
            };
            if let Some(id) = id {
                let ordered = population.command(Select::Session(id), &order);
                // Twice, as nothing forbids it.
                assert_eq!(population.command(Select::Session(id), &order), ordered);
            }
        }
    }
}

/// The way a session ended, in a word.
fn way(reason: Option<&EndReason>) -> String {
    reason.map_or("lost".into(), |reason| {
        let text = format!("{reason:?}");
        text.split([' ', '{']).next().unwrap_or_default().into()
    })
}

#[test]
fn every_session_is_cleaned_up_after_exactly_once_whichever_way_it_ends() {
    let mut tally = Tally::default();
    let seeds = seeds(12);
    for seed in seeds.clone() {
        println!("seed {seed}");
        let mut config = server();
        config.same_name = SameName::Replace;
        config.max_detached_bytes = 1 << 20;
        config.when_detached_full = WhenDetachedFull::EndLongestDetached;
        let mut population = Population::new(seed, config, Conditions::harsh());
        for number in 0..30 {
            // Every third has a namesake.
            let name = format!("someone room{}", if number % 3 == 0 { 0 } else { number });
            let client = population.add(client(&name), Reader::Eager);
            population.clients[client].restarts = true;
        }
        for second in 0..60 {
            if second == 30 {
                // Many are detached at once.
                population.down_until = population.now + 3 * SECOND;
                population.cut_all();
            }
            population.run(SECOND);
            act(&mut population, &mut tally);
            // Detached sessions that hold much, for the budget.
            let now = population.instant();
            let ids: Vec<SessionId> = population.server.owners.keys().copied().collect();
            for id in ids {
                let Some(owner) = population.server.owners.get_mut(&id) else {
                    continue;
                };
                if owner.session.state() != SessionState::Detached {
                    continue;
                }
                if let Ok(stream) = owner.session.open(now, StreamOptions::default()) {
                    let _full = owner.session.stream(stream).send(now, Bytes::from(vec![0; 70_000]));
                }
                // As a host does after any call.
                population.with_owner(id);
            }
        }
        empty(&mut population);
        let admitted: BTreeSet<SessionId> = population.server.admitted.iter().copied().collect();
        let over: BTreeSet<SessionId> = population.server.over.keys().copied().collect();
        assert_eq!(admitted.len(), population.server.admitted.len());
        assert_eq!(admitted, over, "seed {seed}");
        let snapshot = population.server.registry.snapshot();
        assert_eq!((snapshot.ended, snapshot.ordered), (admitted.len() as u64, 0));
        assert_eq!((snapshot.detached_bytes, population.server.owners.len()), (0, 0));
        for ended in population.server.over.values() {
            tally.hit(&way(ended.reason.as_ref()));
            if ended.info.status == SessionStatus::Connecting {
                tally.hit("handshake given up");
            }
        }
        tally.add("displaced", population.server.registry.snapshot().refused.too_late);
    }
    tally.iter().for_each(|(what, count)| println!("{count:8} {what}"));
    for what in [
        "Closed",
        "Aborted",
        "AbortedByPeer",
        "Expired",
        "Replaced",
        "Evicted",
        "lost",
        "handshake given up",
    ] {
        assert!(tally.of(what) >= seeds.end / 12, "no session ended by {what}");
    }
}

/// What is there, by a look at every owner.
fn counted(population: &Population) -> (usize, usize) {
    let now = population.instant();
    let away = population.server.owners.values().filter(|owner| {
        let lives = matches!(owner.session.state(), SessionState::Detached | SessionState::Closing);
        lives && owner.session.health(now) == Health::Detached
    });
    let away = away.count();
    (population.server.owners.len() - away, away)
}

#[test]
fn a_drain_asks_all_within_its_spread_and_says_truly_what_remains() {
    let (mut remained, mut stayed) = (0, 0);
    for seed in seeds(8) {
        println!("seed {seed}");
        // Nothing between owners and registry, so that what it says can be held against what is.
        let conditions = Conditions {
            report_delay: 0,
            ..Conditions::harsh()
        };
        let mut population = Population::new(seed, server(), conditions);
        for number in 0..40 {
            let client = population.add(client("guest"), Reader::Eager);
            population.clients[client].leaves = number % 2 == 0;
        }
        population.run_until(20, |population| attached(population) > 30);
        let now = population.instant();
        let plan = Drain::within(Duration::from_secs(15))
            .with_spread(Duration::from_secs(5))
            .with_alternate(Bytes::from_static(b"elsewhere"));
        let there = population.server.registry.session_count();
        population.server.registry.drain(now, plan);
        population.tidy();
        let status = population.server.registry.draining().expect("because it began");
        assert!(status.unasked <= there && !status.is_over(now));
        let stranger = population.add(client("stranger"), Reader::Eager);
        let mut told = false;
        while !status.is_over(population.instant()) && population.server.registry.session_count() > 0 {
            population.run(100 * MS);
            let status = population.server.registry.draining().expect("because it goes on");
            assert_eq!((status.connected, status.detached), counted(&population), "seed {seed}");
            stayed += usize::from(attached(&population) > 0);
            let wanted = population.clients[stranger].session.wanted_connection();
            told |= wanted.is_some_and(|intent| intent.alternate == "elsewhere");
        }
        let status = population.server.registry.draining().expect("because it goes on");
        assert_eq!(status.unasked, 0, "all within the spread");
        remained += status.connected + status.detached;
        assert!(told && !population.clients[stranger].is_attached());
        assert!(population.server.registry.snapshot().refused.draining > 0);
        // Those who went were asked to.
        let went = population.clients.iter().filter(|client| client.ended.is_some());
        assert!(went.clone().all(|client| client.leaves && client.asked > 0));
        assert!(went.count() > 0);
        let now = population.instant();
        population.server.registry.stop_draining(now);
        population.conditions = Conditions::default();
        assert!(
            population.run_until(60, |population| population.clients[stranger].is_attached()),
            "let in again"
        );
    }
    assert!(remained > 0 && stayed > 0, "some do not leave, and that is said");
}

fn subscription() -> Subscription {
    Subscription::new(StreamOptions::default(), 48 << 10, LagPolicy::Skip)
}

fn text(number: u64) -> Vec<u8> {
    let mut text = vec![0; 2_000];
    text[..8].copy_from_slice(&number.to_be_bytes());
    text
}

fn number(message: &[u8]) -> u64 {
    u64::from_be_bytes(*message.first_chunk().expect("because it begins with its number"))
}

#[test]
fn a_broadcast_reaches_each_once_and_in_order_or_is_known_to_be_missed() {
    let (mut queued, mut missed) = (0, 0);
    for seed in seeds(8) {
        println!("seed {seed}");
        let mut population = Population::new(seed, server(), Conditions::harsh());
        let readers = [Reader::Eager, Reader::Slow, Reader::Never];
        for index in 0..18 {
            population.add(client(&format!("reader {index}")), readers[index % 3]);
        }
        population.run_until(20, |population| attached(population) > 12);
        for number in 0..100 {
            population.broadcast(Select::All, (number, Bytes::from(text(number))), subscription);
            population.run(200 * MS);
        }
        // Everybody is well again, but does not read any faster.
        population.conditions = Conditions::default();
        population.run(200 * SECOND);
        let mut told: BTreeMap<SessionId, Vec<(u64, Delivery)>> = BTreeMap::new();
        for (session, number, delivery) in &population.server.verdicts {
            told.entry(*session).or_default().push((*number, *delivery));
        }
        for (index, client) in population.clients.iter().enumerate() {
            let told = client.session.id().and_then(|id| told.remove(&id)).unwrap_or_default();
            // One verdict for each message, in order.
            assert!(told.windows(2).all(|pair| pair[0].0 < pair[1].0), "seed {seed}");
            let sent: Vec<u64> = told
                .iter()
                .filter(|(_, delivery)| *delivery == Delivery::Queued)
                .map(|(number, _)| *number)
                .collect();
            let heard: Vec<u64> = client
                .received
                .values()
                .flatten()
                .map(|message| number(message))
                .collect();
            queued += sent.len();
            missed += told.len() - sent.len();
            assert!(client.received.len() <= 1);
            assert_eq!(
                heard[..],
                sent[..heard.len()],
                "seed {seed}, client {index}: a prefix of what was sent"
            );
            if index % 3 == 0 && client.is_attached() {
                assert_eq!(heard, sent, "seed {seed}: an eager reader has all of it");
            }
            if index % 3 == 2 {
                assert_eq!(heard.len(), 0);
            }
        }
        let bound = 48 << 10;
        let owners = population.server.owners.values();
        assert!(
            owners
                .map(|owner| owner.session.stats().outbox_bytes)
                .all(|bytes| bytes <= bound)
        );
    }
    assert!(queued > 1_000 && missed > 100, "{queued} and {missed}");
}

/// Many who are away, each holding some.
fn crowd(seed: u64, policy: WhenDetachedFull) -> Population {
    let mut config = server();
    config.max_detached_bytes = 1 << 20;
    config.when_detached_full = policy;
    config.session.detached_lifetime = Duration::from_secs(600);
    let mut population = Population::new(seed, config, Conditions::default());
    for _ in 0..40 {
        let mut config = client("away");
        config.session.detached_lifetime = Duration::from_secs(600);
        population.add(config, Reader::Eager);
    }
    assert!(population.run_until(20, |population| attached(population) == 40));
    // A client knows of it before its server does.
    population.run(SECOND);
    population.conditions = Conditions {
        report_delay: 50 * MS,
        ..Conditions::default()
    };
    population.down_until = u64::MAX;
    population.cut_all();
    for _ in 0..20 {
        population.run(SECOND);
        let now = population.instant();
        let ids: Vec<SessionId> = population.server.owners.keys().copied().collect();
        for id in ids.into_iter().take(20) {
            let Some(owner) = population.server.owners.get_mut(&id) else {
                continue;
            };
            let stream = owner
                .session
                .open(now, StreamOptions::default())
                .expect("because few are open");
            let _ended = owner.session.stream(stream).send(now, Bytes::from(vec![0; 8_000]));
            // As a host does after any call.
            population.with_owner(id);
        }
    }
    population.run(SECOND);
    population
}

#[test]
fn detached_sessions_stay_within_their_budget_by_the_hosts_policy() {
    for seed in seeds(2) {
        println!("seed {seed}");
        let mut population = crowd(seed, WhenDetachedFull::EndLongestDetached);
        let snapshot = population.server.registry.snapshot();
        assert!(snapshot.detached_bytes <= 1 << 20, "{snapshot:?}");
        assert!(snapshot.detached > 0 && snapshot.ended > 0, "{snapshot:?}");
        for over in population.server.over.values() {
            assert_eq!(over.reason, Some(EndReason::Evicted), "{over:?}");
        }
        // Who was ended is told when he comes back; who was not goes on.
        population.down_until = 0;
        let gone = population.server.over.len();
        let done = move |population: &Population| {
            let told = population
                .clients
                .iter()
                .filter(|client| client.ended.is_some())
                .count();
            told == gone && attached(population) == 40 - gone
        };
        assert!(
            population.run_until(120, done),
            "{:?}",
            population.server.registry.snapshot()
        );

        let mut population = crowd(seed, WhenDetachedFull::RefuseNew);
        let snapshot = population.server.registry.snapshot();
        assert!(snapshot.detached_bytes > 1 << 20, "{snapshot:?}");
        assert_eq!((snapshot.detached, snapshot.ended), (40, 0));
        population.down_until = 0;
        // The first to arrive is new, and is told that there is no room; then those who are there come back.
        let newcomer = population.add(client("new"), Reader::Eager);
        assert!(
            population.run_until(120, |population| attached(population) == 41),
            "{:?}",
            population.server.registry.snapshot()
        );
        assert!(population.server.registry.snapshot().refused.no_room > 0);
        assert!(population.clients[newcomer].dials > 1);
    }
}

#[test]
fn a_name_that_is_taken_is_kept_from_newcomers_while_its_session_is_healthy() {
    for seed in seeds(6) {
        println!("seed {seed}");
        let mut config = server();
        config.same_name = SameName::KeepHealthy;
        let mut population = Population::new(seed, config, Conditions::default());
        let old = population.add(client("alice shell"), Reader::Eager);
        assert!(population.run_until(10, |population| population.clients[old].is_attached()));
        population.run(SECOND);
        let new = population.add(client("alice shell"), Reader::Eager);
        population.add(client("bob shell"), Reader::Eager);
        population.run(20 * SECOND);
        assert!(population.clients[old].is_attached(), "healthy: kept");
        assert!(!population.clients[new].is_attached() && population.clients[new].ended.is_none());
        assert_eq!(attached(&population), 2, "bob's is another name");
        assert!(population.server.registry.snapshot().refused.same_name > 0);
        // The old one's connection dies, and its client comes back: it is who it was, and stays.
        population.cut_all();
        population.run(10 * MS);
        assert!(population.run_until(20, |population| attached(population) == 2));
        let ended: Vec<bool> = [old, new].map(|who| population.clients[who].ended.is_some()).into();
        assert!(!ended[0] || !ended[1], "one of them has the name");

        // Now nobody reaches the server but a newcomer: what is detached is replaced.
        let holder = if population.clients[old].is_attached() {
            old
        } else {
            new
        };
        let id = population.clients[holder]
            .session
            .id()
            .expect("because it is established");
        population.with(holder, |session, now| session.reconnect().pause(now));
        population.cut_all();
        population.run(SECOND);
        let third = population.add(client("alice shell"), Reader::Eager);
        let other = if holder == old { new } else { old };
        population.with(other, |session, now| session.abort(now));
        assert!(
            population.run_until(30, |population| population.clients[third].is_attached()),
            "unhealthy: replaced"
        );
        population.run(SECOND);
        assert_eq!(population.server.over[&id].reason, Some(EndReason::Replaced));
        population.with(holder, |session, now| session.reconnect().resume(now));
        assert!(
            population.run_until(30, |population| population.clients[holder].ended.is_some()),
            "it is told"
        );
        assert!(population.clients[third].is_attached());
    }
}
