//! Packets on a byte stream: a 2-byte big-endian length, then the packet.
//!
//! For carriers that keep no message boundaries (TCP, TLS, pipes). A host that reads into a
//! [`BytesMut`] of its own calls [`split`], which copies nothing; one that is handed slices keeps a
//! [`Decoder`]. To send, [`append`] frames what [`poll_transmit`](crate::Session::poll_transmit) writes.
//!
//! ```
//! use unbroken_proto::wire::framing::{self, Decoder};
//!
//! let mut out = Vec::new();
//! framing::append(&mut out, |buf| { buf.extend_from_slice(&[7, 1, 2, 3]); true });
//! assert_eq!(out, [0, 4, 7, 1, 2, 3]);
//!
//! let mut decoder = Decoder::new(framing::MAX_PACKET);
//! decoder.extend(&out[..3]);
//! assert_eq!(decoder.next_packet(), Ok(None));
//! decoder.extend(&out[3..]);
//! assert_eq!(decoder.next_packet().unwrap().unwrap(), [7, 1, 2, 3].as_slice());
//! ```

use alloc::vec::Vec;

use bytes::{Buf, BytesMut};

pub use crate::config::MAX_PACKET;
use crate::error::ConnectionError;
pub use crate::wire::packet::MAX_UNPROVEN;
use crate::wire::packet::PacketType;

/// Bytes of a length.
pub const PREFIX: usize = 2;

/// The prefix of a packet of `length` bytes; `None` unless that is 1 to [`MAX_PACKET`].
#[must_use]
pub fn prefix(length: usize) -> Option<[u8; PREFIX]> {
    match u16::try_from(length) {
        Ok(0) | Err(_) => None,
        Ok(length) => Some(length.to_be_bytes()),
    }
}

/// Appends to `buf` the packet that `write` appends, behind its prefix. Returns what `write` returned;
/// when that is `false`, or what it wrote is no packet (empty, or above [`MAX_PACKET`]), `buf` is as
/// it was and the answer is `false`.
pub fn append(buf: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
    let start = buf.len();
    buf.extend_from_slice(&[0; PREFIX]);
    let body = buf.len();
    let written = write(buf);
    let prefix = buf.len().checked_sub(body).and_then(prefix);
    match (written, prefix, buf.get_mut(start..body)) {
        (true, Some(prefix), Some(slot)) => {
            slot.copy_from_slice(&prefix);
            true
        }
        _ => {
            buf.truncate(start);
            false
        }
    }
}

/// Splits the next whole packet off the front of `buf`, without copying; `None` when more must be read
/// first ([`missing`] tells how much). Nothing is allocated.
///
/// A packet is refused as soon as its length, or its first byte, shows that it is too long: above
/// `limit`, or above what its type may have (see [`PacketType::limit`]). Until the peer has proven
/// itself `limit` is best [`MAX_UNPROVEN`], afterwards [`MAX_PACKET`].
///
/// # Errors
/// [`ConnectionError::UnexpectedPacket`] for length 0 or an unknown packet type,
/// [`ConnectionError::TooLarge`] for too long a packet. `buf` is then as it was, and the connection to
/// be dropped.
pub fn split(buf: &mut BytesMut, limit: usize) -> Result<Option<BytesMut>, ConnectionError> {
    let Some(length) = announced(buf) else {
        return Ok(None);
    };
    if length == 0 {
        return Err(ConnectionError::UnexpectedPacket);
    }
    if length > limit {
        return Err(ConnectionError::TooLarge);
    }
    if let Some(first) = buf.get(PREFIX) {
        let kind = PacketType::from_byte(*first).ok_or(ConnectionError::UnexpectedPacket)?;
        if length > kind.limit() {
            return Err(ConnectionError::TooLarge);
        }
    }
    if buf.len() - PREFIX < length {
        return Ok(None);
    }
    buf.advance(PREFIX);
    Ok(Some(buf.split_to(length)))
}

/// How many bytes must be appended to `buf` before [`split`] can give a packet (as far as can be told:
/// while the length itself is missing, only what completes it); 0 when it can now.
///
/// A host may reserve as much, once [`split`] has returned `None` and so found the length acceptable.
#[must_use]
pub fn missing(buf: &[u8]) -> usize {
    announced(buf)
        .map_or(PREFIX, |length| PREFIX + length)
        .saturating_sub(buf.len())
}

/// The length at the front of `buf`.
fn announced(buf: &[u8]) -> Option<usize> {
    buf.first_chunk().map(|prefix| usize::from(u16::from_be_bytes(*prefix)))
}

/// Packets out of slices cut anywhere.
///
/// Owns one buffer: what was fed and not yet taken. When the host takes all packets after each slice,
/// that is less than one packet of `limit` bytes, and its prefix.
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    limit: usize,
}

impl Decoder {
    /// Nothing read yet; packets of up to `limit` bytes (see [`split`]).
    #[must_use]
    pub fn new(limit: usize) -> Decoder {
        Decoder {
            buffer: BytesMut::new(),
            limit,
        }
    }

    /// Changes the limit, for packets not yet taken.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Copies `bytes` in.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The buffer itself, to read into its end; nothing else may be done to it.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole packet; `None`: feed more.
    ///
    /// # Errors
    /// As [`split`]; every further call gives the same error.
    pub fn next_packet(&mut self) -> Result<Option<BytesMut>, ConnectionError> {
        split(&mut self.buffer, self.limit)
    }

    /// See [`missing`].
    #[must_use]
    pub fn missing(&self) -> usize {
        missing(&self.buffer)
    }
}

#[cfg(test)]
mod tests;
