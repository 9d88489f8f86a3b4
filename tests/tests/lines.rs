//! What a session makes of lines, in virtual time, so that every figure is exact: `cargo bench -p unbroken-tests --bench
//! lines` prints them.

use std::thread;

use unbroken_tests::lines::{self, CHANGES, Case, Figures};

/// Runs them side by side; fails with all that are beyond their bounds.
fn check<T: Copy + Send + Sync>(cases: &[T], run: impl Fn(T) -> (String, Figures) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let faults = std::sync::Mutex::new(Vec::new());
    let workers = thread::available_parallelism().map_or(1, Into::into);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let (name, figures) = run(*case);
                    let wrong = figures.faults();
                    if !wrong.is_empty() {
                        faults.lock().unwrap().push(format!("{name}: {}", wrong.join("; ")));
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Kills `estimate_outlives_connection`.
#[test]
fn every_line_is_filled_and_little_waits_before_it() {
    check(&lines::cells(), |case| (case.to_string(), lines::run(case)));
}

#[test]
fn a_line_that_becomes_slower_faster_or_longer_is_followed() {
    let all: Vec<_> = lines::changes()
        .into_iter()
        .flat_map(|case| CHANGES.map(|change| (case, change)))
        .collect();
    check(&all, |(case, change)| {
        (format!("{case} {change:?}"), lines::change(case, change))
    });
}

#[test]
fn two_sessions_share_a_line() {
    for late in [false, true] {
        for case in lines::changes() {
            let [first, second] = lines::sharing(case, false, late);
            assert!(first + second > 0.9, "{case}: {first:.2} and {second:.2}");
            assert!(
                first < 2.0 * second && second < 2.0 * first,
                "{case}: {first:.2} and {second:.2}"
            );
        }
    }
}

/// Kills `slow_reader_grows`.
#[test]
fn the_sender_of_a_slow_reader_holds_no_more_than_the_first_window() {
    for case in lines::cells() {
        let case: Case = case;
        let (outbox, unread) = lines::slow_reader(case, 20_000);
        assert!(outbox <= 512 << 10, "{case}: {outbox}");
        assert!(unread <= 256 << 10, "{case}: {unread}");
    }
}
