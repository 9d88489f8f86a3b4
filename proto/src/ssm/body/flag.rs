//! A payload of one number.

use alloc::vec::Vec;

use crate::ssm::json::BodyError;

/// What happened to a TCP connection of a port session: 4 bytes, big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flag {
    /// 1, client to agent: the client's TCP connection is closed, and so should the agent's be.
    DisconnectToPort,
    /// 2, client to agent: the session is over.
    TerminateSession,
    /// 3, agent to client, with smux: the target could not be connected to. It does not say for which stream.
    ConnectToPortError,
    /// Any other number.
    Unknown(u32),
}

impl Flag {
    /// What this number means.
    #[must_use]
    pub const fn from_number(number: u32) -> Flag {
        match number {
            1 => Flag::DisconnectToPort,
            2 => Flag::TerminateSession,
            3 => Flag::ConnectToPortError,
            other => Flag::Unknown(other),
        }
    }

    /// The number that is sent.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Flag::DisconnectToPort => 1,
            Flag::TerminateSession => 2,
            Flag::ConnectToPortError => 3,
            Flag::Unknown(number) => number,
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`BodyError::Malformed`]: it does not have 4 bytes.
    pub fn decode(body: &[u8]) -> Result<Flag, BodyError> {
        let bytes: [u8; 4] = body.try_into().map_err(|_| BodyError::Malformed)?;
        Ok(Flag::from_number(u32::from_be_bytes(bytes)))
    }

    /// Appends the payload to `out`.
    pub fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.number().to_be_bytes());
    }
}
