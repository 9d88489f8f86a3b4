//! What a frame is: its message type, its payload type, its flags.

use core::fmt;

/// Longest name of a message type, in bytes: the header's field has room for no more.
pub const MAX_NAME: usize = 32;

/// Flag: first of its stream. The agent's sequence 0 has it, and each frame that is not sequenced.
pub const FLAG_SYN: u64 = 1;
/// Flag: last of its sequence. Each frame that is not sequenced has it.
pub const FLAG_FIN: u64 = 2;

/// What a frame is for: the first thing its receiver asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageType {
    /// Client to agent; sequenced and acknowledged.
    InputStreamData,
    /// Agent to client; sequenced and acknowledged.
    OutputStreamData,
    /// One for each sequenced frame, either way: [`Acknowledge`](crate::ssm::body::Acknowledge).
    Acknowledge,
    /// The service ends the channel: [`ChannelClosed`](crate::ssm::body::ChannelClosed).
    ChannelClosed,
    /// The service asks the agent to send nothing for now.
    PausePublication,
    /// The service asks the agent to go on.
    StartPublication,
    /// The agent tells the service how its session is: [`AgentSessionState`](crate::ssm::body::AgentSessionState).
    AgentSessionState,
    /// Any other. Both real programs drop such a frame and do not acknowledge it.
    Unknown(UnknownName),
}

impl MessageType {
    /// Those that have a name here.
    const KNOWN: [(MessageType, &'static str); 7] = [
        (MessageType::InputStreamData, "input_stream_data"),
        (MessageType::OutputStreamData, "output_stream_data"),
        (MessageType::Acknowledge, "acknowledge"),
        (MessageType::ChannelClosed, "channel_closed"),
        (MessageType::PausePublication, "pause_publication"),
        (MessageType::StartPublication, "start_publication"),
        (MessageType::AgentSessionState, "agent_session_state"),
    ];

    /// The type of this name, without NULs and white space at both ends; `None` when more than [`MAX_NAME`] bytes are left. (Both real
    /// programs take off NULs first and then white space. Here the two may be mixed, so that a name read is the name written again.)
    ///
    /// ```
    /// use unbroken_proto::ssm::MessageType;
    /// let padded = b"acknowledge                     ";
    /// assert_eq!(MessageType::from_name(padded), Some(MessageType::Acknowledge));
    /// ```
    #[must_use]
    pub fn from_name(name: &[u8]) -> Option<MessageType> {
        let name = trim(name);
        let known = MessageType::KNOWN.iter().find(|(_, known)| known.as_bytes() == name);
        match known {
            Some((kind, _)) => Some(*kind),
            None => UnknownName::new(name).map(MessageType::Unknown),
        }
    }

    /// The name, without padding: at most [`MAX_NAME`] bytes.
    #[must_use]
    pub fn name(&self) -> &[u8] {
        match self {
            MessageType::Unknown(name) => name.bytes(),
            known => MessageType::KNOWN
                .iter()
                .find(|(kind, _)| kind == known)
                .map_or(&[], |(_, name)| name.as_bytes()),
        }
    }

    /// Whether frames of this type have a sequence number of their own and are acknowledged.
    #[must_use]
    pub fn is_sequenced(&self) -> bool {
        matches!(self, MessageType::InputStreamData | MessageType::OutputStreamData)
    }
}

/// The name of a message type that is not known here: up to [`MAX_NAME`] bytes, in most cases ASCII.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UnknownName {
    /// Zeros behind the name.
    bytes: [u8; MAX_NAME],
    length: usize,
}

impl UnknownName {
    fn new(name: &[u8]) -> Option<UnknownName> {
        let mut bytes = [0; MAX_NAME];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        Some(UnknownName {
            bytes,
            length: name.len(),
        })
    }

    /// The bytes of the name.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl fmt::Debug for UnknownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.bytes().escape_ascii())
    }
}

/// What the payload of a frame is. It says something of sequenced frames; others carry [`NONE`](PayloadType::NONE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PayloadType {
    /// Bytes, either way: keys, terminal output, TCP, smux. Sealed when the session is.
    Output,
    /// Used by neither program.
    Error,
    /// Client to agent: [`Size`](crate::ssm::body::Size).
    Size,
    /// Used by neither program.
    Parameter,
    /// Agent to client: [`HandshakeRequest`](crate::ssm::body::HandshakeRequest).
    HandshakeRequest,
    /// Client to agent: [`HandshakeResponse`](crate::ssm::body::HandshakeResponse).
    HandshakeResponse,
    /// Agent to client: [`HandshakeComplete`](crate::ssm::body::HandshakeComplete).
    HandshakeComplete,
    /// Agent to client: [`EncryptionChallenge`](crate::ssm::body::EncryptionChallenge).
    EncChallengeRequest,
    /// Client to agent: [`EncryptionChallenge`](crate::ssm::body::EncryptionChallenge).
    EncChallengeResponse,
    /// Either way: [`Flag`](crate::ssm::body::Flag).
    Flag,
    /// Bytes that a command wrote to its standard error. Sealed when the session is.
    StdErr,
    /// Agent to client: [`ExitCode`](crate::ssm::body::ExitCode). Sealed when the session is.
    ExitCode,
    /// Any other number, 0 among them.
    Unknown(u32),
}

impl PayloadType {
    /// The number 0, of frames that have no payload type.
    pub const NONE: PayloadType = PayloadType::Unknown(0);

    /// What this number means.
    #[must_use]
    pub const fn from_number(number: u32) -> PayloadType {
        match number {
            1 => PayloadType::Output,
            2 => PayloadType::Error,
            3 => PayloadType::Size,
            4 => PayloadType::Parameter,
            5 => PayloadType::HandshakeRequest,
            6 => PayloadType::HandshakeResponse,
            7 => PayloadType::HandshakeComplete,
            8 => PayloadType::EncChallengeRequest,
            9 => PayloadType::EncChallengeResponse,
            10 => PayloadType::Flag,
            11 => PayloadType::StdErr,
            12 => PayloadType::ExitCode,
            other => PayloadType::Unknown(other),
        }
    }

    /// The number in the header.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            PayloadType::Output => 1,
            PayloadType::Error => 2,
            PayloadType::Size => 3,
            PayloadType::Parameter => 4,
            PayloadType::HandshakeRequest => 5,
            PayloadType::HandshakeResponse => 6,
            PayloadType::HandshakeComplete => 7,
            PayloadType::EncChallengeRequest => 8,
            PayloadType::EncChallengeResponse => 9,
            PayloadType::Flag => 10,
            PayloadType::StdErr => 11,
            PayloadType::ExitCode => 12,
            PayloadType::Unknown(number) => number,
        }
    }
}

/// Takes off the padding at both ends.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_padding(*first)
    {
        bytes = rest;
    }
    while let [rest @ .., last] = bytes
        && is_padding(*last)
    {
        bytes = rest;
    }
    bytes
}

/// A NUL, or white space as the real programs know it, as far as it is ASCII.
fn is_padding(byte: u8) -> bool {
    byte == 0 || byte == 0x0b || byte.is_ascii_whitespace()
}

#[cfg(test)]
mod tests;
