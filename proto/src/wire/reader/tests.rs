use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use proptest::collection::vec as list;
use proptest::prelude::*;

use super::frames;
use crate::error::ProtocolError::{self, BadStream, Malformed, Misplaced, UnknownFrame};
use crate::id::StreamId;
use crate::wire::frame::{Data, Frame};
use crate::wire::tests::{decode, encode, final_frame, frame};
use crate::wire::varint;

/// A length of 2^62 - 1.
const HUGE: [u8; 8] = [0xff; 8];

fn error(plaintext: &[u8]) -> ProtocolError {
    decode(plaintext).expect_err("because the input is wrong")
}

// PROTOCOL R4.6
#[test]
fn unknown_types_are_named_so() {
    let known = (1..=5).chain(8..=0x11).chain(0x40..=0x5f).collect::<Vec<u8>>();
    for byte in 0..=u8::MAX {
        let unknown = decode(&[byte]) == Err(UnknownFrame);
        assert_eq!(unknown, !known.contains(&byte), "{byte:#04x}");
    }
    assert_eq!(error(&[0x10, 0x20]), UnknownFrame, "behind a good frame, too");
}

// PROTOCOL R4.1
#[test]
fn a_packet_has_at_least_one_frame() {
    assert_eq!(error(&[]), Malformed);
}

#[test]
fn same_stream_needs_a_stream_before_it() {
    assert_eq!(error(&[0x4c, 0xaa]), Malformed);
    assert_eq!(error(&[0x0a, 0, 0x44, 0]), Malformed, "ACK names no stream");
    assert_eq!(error(&[0x02, 1, 0, 0x44, 0]), Malformed, "RESET does not count");
    assert!(decode(&[0x01, 1, 0, 0x43, 0xe8, 0, 0x44, 0]).is_ok(), "OPEN does");
    assert!(
        decode(&[0x40, 1, 0, 0x0a, 0, 0x44, 0]).is_ok(),
        "DATA does, however far back"
    );
}

#[test]
fn an_omitted_length_takes_the_rest() {
    let read = decode(&[0x48, 1, 0x10, 0x20, 0xff]).expect("because anything may follow");
    match &read[..] {
        [Frame::Data(Data { payload, .. })] => assert_eq!(payload[..], [0x10, 0x20, 0xff]),
        other => panic!("{other:?}"),
    }
}

// PROTOCOL R4.5
#[test]
fn nothing_is_longer_than_its_limit() {
    let with_string = |head: &[u8], length: u16, tail: &[u8]| {
        let mut plaintext = head.to_vec();
        varint::write(&mut plaintext, length.into());
        plaintext.resize(plaintext.len() + usize::from(length), b'x');
        plaintext.extend_from_slice(tail);
        decode(&plaintext).map(|_| ())
    };
    let open = [0x01, 1, 0, 0x43, 0xe8];
    assert_eq!(with_string(&open, 255, &[]), Ok(()));
    assert_eq!(with_string(&open, 256, &[]), Err(Malformed));
    for (head, tail) in [
        (&[0x05, 0][..], &[0][..]),
        (&[0x09, 0], &[0, 0, 0]),
        (&[0x09, 0, 0, 0, 0], &[]),
        (&[0x0f, 0], &[]),
    ] {
        assert_eq!(with_string(head, 1_024, tail), Ok(()), "{head:x?}");
        assert_eq!(with_string(head, 1_025, tail), Err(Malformed), "{head:x?}");
    }
    for head in [&[0x40, 1][..], &open, &[0x05, 0], &[0x09, 0], &[0x0f, 0]] {
        assert_eq!(error(&[head, &HUGE].concat()), Malformed);
    }
}

#[test]
fn stream_0_is_the_session_in_credit_only() {
    for plaintext in [
        &[0x40, 0, 0][..],
        &[0x50, 0, 3, 0, 1, 7],
        &[0x01, 0, 0, 0x43, 0xe8, 0],
        &[0x02, 0, 0],
        &[0x03, 0, 0],
    ] {
        assert_eq!(error(plaintext), BadStream);
    }
    assert_eq!(decode(&[0x04, 0, 5]), Ok(vec![Frame::Credit { stream: 0, limit: 5 }]));
}

