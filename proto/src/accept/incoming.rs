//! A connection on its way to a session: a handshake in progress, one that is proven and waits for the
//! host's decision, or a RESUME for a session held elsewhere in this process.

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem;

use bytes::{Bytes, BytesMut};

use super::request::{ConnectionId, Request};
use crate::error::{ConnectionError, ProtocolError};
use crate::id::{Carrier, SessionId};
use crate::security::{Established, ResumeClear, ServerHandshake, Suite, VERSION};
use crate::time::Instant;
use crate::wire::frame::{Final, Offer};
use crate::wire::handshake::decode_offer;
use crate::wire::packet::PacketType;

/// A handshake in progress, or a RESUME on its way to its session.
///
/// It holds everything that belongs to its connection before a session has it; dropping it is the
/// whole clean-up (tell the registry with [`connection_closed`](crate::server::Registry::connection_closed)).
pub struct Incoming {
    pub(crate) connection: ConnectionId,
    pub(crate) deadline: Instant,
    pub(crate) kind: IncomingKind,
}

pub(crate) enum IncomingKind {
    /// A RESUME that opened once; its packet is untouched, and its session has yet to decide about it.
    Resume { clear: ResumeClear, packet: BytesMut },
    /// CHALLENGE is out, or about to be.
    Handshake(Box<Handshake>),
    /// AUTH_PROOF opened.
    Proven(Box<Proven>),
    /// Something failed to open: nothing else is tried.
    Failed,
}

/// A handshake between HELLO and AUTH_PROOF.
pub(crate) struct Handshake {
    pub(crate) noise: ServerHandshake,
    /// CHALLENGE, until it is taken.
    pub(crate) challenge: Option<Vec<u8>>,
    /// Suites this server accepts.
    pub(crate) suites: Vec<Suite>,
    /// What FINAL will say, before any verdict.
    pub(crate) answer: Final,
    pub(crate) carrier: Carrier,
}

/// A client that proved itself: all that a session, new or old, needs of its handshake.
pub(crate) struct Proven {
    pub(crate) established: Established,
    pub(crate) offer: Offer,
    /// What the MAC of a predecessor is over.
    pub(crate) hash_after_2: [u8; 32],
    /// FINAL with the server's parameters and incarnation; the verdict is still `None`.
    pub(crate) answer: Final,
    pub(crate) request: Request,
}

impl core::fmt::Debug for Incoming {
    /// Without keys, and without what the client said.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Incoming")
            .field("connection", &self.connection)
            .field("deadline", &self.deadline)
            .field("proven", &matches!(self.kind, IncomingKind::Proven(_)))
            .finish_non_exhaustive()
    }
}

impl Incoming {
    /// The connection it came on.
    #[must_use]
    pub fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// When the handshake must be done and decided; the connection is closed then (see
    /// [`Registry::is_wanted`](crate::server::Registry::is_wanted)).
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The registry waits longer for it ([`Registry::handle_partial`](crate::server::Registry::handle_partial)).
    pub fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = self.deadline.max(deadline);
    }

    /// `Some` once the client has proven itself: what the host decides upon with
    /// [`admit`](crate::server::Registry::admit) or [`refuse`](crate::server::Registry::refuse).
    #[must_use]
    pub fn request(&self) -> Option<&Request> {
        match &self.kind {
            IncomingKind::Proven(proven) => Some(&proven.request),
            IncomingKind::Resume { .. } | IncomingKind::Handshake(_) | IncomingKind::Failed => None,
        }
    }

    /// A further packet of this connection. Only AUTH_PROOF has a place here, once: a client says
    /// nothing more before it has read FINAL.
    ///
    /// # Errors
    /// Drop the connection and this value: the packet is too large, out of place or late, did not open,
    /// came from a key that is not let in, or shows that a suite was kept from being used.
    pub fn handle_input(&mut self, now: Instant, packet: BytesMut) -> Result<(), ConnectionError> {
        match mem::replace(&mut self.kind, IncomingKind::Failed) {
            IncomingKind::Handshake(_) if now >= self.deadline => Err(ConnectionError::Handshake),
            IncomingKind::Handshake(handshake) => {
                self.kind = IncomingKind::Proven(Box::new(handshake.on_auth_proof(&packet)?));
                Ok(())
            }
            IncomingKind::Resume { .. } | IncomingKind::Proven(_) | IncomingKind::Failed => {
                Err(ConnectionError::UnexpectedPacket)
            }
        }
    }

    /// Appends the packet that is to go out, if there is one: CHALLENGE, once.
    pub fn poll_transmit(&mut self, buf: &mut Vec<u8>) -> bool {
        let challenge = match &mut self.kind {
            IncomingKind::Handshake(handshake) => handshake.challenge.take(),
            IncomingKind::Resume { .. } | IncomingKind::Proven(_) | IncomingKind::Failed => None,
        };
        challenge.inspect(|packet| buf.extend_from_slice(packet)).is_some()
    }
}

impl Handshake {
    fn on_auth_proof(self, packet: &[u8]) -> Result<Proven, ConnectionError> {
        if PacketType::of(packet)? != PacketType::AuthProof {
            return Err(ConnectionError::UnexpectedPacket);
        }
        let hash_after_2 = *self.noise.hash_after_2();
        let secret_hint = self.noise.secret_hint().cloned();
        let (offer, established) = self.noise.on_auth_proof(packet)?;
        let offer = decode_offer(Bytes::from(offer))?;
        let suites: Vec<u8> = self.suites.iter().map(|suite| suite.byte()).collect();
        let honest = first_common(&offer.suites, &suites) == Some(established.suite.byte())
            && first_common(&offer.versions, &[VERSION]) == Some(VERSION);
        if !honest {
            return Err(ConnectionError::Handshake);
        }
        let name = core::str::from_utf8(&offer.name).map_err(|_| ProtocolError::Malformed)?;
        let request = Request {
            client_key: established.peer_key,
            secret_hint,
            name: String::from(name),
            credential: offer.credential.clone(),
            predecessor: offer.predecessor.as_ref().map(|named| SessionId(named.id)),
            carrier: self.carrier,
        };
        Ok(Proven {
            established,
            offer,
            hash_after_2,
            answer: self.answer,
            request,
        })
    }
}

/// The client's best among those accepted here: the one that must have been used, since the client
/// tries its list in order and says the list under seal.
fn first_common(offered: &[u8], accepted: &[u8]) -> Option<u8> {
    offered.iter().copied().find(|byte| accepted.contains(byte))
}
