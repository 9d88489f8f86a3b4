//! Why a connection broke: the word that decides what is done.

use core::fmt;

/// Why a connection, an attempt at one, or what runs inside the session, ended. It comes from the adapter
/// ([`detach`](crate::Session::detach), [`dial_failed`](crate::Session::dial_failed),
/// [`report_failure`](crate::Session::report_failure)) or from the machine; what is done about it says
/// [`Strategies`](super::Strategies).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Cause {
    /// The network or the peer's machine ended it.
    Network,
    /// The dial was refused, or the peer refused in the clear.
    Refused,
    /// The dial, handshake, resume or preparation took too long.
    Timeout,
    /// The peer fell silent.
    Heartbeat,
    /// The peer is not who it should be, or did not accept who we are.
    Authentication,
    /// The peer's process, or the one it runs for us, ended.
    ProcessEnded,
    /// This end's state of the session is damaged; what was stored of it may do.
    StateDamaged,
    /// What runs inside the session lost its own state, though the session may be well.
    ApplicationLost,
    /// The peer asked that the connection be left, or said "later".
    ServerAsked,
    /// The peer broke the protocol on this connection.
    Protocol,
    /// This host closed it.
    Local,
}

impl Cause {
    /// Every cause, in the order of their declaration.
    pub const ALL: [Cause; 11] = [
        Cause::Network,
        Cause::Refused,
        Cause::Timeout,
        Cause::Heartbeat,
        Cause::Authentication,
        Cause::ProcessEnded,
        Cause::StateDamaged,
        Cause::ApplicationLost,
        Cause::ServerAsked,
        Cause::Protocol,
        Cause::Local,
    ];

    /// Its place in [`ALL`](Self::ALL).
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// A few words for people and logs. Not for decisions: match on the cause.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Cause::Network => "network",
            Cause::Refused => "refused",
            Cause::Timeout => "timeout",
            Cause::Heartbeat => "heartbeat",
            Cause::Authentication => "authentication",
            Cause::ProcessEnded => "process ended",
            Cause::StateDamaged => "state damaged",
            Cause::ApplicationLost => "application lost",
            Cause::ServerAsked => "server asked",
            Cause::Protocol => "protocol",
            Cause::Local => "local",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
