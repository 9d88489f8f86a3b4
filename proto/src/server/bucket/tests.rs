use super::*;

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn buckets(per_second: u32, burst: u32, limit: usize) -> Buckets<u32> {
    Buckets::new(Some(Rate { per_second, burst }), limit)
}

fn taken(buckets: &mut Buckets<u32>, now: Instant, key: u32) -> usize {
    (0..100).filter(|_| buckets.take(now, &key).is_ok()).count()
}

#[test]
fn each_key_has_a_burst_and_a_rate_of_its_own() {
    let mut buckets = buckets(10, 5, 100);
    assert_eq!((taken(&mut buckets, at(0), 1), taken(&mut buckets, at(0), 2)), (5, 5));
    assert_eq!(buckets.take(at(0), &1), Err(Duration::from_millis(100)));
    assert_eq!(taken(&mut buckets, at(100), 1), 1);
    assert_eq!(taken(&mut buckets, at(350), 1), 2);
    assert_eq!(
        taken(&mut buckets, at(0), 1),
        0,
        "a clock that falls back gives nothing"
    );
    assert_eq!(
        taken(&mut buckets, at(60_000), 1),
        5,
        "and no more than the burst is saved up"
    );
}

#[test]
fn no_rate_is_no_limit_and_remembers_nothing() {
    let mut buckets = Buckets::new(None, 1);
    assert_eq!(
        (0..1_000).filter(|_| buckets.take(at(0), &7_u32).is_ok()).count(),
        1_000
    );
    assert_eq!(buckets.len(), 0);
}

#[test]
fn there_are_never_too_many_and_the_greedy_one_is_remembered() {
    let mut buckets = buckets(1, 3, 16);
    assert_eq!(taken(&mut buckets, at(0), 0), 3);
    for key in 1..10_000 {
        assert!(buckets.take(at(0), &key).is_ok());
        assert!(buckets.len() <= 16);
    }
    assert_eq!(taken(&mut buckets, at(0), 0), 0);
}

#[test]
fn full_buckets_are_forgotten() {
    let mut buckets = buckets(10, 5, 1_000);
    (0..500).for_each(|key| assert!(buckets.take(at(0), &key).is_ok()));
    assert_eq!((0..500).filter(|_| buckets.take(at(1_000), &7).is_ok()).count(), 5);
    assert!(buckets.len() <= 500);
    (0..500).for_each(|n| assert!(buckets.take(at(2_000 + n * 200), &7).is_ok()));
    assert_eq!(buckets.len(), 1);
}

#[test]
fn nobody_is_sent_away_for_long() {
    let mut buckets = buckets(1, 1, 10);
    assert_eq!(buckets.take(at(100_000), &1), Ok(()));
    assert_eq!(buckets.take(at(0), &1), Err(LONGEST_RETRY));
}
