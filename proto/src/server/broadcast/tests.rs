use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::config::{ClientConfig, Seed, SessionConfig};
use crate::event::Event;
use crate::security::Auth;

/// A session that nothing carries: the worst receiver there is.
fn receiver(number: u8) -> Session {
    let config = ClientConfig {
        session: SessionConfig {
            outbox_limit: 64 << 10,
            ..SessionConfig::default()
        },
        ..ClientConfig::new(Auth::anonymous())
    };
    Session::connect(config, Seed([number; 32]), Instant::ZERO).expect("the limits are valid")
}

fn broadcaster(count: u8, backlog: usize, lag_policy: LagPolicy) -> Vec<(Session, Subscription)> {
    let seat = |number| {
        let listener = Subscription::new(StreamOptions::default(), backlog, lag_policy);
        (receiver(number), listener)
    };
    (0..count).map(seat).collect()
}

fn tell(broadcaster: &mut [(Session, Subscription)], message: &Bytes) -> Vec<Delivery> {
    let deliver = |(session, listener): &mut (Session, Subscription)| listener.deliver(Instant::ZERO, session, message);
    broadcaster.iter_mut().map(deliver).collect()
}

#[test]
fn everybody_holds_the_same_bytes() {
    let mut broadcaster = broadcaster(20, 1 << 20, LagPolicy::Skip);
    let message = Bytes::from(vec![7; 5_000]);
    assert_eq!(tell(&mut broadcaster, &message), [Delivery::Queued; 20]);
    for (session, listener) in &mut broadcaster {
        session.abort(Instant::ZERO);
        let last = core::iter::from_fn(|| session.poll_event()).last();
        let Some(Event::Ended(ended)) = last else {
            panic!("it ended")
        };
        let fate = &ended.fates.streams[0];
        assert_eq!(Some(fate.stream), listener.stream());
        assert_eq!(fate.not_delivered[0].payload.as_ptr(), message.as_ptr(), "not a copy");
    }
    drop(broadcaster);
    assert!(message.is_unique(), "nobody holds on to it");
}

#[test]
fn who_is_behind_misses_and_delays_nobody() {
    let mut broadcaster = broadcaster(3, 20_000, LagPolicy::Skip);
    broadcaster[1].1.backlog = 6_000;
    let message = Bytes::from(vec![7; 5_000]);
    let rounds: Vec<_> = (0..4).map(|_| tell(&mut broadcaster, &message)).collect();
    assert_eq!(rounds[0], [Delivery::Queued; 3]);
    for round in &rounds[1..3] {
        assert_eq!(round[..], [Delivery::Queued, Delivery::Missed, Delivery::Queued]);
    }
    assert_eq!(rounds[3], [Delivery::Missed; 3]);
    let missed: Vec<_> = broadcaster.iter().map(|(_, listener)| listener.missed()).collect();
    assert_eq!(missed, [1, 3, 1]);
    assert!(broadcaster[1].0.stats().outbox_bytes < 6_000);
}

#[test]
fn or_ends_and_the_outbox_is_a_bound_too() {
    let mut broadcaster = broadcaster(2, usize::MAX, LagPolicy::End);
    let message = Bytes::from(vec![7; 30_000]);
    // Before its OPEN is out, a stream has half of the outbox.
    assert_eq!(tell(&mut broadcaster, &message), [Delivery::Queued; 2]);
    assert_eq!(tell(&mut broadcaster, &message), [Delivery::Ended; 2]);
    assert_eq!(tell(&mut broadcaster, &message), [Delivery::Declined; 2]);
    assert!(
        broadcaster
            .iter()
            .all(|(session, _)| session.state() == SessionState::Ended)
    );
}
