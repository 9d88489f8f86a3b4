//! Frames of smux, version 1: many TCP streams in the one byte stream that the Output payloads of a port session are.
//!
//! A frame is a header of 8 bytes and, for [`Command::Push`], data. Frames of the data channel cut the byte stream anywhere. Unlike
//! everything else here the integers are **little-endian**.
//!
//! ```
//! use bytes::Bytes;
//! use unbroken_proto::ssm::smux::{Command, Decoder, Header, Item};
//!
//! let mut out = Vec::new();
//! Header::new(Command::Syn, 3).encode(&mut out);
//! Header::push(3, 5).encode(&mut out);
//! out.extend_from_slice(b"hello");
//!
//! let mut decoder = Decoder::new();
//! let (mut first, mut second) = (Bytes::from(out.clone()).slice(..18), Bytes::from(out).slice(18..));
//! assert_eq!(decoder.next_item(&mut first), Ok(Some(Item::Syn { stream: 3 })));
//! let he = Item::Data { stream: 3, data: Bytes::from_static(b"he"), is_last: false };
//! assert_eq!(decoder.next_item(&mut first), Ok(Some(he)));
//! assert_eq!(decoder.next_item(&mut first), Ok(None));
//! let llo = Item::Data { stream: 3, data: Bytes::from_static(b"llo"), is_last: true };
//! assert_eq!(decoder.next_item(&mut second), Ok(Some(llo)));
//! ```

use alloc::vec::Vec;

use bytes::{Buf, Bytes};
use thiserror::Error;

/// Bytes of a header.
pub const HEADER_SIZE: usize = 8;
/// The version.
pub const VERSION: u8 = 1;
/// Most data in one frame of either real program, in bytes. The field has room for 65,535, and so much is read.
pub const MAX_DATA: usize = 32_768;

/// What a frame does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Command {
    /// Opens a stream. The client opens 3, 5, 7 and so on.
    Syn,
    /// Closes a stream, both ways.
    Fin,
    /// Carries data of a stream.
    Push,
    /// Says that the sender is there; its stream is 0.
    Nop,
}

impl Command {
    /// The byte of the header.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Command::Syn => 0,
            Command::Fin => 1,
            Command::Push => 2,
            Command::Nop => 3,
        }
    }

    /// What this byte means. 4 (UPD) is of version 2.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Command> {
        match byte {
            0 => Some(Command::Syn),
            1 => Some(Command::Fin),
            2 => Some(Command::Push),
            3 => Some(Command::Nop),
            _ => None,
        }
    }
}

/// Why a byte stream is no smux. It cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SmuxError {
    /// A version other than 1.
    #[error("version {0} of smux")]
    Version(u8),
    /// A command that version 1 does not have.
    #[error("command {0} of smux")]
    Command(u8),
    /// A frame that carries no data says that data follows. The real programs would take what follows for a header.
    #[error("a command with {length} bytes of data")]
    Length {
        /// The frame's command.
        command: Command,
        /// The length it states.
        length: u16,
    },
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// What the frame does.
    pub command: Command,
    /// Bytes of data behind the header.
    pub length: u16,
    /// Whose it is.
    pub stream: u32,
}

impl Header {
    /// The header of a frame without data.
    #[must_use]
    pub const fn new(command: Command, stream: u32) -> Header {
        Header {
            command,
            length: 0,
            stream,
        }
    }

    /// The header before `length` bytes of data, which should be [`MAX_DATA`] at most.
    #[must_use]
    pub const fn push(stream: u32, length: u16) -> Header {
        Header {
            command: Command::Push,
            length,
            stream,
        }
    }

