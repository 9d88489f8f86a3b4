//! A whole population that loses its server at once: how fast it comes back is the server's to say.
//!
//! `cargo test -p unbroken-tests --test storm -- --nocapture`; `CLIENTS=100000` in the environment for more than
//! the 10,000 of every day (with `--profile sim`).

use unbroken_proto::ServerConfig;
use unbroken_proto::config::ClientConfig;
use unbroken_proto::security::{Auth, ServerAuth, StaticKey};
use unbroken_tests::population::{Conditions, Population, Reader, SECOND};

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

fn all_attached(population: &Population) -> bool {
    population.clients.iter().all(|client| client.is_attached())
}

fn dials(population: &Population) -> u64 {
    population.clients.iter().map(|client| client.dials).sum()
}

/// Waits until everybody is back, and says how it went.
fn come_back(population: &mut Population, what: &str, rate: usize) {
    let (count, before) = (population.clients.len(), dials(population));
    let begin = population.now;
    population.server.attaches.clear();
    // So that everybody knows what happened.
    population.run(1);
    let limit = 60 + 4 * (count / rate) as u64;
    let all = population.run_until(limit, all_attached);
    assert!(all, "{what}: not all are back in {limit} s");
    // A client knows of its attach before its server does.
    population.run(SECOND);
    let attaches = &population.server.attaches;
    let last = attaches.last().map_or(0, |last| last - begin);
    println!(
        "{what}: {count} clients; peak {} attaches in a second of at most {rate}; the last one after {:.1} s; {:.2} dials each",
        peak(attaches),
        last as f64 / SECOND as f64,
        (dials(population) - before) as f64 / count as f64,
    );
    assert!(attaches.len() >= count);
    assert!(peak(attaches) <= rate, "{what}: {} in a second", peak(attaches));
    // They come one after another, and are not turned away again and again.
    assert!(last >= (count as u64 / rate as u64).saturating_sub(1) * SECOND);
    assert!(dials(population) - before <= 8 * count as u64, "{what}");
}

#[test]
fn a_population_comes_back_no_faster_than_it_may() {
    let seed = 0x5701;
    let count = count();
    // A server that starts again has the key it had.
    let auth = ServerAuth::anonymous().with_key(StaticKey::from_bytes([5; 32]));
    let mut config = ServerConfig::new(auth);
    // What a second admits takes a while to be attached; packets of one second may do so in the next,
    // together with later ones that travel faster. So everything travels equally fast here.
    (config.hello_rate, config.resume_rate) = (500, 800);
    let conditions = Conditions {
        latency: (10_000_000, 10_000_000),
        ..Conditions::default()
    };
    println!("seed {seed:#x}");
    let mut population = Population::new(seed, config, conditions);
    for _ in 0..count {
        let client = population.add(ClientConfig::new(Auth::anonymous()), Reader::Eager);
        population.clients[client].restarts = true;
    }
    come_back(&mut population, "all new at once", 500);

    population.run(30 * SECOND);
    population.cut_all();
    come_back(&mut population, "all connections cut", 800);

    population.run(30 * SECOND);
    population.cut_all();
    population.down_until = population.now + 20 * SECOND;
    population.run(20 * SECOND);
    come_back(&mut population, "20 s without a network", 800);

    population.run(30 * SECOND);
    population.restart();
    come_back(&mut population, "a new server that knows nobody", 500);
}
