//! The fixed set of random schedules. `UNBROKEN_SEED=n` runs only that one, `UNBROKEN_SEEDS=n` that many.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use unbroken_hosted::fault::Fault;
use unbroken_hosted::run_seed;
use unbroken_tests::tally::Tally;

/// Schedules of the fixed set.
const SEEDS: u64 = 600;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn fixed_set() {
    if let Some(seed) = number("UNBROKEN_SEED") {
        match run_seed(seed, false, false) {
            Ok(summary) => println!("seed {seed}: {summary:#?}"),
            Err(failure) => panic!("seed {seed}: {failure}"),
        }
        return;
    }
    std::panic::set_hook(Box::new(|_| {}));
    let seeds = number("UNBROKEN_SEEDS").unwrap_or(SEEDS);
    let begin = Instant::now();
    let next = AtomicU64::new(0);
    let results: Vec<Result<Tally, String>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(|| work(&next, seeds))).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined
            .map(|result| result.unwrap_or_else(|_| Err("a worker died".to_owned())))
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

/// One seed in a hundred runs twice and must do the same.
fn work(next: &AtomicU64, seeds: u64) -> Result<Tally, String> {
    let mut tally = Tally::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds {
            return Ok(tally);
        }
        let summary = run_seed(seed, false, false).map_err(|failure| format!("seed {seed}: {failure}"))?;
        if seed.is_multiple_of(100) && run_seed(seed, false, false).ok().as_ref() != Some(&summary) {
            return Err(format!("seed {seed} does two different things"));
        }
        tally.merge(&summary.tally);
    }
}

/// A fault that was never triggered was never tested.
fn check_coverage(tally: &Tally) {
    let faults = Fault::ALL.iter().map(|fault| (fault.name(), 15));
    let others = [
        ("host: a waiting future dropped", 10_000),
        ("host: a wake-up that comes late", 10_000),
        ("host: a wake-up that comes twice", 10_000),
        ("host: a poll without a wake-up", 10_000),
        ("host: a sleep that ends early", 1_000),
        ("host: a call that a signal interrupts", 10_000),
        ("panic: a connection's code", 10),
        ("panic: a connector", 2),
        ("panic: a connector's future", 2),
        ("panic: the callback that authorises", 1),
        ("panic: what authorises", 1),
        ("app: a message read", 10_000),
        ("app: a chunk read", 10_000),
        ("app: bytes read", 5_000),
        ("app: an end read", 3_000),
        ("app: a reset read", 20),
        ("app: told to stop", 2),
        ("app: a half abandoned", 30),
        ("app: a message too large", 100),
        ("app: no room at once", 100),
        ("app: a broadcast message heard", 50),
        ("app: drained", 30),
        ("app: never established", 20),
        ("end: closed by both", 100),
        ("end: closed by peer", 100),
        ("end: closed by us", 100),
        ("end: aborted", 50),
        ("end: aborted by peer", 5),
        ("end: expired", 20),
        ("end: linger expired", 5),
        ("end: unauthorized", 1),
        ("end: unknown", 10),
        ("event: attached", 1_000),
        ("event: detached", 500),
        ("event: overdue", 500),
        ("attack: all pongs were taken", 3),
        ("check: nothing is left", SEEDS),
    ];
    let rare: Vec<String> = faults
        .chain(others)
        .filter(|(name, least)| tally.of(name) < *least)
        .map(|(name, least)| format!("{name}: {} of {least}", tally.of(name)))
        .collect();
    assert!(rare.is_empty(), "too rare: {rare:#?}");
}
