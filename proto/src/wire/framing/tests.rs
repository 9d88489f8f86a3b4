use alloc::vec;
use alloc::vec::Vec;

use bytes::BytesMut;
use proptest::collection::vec as list;
use proptest::prelude::*;

use super::{Decoder, MAX_PACKET, MAX_UNPROVEN, append, missing, prefix, split};
use crate::error::ConnectionError::{TooLarge, UnexpectedPacket};

fn framed(packets: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::new();
    for packet in packets {
        assert!(append(&mut out, |buf| {
            buf.extend_from_slice(packet);
            true
        }));
    }
    out
}

#[test]
fn prefixes_cover_1_to_65535() {
    assert_eq!(prefix(0), None);
    assert_eq!(prefix(1), Some([0, 1]));
    assert_eq!(prefix(0x1234), Some([0x12, 0x34]));
    assert_eq!(prefix(65_535), Some([0xff, 0xff]));
    assert_eq!(prefix(65_536), None);
}

#[test]
fn append_leaves_nothing_of_what_is_no_packet() {
    let mut out = vec![9];
    assert!(!append(&mut out, |_| false));
    assert!(!append(&mut out, |buf| {
        buf.push(7);
        false
    }));
    assert!(!append(&mut out, |_| true), "empty");
    assert!(!append(&mut out, |buf| {
        buf.resize(buf.len() + 65_536, 7);
        true
    }));
    assert!(!append(&mut out, |buf| {
        buf.clear();
        true
    }));
    assert!(out.len() <= 1);
}

// PROTOCOL R2.3, R2.5
#[test]
fn a_length_is_judged_as_soon_as_it_is_read() {
    let try_split = |bytes: &[u8], limit| split(&mut BytesMut::from(bytes), limit);
    assert_eq!(try_split(&[0, 0], MAX_PACKET), Err(UnexpectedPacket));
    assert_eq!(try_split(&[0x20, 0x01], MAX_UNPROVEN), Err(TooLarge));
    assert_eq!(try_split(&[0x20, 0x00], MAX_UNPROVEN), Ok(None));
    assert_eq!(try_split(&[0xff], MAX_PACKET), Ok(None));
    assert_eq!(try_split(&[], MAX_PACKET), Ok(None));
}

// PROTOCOL R2.4, R2.5
#[test]
fn a_type_is_judged_as_soon_as_it_is_read() {
    let judge = |length: u16, kind: u8| {
        let [a, b] = length.to_be_bytes();
        split(&mut BytesMut::from(&[a, b, kind][..]), MAX_PACKET)
    };
    for (kind, limit) in [(1, 1_200), (2, 256), (3, 8_192), (4, 256), (5, 256), (6, 256)] {
        assert_eq!(judge(limit, kind), Ok(None));
        assert_eq!(judge(limit + 1, kind), Err(TooLarge));
    }
    assert_eq!(judge(65_535, 7), Ok(None));
    assert_eq!(judge(5, 0), Err(UnexpectedPacket));
    assert_eq!(judge(5, 8), Err(UnexpectedPacket));
}

#[test]
fn splitting_copies_nothing() {
    let mut buf = BytesMut::from(&framed(&[vec![7; 100], vec![7; 50]])[..]);
    let start = buf.as_ptr();
    let first = split(&mut buf, MAX_PACKET).expect("good").expect("whole");
    let second = split(&mut buf, MAX_PACKET).expect("good").expect("whole");
    assert_eq!(first.as_ptr(), start.wrapping_add(2));
    assert_eq!(second.as_ptr(), start.wrapping_add(104));
    assert!(buf.is_empty());
}

// PROTOCOL R2.5
#[test]
fn an_unread_length_allocates_nothing() {
    let mut decoder = Decoder::new(MAX_PACKET);
    decoder.extend(&[0xff, 0xff, 7]);
    assert_eq!(decoder.next_packet(), Ok(None));
    assert!(decoder.buffer_mut().capacity() < 1_000);
    assert_eq!(decoder.missing(), 65_534);
}

#[test]
fn an_error_stays() {
    let mut decoder = Decoder::new(MAX_UNPROVEN);
    decoder.extend(&[0, 0, 0, 1, 7]);
    assert_eq!(decoder.next_packet(), Err(UnexpectedPacket));
    decoder.extend(&[0, 1, 7]);
    assert_eq!(decoder.next_packet(), Err(UnexpectedPacket));
}

#[test]
fn a_raised_limit_holds_for_what_waits() {
    let mut decoder = Decoder::new(4);
    decoder.extend(&framed(&[vec![7; 4], vec![7; 5]]));
    assert_eq!(decoder.next_packet().map(|packet| packet.map(|p| p.len())), Ok(Some(4)));
    assert_eq!(decoder.next_packet(), Err(TooLarge));
    decoder.set_limit(5);
    assert_eq!(decoder.next_packet().map(|packet| packet.map(|p| p.len())), Ok(Some(5)));
    assert_eq!(decoder.next_packet(), Ok(None));
}

proptest! {
    #[test]
    fn packets_survive_any_cutting(
        packets in list(list(any::<u8>(), 0..300), 0..6),
        cuts in list(1usize..40, 1..40),
    ) {
        let packets: Vec<Vec<u8>> = packets.into_iter().map(|rest| [vec![7], rest].concat()).collect();
        let bytes = framed(&packets);
        let mut decoder = Decoder::new(MAX_PACKET);
        let (mut read, mut rest, mut cuts) = (Vec::new(), &bytes[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let cut = cuts.next().map_or(1, |cut| (*cut).min(rest.len()));
            let wanted = decoder.missing();
            prop_assert!(wanted > 0);
            decoder.extend(&rest[..cut]);
            let before = read.len();
            while let Some(packet) = decoder.next_packet().expect("because all are good") {
                read.push(packet.to_vec());
            }
            prop_assert!(cut >= wanted || read.len() == before, "a packet came before what was missing");
            rest = &rest[cut..];
        }
        prop_assert_eq!(read, packets);
        prop_assert_eq!(decoder.missing(), 2);
    }

    #[test]
    fn any_bytes_end_in_packets_or_one_error(bytes in list(any::<u8>(), 0..400), limit in 0usize..70_000) {
        let mut buf = BytesMut::from(&bytes[..]);
        loop {
            let before = buf.len();
            match split(&mut buf, limit) {
                Ok(Some(packet)) => {
                    prop_assert!(!packet.is_empty() && packet.len() <= limit);
                    prop_assert_eq!(buf.len() + packet.len() + 2, before);
                }
                Ok(None) => {
                    prop_assert!(missing(&buf) > 0);
                    break;
                }
                Err(error) => {
                    prop_assert_eq!(split(&mut buf, limit), Err(error));
                    break;
                }
            }
        }
    }
}
