//! What a test needs to play a peer that has proven itself and then says whatever it likes. Not for
//! production: behind the feature `test-hooks`, which only the tests of this workspace enable.

use alloc::vec::Vec;

use bytes::BytesMut;

use super::machine::Session;
use crate::id::Epoch;
use crate::security::Keys;

/// The keys of one connection.
#[derive(Debug)]
pub struct SendKeys<'a>(&'a mut Keys);

impl SendKeys<'_> {
    /// Seals all of `packet` behind its first byte, which is the type, as the next packet of this end. The
    /// session does not know of it: the nonce is spent, and nothing else changes. `false`: the key is used up.
    pub fn seal(&mut self, packet: &mut Vec<u8>) -> bool {
        self.0.sealer.seal(packet, 1).is_ok()
    }

    /// Opens the peer's next packet, of which the type is cut off already; what is left of it are its frames. The session
    /// does not know of it either. `false`: it is not the peer's next one.
    pub fn open(&mut self, packet: &mut BytesMut) -> bool {
        self.0.opener.open(packet).is_ok()
    }
}

impl Session {
    /// The keys of the connection `epoch`, if it is the current one.
    pub fn send_keys(&mut self, epoch: Epoch) -> Option<SendKeys<'_>> {
        let current = self.connections.current.as_mut()?;
        (current.epoch == epoch).then_some(SendKeys(&mut current.keys))
    }
}
