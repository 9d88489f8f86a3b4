//! The registry: which sessions there are, and what a first packet or a proven client gets.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::BytesMut;

use crate::accept::{ConnectionId, Handshake, Incoming, IncomingKind, Refusal, Rejection, SOON};
use crate::config::{Seed, ServerConfig, SessionConfig, WindowBudget};
use crate::error::ConfigError;
use crate::id::Carrier;
use crate::limits::REGISTRY_BUDGET;
use crate::peer::PeerKey;
use crate::rng::Rng;
use crate::security::{HelloRefusal, ServerHandshake, ServerResume, Suite, parse_resume};
use crate::server::admission::Budget;
use crate::server::bucket::Buckets;
use crate::server::commands::Commands;
use crate::server::drain::Draining;
use crate::server::index::Key;
use crate::server::info::Refused;
use crate::server::pending::{PendingConnections, Silent};
use crate::server::route::Route;
use crate::server::table::SessionTable;
use crate::server::tombstone::Tombstones;
use crate::time::{Duration, Instant, Latest, earliest};
use crate::trace;
use crate::wire::frame::Final;
use crate::wire::handshake::Reject;
use crate::wire::packet::PacketType;

/// Knows about sessions: ids, names, states, tombstones, budgets. It owns none of them, so the data
/// path shares nothing. One per listening service, shared by its tasks behind the host's own lock;
/// touched once per connection and state change, never per packet.
///
/// A connection goes through it like this: [`connection_accepted`](Registry::connection_accepted),
/// then [`first_packet`](Registry::first_packet) with what it says first; a new handshake is driven as
/// an [`Incoming`] until its [`request`](Incoming::request) is there, and then
/// [`admit`](Registry::admit)ted or [`refuse`](Registry::refuse)d. Until then
/// [`is_wanted`](Registry::is_wanted) says whether to keep it.
///
/// Strangers cannot make it grow: connections that are not proven are bounded in number and age, a
/// HELLO beyond [`hello_rate`](ServerConfig::hello_rate) is refused before any key agreement, and a
/// RESUME leaves nothing behind.
pub struct Registry {
    pub(super) config: ServerConfig,
    /// Its limits of a session, shared by all of them.
    pub(super) session: Arc<SessionConfig>,
    pub(super) rng: Rng,
    pub(super) suites: Vec<Suite>,
    pub(super) incarnation: [u8; 8],
    pub(super) pending: PendingConnections,
    pub(super) hellos: Budget,
    pub(super) resumes: Budget,
    pub(super) peer_hellos: Buckets<PeerKey>,
    pub(super) peer_resumes: Buckets<PeerKey>,
    pub(super) identity_sessions: Buckets<Key>,
    pub(super) sessions: SessionTable,
    pub(super) tombstones: Tombstones,
    pub(super) commands: Commands,
    pub(super) draining: Option<Draining>,
    /// Too many sessions wait for the host to accept them.
    pub(super) backlog_full: bool,
    /// Sessions that are not held here may be kept elsewhere.
    pub(super) lookup: bool,
    pub(super) refused: Refused,
    pub(super) admitted: u64,
    pub(super) latest: Latest,
}

impl core::fmt::Debug for Registry {
    /// In numbers, without keys.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Registry")
            .field("snapshot", &self.snapshot())
            .finish_non_exhaustive()
    }
}

impl Registry {
    /// A registry with no sessions, and so with an incarnation of its own drawn from `seed`.
    ///
    /// # Errors
    /// As [`ServerConfig::validate`].
    pub fn new(config: ServerConfig, seed: Seed, now: Instant) -> Result<Registry, ConfigError> {
        config.validate()?;
        let mut rng = Rng::new(&seed);
        let mut latest = Latest::default();
        let now = latest.advance(now);
        let mut incarnation = [0; 8];
        rng.fill(&mut incarnation);
        let mut session = config.session.clone();
        let own = || WindowBudget::new(REGISTRY_BUDGET);
        session.window_budget.get_or_insert_with(own);
        Ok(Registry {
            session: Arc::new(session),
            rng,
            suites: config.accepted_suites(),
            incarnation,
            pending: PendingConnections::new(&config),
            hellos: Budget::new(config.hello_rate),
            resumes: Budget::new(config.resume_rate),
            peer_hellos: Buckets::new(config.peer_hellos, config.max_limited),
            peer_resumes: Buckets::new(config.peer_resumes, config.max_limited),
            identity_sessions: Buckets::new(config.identity_sessions, config.max_limited),
            sessions: SessionTable::default(),
            tombstones: Tombstones::new(config.tombstone_lifetime, config.max_tombstones, now),
            config,
            commands: Commands::default(),
            draining: None,
            backlog_full: false,
            lookup: false,
            refused: Refused::default(),
            admitted: 0,
            latest,
        })
    }

