//! The frame: a header of 120 bytes, then the payload. One frame is one binary WebSocket message.
//!
//! | offset | bytes | field |
//! |---:|---:|---|
//! | 0 | 4 | HeaderLength: counts up to, and not including, the last header field: 116 |
//! | 4 | 32 | MessageType, padded with spaces |
//! | 36 | 4 | SchemaVersion |
//! | 40 | 8 | CreatedDate, milliseconds since 1970 |
//! | 48 | 8 | SequenceNumber, signed |
//! | 56 | 8 | Flags |
//! | 64 | 16 | MessageId, its second half first |
//! | 80 | 32 | PayloadDigest, SHA-256 of the payload as it is sent |
//! | 112 | 4 | PayloadType |
//! | 116 | 4 | PayloadLength |
//!
//! Integers are big-endian. Decoding refuses what no real program takes ([`FrameError`]) and takes what any of them takes: NULs for
//! padding, every number of schema, flags, payload type and payload length, and message types without a meaning here.
//!
//! ```
//! use bytes::Bytes;
//! use unbroken_proto::ssm::frame::{Frame, Header};
//! use unbroken_proto::ssm::{MessageType, PayloadType, Uuid};
//!
//! let header = Header {
//!     sequence_number: 2,
//!     payload_type: PayloadType::Output,
//!     ..Header::new(MessageType::InputStreamData, Uuid::v4([7; 16]), 1_795_232_939_954)
//! };
//! let mut message = Vec::new();
//! header.encode(b"ls -l\n", &mut message);
//! assert_eq!(message.len(), 126);
//!
//! let received = Frame::decode(Bytes::from(message)).expect("what we wrote");
//! assert_eq!(received.frame, Frame { header, payload: Bytes::from_static(b"ls -l\n") });
//! assert!(received.digest_matches());
//! ```

use alloc::vec::Vec;
use core::convert::Infallible;

use bytes::{Buf, Bytes};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::ssm::kind::{MAX_NAME, MessageType, PayloadType};
use crate::ssm::uuid::Uuid;

/// Bytes before the payload.
pub const HEADER_SIZE: usize = 120;
/// What HeaderLength says: the offset of the last header field, PayloadLength.
pub const HEADER_LENGTH: u32 = 116;
/// The only schema version there is.
pub const SCHEMA_VERSION: u32 = 1;

/// Where the digest stands.
const DIGEST: core::ops::Range<usize> = 80..112;
/// Where PayloadLength stands.
const PAYLOAD_LENGTH: core::ops::Range<usize> = 116..HEADER_SIZE;

/// Why a message is no frame. The message is to be dropped and not acknowledged; the connection can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FrameError {
    /// Shorter than a header.
    #[error("a message of {length} bytes is shorter than a header")]
    TooShort {
        /// Bytes of the message.
        length: usize,
    },
    /// HeaderLength is below 116, or so large that the payload would begin beyond the end of the message. Both real programs stop
    /// reading at such a frame, for ever.
    #[error("a header length of {header_length} in a message of {length} bytes")]
    HeaderLength {
        /// What the frame says.
        header_length: u32,
        /// Bytes of the message.
        length: usize,
    },
    /// CreatedDate is 0 in a frame that is neither `start_publication` nor `pause_publication`.
    #[error("no date of creation")]
    NoCreatedDate,
}

/// What a header says, and the payload does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// What the frame is for.
    pub message_type: MessageType,
    /// [`SCHEMA_VERSION`]; nobody reads it.
    pub schema_version: u32,
    /// Milliseconds since 1970, UTC. Real programs drop a frame in which it is 0.
    pub created_date: u64,
    /// The number of a sequenced frame, from 0, in its direction; 0 in all others.
    pub sequence_number: i64,
    /// [`FLAG_SYN`](crate::ssm::FLAG_SYN) and [`FLAG_FIN`](crate::ssm::FLAG_FIN); nobody reads them.
    pub flags: u64,
    /// New for each frame; a retransmission keeps it.
    pub message_id: Uuid,
    /// What the payload is.
    pub payload_type: PayloadType,
}

impl Header {
    /// A header with this schema version, sequence number 0, no flags and no payload type.
    #[must_use]
    pub fn new(message_type: MessageType, message_id: Uuid, created_date: u64) -> Header {
        Header {
            message_type,
            schema_version: SCHEMA_VERSION,
            created_date,
            sequence_number: 0,
            flags: 0,
            message_id,
            payload_type: PayloadType::NONE,
        }
    }

    /// Appends the frame of this header and `payload` to `out`: [`HEADER_SIZE`] bytes more than the payload has.
    ///
    /// PayloadLength is `u32::MAX` for a payload beyond that. No real program finds a payload's end by it.
    pub fn encode(&self, payload: &[u8], out: &mut Vec<u8>) {
        out.reserve(HEADER_SIZE.saturating_add(payload.len()));
        self.encode_with(out, |out| out.extend_from_slice(payload));
    }

    /// As [`encode`](Self::encode), with the payload that `write` appends, so that it need not be put together elsewhere. `write` leaves
    /// alone what was in the buffer.
    ///
    /// ```
    /// use unbroken_proto::ssm::body::Size;
    /// use unbroken_proto::ssm::frame::Header;
    /// use unbroken_proto::ssm::{MessageType, PayloadType, Uuid};
    ///
    /// let header = Header {
    ///     payload_type: PayloadType::Size,
    ///     ..Header::new(MessageType::InputStreamData, Uuid::v4([7; 16]), 1)
    /// };
    /// let mut message = Vec::new();
    /// header.encode_with(&mut message, |out| Size { cols: 80, rows: 24 }.encode(out));
    /// assert!(message.ends_with(br#"{"cols":80,"rows":24}"#));
    /// ```
    pub fn encode_with(&self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        let done: Result<(), Infallible> = self.try_encode_with(out, |out| {
            write(out);
            Ok(())
        });
        match done {
            Ok(()) => (),
            Err(never) => match never {},
        }
    }

