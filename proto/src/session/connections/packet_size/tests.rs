use super::*;

const MINUTES: Duration = Duration::from_secs(60);

fn at(seconds: u64) -> Instant {
    Instant::ZERO + Duration::from_secs(seconds)
}

fn under_way(bytes: usize) -> Carried {
    let mut carried = Carried::default();
    carried.on_sent(10, bytes);
    carried
}

/// A connection is lost with a packet of so many bytes under way, and the next one begins before it.
fn lose(path: &mut PathLimit, now: Instant, cause: Cause, bytes: usize) {
    path.on_lost(cause, &under_way(bytes));
    path.on_attached(now, 9);
}

fn limit(path: &PathLimit) -> usize {
    path.longest(&SessionConfig::default(), None)
}

#[test]
fn the_longest_packet_under_way_is_the_suspect_until_it_arrives() {
    let mut carried = Carried::default();
    carried.on_sent(1, 1_200);
    assert!(carried.under_way.is_none(), "every way carries it");
    carried.on_sent(2, 1_201);
    carried.on_sent(3, 9_000);
    carried.on_sent(4, 2_000);
    carried.on_sent(5, 10_000);
    assert_eq!(carried.under_way, Some((3, 9_000)));
    assert_eq!(carried.on_acked(2), None);
    assert_eq!(carried.on_acked(3), Some(9_000));
    carried.on_sent(5, 9_000);
    assert!(carried.under_way.is_none(), "it is known to arrive");
    carried.on_sent(6, 9_001);
    assert_eq!(carried.under_way, Some((6, 9_001)));
}

/// Kills `too_large_is_sent_again`.
#[test]
fn one_loss_that_is_told_halves_and_others_do_in_pairs() {
    let mut path = PathLimit::default();
    lose(&mut path, at(1), Cause::TooLarge, 16_640);
    assert_eq!(limit(&path), 8_320);
    let mut path = PathLimit::default();
    lose(&mut path, at(1), Cause::Network, 16_640);
    assert_eq!(limit(&path), MAX_PACKET);
    lose(&mut path, at(2), Cause::Heartbeat, 16_000);
    assert_eq!(limit(&path), 8_000);
    for expected in [4_000, 2_000, 1_200, 1_200] {
        let longest = limit(&path);
        lose(&mut path, at(3), Cause::Network, longest);
        assert_eq!(limit(&path), expected, "each further one halves");
    }
}

#[test]
fn what_arrived_after_all_was_not_too_long() {
    let mut path = PathLimit::default();
    for second in 1..20 {
        path.on_lost(Cause::Network, &under_way(16_640));
        path.on_attached(at(second), 10);
    }
    assert_eq!(limit(&path), MAX_PACKET);
    lose(&mut path, at(20), Cause::Network, 16_640);
    path.on_carried(at(21), 16_640);
    lose(&mut path, at(22), Cause::Network, 16_640);
    assert_eq!(limit(&path), MAX_PACKET, "they are not in a row");
}

#[test]
fn what_this_host_or_the_server_wanted_is_no_loss() {
    let mut path = PathLimit::default();
    for cause in [Cause::Local, Cause::ServerAsked, Cause::Local] {
        lose(&mut path, at(1), cause, 16_640);
    }
    path.on_lost(Cause::TooLarge, &Carried::default());
    path.on_attached(at(1), 0);
    assert_eq!(limit(&path), MAX_PACKET, "nothing long was under way");
}

/// Kills `never_raised`.
#[test]
fn more_is_tried_again_and_what_fails_is_tried_later() {
    let mut path = PathLimit::default();
    lose(&mut path, at(0), Cause::TooLarge, 8_000);
    assert_eq!((limit(&path), path.deadline()), (4_000, Some(at(0) + 10 * MINUTES)));
    path.on_timeout(at(599));
    assert_eq!(limit(&path), 4_000);
    path.on_timeout(at(600));
    assert_eq!(limit(&path), 8_000);
    lose(&mut path, at(601), Cause::Network, 7_900);
    assert_eq!(limit(&path), 4_000, "the first loss shows that it was in vain");
    assert_eq!(path.deadline(), Some(at(601) + 20 * MINUTES));
    path.on_timeout(at(601) + 20 * MINUTES);
    lose(&mut path, at(1_900), Cause::TooLarge, 7_900);
    assert_eq!(path.deadline(), Some(at(1_900) + 40 * MINUTES));
    for _ in 0..40 {
        let due = path.deadline().expect("because it is limited");
        path.on_timeout(due);
        lose(&mut path, due, Cause::Network, 7_900);
        assert!(path.deadline().expect("because it is limited") <= due + MAX_RAISE_AFTER);
    }
}

