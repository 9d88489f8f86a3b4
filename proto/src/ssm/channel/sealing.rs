//! Payloads under a data key.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::id::Side;
use crate::rng::Rng;
use crate::ssm::PayloadType;
use crate::ssm::kms::{DataKey, Direction, DirectionKey, KmsError, NONCE_SIZE};

/// The two keys of a session.
#[derive(Debug)]
pub(crate) struct Sealing {
    pub(crate) ours: DirectionKey,
    pub(crate) theirs: DirectionKey,
}

impl Sealing {
    pub(crate) fn new(side: Side, key: &DataKey) -> Sealing {
        let (client, agent) = (Direction::ClientToAgent, Direction::AgentToClient);
        let (ours, theirs) = match side {
            Side::Client => (client, agent),
            Side::Server => (agent, client),
        };
        Sealing {
            ours: key.direction(ours),
            theirs: key.direction(theirs),
        }
    }

    /// Appends the sealed `plain` to `out`.
    pub(crate) fn seal(&self, rng: &mut Rng, plain: &[u8], out: &mut Vec<u8>) -> Result<(), KmsError> {
        let mut nonce = [0; NONCE_SIZE];
        rng.fill(&mut nonce);
        self.ours.seal(nonce, plain, out)
    }

    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Bytes, KmsError> {
        self.theirs.open(sealed).map(Bytes::from)
    }
}

/// Whether payloads of this type are sealed in a session that has a data key.
pub(crate) fn is_sealed(payload_type: PayloadType) -> bool {
    matches!(
        payload_type,
        PayloadType::Output | PayloadType::StdErr | PayloadType::ExitCode
    )
}
