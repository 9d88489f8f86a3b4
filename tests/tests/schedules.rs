//! The fixed set of random schedules. `UNBROKEN_SEED=n` runs only that one, `UNBROKEN_SEEDS=n` that many.

use unbroken_tests::sim::{Fault, run_seed};
use unbroken_tests::soak;
use unbroken_tests::tally::Tally;

/// Schedules of the fixed set.
const SEEDS: u64 = 3_000;

// PROTOCOL R5.6
#[test]
fn fixed_set() {
    let run = |seed| run_seed(seed).map_err(|failure| failure.to_string());
    if let Some(tally) = soak::fixed_set(SEEDS, run) {
        check_coverage(&tally);
    }
}

fn check_coverage(tally: &Tally) {
    soak::demand(tally, Fault::ALL.iter().map(|fault| (fault.name(), 50)));
    let others = [
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
    ];
    soak::demand(tally, others);
}
