//! From what a carrier delivers to packets.

use bytes::BytesMut;

/// One per end of a connection.
#[derive(Debug, Default)]
pub struct Framer {
    stream: bool,
    bytewise: bool,
    held: Vec<u8>,
}

/// The bytes are not packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unframed;

impl Framer {
    /// For a carrier of packets, or of bytes with the 2-byte framing.
    #[must_use]
    pub fn new(packets: bool, bytewise: bool) -> Framer {
        Framer { stream: !packets, bytewise, held: Vec::new() }
    }

    /// What goes onto the carrier for `packet`.
    #[must_use]
    pub fn encode(packets: bool, packet: &[u8]) -> Vec<u8> {
        if packets {
            return packet.to_vec();
        }
        let len = u16::try_from(packet.len()).unwrap_or(u16::MAX).to_be_bytes();
        [&len, packet].concat()
    }

    /// The packets that are complete with `bytes`.
    ///
    /// # Errors
    /// When the framing is broken; the packets before are returned with it.
    pub fn decode(&mut self, bytes: Vec<u8>) -> (Vec<BytesMut>, Result<(), Unframed>) {
        if !self.stream {
            return (vec![BytesMut::from(bytes.as_slice())], Ok(()));
        }
        let mut packets = Vec::new();
        let step = if self.bytewise { 1 } else { bytes.len().max(1) };
        for chunk in bytes.chunks(step) {
            self.held.extend_from_slice(chunk);
            loop {
                let Some((head, rest)) = self.held.split_first_chunk::<2>() else { break };
                let len = usize::from(u16::from_be_bytes(*head));
                if len == 0 {
                    return (packets, Err(Unframed));
                }
                let Some(packet) = rest.get(..len) else { break };
                packets.push(BytesMut::from(packet));
                self.held.drain(..2 + len);
            }
        }
        (packets, Ok(()))
    }
}
