//! What a session makes of a line, in virtual time. The whole table: `cargo run --profile sim -p unbroken-tests --bin lines`.

use unbroken_tests::lines::{self, Case, Check};

#[test]
fn a_session_keeps_its_limits_on_every_small_line() {
    let mut missed = Vec::new();
    for case in lines::small() {
        let measured = lines::run(&case);
        let misses = lines::check(&case, &measured).into_iter();
        let kept = misses.filter(|miss| lines::KEPT.contains(&miss.check));
        missed.extend(kept.map(|miss| format!("{}: {miss}", lines::name(&case))));
    }
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn the_same_case_gives_the_same_numbers() {
    let cases = lines::small();
    let case: &Case = cases.first().expect("because there are some");
    assert_eq!(lines::run(case), lines::run(case));
}

#[test]
fn limits_are_missed_by_what_is_beyond_them() {
    let cases = lines::small();
    let case: &Case = cases.first().expect("because there are some");
    let mut measured = lines::run(case);
    measured.goodput = (949, 1_000);
    (measured.waited.most, measured.urgent.most) = (u64::MAX, u64::MAX);
    (measured.outbox.0, measured.unread) = (usize::MAX, usize::MAX);
    let missed: Vec<Check> = lines::check(case, &measured).iter().map(|miss| miss.check).collect();
    let all = [
        Check::Goodput,
        Check::Waiting,
        Check::Urgent,
        Check::Memory,
        Check::Memory,
    ];
    assert_eq!(missed, all);
    measured.goodput = (950, 1_000);
    (measured.waited.most, measured.urgent.most) = (0, 0);
    (measured.outbox.0, measured.unread) = (0, 0);
    assert_eq!(lines::check(case, &measured), []);
}
