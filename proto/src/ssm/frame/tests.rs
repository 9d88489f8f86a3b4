#![allow(clippy::unwrap_used, reason = "a test")]

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use proptest::collection::vec as list;
use proptest::prelude::*;

use crate::ssm::frame::{Frame, FrameError, HEADER_SIZE, Header};
use crate::ssm::kind::{FLAG_SYN, MessageType, PayloadType};
use crate::ssm::tests::messages;
use crate::ssm::uuid::Uuid;

/// The worked example: `ls -l` and Enter.
fn example() -> Vec<u8> {
    let (_, message) = messages()
        .into_iter()
        .find(|(file, _)| file.starts_with("p05"))
        .expect("it is recorded");
    message.to_vec()
}

/// The example with these bytes in this place.
fn with(at: usize, bytes: &[u8]) -> Result<crate::ssm::frame::Received, FrameError> {
    let mut message = example();
    message[at..at + bytes.len()].copy_from_slice(bytes);
    Frame::decode(message.into())
}

#[test]
fn the_worked_example() {
    let received = Frame::decode(example().into()).unwrap();
    let id = Uuid::parse("8f58e0cd-88f4-4093-a29d-85d88db48671").unwrap();
    let header = Header {
        sequence_number: 2,
        payload_type: PayloadType::Output,
        ..Header::new(MessageType::InputStreamData, id, 0x01a1_fc38_bfb2)
    };
    assert_eq!(
        received.frame,
        Frame {
            header,
            payload: "ls -l\n".into()
        }
    );
    assert!(received.digest_matches());
    // Its halves are swapped on the wire.
    assert_eq!(example()[64..68], [0xa2, 0x9d, 0x85, 0xd8]);
}

#[test]
fn either_padding_of_the_message_type() {
    let mut name = [0; 32];
    name[..17].copy_from_slice(b"input_stream_data");
    let received = with(4, &name).unwrap();
    assert_eq!(received.frame.header.message_type, MessageType::InputStreamData);
    name.copy_from_slice(b"\0\0input_stream_data \t\0\0\0\0\0\0\0\0\0\0\0");
    let received = with(4, &name).unwrap();
    assert_eq!(received.frame.header.message_type, MessageType::InputStreamData);
    // And it is written with spaces.
    let mut again = Vec::new();
    received.frame.encode(&mut again);
    assert_eq!(again, example());
}

#[test]
fn the_payload_is_the_rest_whatever_its_length_is_said_to_be() {
    for said in [0, 1, 5_000, u32::MAX] {
        let received = with(116, &said.to_be_bytes()).unwrap();
        assert_eq!(received.frame.payload, "ls -l\n");
        assert_eq!(received.payload_length, said);
        assert!(received.digest_matches());
    }
}

#[test]
fn a_header_length_below_ours_or_beyond_the_end_is_refused() {
    let length = example().len();
    for header_length in [0, 1, 115, 123, 124, 0x7fff_ffff, u32::MAX] {
        let refused = Err(FrameError::HeaderLength { header_length, length });
        assert_eq!(with(0, &header_length.to_be_bytes()), refused);
    }
}

#[test]
fn a_longer_header_is_skipped() {
    let received = with(0, &120u32.to_be_bytes()).unwrap();
    assert_eq!(received.frame.payload, "l\n");
    assert_eq!(received.header_length, 120);
    // The payload is another than the digest is of.
    assert!(!received.digest_matches());
    let received = with(0, &122u32.to_be_bytes()).unwrap();
    assert!(received.frame.payload.is_empty());
}

#[test]
fn a_message_shorter_than_a_header_is_refused() {
    for length in 0..HEADER_SIZE {
        let message = Bytes::from(example()).slice(..length);
        assert_eq!(Frame::decode(message), Err(FrameError::TooShort { length }));
    }
    let message = Bytes::from(example()).slice(..HEADER_SIZE);
    assert!(Frame::decode(message).unwrap().frame.payload.is_empty());
}

#[test]
fn no_date_of_creation_is_for_the_service_alone() {
    assert_eq!(with(40, &[0; 8]), Err(FrameError::NoCreatedDate));
    for (kind, taken) in [
        (MessageType::StartPublication, true),
        (MessageType::PausePublication, true),
        (MessageType::ChannelClosed, false),
        (MessageType::Acknowledge, false),
        (MessageType::from_name(b"other").unwrap(), false),
    ] {
        let mut message = Vec::new();
        Header::new(kind, Uuid::NIL, 0).encode(b"", &mut message);
        assert_eq!(Frame::decode(message.into()).is_ok(), taken, "{kind:?}");
    }
}

