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
    assert_eq!(stretched.stretched(SECOND, None), SECOND * 30);
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

// PROTOCOL R7.5
#[test]
fn four_round_trips_are_given_whatever_the_timeout() {
    let mut live = idle();
    live.on_data_committed(at(0));
    let srtt = Some(SECOND * 20);
    assert_eq!(live.deadline(srtt), at(10), "idle silence is probed all the same");
    live.on_timeout(at(10), srtt);
    live.on_ping_committed(at(10), srtt);
    assert_eq!(live.deadline(srtt), at(90));
}

// PROTOCOL R7.9
#[test]
fn who_asks_has_a_verdict_after_four_round_trips() {
    for (srtt, wait) in [(Some(1), 250), (Some(100), 400), (Some(5_000), 3_000), (None, 3_000)] {
        let srtt = srtt.map(Duration::from_millis);
        let due = at(5) + Duration::from_millis(wait);
        let mut live = idle();
        live.ask(at(5), srtt);
        assert!(live.wants_ping());
        live.on_ping_committed(at(5), srtt);
        assert_eq!((live.deadline(srtt), live.asked_deadline()), (due, Some(due)));
        assert_eq!(live.on_timeout(due, srtt), Verdict::Dead);
    }
}

#[test]
fn what_was_under_way_before_is_no_answer_to_who_asks() {
    let srtt = Some(Duration::from_millis(100));
    let mut live = idle();
    live.on_timeout(at(10), srtt);
    live.on_ping_committed(at(10), srtt);
    live.ask(at(11), srtt);
    assert!(live.wants_ping(), "another");
    assert!(!live.on_answered(), "the answer to the PING before");
    live.on_ping_committed(at(11), srtt);
    live.on_input(at(11) + Duration::from_millis(50), true);
    assert!(live.is_asked());
    assert_eq!(live.asked_deadline(), Some(at(11) + Duration::from_millis(450)));
    assert!(live.on_answered());
    assert!(!live.is_asked() && !live.wants_ping());
}

#[test]
fn a_stall_of_a_host_that_asks_is_excused_once() {
    let srtt = Some(Duration::from_millis(100));
    let mut live = idle();
    live.ask(at(1), srtt);
    assert_eq!(live.on_timeout(at(60), srtt), Verdict::Alive);
    assert_eq!(live.deadline(srtt), at(60) + Duration::from_millis(400));
    assert_eq!(live.on_timeout(at(61), srtt), Verdict::Dead);
}

#[test]
fn a_change_of_the_network_asks_for_another_connection_before_the_verdict() {
    let srtt = Some(Duration::from_millis(100));
    let mut live = idle();
    live.doubt(at(1), srtt);
    live.on_ping_committed(at(1), srtt);
    let doubtful = at(1) + Duration::from_millis(150);
    assert_eq!(live.deadline(srtt), doubtful);
    assert_eq!(live.on_timeout(doubtful, srtt), Verdict::Doubtful);
    assert_eq!(live.deadline(srtt), at(1) + Duration::from_millis(400));
    let mut answered = idle();
    answered.doubt(at(1), srtt);
    answered.on_ping_committed(at(1), srtt);
    assert!(answered.on_answered());
    answered.on_input(at(1), false);
    assert_eq!(answered.on_timeout(doubtful, srtt), Verdict::Alive);
    assert_eq!(answered.deadline(srtt), at(11));
}

// PROTOCOL R7.10
#[test]
fn bytes_of_a_packet_under_way_lengthen_the_wait_by_what_the_slowest_line_takes() {
    let mut live = idle();
    live.on_data_committed(at(0));
    live.on_timeout(at(1), None);
    live.on_ping_committed(at(1), None);
    assert_eq!(live.deadline(None), at(4));
    live.on_bytes(at(2), 15, None);
    let later = live.probe.judged_at().expect("because a probe is out");
    assert!(later > at(4) + Duration::from_millis(499) && later <= at(4) + Duration::from_millis(500));
    live.on_bytes(at(3), 60_000, None);
    assert_eq!(
        live.probe.judged_at(),
        Some(at(6)),
        "no later than the usual wait from now"
    );
}

// PROTOCOL R7.10
#[test]
fn a_packet_that_takes_long_is_told_to_be_on_its_way() {
    let mut live = idle();
    live.on_bytes(at(1), 1, None);
    live.on_bytes(at(1) + SECOND / 2, 1, None);
    assert_eq!(live.deadline(None), at(2));
    assert_eq!(live.on_timeout(at(2), None), Verdict::Alive);
    assert!(live.wants_ping());
    live.on_ping_committed(at(2), None);
    assert_eq!(live.deadline(None), at(32), "nobody says so again before more arrives");
    live.on_bytes(at(5), 1, None);
    assert_eq!(live.deadline(None), at(6));
    live.on_timeout(at(6), None);
    assert!(live.wants_ping(), "another");
    live.on_input(at(6), false);
    assert!(!live.wants_ping());
    assert_eq!(live.deadline(None), at(16), "it is whole");
}

/// Kills `crossing_not_waited`. The peer says nothing before the first packet is there whole.
#[test]
fn a_first_packet_has_the_time_to_cross() {
    let dead_after = |crossing: Option<Duration>, heard: bool| {
        let mut live = idle();
        if let Some(crossing) = crossing {
            live.expect_crossing(crossing);
        }
        live.on_data_committed(at(0));
        if heard {
            live.on_input(at(0), true);
        }
        let mut now = at(0);
        while live.on_timeout(now, None) != Verdict::Dead {
            if live.wants_ping() {
                live.on_ping_committed(now, None);
            }
            now = live.deadline(None);
        }
        now
    };
    assert_eq!(dead_after(None, false), at(4));
    assert_eq!(
        dead_after(Some(SECOND * 2), false),
        at(4),
        "usual silence is borne anyway"
    );
    assert_eq!(dead_after(Some(SECOND * 9), false), at(10));
    assert_eq!(dead_after(Some(SECOND * 90), false), at(31));
    assert_eq!(dead_after(Some(SECOND * 9), true), at(4), "the peer speaks");
}
