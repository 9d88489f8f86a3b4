use alloc::vec;
use alloc::vec::Vec;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A sender with so many frames of data, each of one byte that is its number.
fn sender(frames: u8) -> Sender {
    let mut sender = Sender::new(64 << 10, None);
    for number in 0..frames {
        sender.commit(Bytes::from(vec![number]), 1, true);
    }
    sender
}

/// What goes now.
fn sent(sender: &mut Sender, now: Instant) -> Vec<u8> {
    core::iter::from_fn(|| sender.poll_transmit(now))
        .map(|frame| frame[0])
        .collect()
}

#[test]
fn each_goes_once_until_a_connection_begins() {
    let mut sender = sender(4);
    assert_eq!(sent(&mut sender, at(0)), [0, 1, 2, 3]);
    assert!(sent(&mut sender, at(1)).is_empty());
    assert!(sender.on_ack(at(10), 1).is_new);
    assert!(!sender.on_ack(at(10), 1).is_new, "that is known");
    assert!(!sender.on_ack(at(10), 9).is_new, "there is no such frame");
    sender.on_attached();
    assert_eq!(
        sent(&mut sender, at(20)),
        [0, 2, 3],
        "oldest first, and what arrived not at all"
    );
    for number in [3, 2, 0] {
        assert!(sender.on_ack(at(30), number).is_new);
    }
    assert!(sender.is_empty());
    assert_eq!((sender.payload_bytes(), sender.outbox.bytes()), (0, 0));
}

#[test]
fn what_was_passed_on_the_way_goes_again_at_once() {
    let mut sender = sender(5);
    sent(&mut sender, at(0));
    sender.on_ack(at(40), 3);
    assert_eq!(sent(&mut sender, at(40)), [0, 1, 2], "the connection keeps the order");
    // 4 went before these, too.
    sender.on_ack(at(80), 0);
    assert_eq!(sent(&mut sender, at(80)), [4]);
}

#[test]
fn an_acknowledgement_that_does_not_come_is_waited_for_longer_each_time() {
    let mut sender = sender(3);
    sent(&mut sender, at(0));
    let mut waits = Vec::new();
    let mut last = at(0);
    for _ in 0..5 {
        let due = sender.poll_timeout().expect("because frames are on their way");
        sender.handle_timeout(due);
        assert!(sender.poll_timeout().is_none_or(|next| next > due));
        let again = sent(&mut sender, due);
        assert!(
            again[0] == 0 && again.len() <= 2,
            "the oldest, and one after the other: {again:?}"
        );
        waits.push(due.saturating_since(last).as_millis());
        last = due;
    }
    assert_eq!(waits, [300, 600, 1_200, 2_000, 2_000]);
}

/// The peer has 0 and 1 and says nothing to them any more.
fn silent(ready: bool) -> (Sender, u32, u64) {
    let mut sender = sender(3);
    sent(&mut sender, at(0));
    if ready {
        sender.commit(Bytes::from(vec![3]), 1, true);
        sender.ready = true;
    }
    sender.on_attached();
    let (mut now, mut inferred, mut rounds) = (at(1_000), 0, 0);
    while inferred < 2 && rounds < 40 {
        rounds += 1;
        sender.handle_timeout(now);
        for number in sent(&mut sender, now) {
            if number > 1 {
                inferred += sender.on_ack(now + MS * 40, u64::from(number)).inferred;
            }
        }
        if sender.wants_probe() || rounds % 2 == 0 {
            let number = sender.next();
            sender.commit(Bytes::from(vec![u8::try_from(number).unwrap_or(255)]), 0, true);
        }
        now = now + MS * 400;
    }
    (sender, inferred, rounds)
}

#[test]
fn who_is_silent_about_what_comes_twice_has_it() {
    let (sender, inferred, rounds) = silent(true);
    assert_eq!(inferred, 2);
    assert!(rounds >= u64::from(DOUBTS), "{rounds}");
    assert_eq!(sender.doubted, 0);
    assert!(sender.outbox.base() > 1);
}

#[test]
fn whoever_is_not_ready_may_drop_what_comes() {
    let (sender, inferred, _) = silent(false);
    assert_eq!(inferred, 0);
    assert_eq!(sender.outbox.base(), 0, "it is kept for as long as it takes");
}

