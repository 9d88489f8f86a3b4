//! The client's proofs: a new session, a resume, and asking for an old session inside a full handshake.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use super::ticket::{Identity, Ticket};
use crate::config::ClientConfig;
use crate::error::{ConnectionError, ProtocolError};
use crate::id::Carrier;
use crate::rng::Rng;
use crate::security::{ClientHandshake, ClientResume, Established, VERSION};
use crate::session::connections::Stage;
use crate::session::ledger::Ledger;
use crate::wire;
use crate::wire::frame::{End, EndCode, Final, Frame, Offer, Predecessor};

/// A packet to send, and what is waited for then.
pub(crate) type Step = (Vec<u8>, Stage);

/// The server's answer to AUTH_PROOF.
pub(crate) enum Answered {
    Final(Final),
    /// END in its place.
    Refused(End),
}

/// HELLO, under the suite of that number in the configuration; `None` if no suite fits.
pub(crate) fn hello(config: &ClientConfig, suite: usize, carrier: Carrier, rng: &mut Rng) -> Option<Step> {
    let suites = config.auth.suites(&config.suites);
    let index = suite % suites.len().max(1);
    let (handshake, hello) = ClientHandshake::new(&config.auth, *suites.get(index)?, rng);
    let stage = Stage::Hello {
        handshake: Box::new(handshake),
        carrier,
        suite: index,
    };
    Some((hello, stage))
}

impl Ticket {
    /// RESUME, under a counter that was not used yet. `alive`: our connection before is said to be alive.
    pub(crate) fn resume(&self, ledger: &Ledger, alive: bool, rng: &mut Rng) -> Step {
        // It waits until all that was taken is kept, since its counter has to be.
        let stated = ledger.standing();
        let (resume, packet) = ClientResume::new(&self.secret, self.id, self.counter, stated, alive, rng);
        let stage = Stage::Resuming {
            resume: Box::new(resume),
            alive,
            acked: ledger.acked(),
        };
        (packet, stage)
    }
}

impl Identity {
    /// CHALLENGE: check who answers, then prove who we are. `stated`: the position that this end states.
    pub(crate) fn on_challenge(
        &self,
        config: &ClientConfig,
        (mut handshake, carrier): (Box<ClientHandshake>, Carrier),
        packet: &[u8],
        stated: u64,
    ) -> Result<Step, ConnectionError> {
        handshake.on_challenge(packet)?;
        let predecessor = self.ticket.as_ref().map(|ticket| Predecessor {
            id: ticket.id.0,
            counter: ticket.counter,
            position: stated,
            mac: ticket.secret.verifier().mac(handshake.hash_after_2()),
        });
        let named = predecessor.is_some();
        let suites = config.auth.suites(&config.suites);
        let offer = Offer {
            versions: alloc::vec![VERSION],
            suites: suites.iter().map(|suite| suite.byte()).collect(),
            parameters: config.session.parameters(),
            name: Bytes::copy_from_slice(config.name.as_bytes()),
            credential: if handshake.may_send_credential(carrier) {
                config.credential.clone()
            } else {
                Bytes::new()
            },
            predecessor,
        };
        let (proof, established) = handshake.prove(&wire::handshake::encode_offer(&offer))?;
        let stage = Stage::Proven {
            established: Box::new(established),
            predecessor: named,
        };
        Ok((proof, stage))
    }
}

/// Opens the server's first sealed packet; what is left of it are its frames.
pub(crate) fn open_answer(established: &mut Established, packet: &mut BytesMut) -> Result<(), ConnectionError> {
    if packet.len() > wire::packet::MAX_FINAL {
        return Err(ConnectionError::TooLarge);
    }
    let _ = packet.split_to(1);
    established
        .keys
        .opener
        .open(packet)
        .map_err(|_| ConnectionError::Forged)
}

/// FINAL, or END in its place, alone in its packet. `predecessor`: we asked for a session, and FINAL has to tell of it.
pub(crate) fn read_answer(plaintext: BytesMut, predecessor: bool) -> Result<Answered, ProtocolError> {
    let mut frames = wire::frames(plaintext.freeze());
    let first = frames.next().ok_or(ProtocolError::Misplaced)??;
    if frames.next().is_some() {
        return Err(ProtocolError::Misplaced);
    }
    match first {
        Frame::Final(answer) if answer.verdict.is_some() == predecessor => Ok(Answered::Final(*answer)),
        // With the other two there is nothing yet that could be over.
        Frame::End(end) if !matches!(end.code, EndCode::Done | EndCode::StateLost) => Ok(Answered::Refused(*end)),
        _ => Err(ProtocolError::Misplaced),
    }
}
