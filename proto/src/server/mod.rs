//! The accepting side: first packets, handshakes, and the registry that knows about sessions and
//! owns none of them.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use crate::config::{Seed, ServerConfig};
use crate::error::{ConfigError, ConnectionError};
use crate::id::{Carrier, Epoch, SessionId};
use crate::security::PublicKey;
use crate::session::Session;
use crate::time::{Duration, Instant};

/// Names an accepted connection until a session has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// Knows about sessions: ids, names, states, tombstones, budgets. One per listening service, shared
/// by its tasks behind the host's own lock; touched once per connection and state change, never per packet.
pub struct Registry { _p: () }

impl Registry {
    pub fn new(config: ServerConfig, seed: Seed, now: Instant) -> Result<Registry, ConfigError> { todo!() }
    /// A carrier was accepted. Counts it among the silent ones; when the bound is hit, the oldest silent one is to be dropped (see `is_wanted`).
    pub fn connection_accepted(&mut self, now: Instant, carrier: Carrier) -> ConnectionId { todo!() }
    /// Its first packet.
    pub fn first_packet(&mut self, now: Instant, connection: ConnectionId, packet: BytesMut) -> Route { todo!() }
    /// The connection ended before any session had it.
    pub fn connection_closed(&mut self, now: Instant, connection: ConnectionId) { todo!() }
    /// Level: false when an unproven connection was evicted or timed out; close it.
    pub fn is_wanted(&self, connection: ConnectionId) -> bool { todo!() }
    /// A proven handshake the host has accepted: makes the session, or routes to the predecessor's owner.
    pub fn admit(&mut self, now: Instant, incoming: Incoming) -> Admission { todo!() }
    /// A proven handshake the host refuses. Returns the packet to send before closing.
    pub fn refuse(&mut self, now: Instant, incoming: Incoming, refusal: Refusal) -> Rejection { todo!() }
    /// The owner that `Route::Resume` or `Admission::Resume` named is gone: answer as for an unknown session.
    pub fn orphan(&mut self, now: Instant, incoming: Incoming) -> Rejection { todo!() }
    /// What a session's owner got from `Session::poll_report`.
    pub fn update(&mut self, now: Instant, report: Report) { todo!() }
    pub fn handle_timeout(&mut self, now: Instant) { todo!() }
    pub fn poll_timeout(&self) -> Option<Instant> { todo!() }
    /// The established sessions.
    pub fn sessions(&self) -> impl Iterator<Item = SessionInfo> + '_ { core::iter::empty() }
    pub fn session_count(&self) -> usize { todo!() }
    pub fn tombstone_count(&self) -> usize { todo!() }
}

/// Where a first packet leads.
pub enum Route {
    /// A new handshake: drive this `Incoming` until `request()` is some, then decide.
    Handshake(Incoming),
    /// A RESUME of a session held here: hand it to that session's owner for `Session::adopt`.
    Resume { session: SessionId, incoming: Incoming },
    /// Send this and close.
    Reject(Rejection),
}

/// What `Registry::admit` decided.
pub enum Admission {
    /// A new session, provisional until the client's first sealed packet; drive it with this epoch for the connection.
    New { session: Session, epoch: Epoch },
    /// The predecessor lives here: hand it to that session's owner for `Session::adopt`.
    Resume { session: SessionId, incoming: Incoming },
    /// Send this and close.
    Reject(Rejection),
}

/// A handshake in progress, or a RESUME on its way to its session.
pub struct Incoming { _p: () }

impl Incoming {
    pub fn connection(&self) -> ConnectionId { todo!() }
    pub fn handle_input(&mut self, now: Instant, packet: BytesMut) -> Result<(), ConnectionError> { todo!() }
    pub fn poll_transmit(&mut self, buf: &mut Vec<u8>) -> bool { todo!() }
    /// When it must have been decided.
    pub fn deadline(&self) -> Instant { todo!() }
    /// Some once the client has proven itself: what the host decides upon.
    pub fn request(&self) -> Option<&Request> { todo!() }
}

/// What a proven client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The client's static key, proven. A client without one of its own shows a fresh key each time.
    pub client_key: PublicKey,
    /// The hint of the shared secret that was proven; `None` if the suite has none.
    pub secret_hint: Option<Bytes>,
    /// The name the client gives the session.
    pub name: String,
    /// The opaque credential; empty: none.
    pub credential: Bytes,
}

/// Why the host refuses a proven client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// For good.
    Unauthorized,
    /// A fresh credential may do.
    RefreshCredentials,
    /// No room.
    Busy,
    /// Not now.
    RetryLater { after: Duration, alternate: Bytes },
}

/// A connection that gets no session: send `packet` if there is one, then close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The last packet for it.
    pub packet: Option<Vec<u8>>,
}

/// What a session's owner passes on to the registry, newest state only.
#[derive(Clone, Debug)]
pub struct Report { /* id, status, tombstone */ _p: () }

/// A line of the registry's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its id.
    pub id: SessionId,
    /// The name its client gave it.
    pub name: String,
    /// Its client's static key.
    pub client_key: PublicKey,
    /// Whether a connection carries it.
    pub attached: bool,
    /// Since when it is so.
    pub since: Instant,
}
