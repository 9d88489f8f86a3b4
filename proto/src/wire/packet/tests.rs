use alloc::vec;

use super::{MAX_FRAMES, PacketType};
use crate::error::ConnectionError;

#[test]
fn type_bytes_are_those_of_the_document() {
    let known = (0..=u8::MAX).filter_map(|byte| PacketType::from_byte(byte).map(|kind| (byte, kind)));
    let expected = [
        (1, PacketType::Hello, 1_200),
        (2, PacketType::Challenge, 256),
        (3, PacketType::AuthProof, 8_192),
        (4, PacketType::Resume, 256),
        (5, PacketType::Resumed, 256),
        (6, PacketType::Reject, 256),
        (7, PacketType::Sealed, 65_535),
    ];
    assert!(known.eq(expected.iter().map(|(byte, kind, _)| (*byte, *kind))));
    for (byte, kind, limit) in expected {
        assert_eq!(kind.byte(), byte);
        assert_eq!(kind.limit(), limit);
        let mut packet = vec![0; limit];
        packet[0] = byte;
        assert_eq!(PacketType::of(&packet), Ok(kind));
        packet.push(0);
        assert_eq!(PacketType::of(&packet), Err(ConnectionError::TooLarge));
    }
    assert_eq!(MAX_FRAMES, 65_518);
}

// PROTOCOL R2.4
#[test]
fn nothing_and_the_unknown_are_unexpected() {
    for packet in [&[][..], &[0], &[8, 1], &[255]] {
        assert_eq!(PacketType::of(packet), Err(ConnectionError::UnexpectedPacket));
    }
}
