//! From what a carrier delivers to packets.

use bytes::BytesMut;
use unbroken_proto::wire::framing::{self, Decoder};

/// One per end of a connection.
#[derive(Debug)]
pub struct Framer {
    stream: Option<Decoder>,
    bytewise: bool,
}

/// The bytes are not packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unframed;

impl Framer {
    /// For a carrier of packets, or of bytes with the 2-byte framing.
    #[must_use]
    pub fn new(packets: bool, bytewise: bool) -> Framer {
        Framer {
            stream: (!packets).then(|| Decoder::new(framing::MAX_PACKET)),
            bytewise,
        }
    }

    /// What goes onto the carrier for `packet`.
    #[must_use]
    pub fn encode(packets: bool, packet: &[u8]) -> Vec<u8> {
        if packets {
            return packet.to_vec();
        }
        let mut framed = Vec::with_capacity(packet.len() + framing::PREFIX);
        framing::append(&mut framed, |buf| {
            buf.extend_from_slice(packet);
            true
        });
        framed
    }

    /// The packets that are complete with `bytes`, and whether what follows them is framing at all.
    pub fn decode(&mut self, bytes: Vec<u8>) -> (Vec<BytesMut>, Result<(), Unframed>) {
        let Some(decoder) = &mut self.stream else {
            return (vec![BytesMut::from(bytes.as_slice())], Ok(()));
        };
        let mut packets = Vec::new();
        let step = if self.bytewise { 1 } else { bytes.len().max(1) };
        for chunk in bytes.chunks(step) {
            decoder.extend(chunk);
            loop {
                match decoder.next_packet() {
                    Ok(Some(packet)) => packets.push(packet),
                    Ok(None) => break,
                    Err(_) => return (packets, Err(Unframed)),
                }
            }
        }
        (packets, Ok(()))
    }
}
