//! What kinds of packet there are, and how long each may be.

use crate::error::ConnectionError;
use crate::limits::MAX_PACKET;

/// The protocol version spoken here, as its byte on the wire.
pub(crate) const VERSION: u8 = 1;
/// Longest HELLO.
pub const MAX_HELLO: usize = 1_200;
/// Longest CHALLENGE.
pub const MAX_CHALLENGE: usize = 256;
/// Longest AUTH_PROOF; it carries the credential.
pub const MAX_AUTH_PROOF: usize = 8_192;
/// Longest RESUME.
pub const MAX_RESUME: usize = 256;
/// Longest RESUMED.
pub const MAX_RESUMED: usize = 256;
/// Longest REJECT.
pub const MAX_REJECT: usize = 256;
/// Longest first SEALED packet of a server after AUTH_PROOF (FINAL, or END in its place).
pub const MAX_FINAL: usize = 8_192;
/// The longest packet that anybody may send before a connection has proven itself, whatever its type.
pub const MAX_UNPROVEN: usize = 8_192;

/// Bytes of an AEAD tag.
pub const TAG: usize = 16;
/// What sealing adds to the frames of a packet: the type byte and the tag.
pub const SEAL_OVERHEAD: usize = 1 + TAG;
/// Longest run of frames in one packet.
pub const MAX_FRAMES: usize = MAX_PACKET - SEAL_OVERHEAD;

/// The first byte of a packet.
///
/// ```
/// use unbroken_proto::wire::packet::PacketType;
/// assert_eq!(PacketType::of(&[1, 0, 0]), Ok(PacketType::Hello));
/// assert!(PacketType::of(&[]).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PacketType {
    /// Begins a new session (client).
    Hello,
    /// Answers HELLO (server).
    Challenge,
    /// The client's identity and offer.
    AuthProof,
    /// Begins a resume (client).
    Resume,
    /// Answers RESUME (server).
    Resumed,
    /// A refusal in the clear (server).
    Reject,
    /// Frames under seal.
    Sealed,
}

impl PacketType {
    /// The byte on the wire.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            PacketType::Hello => 1,
            PacketType::Challenge => 2,
            PacketType::AuthProof => 3,
            PacketType::Resume => 4,
            PacketType::Resumed => 5,
            PacketType::Reject => 6,
            PacketType::Sealed => 7,
        }
    }

    /// The type with this byte.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<PacketType> {
        Some(match byte {
            1 => PacketType::Hello,
            2 => PacketType::Challenge,
            3 => PacketType::AuthProof,
            4 => PacketType::Resume,
            5 => PacketType::Resumed,
            6 => PacketType::Reject,
            7 => PacketType::Sealed,
            _ => return None,
        })
    }

    /// The longest packet of this type, type byte included.
    #[must_use]
    pub const fn limit(self) -> usize {
        match self {
            PacketType::Hello => MAX_HELLO,
            PacketType::Challenge => MAX_CHALLENGE,
            PacketType::AuthProof => MAX_AUTH_PROOF,
            PacketType::Resume => MAX_RESUME,
            PacketType::Resumed => MAX_RESUMED,
            PacketType::Reject => MAX_REJECT,
            PacketType::Sealed => MAX_PACKET,
        }
    }

    /// The type of a whole packet, its length checked against [`limit`](PacketType::limit).
    ///
    /// # Errors
    /// [`ConnectionError::UnexpectedPacket`] when it is empty or of no known type,
    /// [`ConnectionError::TooLarge`] when it is too long for its type.
    pub fn of(packet: &[u8]) -> Result<PacketType, ConnectionError> {
        let kind = packet
            .first()
            .copied()
            .and_then(PacketType::from_byte)
            .ok_or(ConnectionError::UnexpectedPacket)?;
        if packet.len() > kind.limit() {
            Err(ConnectionError::TooLarge)
        } else {
            Ok(kind)
        }
    }
}

#[cfg(test)]
mod tests;
