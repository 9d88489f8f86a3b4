//! The reconnecting side under faults. `UNBROKEN_SEED=n` runs only that seed, `UNBROKEN_SEEDS=n` that many.

use unbroken_tests::harness;
use unbroken_tests::tally::Tally;

/// Schedules of the fixed set.
const SEEDS: u64 = 1_500;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Prints its seed if it is dropped by a panic.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}: UNBROKEN_SEED={} runs it alone", self.0, self.0);
        }
    }
}

#[test]
fn whatever_goes_wrong_what_is_said_and_done_is_right() {
    let mut tally = Tally::default();
    let one = number("UNBROKEN_SEED");
    let seeds = one.map_or(0..number("UNBROKEN_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    for seed in seeds {
        let _printed = Seed(seed);
        tally.merge(&harness::run(seed).tally);
    }
    tally.iter().for_each(|(name, count)| println!("{count:>10}  {name}"));
    if one.is_none() && number("UNBROKEN_SEEDS").is_none() {
        check_coverage(&tally);
    }
}

/// An untriggered fault is an untested one.
fn check_coverage(tally: &Tally) {
    let wanted = [
        ("answer: bad", 200),
        ("answer: good", 500),
        ("answer: lost", 100),
        ("answer: too late", 50),
        ("attempt: abandoned", 500),
        ("attempt: renewed", 20),
        ("check: all arrived", 500),
        ("check: escalation", 500),
        ("check: pace", 5_000),
        ("check: stable", 2_000),
        ("dial: dead", 200),
        ("dial: hangs", 200),
        ("dial: postponed", 200),
        ("end: closed", 500),
        ("end: fresh", 300),
        ("end: gave up", 100),
        ("end: unauthorized", 10),
        ("event: overdue", 5_000),
        ("failed: Authentication", 300),
        ("failed: Denied", 300),
        ("failed: ServerAsked", 300),
        ("failed: Timeout", 300),
        ("health: Idle", 500),
        ("health: Suspect", 300),
        ("lost: Heartbeat", 300),
        ("strategy: Recover", 300),
        ("strategy: Restart", 500),
        ("strategy: Restore", 500),
    ];
    let rare: Vec<_> = wanted.iter().filter(|(name, least)| tally.of(name) < *least).collect();
    assert!(rare.is_empty(), "too rare: {rare:?}");
}
