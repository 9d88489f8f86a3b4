//! The first sealed packet of a connection.

use alloc::vec::Vec;

use crate::security::Keys;
use crate::wire::FrameWriter;
use crate::wire::frame::{End, Final, Frame};
use crate::wire::packet::PacketType;

/// FINAL as the first sealed packet of a connection. `None` if the key is exhausted, which a fresh one
/// is not.
pub(crate) fn final_packet(keys: &mut Keys, answer: Final) -> Option<Vec<u8>> {
    sealed_packet(keys, Frame::Final(answer.into()))
}

/// END, in FINAL's place or later. `None` if the key is exhausted.
pub(crate) fn end_packet(keys: &mut Keys, end: End) -> Option<Vec<u8>> {
    sealed_packet(keys, Frame::End(end.into()))
}

fn sealed_packet(keys: &mut Keys, frame: Frame) -> Option<Vec<u8>> {
    let mut packet = Vec::from([PacketType::Sealed.byte()]);
    let mut writer = FrameWriter::new(&mut packet);
    writer.push(&frame);
    writer.finish();
    keys.sealer.seal(&mut packet, 1).ok()?;
    Some(packet)
}
