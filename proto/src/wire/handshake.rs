//! What the handshake carries: the client's offer, the server's FINAL, and refusals in the clear.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::error::ProtocolError;
use crate::limits::{MAX_CREDENTIAL, MAX_NAME, MAX_PACKET, MAX_REASON};
use crate::wire::frame::{Final, Offer, Parameters, Predecessor, Verdict};
use crate::wire::packet::PacketType;
use crate::wire::{cursor, varint};

/// Most versions, and most suites, that an offer may list; the least is one.
pub const MAX_LISTED: usize = 16;
/// The smallest packet limit an end may state: every frame fits but DATA, which can go in parts, and END with both a long reason and a long
/// alternate, of which the reason is to be cut.
pub const MIN_PACKET_LIMIT: u64 = 1_200;

/// The Noise payload of AUTH_PROOF.
#[must_use]
pub fn encode_offer(offer: &Offer) -> Vec<u8> {
    let mut buf = Vec::with_capacity(256 + offer.name.len() + offer.credential.len());
    cursor::put_bytes(&mut buf, &offer.versions, MAX_LISTED);
    cursor::put_bytes(&mut buf, &offer.suites, MAX_LISTED);
    put_parameters(&mut buf, &offer.parameters);
    cursor::put_bytes(&mut buf, &offer.name, MAX_NAME);
    cursor::put_bytes(&mut buf, &offer.credential, MAX_CREDENTIAL);
    match &offer.predecessor {
        None => buf.push(0),
        Some(predecessor) => {
            buf.push(1);
            buf.extend_from_slice(&predecessor.id);
            varint::write(&mut buf, predecessor.counter);
            varint::write(&mut buf, predecessor.position);
            buf.extend_from_slice(&predecessor.mac);
        }
    }
    buf
}

/// Reads the Noise payload of AUTH_PROOF. Name and credential are slices of `payload`.
///
/// # Errors
/// [`ProtocolError::Malformed`] for anything cut short, beyond its limit, out of its range (see
/// PROTOCOL.md, "Parameters"), a name that is not UTF-8, or bytes left over.
pub fn decode_offer(payload: Bytes) -> Result<Offer, ProtocolError> {
    let mut rest = payload;
    let versions = take_list(&mut rest)?;
    let suites = take_list(&mut rest)?;
    let parameters = take_parameters(&mut rest)?;
    let name = cursor::bytes(&mut rest, MAX_NAME)?;
    if core::str::from_utf8(&name).is_err() {
        return Err(ProtocolError::Malformed);
    }
    let credential = cursor::bytes(&mut rest, MAX_CREDENTIAL)?;
    let predecessor = match cursor::byte(&mut rest)? {
        0 => None,
        1 => Some(Predecessor {
            id: cursor::array(&mut rest)?,
            counter: varint::read(&mut rest)?,
            position: varint::read(&mut rest)?,
            mac: cursor::array(&mut rest)?,
        }),
        _ => return Err(ProtocolError::Malformed),
    };
    nothing_left(&rest)?;
    Ok(Offer {
        versions,
        suites,
        parameters,
        name,
        credential,
        predecessor,
    })
}

/// One to [`MAX_LISTED`] bytes, best first.
fn take_list(rest: &mut Bytes) -> Result<Vec<u8>, ProtocolError> {
    let list = cursor::bytes(rest, MAX_LISTED)?;
    if list.is_empty() {
        Err(ProtocolError::Malformed)
    } else {
        Ok(list.to_vec())
    }
}

fn nothing_left(rest: &Bytes) -> Result<(), ProtocolError> {
    if rest.is_empty() {
        Ok(())
    } else {
        Err(ProtocolError::Malformed)
    }
}

/// In the order of the wire.
fn parameter_values(parameters: &Parameters) -> [u64; 8] {
    [
        parameters.stream_window,
        parameters.session_window,
        parameters.max_streams,
        parameters.packet_limit,
        parameters.outbox_limit,
        parameters.inbox_limit,
        parameters.keepalive_interval,
        parameters.detached_lifetime,
    ]
}

pub(crate) fn put_parameters(buf: &mut Vec<u8>, parameters: &Parameters) {
    for value in parameter_values(parameters) {
        varint::write(buf, value);
    }
}

/// Only what could do harm is refused: a value so small that nothing could move, or that a timer would
/// never rest. Large ones are promises of the peer's that nobody need use up.
pub(crate) fn take_parameters(rest: &mut Bytes) -> Result<Parameters, ProtocolError> {
    let mut within = |min: u64, max: u64| {
        let value = varint::read(rest)?;
        if (min..=max).contains(&value) {
            Ok(value)
        } else {
            Err(ProtocolError::Malformed)
        }
    };
    Ok(Parameters {
        stream_window: within(256, varint::MAX)?,
        session_window: within(256, varint::MAX)?,
        max_streams: within(1, varint::MAX)?,
        packet_limit: within(MIN_PACKET_LIMIT, cursor::len_u64(MAX_PACKET))?,
        outbox_limit: within(2_048, varint::MAX)?,
        inbox_limit: within(65_536, varint::MAX)?,
        keepalive_interval: within(1, varint::MAX)?,
        detached_lifetime: within(1, varint::MAX)?,
    })
}