    /// The bytes of the header.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; HEADER_SIZE] {
        let [length_low, length_high] = self.length.to_le_bytes();
        let [a, b, c, d] = self.stream.to_le_bytes();
        [VERSION, self.command.byte(), length_low, length_high, a, b, c, d]
    }

    /// Appends the header to `out`.
    pub fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_bytes());
    }

    /// Reads a header.
    ///
    /// # Errors
    /// See [`SmuxError`].
    pub fn decode(bytes: [u8; HEADER_SIZE]) -> Result<Header, SmuxError> {
        let [version, command, length_low, length_high, a, b, c, d] = bytes;
        if version != VERSION {
            return Err(SmuxError::Version(version));
        }
        let command = Command::from_byte(command).ok_or(SmuxError::Command(command))?;
        let length = u16::from_le_bytes([length_low, length_high]);
        if length > 0 && command != Command::Push {
            return Err(SmuxError::Length { command, length });
        }
        Ok(Header {
            command,
            length,
            stream: u32::from_le_bytes([a, b, c, d]),
        })
    }
}

/// What the byte stream says next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// A stream is opened.
    Syn {
        /** The stream. */
        stream: u32,
    },
    /// A stream is closed.
    Fin {
        /** The stream. */
        stream: u32,
    },
    /// The peer is there.
    Nop {
        /** 0, from real programs. */
        stream: u32,
    },
    /// Data of a stream: a frame's, or what has come of it.
    Data {
        /** The stream. */
        stream: u32,
        /** A slice of the input; empty only when the frame is. */
        data: Bytes,
        /** Whether the frame ends here. */
        is_last: bool,
    },
}

/// Reads a byte stream that comes in pieces, cut anywhere.
///
/// It keeps at most 8 bytes: of a header that is not whole. Data is handed out as it comes, in slices of the pieces.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// The first bytes of a header.
    begun: [u8; HEADER_SIZE],
    /// How many of them there are.
    have: usize,
    /// The stream whose data comes now, and how much is missing of it.
    push: Option<(u32, usize)>,
    failed: Option<SmuxError>,
}

impl Decoder {
    /// At the beginning of a byte stream.
    #[must_use]
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Takes the next item off the front of `piece`. `None`: the piece is used up, and the next one is due. Call it until then.
    ///
    /// # Errors
    /// The byte stream is no smux. Each further call gives the same error.
    pub fn next_item(&mut self, piece: &mut Bytes) -> Result<Option<Item>, SmuxError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.push.is_none() {
            let Some(header) = self.header(piece)? else {
                return Ok(None);
            };
            let stream = header.stream;
            match header.command {
                Command::Syn => return Ok(Some(Item::Syn { stream })),
                Command::Fin => return Ok(Some(Item::Fin { stream })),
                Command::Nop => return Ok(Some(Item::Nop { stream })),
                Command::Push => self.push = Some((stream, usize::from(header.length))),
            }
        }
        Ok(self.data(piece))
    }

    /// Whether the byte stream stands between two frames.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.have == 0 && self.push.is_none() && self.failed.is_none()
    }

    /// A header, once it is whole.
    fn header(&mut self, piece: &mut Bytes) -> Result<Option<Header>, SmuxError> {
        let missing = self.begun.get_mut(self.have..).unwrap_or_default();
        let taken = missing.len().min(piece.len());
        missing
            .iter_mut()
            .zip(piece.iter())
            .for_each(|(slot, byte)| *slot = *byte);
        piece.advance(taken);
        self.have += taken;
        if self.have < HEADER_SIZE {
            return Ok(None);
        }
        self.have = 0;
        match Header::decode(self.begun) {
            Ok(header) => Ok(Some(header)),
            Err(error) => {
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    /// What has come of the data that is due.
    fn data(&mut self, piece: &mut Bytes) -> Option<Item> {
        let (stream, missing) = self.push?;
        if piece.is_empty() && missing > 0 {
            return None;
        }
        let data = piece.split_to(missing.min(piece.len()));
        let missing = missing - data.len();
        let is_last = missing == 0;
        self.push = (!is_last).then_some((stream, missing));
        Some(Item::Data { stream, data, is_last })
    }
}

#[cfg(test)]
mod tests;
