use super::*;

fn policy() -> Backoff {
    Backoff::default()
}

/// The largest delay of each try in turn.
fn bounds(policy: &Backoff, tries: usize) -> alloc::vec::Vec<Duration> {
    let mut retry = Retry::default();
    (0..tries)
        .map_while(|_| retry.next(Instant::ZERO, policy, u64::MAX))
        .map(|at| at.saturating_since(Instant::ZERO))
        .collect()
}

#[test]
fn bounds_double_up_to_the_cap() {
    let ms = Duration::from_millis;
    let expected = [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000].map(ms);
    assert_eq!(bounds(&policy(), 11), expected);
    assert_eq!(bounds(&policy(), 200).last(), Some(&ms(30_000)), "no overflow far out");
}

#[test]
fn jitter_is_full() {
    let mut retry = Retry::default();
    assert_eq!(retry.next(Instant::ZERO, &policy(), 0), Some(Instant::ZERO));
    let half = retry
        .next(Instant::ZERO, &policy(), u64::MAX / 2)
        .map(|at| at.as_nanos() / 1_000_000);
    assert!(matches!(half, Some(99..=100)), "{half:?}");
}

#[test]
fn attempts_are_counted_and_only_reset_gives_them_back() {
    let policy = Backoff {
        attempts: Some(2),
        ..policy()
    };
    let mut retry = Retry::default();
    assert!(retry.next(Instant::ZERO, &policy, 0).is_some());
    assert!(retry.next(Instant::ZERO, &policy, 0).is_some());
    assert_eq!(retry.next(Instant::ZERO, &policy, 0), None);
    retry.reset();
    assert!(retry.next(Instant::ZERO, &policy, 0).is_some());
}
