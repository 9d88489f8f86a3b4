//! Taking things off the front of a packet, each behind its own length check.

use alloc::vec::Vec;

use bytes::{Buf, Bytes};

use crate::error::ProtocolError;
use crate::id::StreamId;
use crate::wire::varint;

/// One byte.
pub(crate) fn byte(rest: &mut Bytes) -> Result<u8, ProtocolError> {
    let first = *rest.first().ok_or(ProtocolError::Malformed)?;
    rest.advance(1);
    Ok(first)
}

/// Exactly `N` bytes.
pub(crate) fn array<const N: usize>(rest: &mut Bytes) -> Result<[u8; N], ProtocolError> {
    let taken = *rest.first_chunk().ok_or(ProtocolError::Malformed)?;
    rest.advance(N);
    Ok(taken)
}

/// A slice of `length` bytes; it shares the packet's memory.
pub(crate) fn slice(rest: &mut Bytes, length: u64) -> Result<Bytes, ProtocolError> {
    match usize::try_from(length) {
        Ok(length) if length <= rest.len() => Ok(rest.split_to(length)),
        _ => Err(ProtocolError::Malformed),
    }
}

/// A length of at most `max`, then as many bytes; they share the packet's memory.
pub(crate) fn bytes(rest: &mut Bytes, max: usize) -> Result<Bytes, ProtocolError> {
    let length = varint::read(rest)?;
    if usize::try_from(length).is_ok_and(|length| length <= max) {
        slice(rest, length)
    } else {
        Err(ProtocolError::Malformed)
    }
}

/// The id of a stream; 0 names none.
pub(crate) fn stream(rest: &mut Bytes) -> Result<StreamId, ProtocolError> {
    match varint::read(rest)? {
        0 => Err(ProtocolError::BadStream),
        id => Ok(StreamId(id)),
    }
}

/// Writes what [`bytes`] reads. What lies beyond `max` is cut off; callers check before they come here.
pub(crate) fn put_bytes(buf: &mut Vec<u8>, bytes: &[u8], max: usize) {
    let kept = bytes.get(..max).unwrap_or(bytes);
    varint::write(buf, len_u64(kept.len()));
    buf.extend_from_slice(kept);
}

/// How much [`put_bytes`] writes.
pub(crate) fn bytes_len(bytes: &[u8], max: usize) -> usize {
    let kept = bytes.len().min(max);
    varint::len(len_u64(kept)) + kept
}

/// A length in memory as a number of the wire. No machine's `usize` is longer than 64 bits.
pub(crate) fn len_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