    /// As [`encode_with`](Self::encode_with), for a payload that may fail to be written.
    ///
    /// # Errors
    /// Those of `write`; `out` is then as it was.
    pub fn try_encode_with<E>(
        &self,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        let start = out.len();
        self.put(out);
        if let Err(error) = write(out) {
            out.truncate(start);
            return Err(error);
        }
        let message = out.get_mut(start..).unwrap_or_default();
        if let Some((header, payload)) = message.split_first_chunk_mut::<HEADER_SIZE>() {
            let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
            header[DIGEST].copy_from_slice(&Sha256::digest(payload));
            header[PAYLOAD_LENGTH].copy_from_slice(&length.to_be_bytes());
        }
        Ok(())
    }

    /// Appends the header, with zeros for what depends on the payload.
    fn put(&self, out: &mut Vec<u8>) {
        let mut name = [b' '; MAX_NAME];
        name.iter_mut()
            .zip(self.message_type.name())
            .for_each(|(slot, byte)| *slot = *byte);
        let id = u128::from_be_bytes(self.message_id.0).rotate_left(64);
        out.extend_from_slice(&HEADER_LENGTH.to_be_bytes());
        out.extend_from_slice(&name);
        out.extend_from_slice(&self.schema_version.to_be_bytes());
        out.extend_from_slice(&self.created_date.to_be_bytes());
        out.extend_from_slice(&self.sequence_number.to_be_bytes());
        out.extend_from_slice(&self.flags.to_be_bytes());
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&[0; 32]);
        out.extend_from_slice(&self.payload_type.number().to_be_bytes());
        out.extend_from_slice(&[0; 4]);
    }
}

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What the header says.
    pub header: Header,
    /// As it is sent: sealed, if the session is.
    pub payload: Bytes,
}

impl Frame {
    /// Reads a binary message. The payload is a slice of it, and everything behind the header, whatever PayloadLength says: so both
    /// real programs read it.
    ///
    /// A longer header than ours is taken: the payload begins 4 bytes behind its HeaderLength, and what lies between is skipped.
    ///
    /// # Errors
    /// [`FrameError`]: the message is to be dropped. The digest is another question: [`Received::digest_matches`].
    pub fn decode(mut message: Bytes) -> Result<Received, FrameError> {
        let length = message.len();
        let mut rest: &[u8] = &message;
        let received = read(&mut rest).ok_or(FrameError::TooShort { length })?;
        let Fields {
            header,
            header_length,
            digest,
            payload_length,
        } = received;
        let payload_at = usize::try_from(header_length)
            .ok()
            .and_then(|header| header.checked_add(PAYLOAD_LENGTH.len()));
        let begins = payload_at.filter(|at| header_length >= HEADER_LENGTH && *at <= length);
        let Some(begins) = begins else {
            return Err(FrameError::HeaderLength { header_length, length });
        };
        let control = matches!(
            header.message_type,
            MessageType::StartPublication | MessageType::PausePublication
        );
        if header.created_date == 0 && !control {
            return Err(FrameError::NoCreatedDate);
        }
        message.advance(begins);
        let payload = message;
        Ok(Received {
            frame: Frame { header, payload },
            digest,
            header_length,
            payload_length,
        })
    }

    /// Appends the frame to `out`; see [`Header::encode`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.header.encode(&self.payload, out);
    }
}

/// A frame as it was received, with what its sender says of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The frame.
    pub frame: Frame,
    /// PayloadDigest.
    pub digest: [u8; 32],
    /// HeaderLength.
    pub header_length: u32,
    /// PayloadLength, in bytes; it need not be the payload's length.
    pub payload_length: u32,
}

impl Received {
    /// Whether PayloadDigest is the SHA-256 of the payload. An empty payload always matches: there is nothing to protect, and the
    /// frames of the service that have one need no digest.
    ///
    /// A client drops a frame that does not match and does not acknowledge it. The real agent never asks.
    #[must_use]
    pub fn digest_matches(&self) -> bool {
        self.frame.payload.is_empty() || Sha256::digest(&self.frame.payload)[..] == self.digest
    }
}

/// A header and what it says of the payload.
struct Fields {
    header: Header,
    header_length: u32,
    digest: [u8; 32],
    payload_length: u32,
}

/// Reads the header; `None` when the message ends before it does.
fn read(rest: &mut &[u8]) -> Option<Fields> {
    let header_length = u32::from_be_bytes(take(rest)?);
    let name: [u8; MAX_NAME] = take(rest)?;
    let message_type = MessageType::from_name(&name)?;
    let schema_version = u32::from_be_bytes(take(rest)?);
    let created_date = u64::from_be_bytes(take(rest)?);
    let sequence_number = i64::from_be_bytes(take(rest)?);
    let flags = u64::from_be_bytes(take(rest)?);
    let id = u128::from_be_bytes(take(rest)?).rotate_left(64);
    let digest = take(rest)?;
    let payload_type = PayloadType::from_number(u32::from_be_bytes(take(rest)?));
    let payload_length = u32::from_be_bytes(take(rest)?);
    let header = Header {
        message_type,
        schema_version,
        created_date,
        sequence_number,
        flags,
        message_id: Uuid(id.to_be_bytes()),
        payload_type,
    };
    Some(Fields {
        header,
        header_length,
        digest,
        payload_length,
    })
}

/// Exactly `N` bytes.
fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

#[cfg(test)]
mod tests;
