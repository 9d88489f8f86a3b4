//! The reconnecting side under faults. `UNBROKEN_SEED=n` runs only that seed, `UNBROKEN_SEEDS=n` that many.

use unbroken_tests::rig;
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
        tally.merge(&rig::run(seed).tally);
    }
    tally.iter().for_each(|(name, count)| println!("{count:>10}  {name}"));
}
