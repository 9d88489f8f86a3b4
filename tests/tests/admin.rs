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
use unbroken_tests::fleet::{Fleet, MS, Reader, SECOND, Weather};
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

fn attached(fleet: &Fleet) -> usize {
    fleet.clients.iter().filter(|client| client.is_attached()).count()
}

/// Ends what is left and waits until the registry knows.
fn empty(fleet: &mut Fleet) {
    fleet.clients.iter_mut().for_each(|client| client.restarts = false);
    fleet.weather = Weather::default();
    fleet.command(Select::All, &SessionCommand::Abort);
    // What is provisional is in no list: it is confirmed or given up.
    assert!(
        fleet.run_until(60, |fleet| fleet.house.registry.session_count() == 0) || {
            fleet.command(Select::All, &SessionCommand::Abort);
            fleet.run_until(60, |fleet| fleet.house.registry.session_count() == 0)
        },
        "{:?}",
        fleet.house.registry.snapshot()
    );
}

/// Something that ends a session, or may.
fn act(fleet: &mut Fleet, tally: &mut Tally) {
    let count = fleet.clients.len() as u64;
    let someone = usize::try_from(fleet.rng.below(count)).expect("small");
    let ids: Vec<SessionId> = fleet.house.owners.keys().copied().collect();
    let id = (!ids.is_empty()).then(|| *fleet.rng.pick(&ids));
    match fleet.rng.below(9) {
        0 => {
            let closed = fleet.with(someone, |session, now| session.close(now, 4, Bytes::new()));
            closed.expect("because the code fits");
        }
        1 => fleet.with(someone, |session, now| session.abort(now)),
        2 => {
            if let Some(id) = id {
                tally.hit("owner killed");
                fleet.kill(id);
            }
        }
        number => {
            let order = match number {
                3 => SessionCommand::Abort,
                4 => SessionCommand::Lifetime(Duration::from_millis(fleet.rng.below(5_000))),
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
                let ordered = fleet.command(Select::Session(id), &order);
                // Twice, as nothing forbids it.
                assert_eq!(fleet.command(Select::Session(id), &order), ordered);
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
        let mut fleet = Fleet::new(seed, config, Weather::stormy());
        for number in 0..30 {
            // Every third has a namesake.
            let name = format!("house room{}", if number % 3 == 0 { 0 } else { number });
            let client = fleet.add(client(&name), Reader::Eager);
            fleet.clients[client].restarts = true;
        }
        for _ in 0..60 {
            fleet.run(SECOND);
            act(&mut fleet, &mut tally);
            // Detached sessions that hold much, for the budget.
            let all = fleet.house.owners.iter_mut();
            let now = unbroken_proto::Instant::from_nanos(fleet.now);
            for (_, owner) in all.filter(|(_, owner)| owner.session.state() == SessionState::Detached) {
                if let Ok(stream) = owner.session.open(now, StreamOptions::default()) {
                    let _full = owner.session.stream(stream).send(now, Bytes::from(vec![0; 200_000]));
                }
            }
        }
        empty(&mut fleet);
        let admitted: BTreeSet<SessionId> = fleet.house.admitted.iter().copied().collect();
        let over: BTreeSet<SessionId> = fleet.house.over.keys().copied().collect();
        assert_eq!(admitted.len(), fleet.house.admitted.len());
        assert_eq!(admitted, over, "seed {seed}");
        let snapshot = fleet.house.registry.snapshot();
        assert_eq!((snapshot.ended, snapshot.ordered), (admitted.len() as u64, 0));
        assert_eq!((snapshot.detached_bytes, fleet.house.owners.len()), (0, 0));
        for ended in fleet.house.over.values() {
            tally.hit(&way(ended.reason.as_ref()));
            if ended.info.status == SessionStatus::Connecting {
                tally.hit("handshake given up");
            }
        }
        tally.add("displaced", fleet.house.registry.snapshot().refused.too_late);
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
fn counted(fleet: &Fleet) -> (usize, usize) {
    let now = fleet.instant();
    let away = fleet.house.owners.values().filter(|owner| {
        let lives = matches!(owner.session.state(), SessionState::Detached | SessionState::Closing);
        lives && owner.session.health(now) == Health::Detached
    });
    let away = away.count();
    (fleet.house.owners.len() - away, away)
}

#[test]
fn a_drain_asks_all_within_its_spread_and_says_truly_what_remains() {
    let (mut remained, mut stayed) = (0, 0);
    for seed in seeds(8) {
        println!("seed {seed}");
        // Nothing between owners and registry, so that what it says can be held against what is.
        let weather = Weather {
            gossip: 0,
            ..Weather::stormy()
        };
        let mut fleet = Fleet::new(seed, server(), weather);
        for number in 0..40 {
            let client = fleet.add(client("guest"), Reader::Eager);
            fleet.clients[client].leaves = number % 2 == 0;
        }
        fleet.run_until(20, |fleet| attached(fleet) > 30);
        let now = fleet.instant();
        let plan = Drain::within(Duration::from_secs(15))
            .with_spread(Duration::from_secs(5))
            .with_alternate(Bytes::from_static(b"elsewhere"));
        let there = fleet.house.registry.session_count();
        fleet.house.registry.drain(now, plan);
        fleet.tidy();
        let status = fleet.house.registry.draining().expect("because it began");
        assert!(status.unasked <= there && !status.is_over(now));
        let stranger = fleet.add(client("stranger"), Reader::Eager);
        let mut told = false;
        while !status.is_over(fleet.instant()) && fleet.house.registry.session_count() > 0 {
            fleet.run(100 * MS);
            let status = fleet.house.registry.draining().expect("because it goes on");
            assert_eq!((status.connected, status.detached), counted(&fleet), "seed {seed}");
            stayed += usize::from(attached(&fleet) > 0);
            let wanted = fleet.clients[stranger].session.wanted_connection();
            told |= wanted.is_some_and(|intent| intent.alternate == "elsewhere");
        }
        let status = fleet.house.registry.draining().expect("because it goes on");
        assert_eq!(status.unasked, 0, "all within the spread");
        remained += status.connected + status.detached;
        assert!(told && !fleet.clients[stranger].is_attached());
        assert!(fleet.house.registry.snapshot().refused.draining > 0);
        // Those who went were asked to.
        let went = fleet.clients.iter().filter(|client| client.ended.is_some());
        assert!(went.clone().all(|client| client.leaves && client.asked > 0));
        assert!(went.count() > 0);
        let now = fleet.instant();
        fleet.house.registry.stop_draining(now);
        fleet.weather = Weather::default();
        assert!(
            fleet.run_until(60, |fleet| fleet.clients[stranger].is_attached()),
            "let in again"
        );
    }
    assert!(remained > 0 && stayed > 0, "some do not leave, and that is said");
}

fn seat() -> Subscription {
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
        let mut fleet = Fleet::new(seed, server(), Weather::stormy());
        let readers = [Reader::Eager, Reader::Slow, Reader::Never];
        for index in 0..18 {
            fleet.add(client(&format!("reader {index}")), readers[index % 3]);
        }
        fleet.run_until(20, |fleet| attached(fleet) > 12);
        for number in 0..100 {
            fleet.broadcast(Select::All, (number, Bytes::from(text(number))), seat);
            fleet.run(200 * MS);
        }
        // Everybody is well again, but does not read any faster.
        fleet.weather = Weather::default();
        fleet.run(200 * SECOND);
        let mut told: BTreeMap<SessionId, Vec<(u64, Delivery)>> = BTreeMap::new();
        for (session, number, delivery) in &fleet.house.verdicts {
            told.entry(*session).or_default().push((*number, *delivery));
        }
        for (index, client) in fleet.clients.iter().enumerate() {
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
        let owners = fleet.house.owners.values();
        assert!(
            owners
                .map(|owner| owner.session.stats().outbox_bytes)
                .all(|bytes| bytes <= bound)
        );
    }
    assert!(queued > 1_000 && missed > 100, "{queued} and {missed}");
}

/// Many who are away, each holding some.
fn crowd(seed: u64, policy: WhenDetachedFull) -> Fleet {
    let mut config = server();
    config.max_detached_bytes = 1 << 20;
    config.when_detached_full = policy;
    config.session.detached_lifetime = Duration::from_secs(600);
    let mut fleet = Fleet::new(seed, config, Weather::default());
    for _ in 0..40 {
        let mut config = client("away");
        config.session.detached_lifetime = Duration::from_secs(600);
        fleet.add(config, Reader::Eager);
    }
    assert!(fleet.run_until(20, |fleet| attached(fleet) == 40));
    // A client knows of it before its server does.
    fleet.run(SECOND);
    fleet.weather = Weather {
        gossip: 50 * MS,
        ..Weather::default()
    };
    fleet.down_until = u64::MAX;
    fleet.cut_all();
    for _ in 0..20 {
        fleet.run(SECOND);
        let now = fleet.instant();
        let ids: Vec<SessionId> = fleet.house.owners.keys().copied().collect();
        for id in ids.into_iter().take(20) {
            let Some(owner) = fleet.house.owners.get_mut(&id) else {
                continue;
            };
            let stream = owner
                .session
                .open(now, StreamOptions::default())
                .expect("because few are open");
            let _ended = owner.session.stream(stream).send(now, Bytes::from(vec![0; 8_000]));
            // As a host does after any call.
            fleet.with_owner(id);
        }
    }
    fleet.run(SECOND);
    fleet
}

#[test]
fn detached_sessions_stay_within_their_budget_by_the_hosts_policy() {
    for seed in seeds(2) {
        println!("seed {seed}");
        let mut fleet = crowd(seed, WhenDetachedFull::EndLongestDetached);
        let snapshot = fleet.house.registry.snapshot();
        assert!(snapshot.detached_bytes <= 1 << 20, "{snapshot:?}");
        assert!(snapshot.detached > 0 && snapshot.ended > 0, "{snapshot:?}");
        for over in fleet.house.over.values() {
            assert_eq!(over.reason, Some(EndReason::Evicted), "{over:?}");
        }
        // Who was ended is told when he comes back; who was not goes on.
        fleet.down_until = 0;
        let gone = fleet.house.over.len();
        let done = move |fleet: &Fleet| {
            let told = fleet.clients.iter().filter(|client| client.ended.is_some()).count();
            told == gone && attached(fleet) == 40 - gone
        };
        assert!(fleet.run_until(120, done), "{:?}", fleet.house.registry.snapshot());

        let mut fleet = crowd(seed, WhenDetachedFull::RefuseNew);
        let snapshot = fleet.house.registry.snapshot();
        assert!(snapshot.detached_bytes > 1 << 20, "{snapshot:?}");
        assert_eq!((snapshot.detached, snapshot.ended), (40, 0));
        fleet.down_until = 0;
        // The first to arrive is new, and is told that there is no room; then those who are there come back.
        let newcomer = fleet.add(client("new"), Reader::Eager);
        assert!(
            fleet.run_until(120, |fleet| attached(fleet) == 41),
            "{:?}",
            fleet.house.registry.snapshot()
        );
        assert!(fleet.house.registry.snapshot().refused.no_room > 0);
        assert!(fleet.clients[newcomer].dials > 1);
    }
}

#[test]
fn a_name_that_is_taken_is_kept_from_newcomers_while_its_session_is_healthy() {
    for seed in seeds(6) {
        println!("seed {seed}");
        let mut config = server();
        config.same_name = SameName::KeepHealthy;
        let mut fleet = Fleet::new(seed, config, Weather::default());
        let old = fleet.add(client("alice shell"), Reader::Eager);
        assert!(fleet.run_until(10, |fleet| fleet.clients[old].is_attached()));
        fleet.run(SECOND);
        let new = fleet.add(client("alice shell"), Reader::Eager);
        fleet.add(client("bob shell"), Reader::Eager);
        fleet.run(20 * SECOND);
        assert!(fleet.clients[old].is_attached(), "healthy: kept");
        assert!(!fleet.clients[new].is_attached() && fleet.clients[new].ended.is_none());
        assert_eq!(attached(&fleet), 2, "bob's is another name");
        assert!(fleet.house.registry.snapshot().refused.same_name > 0);
        // The old one's connection dies, and its client comes back: it is who it was, and stays.
        fleet.cut_all();
        fleet.run(10 * MS);
        assert!(fleet.run_until(20, |fleet| attached(fleet) == 2));
        let ended: Vec<bool> = [old, new].map(|who| fleet.clients[who].ended.is_some()).into();
        assert!(!ended[0] || !ended[1], "one of them has the name");

        // Now nobody reaches the server but a newcomer: what is detached is replaced.
        let holder = if fleet.clients[old].is_attached() { old } else { new };
        let id = fleet.clients[holder].session.id().expect("because it is established");
        fleet.with(holder, |session, now| session.reconnect().pause(now));
        fleet.cut_all();
        fleet.run(SECOND);
        let third = fleet.add(client("alice shell"), Reader::Eager);
        let other = if holder == old { new } else { old };
        fleet.with(other, |session, now| session.abort(now));
        assert!(
            fleet.run_until(30, |fleet| fleet.clients[third].is_attached()),
            "unhealthy: replaced"
        );
        fleet.run(SECOND);
        assert_eq!(fleet.house.over[&id].reason, Some(EndReason::Replaced));
        fleet.with(holder, |session, now| session.reconnect().resume(now));
        assert!(
            fleet.run_until(30, |fleet| fleet.clients[holder].ended.is_some()),
            "it is told"
        );
        assert!(fleet.clients[third].is_attached());
    }
}
