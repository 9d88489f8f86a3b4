//! The same seed twice gives the same bytes; another seed gives others.

use unbroken_tests::sim::run_seed;

#[test]
fn the_same_seed_twice_is_the_same_trace() {
    let mut traces = std::collections::BTreeSet::new();
    for seed in 500_000..500_020 {
        let first = run_seed(seed).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        let second = run_seed(seed).unwrap_or_else(|failure| panic!("seed {seed}: {failure}"));
        assert_eq!(first, second, "seed {seed}");
        traces.insert(first.trace);
    }
    assert!(traces.len() > 15, "the trace does not depend on the seed");
}