#[test]
fn what_arrives_again_is_followed_by_more_at_once() {
    let mut path = PathLimit::default();
    lose(&mut path, at(0), Cause::TooLarge, 8_000);
    path.on_timeout(at(600));
    for (bytes, next) in [(8_000, 16_000), (16_000, 32_000), (32_000, 64_000)] {
        path.on_carried(at(601), bytes);
        assert_eq!(path.deadline(), Some(at(601)));
        path.on_timeout(at(601));
        assert_eq!(limit(&path), next);
    }
    path.on_carried(at(602), 64_000);
    path.on_timeout(at(602));
    assert_eq!((limit(&path), path.deadline()), (MAX_PACKET, None));
    path.on_carried(at(603), 65_000);
    assert!(path.0.is_none(), "nothing is left to know");
}

#[test]
fn what_was_tried_and_never_sent_falls_back_to_what_arrived() {
    let mut path = PathLimit::default();
    lose(&mut path, at(0), Cause::TooLarge, 8_000);
    path.on_timeout(at(600));
    path.on_timeout(at(1_200));
    assert_eq!(limit(&path), 16_000);
    lose(&mut path, at(1_300), Cause::Network, 16_000);
    assert_eq!(limit(&path), 4_000);
}

#[test]
fn both_ends_limits_hold_as_well() {
    let mut path = PathLimit::default();
    let config = SessionConfig::default().with_packet_limit(3_000);
    assert_eq!(path.longest(&config, None), 3_000);
    lose(&mut path, at(0), Cause::TooLarge, 2_800);
    assert_eq!(path.longest(&config, None), 1_400);
    let peer = Parameters {
        packet_limit: 1_300,
        ..config.parameters()
    };
    assert_eq!(path.longest(&config, Some(&peer)), 1_300);
}

#[test]
fn losses_are_in_a_row_until_as_much_arrived() {
    let mut path = PathLimit::default();
    lose(&mut path, at(0), Cause::Network, 60_000);
    path.on_carried(at(1), 32_000);
    lose(&mut path, at(100), Cause::Network, 20_000);
    assert_eq!(limit(&path), MAX_PACKET, "32,000 arrived");
    lose(&mut path, at(101), Cause::Network, 20_000);
    assert_eq!(limit(&path), 10_000, "a way may become another one unnoticed");
    path.on_carried(at(200), 4_000);
    lose(&mut path, at(300), Cause::Network, 1_300);
    assert_eq!(limit(&path), 10_000, "that is one loss, long after the others");
}

#[test]
fn what_arrived_counts_though_longer_ones_follow() {
    let mut path = PathLimit::default();
    for _ in 0..2 {
        let mut carried = Carried::default();
        for n in 1..60 {
            carried.on_sent(n, 16_000 + 200 * usize::try_from(n).expect("because it is small"));
            if n > 2
                && let Some(bytes) = carried.on_acked(n - 1)
            {
                path.on_carried(at(n), bytes);
            }
        }
        path.on_lost(Cause::Network, &carried);
        path.on_attached(at(60), 58);
    }
    assert_eq!(limit(&path), MAX_PACKET);
}

#[test]
fn another_network_is_tried_at_once_and_one_that_nobody_told_of_soon() {
    let mut path = PathLimit::default();
    lose(&mut path, at(0), Cause::TooLarge, 2_400);
    // In vain, again and again.
    let mut now = at(0);
    for _ in 0..10 {
        now = path.deadline().expect("because it is limited");
        path.on_timeout(now);
        lose(&mut path, now, Cause::Network, 2_400);
    }
    assert_eq!(path.deadline(), Some(now + MAX_RAISE_AFTER));
    path.on_attached(now, 0);
    assert_eq!(
        path.deadline(),
        Some(now + 10 * MINUTES),
        "another connection, and nothing was lost for it"
    );
    path.on_network_changed(now);
    assert_eq!((limit(&path), path.deadline()), (1_200, Some(now)));
    path.on_timeout(now);
    lose(&mut path, now, Cause::Network, 2_400);
    assert_eq!(
        (limit(&path), path.deadline()),
        (1_200, Some(now + 20 * MINUTES)),
        "it was the same network"
    );
}

#[test]
fn a_raise_is_in_vain_though_something_a_little_longer_arrived() {
    let mut path = PathLimit::default();
    lose(&mut path, at(0), Cause::TooLarge, 8_000);
    let mut now = at(600);
    for minutes in [20, 40, 80] {
        path.on_timeout(now);
        path.on_carried(now, 4_090);
        lose(&mut path, now, Cause::Network, 7_900);
        assert_eq!(path.deadline(), Some(now + minutes * MINUTES));
        now = now + minutes * MINUTES;
    }
}