#[test]
fn the_digest_is_a_question_of_its_own() {
    let received = with(80, &[0; 32]).unwrap();
    assert!(!received.digest_matches());
    let received = with(120, b"LS").unwrap();
    assert!(!received.digest_matches());
    // What has no payload needs none.
    let mut message = Vec::new();
    Header::new(MessageType::StartPublication, Uuid::NIL, 0).encode(b"", &mut message);
    message[80..112].fill(0);
    assert!(Frame::decode(message.into()).unwrap().digest_matches());
}

#[test]
fn any_schema_flags_and_types_are_taken() {
    let header = with(36, &99u32.to_be_bytes()).unwrap().frame.header;
    assert_eq!(header.schema_version, 99);
    let header = with(56, &[0xff; 8]).unwrap().frame.header;
    assert_eq!(header.flags, u64::MAX);
    let header = with(112, &99u32.to_be_bytes()).unwrap().frame.header;
    assert_eq!(header.payload_type, PayloadType::Unknown(99));
    let header = with(48, &[0xff; 8]).unwrap().frame.header;
    assert_eq!(header.sequence_number, -1);
    let header = with(4, b"outlandish_______").unwrap().frame.header;
    assert_eq!(header.message_type.name(), b"outlandish_______");
}

#[test]
fn words_in_place_of_a_frame_are_no_frame() {
    let words = Bytes::from_static(b"start_publication");
    assert_eq!(Frame::decode(words), Err(FrameError::TooShort { length: 17 }));
}

#[test]
fn a_payload_that_cannot_be_written_leaves_nothing() {
    let mut out = b"before".to_vec();
    let header = Header::new(MessageType::InputStreamData, Uuid::NIL, 1);
    let failed = header.try_encode_with(&mut out, |out| {
        out.extend_from_slice(b"half");
        Err("no")
    });
    assert_eq!(failed, Err("no"));
    assert_eq!(out, b"before");
}

fn header() -> impl Strategy<Value = Header> {
    let kind = prop_oneof![
        Just(MessageType::InputStreamData),
        Just(MessageType::OutputStreamData),
        Just(MessageType::Acknowledge),
        list(any::<u8>(), 0..=32).prop_map(|name| MessageType::from_name(&name).unwrap()),
    ];
    let numbers = (any::<u32>(), 1..=u64::MAX, any::<i64>(), any::<u64>(), any::<u32>());
    (kind, any::<[u8; 16]>(), numbers).prop_map(|(message_type, id, (schema, created, sequence, flags, kind))| Header {
        message_type,
        schema_version: schema,
        created_date: created,
        sequence_number: sequence,
        flags,
        message_id: Uuid(id),
        payload_type: PayloadType::from_number(kind),
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(header in header(), payload in list(any::<u8>(), 0..2_000)) {
        let frame = Frame { header, payload: payload.into() };
        let mut message = Vec::new();
        frame.encode(&mut message);
        prop_assert_eq!(message.len(), HEADER_SIZE + frame.payload.len());
        let received = Frame::decode(message.into()).unwrap();
        prop_assert!(received.digest_matches());
        prop_assert_eq!(received.payload_length as usize, frame.payload.len());
        prop_assert_eq!(received.frame, frame);
    }

    #[test]
    fn any_bytes_are_a_frame_or_an_error(bytes in list(any::<u8>(), 0..300)) {
        let _ = Frame::decode(bytes.into());
    }

    #[test]
    fn a_frame_with_any_bytes_changed_is_a_frame_or_an_error(
        changes in list((0..300usize, any::<u8>()), 1..8),
        length in 0..300usize,
    ) {
        let mut message = vec![0; 300];
        message[..126].copy_from_slice(&example());
        for (at, byte) in changes {
            message[at] = byte;
        }
        message.truncate(length);
        if let Ok(received) = Frame::decode(message.into()) {
            let mut again = Vec::new();
            received.frame.encode(&mut again);
            let reread = Frame::decode(again.into()).unwrap();
            prop_assert_eq!(reread.frame, received.frame);
        }
    }

    #[test]
    fn a_changed_payload_does_not_match(at in 0..1_000usize, bit in 0..8u32) {
        let mut message = Vec::new();
        let header = Header { flags: FLAG_SYN, ..Header::new(MessageType::OutputStreamData, Uuid::NIL, 1) };
        header.encode(&[7; 1_000], &mut message);
        message[HEADER_SIZE + at] ^= 1 << bit;
        prop_assert!(!Frame::decode(message.into()).unwrap().digest_matches());
    }
}
