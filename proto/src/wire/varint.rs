//! Integers of 1, 2, 4 or 8 bytes, laid out as QUIC's (RFC 9000, section 16): the two highest bits
//! of the first byte say how many bytes there are, the rest is the value, big-endian.
//!
//! One value has one encoding: a longer one than necessary is malformed. So a frame's canonical
//! length, which both ends charge, needs no second look at how it was sent.
//!
//! ```
//! use unbroken_proto::wire::varint;
//! let mut buf = Vec::new();
//! varint::write(&mut buf, 300);
//! assert_eq!(buf, [0x41, 0x2c]);
//! assert_eq!(varint::decode(&buf), Ok((300, 2)));
//! assert!(varint::decode(&[0x40, 7]).is_err(), "because 7 takes one byte");
//! ```

use alloc::vec::Vec;

use bytes::{Buf, Bytes};

use crate::error::ProtocolError;

/// Largest value: 2^62 - 1.
pub const MAX: u64 = (1 << 62) - 1;

/// Largest value that takes one byte; those of two and four bytes follow.
const MAX_1: u64 = (1 << 6) - 1;
const MAX_2: u64 = (1 << 14) - 1;
const MAX_4: u64 = (1 << 30) - 1;

/// How many bytes `value` takes.
#[must_use]
pub const fn len(value: u64) -> usize {
    if value <= MAX_1 {
        1
    } else if value <= MAX_2 {
        2
    } else if value <= MAX_4 {
        4
    } else {
        8
    }
}

/// Appends `value`. One above [`MAX`] is written as [`MAX`]: positions, credits and durations end
/// there by their own rules, so callers never come that far.
pub fn write(buf: &mut Vec<u8>, value: u64) {
    let value = value.min(MAX);
    match len(value) {
        1 => {
            let [.., a] = value.to_be_bytes();
            buf.push(a);
        }
        2 => {
            let [.., a, b] = value.to_be_bytes();
            buf.extend_from_slice(&[a | 0x40, b]);
        }
        4 => {
            let [.., a, b, c, d] = value.to_be_bytes();
            buf.extend_from_slice(&[a | 0x80, b, c, d]);
        }
        _ => buf.extend_from_slice(&(value | 0xc0_u64 << 56).to_be_bytes()),
    }
}

/// Takes one integer off the front of `bytes`.
///
/// # Errors
/// As [`decode`]; `bytes` is then as it was.
pub fn read(bytes: &mut Bytes) -> Result<u64, ProtocolError> {
    let (value, length) = decode(bytes)?;
    bytes.advance(length);
    Ok(value)
}

/// The integer at the front of `bytes`, and how many bytes it takes.
///
/// # Errors
/// [`ProtocolError::Malformed`] when it is cut short, or longer than its value needs.
pub fn decode(bytes: &[u8]) -> Result<(u64, usize), ProtocolError> {
    let first = *bytes.first().ok_or(ProtocolError::Malformed)?;
    let (value, length) = match first >> 6 {
        0 => (u64::from(first), 1),
        1 => {
            let [a, b] = *bytes.first_chunk().ok_or(ProtocolError::Malformed)?;
            (u64::from(u16::from_be_bytes([a & 0x3f, b])), 2)
        }
        2 => {
            let [a, b, c, d] = *bytes.first_chunk().ok_or(ProtocolError::Malformed)?;
            (u64::from(u32::from_be_bytes([a & 0x3f, b, c, d])), 4)
        }
        _ => {
            let eight = *bytes.first_chunk().ok_or(ProtocolError::Malformed)?;
            (u64::from_be_bytes(eight) & MAX, 8)
        }
    };
    if len(value) != length {
        return Err(ProtocolError::Malformed);
    }
    Ok((value, length))
}

#[cfg(test)]
mod tests;
