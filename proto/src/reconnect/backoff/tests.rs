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

#[test]
fn the_presets_have_their_numbers() {
    let ms = Duration::from_millis;
    assert_eq!(
        bounds(&Backoff::five_tries(), 9),
        [2_000, 3_000, 4_500, 6_750, 10_125].map(ms)
    );
    assert_eq!(
        bounds(&Backoff::endless_doubling(), 9),
        [1, 2, 4, 8, 16, 32, 60, 60, 60].map(Duration::from_secs)
    );
    let varied = Backoff::five_varied_tries();
    assert_eq!(bounds(&varied, 9), [1_200, 1_800, 2_700, 4_050, 6_075].map(ms));
    assert_eq!(varied.vary(1_000, 0), Duration::from_nanos(800));
    assert_eq!(varied.vary(1_000, u64::MAX / 2), Duration::from_nanos(1_000));
    for preset in [
        Backoff::default(),
        Backoff::five_tries(),
        Backoff::five_varied_tries(),
        Backoff::endless_doubling(),
    ] {
        assert!(preset.validate().is_ok());
        assert_eq!(preset.stable_after, Duration::from_secs(10));
    }
}

#[test]
fn a_delay_too_small_to_grow_is_no_endless_loop() {
    let policy = Backoff {
        base: Duration::from_nanos(3),
        multiplier: 101,
        ..policy()
    };
    assert_eq!(policy.delay(u32::MAX), 3);
}

#[test]
fn who_was_told_to_come_later_comes_later_still() {
    let policy = policy();
    let after = Duration::from_secs(10);
    assert_eq!(policy.later(after, 0), after);
    assert_eq!(policy.later(after, u64::MAX), Duration::from_secs(15));
    assert_eq!(policy.later(Duration::from_secs(500), 0), policy.cap);
    assert_eq!(policy.later(Duration::MAX, u64::MAX), policy.cap + policy.cap / 2);
}

#[test]
fn out_of_range_is_refused() {
    for wrong in [
        Backoff {
            multiplier: 99,
            ..policy()
        },
        Backoff {
            jitter: Jitter::Percent(101),
            ..policy()
        },
        Backoff {
            attempt_timeout: Some(Duration::ZERO),
            ..policy()
        },
    ] {
        assert!(wrong.validate().is_err());
    }
}

#[test]
fn a_backoff_that_would_dial_without_a_pause_is_refused() {
    let ms = Duration::from_millis;
    for (backoff, field) in [
        (Backoff::default().with_base(ms(9)), Some("base (ms)")),
        (Backoff::default().with_cap(Duration::ZERO), Some("cap (ms)")),
        (
            Backoff::default().with_first(ms(9)).with_stable_after(ms(9)),
            Some("first (ms), or stable_after,"),
        ),
        // The first try comes at once, but not more often than connections become stable.
        (Backoff::default().with_first(Duration::ZERO), None),
        (Backoff::default().with_stable_after(Duration::ZERO), None),
        (Backoff::default().with_base(ms(10)).with_cap(ms(10)), None),
    ] {
        let refused = match backoff.validate() {
            Err(ConfigError::OutOfRange { field, .. }) => Some(field),
            _ => None,
        };
        assert_eq!(refused, field, "{backoff:?}");
    }
}
