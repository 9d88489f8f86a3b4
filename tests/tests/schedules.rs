//! The fixed set of random schedules. `UNBROKEN_SEED=n` runs only that one, `UNBROKEN_SEEDS=n` that many.

use std::time::Instant;

use unbroken_tests::sim::{Fault, run_seed};
use unbroken_tests::tally::Tally;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Schedules of the fixed set.
const SEEDS: u64 = 3_000;

// PROTOCOL R5.6
#[test]
fn fixed_set() {
    if let Some(seed) = number("UNBROKEN_SEED") {
        match run_seed(seed) {
            Ok(summary) => println!("seed {seed}: {summary:#?}"),
            Err(failure) => panic!("seed {seed}: {failure}"),
        }
        return;
    }
    std::panic::set_hook(Box::new(|_| {}));
    let seeds = number("UNBROKEN_SEEDS").unwrap_or(SEEDS);
    let begin = Instant::now();
    let next = std::sync::atomic::AtomicU64::new(0);
    let results: Vec<Result<Tally, String>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(|| work(&next, seeds))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err("a worker died".to_owned())))
            .collect()
    });
    let _ = std::panic::take_hook();
    let mut tally = Tally::default();
    for result in results {
        match result {
            Ok(part) => tally.merge(&part),
            Err(what) => panic!("{what}"),
        }
    }
    println!("{seeds} schedules in {:?}", begin.elapsed());
    tally.iter().for_each(|(name, count)| println!("{count:>10}  {name}"));
    if seeds >= SEEDS {
        check_coverage(&tally);
    }
}

fn work(next: &std::sync::atomic::AtomicU64, seeds: u64) -> Result<Tally, String> {
    let mut tally = Tally::default();
    loop {
        let seed = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if seed >= seeds {
            return Ok(tally);
        }
        let summary = run_seed(seed).map_err(|failure| format!("seed {seed}: {failure}"))?;
        if seed.is_multiple_of(100) && run_seed(seed).ok().as_ref() != Some(&summary) {
            return Err(format!("seed {seed} does two different things"));
        }
        tally.merge(&summary.tally);
    }
}

/// An untriggered fault is an untested one.
fn check_coverage(tally: &Tally) {
    let mut missing: Vec<String> = Vec::new();
    for fault in Fault::ALL {
        if tally.of(fault.name()) < 50 {
            missing.push(format!("{}: {}", fault.name(), tally.of(fault.name())));
        }
    }
    for (name, least) in [
        ("event: established", 1_000),
        ("event: unplanned swap", 1_000),
        ("event: planned swap", 500),
        ("event: go away", 50),
        ("event: stopped", 20),
        ("event: writable", 100),
        ("event: streams available", 20),
        ("event: credential needed", 5),
        ("cause: Network", 500),
        ("cause: Heartbeat", 50),
        ("cause: Protocol", 20),
        ("fault: input under a retired epoch", 500),
        ("fault: dial out of turn", 10),
        ("attack: first packet overtaken", 50),
        ("attack: impostor answers", 50),
        ("attack: resume adopted", 5),
        ("attack: resume refused", 50),
        ("carrier: cut young", 100),
        ("edge: something in the inbox", 100),
        ("edge: a client begins again", 1),
        ("strike: RESUME sent", 100),
        ("strike: RESUMED sent", 100),
        ("strike: AUTH_PROOF sent", 100),
        ("strike: FINAL sent", 100),
        ("strike: confirming", 100),
        ("strike: confirmed", 100),
        ("strike: ended", 50),
        ("verdict: expired", 50),
        ("verdict: unknown", 300),
        ("concluded: nothing sent", 20),
        ("concluded: never confirmed", 10),
        ("server: orphaned resume", 5),
        ("server: predecessor found", 10),
        ("server: unproven connection dropped", 50),
        ("host: partial drain", 500),
        ("host: carrier full", 500),
        ("check: silence", 500),
        ("check: both ended", 500),
        ("check: all arrived", 1_000),
        ("end: closed by us", 500),
        ("end: closed by peer", 500),
        ("end: closed by both", 100),
        ("end: linger expired", 5),
        ("end: aborted", 20),
        ("end: aborted by peer", 10),
        ("end: expired", 10),
        ("end: unknown", 5),
        ("end: unauthorized", 5),
    ] {
        if tally.of(name) < least {
            missing.push(format!("{name}: {} of {least}", tally.of(name)));
        }
    }
    assert!(missing.is_empty(), "too rare in the fixed set: {missing:#?}");
}
