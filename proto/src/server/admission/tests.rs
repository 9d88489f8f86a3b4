use alloc::collections::VecDeque;

use super::*;

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

#[test]
fn in_no_second_is_more_taken_than_the_rate_and_nearly_all_of_it_can_be() {
    for rate in [1, 2, 9, 10, 11, 100, 999, 1_000, 30_000] {
        let mut budget = Budget::new(rate);
        let mut taken = VecDeque::new();
        let (mut worst, mut all) = (0, 0);
        // Asked far more often than it may be, for three seconds.
        for step in 0..90_000 {
            let now = at(5) + Duration::from_secs(3) * step / 90_000;
            while budget.take(now).is_ok() {
                taken.push_back(now);
                all += 1;
            }
            while taken
                .front()
                .is_some_and(|taken| now.saturating_since(*taken) >= Duration::from_secs(1))
            {
                taken.pop_front();
            }
            worst = worst.max(taken.len());
        }
        let rate = usize::try_from(rate).expect("small");
        assert!(worst <= rate, "{worst} of {rate} within a second");
        assert!(all * 10 >= rate * 25, "{all} in three seconds at {rate}");
    }
}

#[test]
fn a_budget_comes_back_and_a_clock_that_falls_back_gives_nothing() {
    let mut budget = Budget::new(100);
    let taken = |budget: &mut Budget, now| (0..100).filter(|_| budget.take(now).is_ok()).count();
    assert_eq!(taken(&mut budget, at(5)), 10);
    assert_eq!((taken(&mut budget, at(5)), budget.missing(at(5)).is_some()), (0, true));
    assert_eq!(taken(&mut budget, Instant::from_millis(5_011)), 1);
    assert_eq!(taken(&mut budget, at(5)), 0);
    assert_eq!((budget.missing(at(60)), taken(&mut budget, at(60))), (None, 10));
}

#[test]
fn refused_clients_are_told_moments_of_their_own() {
    let mut budget = Budget::new(1);
    assert_eq!(budget.take(at(0)), Ok(()));
    let told: alloc::vec::Vec<_> = (0..12)
        .map(|_| budget.take(at(0)).map_err(|after| after.as_secs()))
        .collect();
    assert_eq!(told[..3], [Err(1), Err(2), Err(3)]);
    assert_eq!(told[11], Err(LONGEST_RETRY.as_secs()));
    assert_eq!(budget.take(at(1)), Err(LONGEST_RETRY), "a nanosecond too early");
    assert_eq!(budget.take(at(2)), Ok(()));
}
