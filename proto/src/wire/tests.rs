//! Generators that the tests of this room share, and the vectors of `proto/vectors`.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use proptest::collection::vec as list;
use proptest::option;
use proptest::prelude::*;

use crate::error::ProtocolError;
use crate::id::StreamId;
use crate::wire::frame::{
    Close, Data, End, EndCode, FRAGMENT_MAX, Final, Frame, MAX_ALTERNATE, Open, Parameters, Part, Verdict,
};
use crate::wire::{FrameWriter, frames, varint};

pub(crate) mod show;
mod vectors;

/// Integers of every encoded length alike.
pub(crate) fn integer() -> impl Strategy<Value = u64> {
    (0u32..62).prop_flat_map(|bits| 0..=(2u64 << bits) - 1)
}

/// Few streams, so that neighbours often share one.
pub(crate) fn stream() -> impl Strategy<Value = StreamId> {
    prop_oneof![8 => 1u64..4, 1 => 1..=varint::MAX].prop_map(StreamId)
}

pub(crate) fn octets(max: usize) -> impl Strategy<Value = Bytes> {
    prop_oneof![6 => list(any::<u8>(), 0..=max.min(80)), 1 => list(any::<u8>(), 0..=max)].prop_map(Bytes::from)
}

pub(crate) fn parameters() -> impl Strategy<Value = Parameters> {
    (
        256..=varint::MAX,
        256..=varint::MAX,
        1..=varint::MAX,
        1_200..=65_535u64,
        2_048..=varint::MAX,
        65_536..=varint::MAX,
        1..=varint::MAX,
        1..=varint::MAX,
    )
        .prop_map(
            |(
                stream_window,
                session_window,
                max_streams,
                packet_limit,
                outbox_limit,
                inbox_limit,
                keepalive_interval,
                detached_lifetime,
            )| Parameters {
                stream_window,
                session_window,
                max_streams,
                packet_limit,
                outbox_limit,
                inbox_limit,
                keepalive_interval,
                detached_lifetime,
            },
        )
}

fn data() -> impl Strategy<Value = Frame> {
    (stream(), octets(20_000), any::<bool>(), any::<bool>()).prop_map(|(stream, payload, message_end, stream_end)| {
        Frame::Data(Data {
            stream,
            payload,
            message_end,
            stream_end,
        })
    })
}

fn part() -> impl Strategy<Value = Frame> {
    let lies = (1..2_000u64, 0..FRAGMENT_MAX, 0..FRAGMENT_MAX);
    (stream(), lies, any::<bool>(), any::<bool>()).prop_map(
        |(stream, (length, before, behind), message_end, stream_end)| {
            let offset = before % (FRAGMENT_MAX - length);
            let total = (offset + length + behind).min(FRAGMENT_MAX).max(length + 1);
            let payload = Bytes::from(alloc::vec![7; usize::try_from(length).expect("because it is small")]);
            let data = Data {
                stream,
                payload,
                message_end,
                stream_end,
            };
            Frame::Part(Part { data, offset, total })
        },
    )
}

fn end() -> impl Strategy<Value = Frame> {
    (
        0u8..8,
        octets(1_024),
        option::of(integer()),
        option::of(integer()),
        octets(MAX_ALTERNATE),
    )
        .prop_map(|(code, reason, position, after, alternate)| {
            let code = EndCode::from_byte(code).expect("because there are eight");
            let end = End {
                code,
                reason,
                position,
                after,
                alternate,
            };
            Frame::End(end.into())
        })
}

/// Any frame but FINAL, which stands alone.
pub(crate) fn frame() -> impl Strategy<Value = Frame> {
    let pair = || (stream(), integer());
    let open =
        (stream(), any::<u8>(), 1_000..=64_000u64, octets(255)).prop_map(|(stream, priority, fragment_size, label)| {
            Frame::Open(Open {
                stream,
                priority,
                fragment_size,
                label,
            })
        });
    prop_oneof![
        6 => data(),
        2 => part(),
        2 => open,
        1 => pair().prop_map(|(stream, code)| Frame::Reset { stream, code }),
        1 => pair().prop_map(|(stream, code)| Frame::Stop { stream, code }),
        1 => (integer(), integer()).prop_map(|(stream, limit)| Frame::Credit { stream, limit }),
        1 => (integer(), octets(1_024), integer())
            .prop_map(|(code, reason, position)| Frame::Close(Close { code, reason, position })),
        1 => integer().prop_map(|position| Frame::Closed { position }),
        1 => end(),
        1 => integer().prop_map(|position| Frame::Ack { position }),
        1 => integer().prop_map(|position| Frame::From { position }),
        1 => integer().prop_map(|position| Frame::Resync { position }),
        1 => integer().prop_map(|id| Frame::Ping { id }),
        1 => integer().prop_map(|id| Frame::Pong { id }),
        1 => (integer(), octets(MAX_ALTERNATE)).prop_map(|(within, alternate)| Frame::GoAway { within, alternate }),
        1 => Just(Frame::Rekey),
    ]
}

pub(crate) fn final_frame() -> impl Strategy<Value = Frame> {
    let verdict = prop_oneof![
        Just(None),
        integer().prop_map(|position| Some(Verdict::Resumed { position })),
        integer().prop_map(|position| Some(Verdict::Expired { position })),
        Just(Some(Verdict::Superseded)),
        integer().prop_map(|reach| Some(Verdict::Unknown { reach })),
        integer().prop_map(|position| Some(Verdict::StateLost { position })),
        integer().prop_map(|position| Some(Verdict::Replaced { position })),
        (integer(), integer(), octets(1_024))
            .prop_map(|(position, code, reason)| { Some(Verdict::Closed { position, code, reason }) }),
    ];
    (parameters(), any::<[u8; 8]>(), verdict).prop_map(|(parameters, incarnation, verdict)| {
        let answer = Final {
            parameters,
            incarnation,
            verdict,
        };
        Frame::Final(answer.into())
    })
}

/// The plaintext of a packet of these frames.
pub(crate) fn encode(list: &[Frame]) -> Vec<u8> {
    let mut plaintext = Vec::new();
    let mut writer = FrameWriter::new(&mut plaintext);
    list.iter().for_each(|frame| writer.push(frame));
    writer.finish();
    plaintext
}

pub(crate) fn decode(plaintext: &[u8]) -> Result<Vec<Frame>, ProtocolError> {
    frames(Bytes::copy_from_slice(plaintext)).collect()
}
