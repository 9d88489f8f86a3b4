//! Schedules that once broke a promise.

use unbroken_hosted::run_seed;

/// A sink had taken a message while others went first, and dropped it in silence when the machine found it too large; and
/// what was written behind it took its place.
#[test]
fn what_a_sink_took_is_sent_or_comes_back() {
    for seed in [5_000_020, 5_000_041, 5_000_221, 5_000_296, 5_000_461, 5_000_952] {
        if let Err(failure) = run_seed(seed, false, false) {
            panic!("seed {seed}: {failure}");
        }
    }
}
