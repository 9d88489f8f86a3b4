//! A whole fleet that loses its server at once: how fast it comes back is the server's to say.
//!
//! `cargo test -p unbroken-tests --test storm -- --nocapture`; `CLIENTS=100000` in the environment for more than
//! the 10,000 of every day (with `--profile sim`).

use unbroken_proto::ServerConfig;
use unbroken_proto::config::ClientConfig;
use unbroken_proto::security::{Auth, ServerAuth, StaticKey};
use unbroken_tests::fleet::{Fleet, Reader, SECOND, Weather};

fn count() -> usize {
    std::env::var("CLIENTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(10_000)
}

/// The most that happened in any second that is open at one end.
fn peak(moments: &[u64]) -> usize {
    let mut first = 0;
    let mut peak = 0;
    for (index, moment) in moments.iter().enumerate() {
        while moment - moments[first] >= SECOND {
            first += 1;
        }
        peak = peak.max(index + 1 - first);
    }
    peak
}

fn all_attached(fleet: &Fleet) -> bool {
    fleet.clients.iter().all(|client| client.is_attached())
}

fn dials(fleet: &Fleet) -> u64 {
    fleet.clients.iter().map(|client| client.dials).sum()
}

/// Waits until everybody is back, and says how it went.
fn come_back(fleet: &mut Fleet, what: &str, rate: usize) {
    let (count, before) = (fleet.clients.len(), dials(fleet));
    let begin = fleet.now;
    fleet.house.attaches.clear();
    // So that everybody knows what happened.
    fleet.run(1);
    let limit = 60 + 4 * (count / rate) as u64;
    let all = fleet.run_until(limit, all_attached);
    assert!(all, "{what}: not all are back in {limit} s");
    // A client knows of its attach before its server does.
    fleet.run(SECOND);
    let attaches = &fleet.house.attaches;
    let last = attaches.last().map_or(0, |last| last - begin);
    println!(
        "{what}: {count} clients; peak {} attaches in a second of at most {rate}; the last one after {:.1} s; {:.2} dials each",
        peak(attaches),
        last as f64 / SECOND as f64,
        (dials(fleet) - before) as f64 / count as f64,
    );
    assert!(attaches.len() >= count);
    assert!(peak(attaches) <= rate, "{what}: {} in a second", peak(attaches));
    // They come one after another, and are not turned away again and again.
    assert!(last >= (count as u64 / rate as u64).saturating_sub(1) * SECOND);
    assert!(dials(fleet) - before <= 8 * count as u64, "{what}");
}

#[test]
fn a_fleet_comes_back_no_faster_than_it_may() {
    let seed = 0x5701;
    let count = count();
    // A server that starts again has the key it had.
    let auth = ServerAuth::anonymous().with_key(StaticKey::from_bytes([5; 32]));
    let mut config = ServerConfig::new(auth);
    // What a second admits takes a while to be attached; packets of one second may do so in the next,
    // together with later ones that travel faster. So everything travels equally fast here.
    (config.hello_rate, config.resume_rate) = (500, 800);
    let weather = Weather {
        latency: (10_000_000, 10_000_000),
        ..Weather::default()
    };
    println!("seed {seed:#x}");
    let mut fleet = Fleet::new(seed, config, weather);
    for _ in 0..count {
        let client = fleet.add(ClientConfig::new(Auth::anonymous()), Reader::Eager);
        fleet.clients[client].restarts = true;
    }
    come_back(&mut fleet, "all new at once", 500);

    fleet.run(30 * SECOND);
    fleet.cut_all();
    come_back(&mut fleet, "all connections cut", 800);

    fleet.run(30 * SECOND);
    fleet.cut_all();
    fleet.down_until = fleet.now + 20 * SECOND;
    fleet.run(20 * SECOND);
    come_back(&mut fleet, "20 s without a network", 800);

    fleet.run(30 * SECOND);
    fleet.restart();
    come_back(&mut fleet, "a new server that knows nobody", 500);
}
