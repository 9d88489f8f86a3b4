//! When receive windows grow, and how far.

use super::*;

const RTT: Duration = Duration::from_millis(100);

/// A stream of the client's to a server whose windows are those of `config`.
fn stream(config: &SessionConfig) -> ([End; 2], StreamId) {
    let mut ends = [
        End::new(Side::Client, &SessionConfig::default()),
        End::new(Side::Server, config),
    ];
    ends[0].streams.set_peer(&config.parameters());
    ends[1].streams.set_peer(&SessionConfig::default().parameters());
    let id = open(&mut ends);
    (ends, id)
}

fn open(ends: &mut [End; 2]) -> StreamId {
    let [client, server] = ends;
    client.open();
    client.pass(server, 1, 60_000);
    server.accept();
    *client.mine.last().expect("because there is room")
}

/// The client sends as much as it is granted, and the server reads it at that moment. Returns how much that was.
fn round(ends: &mut [End; 2], id: StreamId, now: Instant) -> usize {
    round_of(ends, id, Reading { now, rtt: Some(RTT) })
}

fn round_of(ends: &mut [End; 2], id: StreamId, reading: Reading) -> usize {
    let [client, server] = ends;
    let mut sent = 0;
    loop {
        let _ = client.streams.send(id, Bytes::from(std::vec![1; 1_000]));
        if !client.pass(server, 1, 60_000) {
            break;
        }
        sent += 1_000;
    }
    while let Ok(Some(_)) = server.streams.recv(id, reading) {}
    server.pass(client, 64, 60_000);
    server.ack();
    client.ack();
    sent
}

/// What a round carries after so many rounds that each take `time`.
fn carried(config: &SessionConfig, rounds: u32, time: Duration) -> usize {
    let (mut ends, id) = stream(config);
    let mut now = Instant::ZERO;
    let mut last = 0;
    for _ in 0..rounds {
        now = now + time;
        last = round(&mut ends, id, now);
    }
    last
}

/// Kills `slow_reader_grows`.
#[test]
fn a_window_grows_for_a_reader_that_keeps_up_and_for_no_other() {
    let config = SessionConfig::default();
    let first = config.stream_window as usize;
    assert!(carried(&config, 1, RTT) <= first);
    let fast = carried(&config, 20, RTT);
    assert!(fast > 14 << 20, "{fast}");
    assert!(fast <= config.max_stream_window as usize);
    let slow = carried(&config, 20, RTT * 2);
    assert!(slow <= first, "{slow}");
}

#[test]
fn a_window_does_not_grow_before_a_round_trip_is_known() {
    let (mut ends, id) = stream(&SessionConfig::default());
    for _ in 0..20 {
        let [client, server] = &mut ends;
        while client.streams.send(id, Bytes::from(std::vec![1; 1_000])).is_ok() {}
        client.pass(server, 1_000, 60_000);
        while let Ok(Some(_)) = server.streams.recv(id, UNHURRIED) {}
        server.pass(client, 64, 60_000);
    }
    assert_eq!(
        ends[1].streams.recv_credit.window(),
        SessionConfig::default().session_window
    );
}

/// Kills `growth_unbounded`.
#[test]
fn no_window_grows_beyond_what_the_host_allows() {
    let config = SessionConfig {
        max_stream_window: 1 << 20,
        max_session_window: 700_000,
        ..SessionConfig::default()
    };
    let most = carried(&config, 30, RTT);
    assert!((500_000..=700_000).contains(&most), "{most}");
    let fixed = SessionConfig {
        max_stream_window: 256,
        max_session_window: 256,
        ..SessionConfig::default()
    };
    assert!(carried(&fixed, 30, RTT) <= fixed.stream_window as usize);
}

#[test]
fn what_all_streams_have_together_grows_beside_one_that_is_not_read() {
    let (mut ends, unread) = stream(&SessionConfig::default());
    let [client, server] = &mut ends;
    while client.streams.send(unread, Bytes::from(std::vec![1; 1_000])).is_ok() {}
    client.pass(server, 1_000, 60_000);
    let read = open(&mut ends);
    let mut now = Instant::ZERO;
    let mut last = 0;
    for _ in 0..20 {
        now = now + RTT;
        last = round(&mut ends, read, now);
    }
    assert!(last > 14 << 20, "{last}");
}

fn shared(budget: &WindowBudget) -> SessionConfig {
    SessionConfig {
        window_budget: Some(budget.clone()),
        ..SessionConfig::default()
    }
}

/// Kills `unfair_kept`.
#[test]
fn sessions_grow_out_of_one_budget_and_each_has_a_fair_part() {
    let budget = WindowBudget::new(8 << 20);
    let mut sessions: Vec<_> = (0..4).map(|_| stream(&shared(&budget))).collect();
    let mut now = Instant::ZERO;
    let mut last = std::vec![0; 4];
    // The first comes long before the others.
    for turn in 0..120 {
        now = now + RTT;
        for (nth, (ends, id)) in sessions.iter_mut().enumerate() {
            if nth == 0 || turn >= 20 {
                last[nth] = round(ends, *id, now);
            }
        }
        assert!(budget.granted() <= budget.size());
    }
    let (least, most) = (last.iter().min().copied(), last.iter().max().copied());
    let first = SessionConfig::default().session_window as usize;
    assert!(least >= Some(2 * first), "{last:?}");
    assert!(most <= least.map(|least| least + least / 4), "{last:?}");
    drop(sessions);
    assert_eq!(budget.granted(), 0);
}

/// A stream whose windows have grown, and the budget that they grew out of.
fn grown() -> (WindowBudget, [End; 2], StreamId) {
    let budget = WindowBudget::new(64 << 20);
    let (mut ends, id) = stream(&shared(&budget));
    for turn in 1..=20 {
        round(&mut ends, id, Instant::ZERO + RTT * turn);
    }
    (budget, ends, id)
}

/// Kills `budget_kept`.
// PROTOCOL R6.8
#[test]
fn what_was_granted_comes_back_as_an_idle_session_uses_it_up() {
    let (budget, mut ends, id) = grown();
    let granted = budget.granted();
    assert!(granted > 20 << 20, "{granted}");
    ends[1].streams.shrink_windows();
    // The peer may still send what it was granted.
    let bound = ends[1].streams.recv_credit.bound() as usize;
    assert_eq!(
        budget.granted(),
        bound - SessionConfig::default().session_window as usize
    );
    for _ in 0..60 {
        round_of(&mut ends, id, UNHURRIED);
    }
    assert_eq!(budget.granted(), 0);
    assert!(round_of(&mut ends, id, UNHURRIED) <= SessionConfig::default().session_window as usize);
}

#[test]
fn the_end_of_a_session_gives_back_all_but_what_is_unread() {
    let (budget, mut ends, id) = grown();
    let [client, server] = &mut ends;
    for _ in 0..3_000 {
        let _ = client.streams.send(id, Bytes::from(std::vec![1; 1_000]));
        client.pass(server, 1, 60_000);
    }
    let unread = server.streams.unread_bytes();
    assert!(unread > 2 << 20);
    server.streams.end();
    assert_eq!(
        budget.granted(),
        unread - SessionConfig::default().session_window as usize
    );
    while let Ok(Some(_)) = server.streams.recv(id, UNHURRIED) {}
    assert_eq!(budget.granted(), 0);
}
