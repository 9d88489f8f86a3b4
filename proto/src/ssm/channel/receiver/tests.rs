use alloc::vec::Vec;

use super::*;
use crate::ssm::MessageType;

const MS: Duration = Duration::from_millis(1);

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn receiver() -> Receiver {
    Receiver::new(1_000, MS)
}

fn arrive(receiver: &mut Receiver, now: Instant, number: i64, id: u8) -> Arrival {
    let header = Header {
        sequence_number: number,
        payload_type: PayloadType::Output,
        ..Header::new(MessageType::InputStreamData, Uuid([id; 16]), 1)
    };
    let arrival = receiver.arrive(now, &header, Bytes::from_static(b"0123456789"));
    if let Arrival::Next(arrived) = &arrival {
        receiver.take_up(now, arrived, false);
        while let Some(held) = receiver.held() {
            receiver.take_up(now, &held, true);
        }
    }
    arrival
}

fn acks(receiver: &mut Receiver, now: Instant) -> Vec<i64> {
    core::iter::from_fn(|| receiver.poll_ack(now))
        .map(|ack| ack.number)
        .collect()
}

#[test]
fn each_frame_is_acknowledged_once_for_each_time_that_it_comes() {
    let mut receiver = receiver();
    assert!(matches!(arrive(&mut receiver, at(0), 0, 0), Arrival::Next(_)));
    assert_eq!(arrive(&mut receiver, at(0), 2, 2), Arrival::Ahead);
    assert_eq!(receiver.next_ack(), Some(at(1)));
    assert!(
        acks(&mut receiver, at(0)).is_empty(),
        "not before its sender has written it down"
    );
    assert_eq!(acks(&mut receiver, at(1)), [0, 2]);
    assert!(matches!(arrive(&mut receiver, at(2), 1, 1), Arrival::Next(_)));
    assert_eq!(receiver.expected(), 3);
    assert_eq!(acks(&mut receiver, at(9)), [1], "2 has its acknowledgement");
    for number in [0, 1, 2] {
        let id = u8::try_from(number).unwrap_or(0);
        assert_eq!(arrive(&mut receiver, at(10), number, id), Arrival::Duplicate);
    }
    assert_eq!(
        acks(&mut receiver, at(11)),
        [0, 1, 2],
        "whoever sends it again does not know"
    );
}

#[test]
fn two_frames_with_one_number_are_told_apart() {
    let mut receiver = receiver();
    for number in 0..1_500 {
        arrive(&mut receiver, at(0), number, 7);
    }
    assert_eq!(arrive(&mut receiver, at(1), 1_499, 8), Arrival::Reused);
    assert_eq!(
        arrive(&mut receiver, at(1), 0, 8),
        Arrival::Reused,
        "the first is remembered"
    );
    assert_eq!(
        arrive(&mut receiver, at(1), 1, 8),
        Arrival::Duplicate,
        "not all others are"
    );
    assert_eq!(arrive(&mut receiver, at(1), -1, 8), Arrival::Refused);
}

#[test]
fn there_is_a_bound_to_what_waits() {
    let mut receiver = receiver();
    let fits = 1_000 / (10 + HELD);
    for number in 1..=20 {
        let expected = if number <= fits {
            Arrival::Ahead
        } else {
            Arrival::Refused
        };
        let number = i64::try_from(number).unwrap_or(0);
        assert_eq!(arrive(&mut receiver, at(0), number, 1), expected, "{number}");
    }
    assert_eq!(acks(&mut receiver, at(5)).len(), fits, "what is not kept comes again");
    assert_eq!(receiver.gap_since(), Some(at(0)));
    arrive(&mut receiver, at(9), 0, 1);
    assert_eq!((receiver.gap_since(), receiver.expected()), (None, 1 + fits as u64));
}

#[test]
fn what_was_acknowledged_last_is_acknowledged_again_on_a_new_connection() {
    let mut receiver = receiver();
    for number in 0..4 {
        arrive(&mut receiver, at(0), number, 1);
    }
    assert_eq!(acks(&mut receiver, at(1)).len(), 4);
    for number in 4..7 {
        arrive(&mut receiver, at(5_000), number, 1);
    }
    assert_eq!(acks(&mut receiver, at(5_001)), [4, 5, 6]);
    arrive(&mut receiver, at(5_002), 7, 1);
    receiver.on_attached(at(60_000));
    assert_eq!(
        acks(&mut receiver, at(60_000)),
        [4, 5, 6, 7],
        "those before have had their time"
    );
}

/// A frame with as many bytes.
fn arrive_of(receiver: &mut Receiver, number: i64, bytes: usize) -> Arrival {
    let header = Header {
        sequence_number: number,
        payload_type: PayloadType::Output,
        ..Header::new(MessageType::InputStreamData, Uuid([1; 16]), 1)
    };
    receiver.arrive(at(0), &header, Bytes::from(alloc::vec![0; bytes]))
}

#[test]
fn behind_what_found_no_room_nothing_does() {
    let mut receiver = receiver();
    assert_eq!(arrive_of(&mut receiver, 1, 600), Arrival::Ahead);
    assert_eq!(arrive_of(&mut receiver, 3, 600), Arrival::Refused);
    assert_eq!(
        arrive_of(&mut receiver, 4, 0),
        Arrival::Refused,
        "although there would be room"
    );
    assert_eq!(arrive_of(&mut receiver, 2, 0), Arrival::Ahead, "it lies before");
    assert!(matches!(arrive(&mut receiver, at(1), 0, 1), Arrival::Next(_)));
    assert_eq!(receiver.expected(), 3);
    assert_eq!(arrive_of(&mut receiver, 4, 0), Arrival::Refused, "3 comes first");
    assert!(matches!(arrive(&mut receiver, at(1), 3, 1), Arrival::Next(_)));
    assert_eq!(arrive_of(&mut receiver, 5, 0), Arrival::Ahead);
    // Or it finds room ahead of its turn.
    let mut receiver = self::receiver();
    assert_eq!(arrive_of(&mut receiver, 2, 800), Arrival::Ahead);
    assert_eq!(arrive_of(&mut receiver, 3, 900), Arrival::Refused);
    assert_eq!(arrive_of(&mut receiver, 3, 10), Arrival::Ahead);
    assert_eq!(arrive_of(&mut receiver, 4, 0), Arrival::Refused, "there is none");
}
