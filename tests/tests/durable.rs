//! The fixed set of schedules of durable sessions. `UNBROKEN_SEED=n` runs only that one, `UNBROKEN_SEEDS=n` that many.

use unbroken_tests::durable::run_seed;
use unbroken_tests::soak;
use unbroken_tests::tally::Tally;

/// Schedules of the fixed set.
const SEEDS: u64 = 1_000;

#[test]
fn fixed_set() {
    if let Some(tally) = soak::fixed_set(SEEDS, run_seed) {
        check_coverage(&tally);
    }
}

fn check_coverage(tally: &Tally) {
    let least = [
        ("app: aborts", 80),
        ("check: all arrived", 400),
        ("check: what is kept", 10_000),
        ("client: restored", 500),
        ("server: restored", 500),
        ("disk: Superseded", 20),
        ("disk: cut off, a part of it", 30),
        ("disk: cut off, a snapshot behind what it stands for", 10),
        ("disk: cut off, all of it", 30),
        ("disk: cut off, it is torn", 30),
        ("disk: cut off, nothing of it", 30),
        ("disk: full, said again", 30),
        ("disk: snapshot", 1_000),
        ("end: AbortedByPeer", 30),
        ("end: StateLost", 3),
        ("end: StorageFailed", 1),
        ("end: Superseded", 20),
        ("event: planned swap", 50),
        ("event: unplanned swap", 1_000),
        ("fault: a disk is full", 50),
        ("fault: a disk stalls", 50),
        ("fault: away for long", 3),
        ("fault: cut", 200),
        ("fault: died between two steps", 300),
        ("fault: killed", 1_000),
        ("fleet: an end is told elsewhere", 1),
        ("fleet: asked for", 40),
        ("fleet: handed over", 40),
        ("fleet: looked up for a RESUME", 100),
        ("fleet: looked up for a proven client", 1),
        ("fleet: stolen", 4),
        ("fleet: taken over", 20),
        ("fleet: the store is away", 8),
        ("server: predecessor found", 10),
        ("server: resume refused", 10),
        ("server: leaves a tombstone", 300),
        ("server: remembers an end", 30),
        ("stage: rolled back", 10),
        ("stage: taken over", 10),
        ("stage: two clients", 10),
        ("stage: two servers", 5),
    ];
    soak::demand(tally, least);
}
