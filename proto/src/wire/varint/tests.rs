use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use proptest::prelude::*;

use super::{MAX, decode, len, read, write};
use crate::error::ProtocolError;
use crate::wire::tests::integer;

fn written(value: u64) -> Vec<u8> {
    let mut buf = Vec::new();
    write(&mut buf, value);
    buf
}

#[test]
fn the_samples_of_rfc_9000_come_out() {
    assert_eq!(
        written(151_288_809_941_952_652),
        [0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c]
    );
    assert_eq!(written(494_878_333), [0x9d, 0x7f, 0x3e, 0x7d]);
    assert_eq!(written(15_293), [0x7b, 0xbd]);
    assert_eq!(written(37), [0x25]);
}

#[test]
fn lengths_change_where_they_should() {
    for (value, length) in [
        (0, 1),
        (63, 1),
        (64, 2),
        (16_383, 2),
        (16_384, 4),
        ((1 << 30) - 1, 4),
        (1 << 30, 8),
        (MAX, 8),
    ] {
        assert_eq!(len(value), length, "{value}");
        assert_eq!(written(value).len(), length, "{value}");
        assert_eq!(decode(&written(value)), Ok((value, length)));
    }
}

#[test]
fn values_out_of_range_saturate() {
    assert_eq!(written(u64::MAX), written(MAX));
    assert_eq!(len(u64::MAX), 8);
}

// PROTOCOL R4.4
#[test]
fn a_longer_encoding_than_necessary_is_malformed() {
    for long in [
        vec![0x40, 0x25],
        vec![0x80, 0, 0, 0x25],
        vec![0x80, 0, 0x3f, 0xff],
        vec![0xc0, 0, 0, 0, 0x3f, 0xff, 0xff, 0xff],
    ] {
        let mut bytes = Bytes::from(long.clone());
        assert_eq!(read(&mut bytes), Err(ProtocolError::Malformed), "{long:x?}");
        assert_eq!(bytes, long, "an error takes nothing");
    }
}

proptest! {
    #[test]
    fn round_trip_and_every_truncation(value in integer()) {
        let encoded = written(value);
        prop_assert_eq!(encoded.len(), len(value));
        for cut in 0..encoded.len() {
            prop_assert_eq!(decode(&encoded[..cut]), Err(ProtocolError::Malformed));
        }
        let mut followed = encoded.clone();
        followed.push(0xff);
        let mut bytes = Bytes::from(followed);
        prop_assert_eq!(read(&mut bytes), Ok(value));
        prop_assert_eq!(&bytes[..], &[0xff][..]);
    }

    #[test]
    fn what_decodes_is_canonical(bytes in any::<[u8; 8]>()) {
        if let Ok((value, length)) = decode(&bytes) {
            prop_assert_eq!(&written(value)[..], &bytes[..length]);
        }
    }
}