// PROTOCOL R4.8
#[test]
fn fragment_sizes_stay_in_their_range() {
    let open = |size: [u8; 4]| decode(&[&[0x01, 1, 0][..], &size, &[0]].concat()).map(|_| ());
    assert_eq!(decode(&[0x01, 1, 0, 0x43, 0xe7, 0]), Err(Malformed), "999");
    assert_eq!(open([0x80, 0, 0xfa, 0]), Ok(()), "64,000");
    assert_eq!(open([0x80, 0, 0xfa, 1]), Err(Malformed), "64,001");
}

#[test]
fn codes_and_markers_are_known_ones() {
    assert!(decode(&[0x09, 8, 0, 0, 0, 0]).is_ok());
    assert_eq!(error(&[0x09, 9, 0, 0, 0, 0]), Malformed);
    assert_eq!(error(&[0x09, 7, 0, 2, 0, 0]), Malformed);
    assert_eq!(error(&[0x09, 7, 0, 0, 2, 0]), Malformed);
}

#[test]
fn payloads_are_slices_of_the_packet() {
    let plaintext = Bytes::from(encode(&[
        Frame::Data(Data {
            stream: StreamId(1),
            payload: Bytes::from_static(b"abc"),
            message_end: true,
            stream_end: false,
        }),
        Frame::GoAway {
            within: 0,
            alternate: Bytes::from_static(b"elsewhere"),
        },
    ]));
    let range = plaintext.as_ptr_range();
    for frame in frames(plaintext.clone()) {
        let (Ok(Frame::Data(Data { payload: bytes, .. })) | Ok(Frame::GoAway { alternate: bytes, .. })) = frame else {
            panic!("{frame:?}")
        };
        assert!(range.contains(&bytes.as_ptr()), "copied");
    }
}

proptest! {
    #[test]
    fn round_trip(list in list(frame(), 1..12)) {
        prop_assert_eq!(decode(&encode(&list)), Ok(list));
    }

    // PROTOCOL R4.14
    #[test]
    fn final_round_trips_alone_and_has_no_other_place(frame in final_frame()) {
        let alone = encode(core::slice::from_ref(&frame));
        prop_assert_eq!(decode(&alone), Ok(vec![frame.clone()]));
        prop_assert_eq!(decode(&encode(&[Frame::Rekey, frame.clone()])), Err(Misplaced));
        prop_assert_eq!(decode(&encode(&[frame, Frame::Rekey])), Err(Misplaced));
        for cut in 0..alone.len() {
            prop_assert_eq!(decode(&alone[..cut]), Err(Malformed));
        }
    }

    /// Nothing left out (another frame follows), so no prefix is a frame.
    // PROTOCOL R4.1
    #[test]
    fn every_truncation_is_malformed(frame in frame()) {
        let whole = encode(&[frame.clone(), Frame::Rekey]);
        for cut in 0..whole.len() - 1 {
            prop_assert_eq!(decode(&whole[..cut]), Err(Malformed));
        }
        prop_assert_eq!(decode(&whole[..whole.len() - 1]), Ok(vec![frame]));
    }

    #[test]
    fn any_bytes_give_frames_or_one_error(bytes in list(any::<u8>(), 0..300)) {
        let mut all = frames(Bytes::from(bytes.clone()));
        let read: Vec<_> = all.by_ref().collect();
        prop_assert!(all.next().is_none());
        prop_assert!(read.len() <= bytes.len().max(1));
        let bad = read.iter().position(Result::is_err);
        prop_assert!(bad.is_none_or(|at| at + 1 == read.len()));
        let good: Vec<Frame> = read.into_iter().flatten().collect();
        if bad.is_none() {
            let again = encode(&good);
            prop_assert!(again.len() <= bytes.len(), "the writer takes the shortest form");
            prop_assert_eq!(decode(&again), Ok(good));
        }
    }

    /// Nearly right bytes reach further than random ones.
    #[test]
    fn a_flipped_byte_gives_frames_or_an_error(list in list(frame(), 1..6), at in any::<prop::sample::Index>(), flip in 1..=u8::MAX) {
        let mut plaintext = encode(&list);
        let at = at.index(plaintext.len());
        plaintext[at] ^= flip;
        if let Ok(read) = decode(&plaintext) {
            prop_assert_eq!(decode(&encode(&read)), Ok(read));
        }
    }
}