/// What lies between the two ends may lose a frame and keep our connection.
#[test]
fn one_proof_is_not_enough() {
    let mut sender = sender(1);
    sender.ready = true;
    sent(&mut sender, at(0));
    sender.on_attached();
    let mut inferred = Vec::new();
    for number in 1..=4_u8 {
        let now = at(1_000 * u64::from(number));
        sender.handle_timeout(now);
        assert_eq!(sent(&mut sender, now), [0]);
        sender.commit(Bytes::from(vec![number]), 1, true);
        assert_eq!(sent(&mut sender, now), [number]);
        inferred.push(sender.on_ack(now + MS * 40, u64::from(number)).inferred);
    }
    assert_eq!(inferred, [0, 0, 0, 1]);
}

/// A peer says again on a new connection what it has, and so acknowledges what went before anything on this one.
#[test]
fn what_went_on_the_connection_before_proves_nothing() {
    let mut sender = sender(7);
    sender.ready = true;
    sent(&mut sender, at(0));
    for number in 2..7 {
        sender.on_attached();
        let first = sender.poll_transmit(at(100));
        assert_eq!(first, Some(Bytes::from(vec![0])), "the others have not gone yet");
        let acked = sender.on_ack(at(140), number);
        assert_eq!((acked.is_new, acked.inferred), (true, 0), "{number}");
    }
    assert_eq!(sender.outbox.base(), 0);
}

/// What was acknowledged may have been sent before, too, and then says nothing of what went in between.
#[test]
fn only_what_went_once_tells_of_others() {
    let mut sender = sender(3);
    sender.ready = true;
    for round in 0..20 {
        sender.on_attached();
        sent(&mut sender, at(1_000 * round));
        if round > 0 {
            // As if 2 had never been acknowledged: what is acknowledged here is always one that went twice.
            let number = sender.next() - 1;
            assert_eq!(sender.on_ack(at(1_000 * round + 40), number).inferred, 0);
            sender.commit(Bytes::from(vec![9]), 1, true);
            sent(&mut sender, at(1_000 * round + 50));
        }
    }
    assert_eq!(sender.outbox.base(), 0);
}

#[test]
fn a_sign_of_the_peer_tells_that_nothing_arrived() {
    let mut sender = sender(3);
    sender.rto.sample(MS * 100);
    sent(&mut sender, at(1_000));
    sender.on_sign(at(1_040), true);
    assert!(sent(&mut sender, at(1_040)).is_empty(), "it may be under way");
    sender.on_sign(at(1_060), true);
    assert_eq!(sent(&mut sender, at(1_060)), [0, 1, 2]);
    sender.on_sign(at(1_130), true);
    assert!(sent(&mut sender, at(1_130)).is_empty(), "once in a round trip");
    assert!(sender.on_ack(at(1_150), 0).is_new);
    sender.on_sign(at(1_240), true);
    assert!(sent(&mut sender, at(1_240)).is_empty(), "acknowledgements are coming");
}

#[test]
fn the_window_and_the_pace_are_kept() {
    let mut sender = Sender::new(4_096, Some(10));
    let mut now = at(10_000);
    let mut numbered = 0;
    while sender.takes_new(now) {
        sender.commit(Bytes::from(vec![0; 300]), 300, true);
        assert!(sender.poll_transmit(now).is_some());
        numbered += 1;
    }
    assert_eq!(numbered, 10, "as many as go in a second");
    let due = sender.poll_timeout().expect("because something waits for the pace");
    assert_eq!(due, now + MS * 100);
    sender.handle_timeout(due);
    now = due;
    assert!(sender.takes_new(now));
    sender.commit(Bytes::from(vec![0; 300]), 300, true);
    sender.poll_transmit(now);
    now = now + Duration::from_secs(1);
    assert!(sender.takes_new(now), "4,004 bytes with what they cost");
    sender.commit(Bytes::from(vec![0; 300]), 300, true);
    sender.poll_transmit(now);
    assert!(!sender.takes_new(now + Duration::from_secs(1)), "the window is full");
}

/// Who is never ready may be silent for as long as it likes.
#[test]
fn doubts_do_not_overflow() {
    let mut sender = sender(1);
    sent(&mut sender, at(0));
    sender.on_attached();
    sent(&mut sender, at(10));
    sender.outbox.change(0, |sent| sent.doubts = u8::MAX);
    sender.doubted = sender.outbox.bytes();
    sender.commit(Bytes::from(vec![1]), 1, true);
    sent(&mut sender, at(20));
    assert!(sender.on_ack(at(60), 1).is_new);
    assert_eq!(sender.outbox.base(), 0);
}
