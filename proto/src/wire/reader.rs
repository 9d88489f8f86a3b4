//! Frames out of an opened packet.

use core::iter::FusedIterator;

use bytes::Bytes;

use crate::error::ProtocolError;
use crate::id::StreamId;
use crate::limits::{MAX_LABEL, MAX_REASON};
use crate::wire::frame::{Close, Data, End, EndCode, FRAGMENT_MAX, FRAGMENT_MIN, Frame, MAX_ALTERNATE, Open, Part};
use crate::wire::{cursor, handshake, kind, varint};

/// The frames of one packet's plaintext, in order.
///
/// Payloads, labels and the like are slices of `plaintext`: nothing is copied or allocated, and the
/// packet's memory lives as long as any of them.
pub fn frames(plaintext: Bytes) -> Frames {
    Frames {
        rest: plaintext,
        last: None,
        stage: Stage::First,
    }
}

/// See [`frames`]. Ends after the first error.
///
/// Errors are [`ProtocolError::UnknownFrame`] for a type byte this version does not know,
/// [`ProtocolError::BadStream`] for stream 0 where a stream belongs, [`ProtocolError::Misplaced`] for
/// a FINAL that is not alone in its packet, and [`ProtocolError::Malformed`] for everything else,
/// a packet without frames included.
#[derive(Clone, Debug)]
pub struct Frames {
    rest: Bytes,
    /// The stream of the last DATA, PART or OPEN.
    last: Option<StreamId>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    First,
    Later,
    Over,
}

impl Iterator for Frames {
    type Item = Result<Frame, ProtocolError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.stage {
            Stage::Over => return None,
            Stage::Later if self.rest.is_empty() => return None,
            Stage::First | Stage::Later => {}
        }
        let frame = self.frame();
        self.stage = if frame.is_ok() { Stage::Later } else { Stage::Over };
        Some(frame)
    }
}

impl FusedIterator for Frames {}

impl Frames {
    /// What the next frame is called, whether or not it can be read; "packet" where there is none.
    pub(crate) fn upcoming(&self) -> &'static str {
        self.rest.first().map_or("packet", |byte| kind::name(*byte))
    }

    fn frame(&mut self) -> Result<Frame, ProtocolError> {
        let rest = &mut self.rest;
        Ok(match cursor::byte(rest)? {
            flags @ kind::DATA..=kind::DATA_LAST => {
                let stream = self.stream(flags)?;
                Frame::Data(self.data(flags, stream)?)
            }
            flags @ kind::PART..=kind::PART_LAST => Frame::Part(self.part(flags)?),
            kind::OPEN => Frame::Open(self.open()?),
            kind::RESET => Frame::Reset {
                stream: cursor::stream(rest)?,
                code: varint::read(rest)?,
            },
            kind::STOP => Frame::Stop {
                stream: cursor::stream(rest)?,
                code: varint::read(rest)?,
            },
            kind::CREDIT => Frame::Credit {
                stream: varint::read(rest)?,
                limit: varint::read(rest)?,
            },
            kind::CLOSE => Frame::Close(Close {
                code: varint::read(rest)?,
                reason: cursor::bytes(rest, MAX_REASON)?,
                position: varint::read(rest)?,
            }),
            kind::CLOSED => Frame::Closed {
                position: varint::read(rest)?,
            },
            kind::END => Frame::End(end(rest)?.into()),
            kind::ACK => Frame::Ack {
                position: varint::read(rest)?,
            },
            kind::FROM => Frame::From {
                position: varint::read(rest)?,
            },
            kind::RESYNC => Frame::Resync {
                position: varint::read(rest)?,
            },
            kind::PING => Frame::Ping {
                id: varint::read(rest)?,
            },
            kind::PONG => Frame::Pong {
                id: varint::read(rest)?,
            },
            kind::GOAWAY => Frame::GoAway {
                within: varint::read(rest)?,
                alternate: cursor::bytes(rest, MAX_ALTERNATE)?,
            },
            kind::REKEY => Frame::Rekey,
            kind::FINAL => {
                let final_ = handshake::take_final(rest)?;
                if self.stage != Stage::First || !self.rest.is_empty() {
                    return Err(ProtocolError::Misplaced);
                }
                Frame::Final(final_.into())
            }
            _ => return Err(ProtocolError::UnknownFrame),
        })
    }

    /// The stream of DATA or PART.
    fn stream(&mut self, flags: u8) -> Result<StreamId, ProtocolError> {
        let stream = match flags & kind::DATA_SAME_STREAM {
            0 => cursor::stream(&mut self.rest)?,
            _ => self.last.ok_or(ProtocolError::Malformed)?,
        };
        self.last = Some(stream);
        Ok(stream)
    }

    fn data(&mut self, flags: u8, stream: StreamId) -> Result<Data, ProtocolError> {
        let rest = &mut self.rest;
        let payload = match flags & kind::DATA_LENGTH_OMITTED {
            0 => {
                let length = varint::read(rest)?;
                cursor::slice(rest, length)?
            }
            _ => core::mem::take(rest),
        };
        Ok(Data {
            stream,
            payload,
            message_end: flags & kind::DATA_MESSAGE_END != 0,
            stream_end: flags & kind::DATA_STREAM_END != 0,
        })
    }

    fn part(&mut self, flags: u8) -> Result<Part, ProtocolError> {
        let stream = self.stream(flags)?;
        let total = varint::read(&mut self.rest)?;
        let offset = varint::read(&mut self.rest)?;
        let data = self.data(flags, stream)?;
        let length = cursor::len_u64(data.payload.len());
        // Less than the whole, and something of it.
        let is_part = length > 0 && length < total && total <= FRAGMENT_MAX && offset <= total - length;
        is_part
            .then_some(Part { data, offset, total })
            .ok_or(ProtocolError::Malformed)
    }

    fn open(&mut self) -> Result<Open, ProtocolError> {
        let rest = &mut self.rest;
        let stream = cursor::stream(rest)?;
        let priority = cursor::byte(rest)?;
        let fragment_size = varint::read(rest)?;
        if !(FRAGMENT_MIN..=FRAGMENT_MAX).contains(&fragment_size) {
            return Err(ProtocolError::Malformed);
        }
        let label = cursor::bytes(rest, MAX_LABEL)?;
        self.last = Some(stream);
        Ok(Open {
            stream,
            priority,
            fragment_size,
            label,
        })
    }
}

fn end(rest: &mut Bytes) -> Result<End, ProtocolError> {
    let code = EndCode::from_byte(cursor::byte(rest)?).ok_or(ProtocolError::Malformed)?;
    let reason = cursor::bytes(rest, MAX_REASON)?;
    let position = optional(rest)?;
    let after = optional(rest)?;
    let alternate = cursor::bytes(rest, MAX_ALTERNATE)?;
    Ok(End {
        code,
        reason,
        position,
        after,
        alternate,
    })
}

/// A byte 0, or a byte 1 and an integer.
fn optional(rest: &mut Bytes) -> Result<Option<u64>, ProtocolError> {
    match cursor::byte(rest)? {
        0 => Ok(None),
        1 => varint::read(rest).map(Some),
        _ => Err(ProtocolError::Malformed),
    }
}

#[cfg(test)]
mod tests;