/// The body of a FINAL frame, behind its type byte.
pub(crate) fn put_final(buf: &mut Vec<u8>, final_: &Final) {
    put_parameters(buf, &final_.parameters);
    buf.extend_from_slice(&final_.incarnation);
    let (code, number) = verdict_parts(final_.verdict.as_ref());
    buf.push(code);
    if let Some(number) = number {
        varint::write(buf, number);
    }
    if let Some(Verdict::Closed { code, reason, .. }) = &final_.verdict {
        varint::write(buf, *code);
        cursor::put_bytes(buf, reason, MAX_REASON);
    }
}

/// How much [`put_final`] writes.
pub(crate) fn final_len(final_: &Final) -> usize {
    let parameters: usize = parameter_values(&final_.parameters).into_iter().map(varint::len).sum();
    let (_, number) = verdict_parts(final_.verdict.as_ref());
    let words = match &final_.verdict {
        Some(Verdict::Closed { code, reason, .. }) => varint::len(*code) + cursor::bytes_len(reason, MAX_REASON),
        _ => 0,
    };
    parameters + final_.incarnation.len() + 1 + number.map_or(0, varint::len) + words
}

/// Reads what [`put_final`] writes.
pub(crate) fn take_final(rest: &mut Bytes) -> Result<Final, ProtocolError> {
    let parameters = take_parameters(rest)?;
    let incarnation = cursor::array(rest)?;
    let verdict = match cursor::byte(rest)? {
        0 => None,
        1 => Some(Verdict::Resumed {
            position: varint::read(rest)?,
        }),
        2 => Some(Verdict::Expired {
            position: varint::read(rest)?,
        }),
        3 => Some(Verdict::Superseded),
        4 => Some(Verdict::Unknown {
            reach: varint::read(rest)?,
        }),
        5 => Some(Verdict::StateLost {
            position: varint::read(rest)?,
        }),
        6 => Some(Verdict::Closed {
            position: varint::read(rest)?,
            code: varint::read(rest)?,
            reason: cursor::bytes(rest, MAX_REASON)?,
        }),
        7 => Some(Verdict::Replaced {
            position: varint::read(rest)?,
        }),
        _ => return Err(ProtocolError::Malformed),
    };
    Ok(Final {
        parameters,
        incarnation,
        verdict,
    })
}

/// A verdict's code byte and the number behind it.
fn verdict_parts(verdict: Option<&Verdict>) -> (u8, Option<u64>) {
    match verdict {
        None => (0, None),
        Some(Verdict::Resumed { position }) => (1, Some(*position)),
        Some(Verdict::Expired { position }) => (2, Some(*position)),
        Some(Verdict::Superseded) => (3, None),
        Some(Verdict::Unknown { reach }) => (4, Some(*reach)),
        Some(Verdict::StateLost { position }) => (5, Some(*position)),
        Some(Verdict::Closed { position, .. }) => (6, Some(*position)),
        Some(Verdict::Replaced { position }) => (7, Some(*position)),
    }
}

/// A refusal in the clear. Whoever sends it has proven nothing, so it counts as a failed dial only.
///
/// ```
/// use unbroken_proto::wire::handshake::Reject;
/// let later = Reject::Retry { after: 1_000 };
/// assert_eq!(Reject::decode(&later.encode()), Ok(later));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reject {
    /// Too busy now.
    Retry {
        /// Milliseconds to wait.
        after: u64,
    },
    /// This will not do; nothing more is said.
    Refused,
    /// The version is not spoken here.
    VersionUnsupported,
    /// The suite is not accepted here.
    SuiteUnsupported,
}

impl Reject {
    /// The whole packet.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut packet = Vec::with_capacity(10);
        packet.push(PacketType::Reject.byte());
        packet.push(match self {
            Reject::Retry { .. } => 1,
            Reject::Refused => 2,
            Reject::VersionUnsupported => 3,
            Reject::SuiteUnsupported => 4,
        });
        if let Reject::Retry { after } = self {
            varint::write(&mut packet, after);
        }
        packet
    }

    /// Reads a whole packet.
    ///
    /// # Errors
    /// [`ProtocolError::Malformed`] for another packet type, an unknown code, a packet over 256 bytes,
    /// and one cut short or with bytes left over.
    pub fn decode(packet: &[u8]) -> Result<Reject, ProtocolError> {
        if PacketType::of(packet) != Ok(PacketType::Reject) {
            return Err(ProtocolError::Malformed);
        }
        match packet.get(1..).unwrap_or_default() {
            [1, after @ ..] => match varint::decode(after)? {
                (value, length) if length == after.len() => Ok(Reject::Retry { after: value }),
                _ => Err(ProtocolError::Malformed),
            },
            [2] => Ok(Reject::Refused),
            [3] => Ok(Reject::VersionUnsupported),
            [4] => Ok(Reject::SuiteUnsupported),
            _ => Err(ProtocolError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests;
