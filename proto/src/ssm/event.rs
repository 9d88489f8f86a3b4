//! What a client or an agent tells its host.

use alloc::boxed::Box;
use alloc::string::String;

use bytes::Bytes;

use crate::id::Epoch;
use crate::reconnect::{Attempt, Cause, Strategy};
use crate::ssm::body::{Flag, PortProperties, SessionType, Size};
use crate::ssm::frame::FrameError;
use crate::time::Duration;

/// Something the host may want to know. Events wait until they are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A connection carries the session now.
    Attached {
        /// Its number.
        epoch: Epoch,
        /// Bytes that go out again because of it.
        replayed: usize,
        /// How long there was none; zero for the first.
        gap: Duration,
    },
    /// There is no connection now; the session lives on.
    Detached {
        /// Why.
        cause: Cause,
    },
    /// An attempt to have a connection came to an end.
    Reconnect(Attempt),
    /// Data flows from now on.
    Established(Box<Established>),
    /// A data key is wanted: see [`DataKeyRequest`].
    DataKeyNeeded(Box<DataKeyRequest>),
    /// Something can be read. Told after a read that found nothing.
    Readable,
    /// Something can be written. Told after a write that was not taken whole.
    Writable,
    /// The peer did something that it should not; the session goes on.
    Defect(Defect),
    /// The session is over. The last event.
    Ended(Ended),
}

/// What is known of a session once data flows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Established {
    /// What kind it is. A plain shell without encryption does not say so, and is taken for [`SessionType::StandardStream`].
    pub session_type: SessionType,
    /// Of a port session: where it leads.
    pub port: Option<PortProperties>,
    /// The version of the other end's program, if there was a handshake.
    pub peer_version: Option<String>,
    /// What the agent has to say to the person; may be empty.
    pub customer_message: String,
    /// Whether many streams share the channel: [`smux`](crate::ssm::smux).
    pub is_multiplexed: bool,
    /// Whether both ends expect frames of smux that keep the session alive.
    pub expects_keepalive: bool,
}

/// A key of AWS KMS is needed. A client calls `GenerateDataKey` with `NumberOfBytes` 64, an agent calls `Decrypt`; either with the
/// encryption context of [`kms`](crate::ssm::kms).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DataKeyRequest {
    /// The key in KMS.
    pub kms_key_id: String,
    /// To an agent: the data key as KMS encrypted it.
    pub cipher_text_key: Option<Bytes>,
    /// What the encryption context has under `aws:ssm:RandomChallenge`, if it has that.
    pub challenge: Option<String>,
}

/// Something that arrived, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Chunk {
    /// Bytes: keys, terminal output, a TCP stream, smux. Never empty.
    Output(Bytes),
    /// What a command wrote to its standard error, or an error of the agent's.
    StdErr(Bytes),
    /// How a command ended.
    ExitCode(i64),
    /// The size of the person's terminal.
    Size(Size),
    /// What happened to a TCP connection.
    Flag(Flag),
}

/// What a peer does that it should not, and that a session survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Defect {
    /// A message that is no frame; it was dropped.
    Malformed(FrameError),
    /// A frame whose digest is wrong; it was dropped and not acknowledged.
    Digest {
        /// Its number.
        number: i64,
    },
    /// A frame whose body could not be read; it was dropped.
    Body,
    /// Two frames with one number: the second is lost.
    NumberReused {
        /// Their number.
        number: i64,
    },
    /// A frame that could not be opened with the data key; it was not acknowledged.
    Undecryptable {
        /// Its number.
        number: i64,
    },
    /// The peer is silent about frames that it has, as the Session Manager plugin is about those that come twice.
    Silent {
        /// How many count as delivered by inference.
        frames: u32,
    },
    /// Data came where it has no place: before a handshake was complete. It is handed over all the same.
    Early,
    /// A frame that has no meaning here; it was acknowledged and dropped.
    Unexpected,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// Why.
    pub reason: EndReason,
    /// Bytes of the application's that are not known to have arrived.
    pub undelivered: usize,
    /// Something of the peer's is missing at the end of what can be read: frames came that were behind one that did not.
    pub is_cut_short: bool,
    /// What the host may do now: [`Strategy::Fresh`], a new session, where what runs inside can go on in it, as a port that is listened on
    /// for others to come. `None`: what ran inside ended with it.
    pub advice: Option<Strategy>,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// The service closed the channel.
    Closed {
        /// What it says to the person; may be empty.
        output: String,
    },
    /// The service does not have the session any more: it gives no token for it.
    Gone,
    /// No try to have a connection is left, or what failed is final before a session was there.
    GaveUp {
        /// What the last try failed of.
        cause: Cause,
    },
    /// The strategy for a loss is a fresh session.
    Fresh {
        /// What was lost.
        cause: Cause,
    },
    /// The handshake came to nothing.
    Handshake {
        /// Why, in words.
        why: String,
    },
    /// A number never came, although later ones did: the peer has lost its frame.
    NumberMissing {
        /// The number.
        number: u64,
    },
    /// The peer is another process, which begins with number 0 again.
    PeerRestarted,
    /// The peer asked for the end ([`Flag::TerminateSession`]).
    Terminated,
    /// This end asked for it, and everything that was said before has arrived.
    Finished,
    /// The host ended it.
    Aborted,
}