    /// A carrier was accepted. It may stay silent for [`handshake_timeout`](crate::SessionConfig::handshake_timeout)
    /// at most, and only as long as it is not the oldest of too many: ask [`is_wanted`](Self::is_wanted).
    pub fn connection_accepted(&mut self, now: Instant, carrier: Carrier) -> ConnectionId {
        let now = self.advance(now);
        self.pending.accept(now, carrier)
    }

    /// A connection turned out to come from `peer`, as a proxy's header says that is read after the accept. From then on its limits
    /// count it. Without effect after its first packet.
    pub fn connection_from(&mut self, now: Instant, connection: ConnectionId, peer: PeerKey) {
        self.advance(now);
        self.pending.comes_from(connection, peer);
    }

    /// The first packet of a connection. A connection that is not wanted any more, or that has spoken
    /// already, is rejected without an answer.
    pub fn first_packet(&mut self, now: Instant, connection: ConnectionId, packet: BytesMut) -> Route {
        let now = self.advance(now);
        let Some(silent) = self.pending.spoke(connection) else {
            return self.senseless();
        };
        match PacketType::of(&packet) {
            Ok(PacketType::Hello) => self.hello(now, connection, silent, &packet),
            Ok(PacketType::Resume) => self.resume(now, connection, silent, packet),
            _ => self.senseless(),
        }
    }

    /// Bytes of a packet arrived on `connection`, which no session has yet, and the packet is not whole yet. A host whose carrier can tell says
    /// so each time: each byte is worth a 30th of a second, up to the handshake's timeout from now on. Returns until when the connection is
    /// waited for now; `None`: it is not. An [`Incoming`] is to be told of it, too ([`Incoming::set_deadline`]).
    pub fn handle_partial(&mut self, now: Instant, connection: ConnectionId, bytes: usize) -> Option<Instant> {
        let now = self.advance(now);
        self.pending.on_partial(now, connection, bytes)
    }

    /// The host is about to decide about `incoming`, which may take it a while. Told so, the registry counts the connection against the
    /// client that has proven itself, instead of against everybody who comes from the same place; and where too many from one place are
    /// not decided upon, it gives the oldest up.
    ///
    /// # Errors
    /// As many of this client wait for a decision as may
    /// ([`max_handshakes_per_client`](ServerConfig::max_handshakes_per_client)): it is told to come later.
    pub fn begin_decision(&mut self, now: Instant, incoming: Incoming) -> Result<Incoming, Rejection> {
        self.advance(now);
        let client = incoming.request().map(|request| request.client_key);
        if client.is_none_or(|client| self.pending.ask(incoming.connection, client)) {
            return Ok(incoming);
        }
        self.pending.leave(incoming.connection);
        trace::refused_stranger("its client's limit");
        self.refused.client_limit += 1;
        Err(match incoming.kind {
            IncomingKind::Proven(mut proven) => Refusal::soon().seal(&mut proven.established.keys),
            _ => Rejection::SILENT,
        })
    }

    fn senseless(&mut self) -> Route {
        trace::refused_stranger("senseless");
        self.refused.senseless += 1;
        Route::Reject(Rejection::SILENT)
    }

    fn beyond_peer(&mut self, after: Duration) -> Route {
        trace::refused_stranger("its peer's limit");
        self.refused.peer_limit += 1;
        Route::Reject(Rejection::retry(after))
    }

