//! Why a connection broke, which decides what is done about it.

use core::fmt;

use crate::error::ConnectionError;

/// Why a connection, an attempt at one, or what runs inside the session, ended. It comes from the adapter
/// ([`detach`](crate::Session::detach), [`handle_answer`](crate::Session::handle_answer),
/// [`report_failure`](crate::session::Reconnect::report_failure)) or from the machine; what is done about it says
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
    /// The peer is not who it should be, or did not accept who we are. Where the server said so under seal, or this host says so,
    /// nothing is dialled before a fresh credential is there.
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
    /// This host closed it; or a durable session did, because more came than its store takes.
    Local,
    /// The carrier's own check of the server failed: its TLS certificate did not verify.
    Untrusted,
    /// Something answers there, but it is not a server of sessions: the WebSocket upgrade got a 404 or 426.
    NoService,
    /// Somebody on the way, who has proven nothing, denied access: an HTTP 401, 403 or 407, a close code, a TLS alert. A fresh
    /// credential is welcome ([`CredentialNeeded`](crate::Event::CredentialNeeded)), and is not waited for.
    Denied,
    /// Somebody on the way closed the connection since a packet was too long for it: a WebSocket's close code 1009. The longest
    /// packet that had not arrived is halved from then on ([`PacketLimit`](crate::Event::PacketLimit)).
    TooLarge,
}

impl Cause {
    /// Every cause, in the order of their declaration.
    pub const ALL: [Cause; 15] = [
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
        Cause::Untrusted,
        Cause::NoService,
        Cause::Denied,
        Cause::TooLarge,
    ];

    /// What a connection that failed with `error` died of.
    pub(crate) fn of(error: &ConnectionError) -> Cause {
        match error {
            ConnectionError::Handshake | ConnectionError::Untrusted => Cause::Authentication,
            ConnectionError::Refused => Cause::Refused,
            ConnectionError::TooLarge
            | ConnectionError::UnexpectedPacket
            | ConnectionError::Forged
            | ConnectionError::Protocol(_)
            | ConnectionError::KeyExhausted => Cause::Protocol,
        }
    }

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
            Cause::Untrusted => "untrusted",
            Cause::NoService => "no service",
            Cause::Denied => "denied",
            Cause::TooLarge => "packet too large",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
