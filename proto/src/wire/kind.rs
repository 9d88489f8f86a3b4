//! The type bytes of frames, and the flags in that of DATA.

pub(crate) const OPEN: u8 = 0x01;
pub(crate) const RESET: u8 = 0x02;
pub(crate) const STOP: u8 = 0x03;
pub(crate) const CREDIT: u8 = 0x04;
pub(crate) const CLOSE: u8 = 0x05;
pub(crate) const CLOSED: u8 = 0x08;
pub(crate) const END: u8 = 0x09;
pub(crate) const ACK: u8 = 0x0a;
pub(crate) const FROM: u8 = 0x0b;
pub(crate) const RESYNC: u8 = 0x0c;
pub(crate) const PING: u8 = 0x0d;
pub(crate) const PONG: u8 = 0x0e;
pub(crate) const GOAWAY: u8 = 0x0f;
pub(crate) const REKEY: u8 = 0x10;
pub(crate) const FINAL: u8 = 0x11;
/// DATA without flags; the four low bits are flags.
pub(crate) const DATA: u8 = 0x40;
/// DATA with all of them.
pub(crate) const DATA_LAST: u8 = 0x4f;
/// PART without flags, which are those of DATA.
pub(crate) const PART: u8 = 0x50;
/// PART with all of them.
pub(crate) const PART_LAST: u8 = 0x5f;

/// A message ends behind the payload.
pub(crate) const DATA_MESSAGE_END: u8 = 0x01;
/// The stream ends behind the payload.
pub(crate) const DATA_STREAM_END: u8 = 0x02;
/// The stream is that of the last DATA or OPEN in the packet, and left out.
pub(crate) const DATA_SAME_STREAM: u8 = 0x04;
/// The payload is all that is left of the packet.
pub(crate) const DATA_LENGTH_OMITTED: u8 = 0x08;

/// What PROTOCOL.md calls the frame with that type byte.
pub(crate) fn name(byte: u8) -> &'static str {
    match byte {
        OPEN => "OPEN",
        RESET => "RESET",
        STOP => "STOP",
        CREDIT => "CREDIT",
        CLOSE => "CLOSE",
        CLOSED => "CLOSED",
        END => "END",
        ACK => "ACK",
        FROM => "FROM",
        RESYNC => "RESYNC",
        PING => "PING",
        PONG => "PONG",
        GOAWAY => "GOAWAY",
        REKEY => "REKEY",
        FINAL => "FINAL",
        DATA..=DATA_LAST => "DATA",
        PART..=PART_LAST => "PART",
        _ => "frame",
    }
}