    fn hello(&mut self, now: Instant, connection: ConnectionId, silent: Silent, packet: &[u8]) -> Route {
        let peer = silent.carrier.peer();
        if !self.pending.has_room_for(peer) {
            return self.beyond_peer(SOON);
        }
        if let Some(peer) = peer
            && let Err(after) = self.peer_hellos.take(now, &peer)
        {
            return self.beyond_peer(after);
        }
        if let Err(after) = self.hellos.take(now) {
            trace::refused_stranger("too many HELLOs");
            self.refused.hello_rate += 1;
            return Route::Reject(Rejection::retry(after));
        }
        match ServerHandshake::new(&self.config.auth, &self.suites, packet, &mut self.rng) {
            Ok((noise, challenge)) => {
                self.pending.begin_handshake(connection, silent);
                let answer = Final {
                    parameters: self.config.session.parameters(),
                    incarnation: self.incarnation,
                    verdict: None,
                };
                let kind = IncomingKind::Handshake(Box::new(Handshake {
                    noise,
                    challenge: Some(challenge),
                    suites: self.suites.clone(),
                    answer,
                    carrier: silent.carrier,
                }));
                Route::Handshake(Incoming {
                    connection,
                    deadline: silent.deadline,
                    kind,
                })
            }
            Err(HelloRefusal::Version) => self.unsupported(Reject::VersionUnsupported),
            Err(HelloRefusal::Suite) => self.unsupported(Reject::SuiteUnsupported),
            Err(HelloRefusal::Malformed) => self.senseless(),
        }
    }

    fn unsupported(&mut self, reject: Reject) -> Route {
        trace::refused_stranger("version or suite");
        self.refused.unsupported += 1;
        Route::Reject(Rejection::clear(reject))
    }

    fn resume(&mut self, now: Instant, connection: ConnectionId, silent: Silent, packet: BytesMut) -> Route {
        let Some(clear) = parse_resume(&packet) else {
            return self.senseless();
        };
        if let Some(peer) = silent.carrier.peer()
            && let Err(after) = self.peer_resumes.take(now, &peer)
        {
            return self.beyond_peer(after);
        }
        let session = clear.id;
        let secrets = self.sessions.resume_secrets(session);
        // Tried here, whether there is such a session or not, so that a refusal takes the same work. Its owner is not
        // bothered with what is forged.
        let opened = ServerResume::open(secrets.each_ref().map(Option::as_ref), &packet, &mut self.rng);
        if let Err(after) = self.charge_resume(now, opened.is_ok()) {
            return Route::Reject(Rejection::retry(after));
        }
        let incoming = Incoming {
            connection,
            deadline: silent.deadline,
            kind: IncomingKind::Resume { clear, packet },
        };
        match opened {
            Ok(_) => Route::Resume { session, incoming },
            // Also where the session is held: another process may have gone on with it.
            Err(_) if self.lookup => Route::Lookup { session, incoming },
            Err(_) => Route::Reject(self.not_held()),
        }
    }

    /// Only a RESUME that opened is charged, so that nobody else can spend it; and while it is spent all others get one
    /// and the same answer, so that nobody learns from it which sessions are held.
    pub(super) fn charge_resume(&mut self, now: Instant, is_authentic: bool) -> Result<(), Duration> {
        let charged = match is_authentic {
            true => self.resumes.take(now),
            false => self.resumes.missing(now).map_or(Ok(()), Err),
        };
        charged.inspect_err(|_| {
            trace::refused_stranger("too many RESUMEs");
            self.refused.resume_rate += 1;
        })
    }

    /// The connection ended before a session had it. Harmless for any other.
    pub fn connection_closed(&mut self, now: Instant, connection: ConnectionId) {
        self.handle_timeout(now);
        self.pending.leave(connection);
    }

    /// Level: whether this connection is still waited for. False once it was displaced by newer ones or
    /// its time is over: close it. Ask only until [`first_packet`](Self::first_packet) or
    /// [`admit`](Self::admit) has sent the connection to a session; from then on
    /// [`Session::is_wanted`](crate::Session::is_wanted) knows.
    #[must_use]
    pub fn is_wanted(&self, connection: ConnectionId) -> bool {
        self.pending.holds(connection)
    }

    /// The next connection that [`is_wanted`](Self::is_wanted) no more because newer ones displaced it or
    /// its time is over: close it. Ask until `None` after any call that takes `now`, instead of asking
    /// about each. What nobody asks for is kept for as many connections as may wait here.
    pub fn poll_unwanted(&mut self) -> Option<ConnectionId> {
        self.pending.poll_unwanted()
    }

    /// The deadline of [`poll_timeout`](Self::poll_timeout) has come, or may have.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    /// What is due is done; returns the registry's time. The beginning of every call that takes `now`.
    pub(super) fn advance(&mut self, now: Instant) -> Instant {
        let now = self.latest.advance(now);
        self.pending.expire(now);
        self.tombstones.expire(now);
        self.ask_to_leave(now);
        now
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let drain = self.draining.as_ref().and_then(Draining::deadline);
        earliest(earliest(self.pending.deadline(), self.tombstones.deadline()), drain)
    }
}

#[cfg(test)]
pub(super) mod tests;
