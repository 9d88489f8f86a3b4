use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use proptest::collection::vec as list;
use proptest::prelude::*;

use super::FrameWriter;
use crate::id::StreamId;
use crate::limits::FRAME_CHARGE;
use crate::wire::frame::{Data, Frame, Open, Part};
use crate::wire::packet::{MAX_FRAMES, SEAL_OVERHEAD};
use crate::wire::tests::{decode, encode, final_frame, frame};
use crate::wire::varint;

fn message(stream: u64, length: usize) -> Frame {
    let payload = Bytes::from(vec![0xaa; length]);
    Frame::Data(Data {
        stream: StreamId(stream),
        payload,
        message_end: true,
        stream_end: false,
    })
}

fn sealed_len(list: &[Frame]) -> usize {
    encode(list).len() + SEAL_OVERHEAD
}

#[test]
fn one_message_alone_costs_19_bytes_below_stream_64() {
    for stream in [1, 2, 63] {
        for length in [0, 1, 63, 64, 16_000, 64_000] {
            assert_eq!(sealed_len(&[message(stream, length)]) - length, 19);
        }
    }
}

#[test]
fn a_message_among_many_costs_3_bytes_and_the_packet_18() {
    for length in [0, 1, 63, 64, 500, 16_000] {
        let count = MAX_FRAMES / (length + 3);
        let batch = vec![message(63, length); count];
        let size = sealed_len(&batch);
        assert!(size <= 65_535 + 1, "{size}");
        assert!(size - count * length <= 3 * count + 18, "{length}: {size}");
    }
}

#[test]
fn an_ack_alone_is_26_bytes_at_most() {
    assert_eq!(sealed_len(&[Frame::Ack { position: varint::MAX }]), 26);
    assert_eq!(sealed_len(&[Frame::Ack { position: 63 }]), 19);
}

#[test]
fn the_largest_frames_fit_a_packet() {
    let data = message(varint::MAX, 64_000);
    assert!(data.encoded_len() <= MAX_FRAMES);
}

// PROTOCOL R4.7
#[test]
fn data_leaves_out_what_the_packet_says_already() {
    let open = Frame::Open(Open {
        stream: StreamId(5),
        priority: 128,
        fragment_size: 16_000,
        label: Bytes::new(),
    });
    let frames = [
        message(1, 1),
        message(1, 2),
        message(3, 1),
        open,
        message(5, 1),
        Frame::Ack { position: 0 },
        message(5, 0),
    ];
    let expected = [
        &[0x41, 1, 1, 0xaa][..],
        &[0x45, 2, 0xaa, 0xaa],
        &[0x41, 3, 1, 0xaa],
        &[0x01, 5, 128, 0x7e, 0x80, 0],
        &[0x45, 1, 0xaa],
        &[0x0a, 0],
        &[0x4d],
    ];
    assert_eq!(encode(&frames), expected.concat());
}

#[test]
fn what_stood_in_the_buffer_stays() {
    let mut buf = vec![7, 7];
    let writer = FrameWriter::new(&mut buf);
    assert!(writer.is_empty());
    assert_eq!(writer.len(), 0);
    writer.finish();
    assert_eq!(buf, [7, 7]);
    let mut writer = FrameWriter::new(&mut buf);
    writer.push(&message(1, 0));
    assert!(!writer.is_empty(), "a held frame counts");
    writer.push(&Frame::Rekey);
    assert_eq!(writer.len(), 4);
    writer.finish();
    assert_eq!(buf, [7, 7, 0x41, 1, 0, 0x10]);
}

#[test]
fn byte_strings_beyond_their_limit_are_cut() {
    let label = Bytes::from(vec![b'x'; 300]);
    let open = Frame::Open(Open {
        stream: StreamId(1),
        priority: 0,
        fragment_size: 1_000,
        label: label.clone(),
    });
    let encoded = encode(core::slice::from_ref(&open));
    assert_eq!(encoded.len(), open.encoded_len());
    match &decode(&encoded).expect("because it was cut to the limit")[..] {
        [Frame::Open(read)] => assert_eq!(read.label, label[..255]),
        other => panic!("{other:?}"),
    }
}

// PROTOCOL R4.7, R6.1
#[test]
fn charges_count_the_payload_or_the_canonical_encoding() {
    assert_eq!(message(1, 0).charge(), FRAME_CHARGE);
    assert_eq!(message(varint::MAX, 16_000).charge(), 16_064);
    assert_eq!(
        Frame::Reset {
            stream: StreamId(1),
            code: 64
        }
        .charge(),
        1 + 1 + 2 + 64
    );
    assert_eq!(
        Frame::Credit {
            stream: 0,
            limit: 1 << 20
        }
        .charge(),
        1 + 1 + 4 + 64
    );
}

proptest! {
    #[test]
    fn lengths_are_foretold(frames in list(frame(), 0..12)) {
        let mut buf = Vec::new();
        let mut writer = FrameWriter::new(&mut buf);
        for frame in &frames {
            let (before, room) = (writer.len(), writer.room_for(frame));
            prop_assert!(room <= frame.encoded_len());
            writer.push(frame);
            prop_assert_eq!(writer.len(), before + room);
        }
        let foretold = writer.len();
        writer.finish();
        let omitted = match frames.last() {
            Some(Frame::Data(data) | Frame::Part(Part { data, .. })) => varint::len(data.payload.len() as u64),
            _ => 0,
        };
        prop_assert_eq!(buf.len() + omitted, foretold);
    }

    #[test]
    fn encoded_len_is_the_length_of_a_frame_that_leaves_nothing_out(frame in frame()) {
        let both = encode(&[frame.clone(), Frame::Rekey]);
        prop_assert_eq!(both.len() - 1, frame.encoded_len());
        if !matches!(frame, Frame::Data(_)) {
            prop_assert_eq!(frame.charge(), frame.encoded_len() + 64);
        }
    }

    #[test]
    fn encoded_len_of_final(frame in final_frame()) {
        prop_assert_eq!(encode(core::slice::from_ref(&frame)).len(), frame.encoded_len());
    }
}
