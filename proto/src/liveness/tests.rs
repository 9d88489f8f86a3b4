use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn patience(losses: u32) -> Patience {
    let mut patience = Patience::default();
    (0..losses).for_each(|_| patience.on_lost(false, true));
    patience
}

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn idle() -> Liveness {
    Liveness::new(at(0), SECOND * 10, SECOND * 30, patience(0))
}

// PROTOCOL R7.2, R7.3
#[test]
fn idle_silence_is_probed_after_the_interval_and_judged_after_the_timeout() {
    let mut live = idle();
    assert_eq!(live.deadline(None), at(10));
    assert_eq!(live.on_timeout(at(10), None), Verdict::Alive);
    assert!(live.wants_ping());
    live.on_ping_committed(at(11), None);
    assert!(!live.wants_ping());
    assert_eq!(live.deadline(None), at(41));
    assert_eq!(live.on_timeout(at(41), None), Verdict::Dead);
}

// PROTOCOL R7.4
#[test]
fn data_outstanding_hastens_both() {
    let mut live = idle();
    live.on_data_committed(at(2));
    assert_eq!(live.deadline(None), at(3));
    live.on_timeout(at(3), None);
    live.on_ping_committed(at(3), None);
    assert_eq!(live.deadline(None), at(6));
    assert_eq!(live.on_timeout(at(6), None), Verdict::Dead);
}

// PROTOCOL R7.5
#[test]
fn a_slow_link_and_fruitless_attaches_stretch_the_wait_up_to_the_timeout() {
    let mut live = Liveness::new(at(0), SECOND * 10, SECOND * 30, patience(1));
    live.on_data_committed(at(0));
    assert_eq!(live.deadline(Some(SECOND)), at(8));
    live.on_timeout(at(8), Some(SECOND));
    live.on_ping_committed(at(8), Some(SECOND));
    assert_eq!(live.deadline(Some(SECOND)), at(16));
    let stretched = Liveness::new(at(0), SECOND * 100, SECOND * 30, patience(40));
    assert_eq!(stretched.stretched(SECOND), SECOND * 30);
}

// PROTOCOL R7.6
#[test]
fn a_stall_of_the_host_is_excused_once() {
    let mut live = idle();
    live.on_timeout(at(10), None);
    live.on_ping_committed(at(10), None);
    assert_eq!(
        live.on_timeout(at(8 * 3_600), None),
        Verdict::Alive,
        "eight hours of sleep"
    );
    assert!(live.wants_ping());
    live.on_ping_committed(at(8 * 3_600), None);
    assert_eq!(live.on_timeout(at(16 * 3_600), None), Verdict::Dead, "once per silence");
}

// PROTOCOL R7.2
#[test]
fn input_is_life() {
    let mut live = idle();
    live.on_data_committed(at(0));
    live.on_timeout(at(1), None);
    live.on_input(at(2), true);
    assert!(!live.wants_ping());
    assert_eq!(live.deadline(None), at(3));
    live.on_input(at(3), false);
    assert_eq!(live.deadline(None), at(13));
}

#[test]
fn a_probe_the_carrier_never_takes_is_judged_too() {
    let mut live = idle();
    live.on_timeout(at(10), None);
    assert_eq!(live.deadline(None), at(40));
    assert_eq!(live.on_timeout(at(40), None), Verdict::Dead);
}
