use super::*;

fn attempt(number: u64, started: u64) -> Attempt {
    Attempt {
        number,
        kind: IntentKind::Resume,
        strategy: Strategy::Resume,
        cause: Some(Cause::Network),
        started: Instant::from_millis(started),
        duration: None,
        reached: Reached::Nothing,
        outcome: Outcome::Pending,
    }
}

#[test]
fn the_list_is_bounded_and_the_numbers_are_not() {
    let mut history = History::new(3);
    for number in 1..=10 {
        history.begin(Instant::ZERO, attempt(number, 0));
        history.finish(Instant::ZERO, Outcome::Failed(Cause::Refused));
    }
    history.begin(Instant::ZERO, attempt(11, 0));
    let kept: alloc::vec::Vec<u64> = history.iter().map(|attempt| attempt.number).collect();
    assert_eq!(kept, [8, 9, 10, 11]);
    assert_eq!((history.stats.attempts, history.stats.failures), (11, 10));
}

#[test]
fn one_that_is_replaced_is_neither_success_nor_failure() {
    let mut history = History::new(8);
    history.begin(Instant::ZERO, attempt(1, 5));
    let at = Instant::from_millis(9);
    let abandoned = history.begin(at, attempt(2, 9)).expect("because one was under way");
    assert_eq!(
        (abandoned.outcome, abandoned.duration),
        (Outcome::Abandoned, Some(Duration::from_millis(4)))
    );
    history.finish(at, Outcome::Succeeded);
    assert_eq!(history.finish(at, Outcome::Succeeded), None, "once only");
    let stats = history.stats;
    assert_eq!((stats.attempts, stats.successes, stats.failures), (2, 1, 0));
    assert_eq!(stats.success_rate(), Some(1.0));
}

#[test]
fn time_to_resume_is_measured_from_the_loss() {
    let mut history = History::new(8);
    for (lost, attached) in [(10, 30), (100, 140)] {
        history.on_lost(Instant::from_millis(lost), Cause::Heartbeat);
        history.on_lost(Instant::from_millis(lost + 1), Cause::Network);
        history.on_attached(Instant::from_millis(attached));
        history.on_attached(Instant::from_millis(attached + 1));
    }
    let stats = history.stats;
    assert_eq!(stats.last_time_to_resume, Some(Duration::from_millis(40)));
    assert_eq!(stats.mean_time_to_resume(), Some(Duration::from_millis(30)));
    assert_eq!((stats.resumes, stats.all_disconnections()), (2, 4));
    assert_eq!(stats.disconnections(Cause::Heartbeat), 2);
    assert_eq!(stats.disconnections(Cause::Local), 0);
    assert_eq!(ReconnectStats::default().mean_time_to_resume(), None);
    assert_eq!(ReconnectStats::default().success_rate(), None);
}
