//! The fixed set of schedules of durable sessions. `UNBROKEN_SEED=n` runs only that one, `UNBROKEN_SEEDS=n` that many.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use unbroken_tests::durable::run_seed;
use unbroken_tests::tally::Tally;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Schedules of the fixed set.
const SEEDS: u64 = 1_000;

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
    let next = AtomicU64::new(0);
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
}

fn work(next: &AtomicU64, seeds: u64) -> Result<Tally, String> {
    let mut tally = Tally::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
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
