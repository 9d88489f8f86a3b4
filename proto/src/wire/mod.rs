//! Bytes to frames and back; no policy.
//!
//! Everything here is a function of its input: what a frame means, and whether it has a place where
//! it stands, is decided by others. The layouts are those of PROTOCOL.md, "Sealed packets and frames".
//!
//! ```
//! use bytes::Bytes;
//! use unbroken_proto::id::StreamId;
//! use unbroken_proto::wire::frame::{Data, Frame};
//! use unbroken_proto::wire::{FrameWriter, frames};
//!
//! let hello = Frame::Data(Data {
//!     stream: StreamId(1),
//!     payload: Bytes::from_static(b"hello"),
//!     message_end: true,
//!     stream_end: false,
//! });
//! let mut plaintext = Vec::new();
//! let mut writer = FrameWriter::new(&mut plaintext);
//! writer.push(&Frame::Ack { position: 7 });
//! writer.push(&hello);
//! writer.finish();
//!
//! let read: Result<Vec<Frame>, _> = frames(plaintext.into()).collect();
//! assert_eq!(read, Ok(vec![Frame::Ack { position: 7 }, hello]));
//! ```

mod charge;
pub(crate) mod cursor;
pub mod frame;
pub mod framing;
pub mod handshake;
mod kind;
pub mod packet;
mod reader;
pub mod varint;
mod writer;

pub use reader::{Frames, frames};
pub use writer::FrameWriter;

#[cfg(test)]
pub(crate) mod tests;
