//! The accepting side: first packets, handshakes, and the registry that knows about sessions and
//! owns none of them.
//!
//! | the host calls | when |
//! |---|---|
//! | [`Registry::connection_accepted`] | a carrier was accepted |
//! | [`Registry::first_packet`] | its first packet came: a handshake begins, or a held session's owner gets it, or it is rejected |
//! | [`Incoming::handle_input`], [`Incoming::poll_transmit`] | until [`Incoming::request`] is some |
//! | [`Registry::admit`] / [`Registry::refuse`] | the host has judged the request |
//! | [`Session::adopt`] | by the owner that [`Route::Resume`] or [`Admission::Resume`] named |
//! | [`Registry::update`] | a session's owner had a [`Report`] |
//! | [`Registry::poll_command`] | after any of these: pass it on to the session's owner, for [`Session::handle_command`] |
//! | [`Registry::poll_unwanted`] | after any of these: close that connection |
//! | [`Registry::poll_ended`] | after any of these: release what is kept for that session |
//! | [`Registry::handle_timeout`] | the instant of [`Registry::poll_timeout`] has come |

mod admission;
mod broadcast;
mod bucket;
mod command;
mod drain;
mod incoming;
mod index;
mod info;
mod refusal;
mod registry;
mod table;
mod timers;
mod tombstone;

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::event::EndReason;
use crate::id::{Carrier, Epoch, SessionId};
use crate::liveness::Health;
use crate::security::PublicKey;
use crate::session::Session;

pub use broadcast::{Delivery, LagPolicy, Subscription};
pub use command::SessionCommand;
pub use drain::{Drain, DrainStatus};
pub use incoming::Incoming;
pub(crate) use incoming::{IncomingKind, Proven, final_packet};
pub use info::{EndedSession, Refused, Select, SessionInfo, SessionStatus, Snapshot};
pub use refusal::{Refusal, Rejection};
pub use registry::Registry;
pub use timers::Timers;
pub(crate) use tombstone::Tombstone;

/// Names an accepted connection until a session has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Where a first packet leads.
pub enum Route {
    /// A new handshake: drive this [`Incoming`] until its [`request`](Incoming::request) is some, then
    /// decide.
    Handshake(Incoming),
    /// A RESUME of a session held here, not proven yet: hand it to that session's owner for
    /// [`Session::adopt`].
    Resume {
        /// The session.
        session: SessionId,
        /// The connection.
        incoming: Incoming,
    },
    /// Send this and close.
    Reject(Rejection),
}

/// What [`Registry::admit`] decided.
#[expect(clippy::large_enum_variant, reason = "one per connection, taken apart at once")]
pub enum Admission {
    /// A new session, provisional until the client's first sealed packet; drive it with this epoch for
    /// the connection.
    New {
        /// The session; whoever drives it is its owner.
        session: Session,
        /// The connection's number in it.
        epoch: Epoch,
    },
    /// The predecessor lives here: hand it to that session's owner for [`Session::adopt`].
    Resume {
        /// The session.
        session: SessionId,
        /// The connection.
        incoming: Incoming,
    },
    /// Send this and close.
    Reject(Rejection),
}

/// What a proven client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The client's static key, proven. A client without one of its own shows a fresh key each time.
    pub client_key: PublicKey,
    /// The hint of the shared secret that was proven; `None` if the suite has none.
    pub secret_hint: Option<Bytes>,
    /// The name the client gives the session; up to 255 bytes, may be empty.
    pub name: String,
    /// The opaque credential, up to 7,000 bytes; empty: none.
    pub credential: Bytes,
    /// The carrier as the host described it to [`Registry::connection_accepted`]: whether to believe a
    /// credential that came over it is the host's decision.
    pub carrier: Carrier,
}

/// What the host adds to a session it admits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placement {
    /// Whose it is, in the host's own words (an account, a device): up to 255 bytes, cut beyond. Empty:
    /// the client's static key.
    pub identity: Bytes,
    /// Words to find it by; see [`Registry::label`] for their limits. What exceeds them is left out.
    pub labels: Vec<Bytes>,
}

impl Placement {
    /// A session of `identity`.
    #[must_use]
    pub fn of(identity: impl Into<Bytes>) -> Placement {
        Placement {
            identity: identity.into(),
            ..Placement::default()
        }
    }

    /// With one label more.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<Bytes>) -> Placement {
        self.labels.push(label.into());
        self
    }
}

/// Nothing to add.
impl From<()> for Placement {
    fn from((): ()) -> Placement {
        Placement::default()
    }
}

/// What a session's owner passes on to the registry, newest state only: see [`Session::poll_report`].
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) id: SessionId,
    pub(crate) status: Status,
    /// How its connection does, if it has one.
    pub(crate) health: Health,
    /// What it holds.
    pub(crate) bytes: u64,
    /// Why it is over, if it is.
    pub(crate) reason: Option<EndReason>,
}

/// What a registry must know of a session.
#[derive(Clone, Debug)]
pub(crate) enum Status {
    /// Its client has not confirmed it yet.
    Provisional,
    /// A connection carries it.
    Attached,
    /// None does.
    Detached,
    /// It is over. No tombstone: it never was more than provisional.
    Ended(Option<Tombstone>),
}
