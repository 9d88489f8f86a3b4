//! The registry: which sessions there are, and what a first packet or a proven client gets.

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::BytesMut;

use crate::config::{Seed, ServerConfig};
use crate::error::ConfigError;
use crate::id::{Carrier, SessionId};
use crate::rng::Rng;
use crate::security::{HelloRefusal, ServerHandshake, Suite, dummy_resume, parse_resume};
use crate::server::admission::{HelloBudget, Lobby, Silent};
use crate::server::held::{Entry, Held, Phase};
use crate::server::incoming::{Handshake, IncomingKind, Proven, final_packet};
use crate::server::refusal::{Refusal, Rejection, millis, millis_up};
use crate::server::tombstone::Tombstones;
use crate::server::{Admission, ConnectionId, Incoming, Report, Route, SessionInfo, Status};
use crate::session::Session;
use crate::time::{Instant, earliest};
use crate::wire::frame::{Final, Verdict};
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
    config: ServerConfig,
    rng: Rng,
    suites: Vec<Suite>,
    incarnation: [u8; 8],
    lobby: Lobby,
    hellos: HelloBudget,
    sessions: Held,
    tombstones: Tombstones,
}

impl Registry {
    /// A registry with no sessions, and so with an incarnation of its own drawn from `seed`.
    ///
    /// # Errors
    /// As [`ServerConfig::validate`].
    pub fn new(config: ServerConfig, seed: Seed, now: Instant) -> Result<Registry, ConfigError> {
        config.validate()?;
        let mut rng = Rng::new(&seed);
        let mut incarnation = [0; 8];
        rng.fill(&mut incarnation);
        Ok(Registry {
            rng,
            suites: config.accepted_suites(),
            incarnation,
            lobby: Lobby::new(&config),
            hellos: HelloBudget::new(config.hello_rate),
            sessions: Held::default(),
            tombstones: Tombstones::new(config.tombstone_lifetime, config.max_tombstones, now),
            config,
        })
    }

    /// A carrier was accepted. It may stay silent for [`handshake_timeout`](crate::SessionConfig::handshake_timeout)
    /// at most, and only as long as it is not the oldest of too many: ask [`is_wanted`](Self::is_wanted).
    pub fn connection_accepted(&mut self, now: Instant, carrier: Carrier) -> ConnectionId {
        self.handle_timeout(now);
        self.lobby.accept(now, carrier)
    }

    /// The first packet of a connection. A connection that is not wanted any more, or that has spoken
    /// already, is rejected without a word.
    pub fn first_packet(&mut self, now: Instant, connection: ConnectionId, packet: BytesMut) -> Route {
        self.handle_timeout(now);
        let Some(silent) = self.lobby.spoke(connection) else {
            return Route::Reject(Rejection::SILENT);
        };
        match PacketType::of(&packet) {
            Ok(PacketType::Hello) => self.hello(now, connection, silent, &packet),
            Ok(PacketType::Resume) => self.resume(connection, silent, packet),
            _ => Route::Reject(Rejection::SILENT),
        }
    }

    fn hello(&mut self, now: Instant, connection: ConnectionId, silent: Silent, packet: &[u8]) -> Route {
        if let Err(after) = self.hellos.take(now) {
            return Route::Reject(Rejection::clear(Reject::Retry {
                after: millis_up(after),
            }));
        }
        match ServerHandshake::new(&self.config.auth, &self.suites, packet, &mut self.rng) {
            Ok((noise, challenge)) => {
                self.lobby.begin_handshake(connection, silent.deadline);
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
            Err(HelloRefusal::Version) => Route::Reject(Rejection::clear(Reject::VersionUnsupported)),
            Err(HelloRefusal::Suite) => Route::Reject(Rejection::clear(Reject::SuiteUnsupported)),
            Err(HelloRefusal::Malformed) => Route::Reject(Rejection::SILENT),
        }
    }

    fn resume(&mut self, connection: ConnectionId, silent: Silent, packet: BytesMut) -> Route {
        let Some(clear) = parse_resume(&packet) else {
            return Route::Reject(Rejection::SILENT);
        };
        let session = clear.id;
        if self.sessions.contains(session) {
            let kind = IncomingKind::Resume { clear, packet };
            return Route::Resume {
                session,
                incoming: Incoming {
                    connection,
                    deadline: silent.deadline,
                    kind,
                },
            };
        }
        Route::Reject(self.unknown_resume(&packet))
    }

    /// Costs what a RESUME that fails at its session's owner costs, and looks the same.
    fn unknown_resume(&mut self, packet: &[u8]) -> Rejection {
        dummy_resume(packet, &mut self.rng);
        Rejection::clear(Reject::Refused)
    }

    /// The connection ended before a session had it. Harmless for any other.
    pub fn connection_closed(&mut self, now: Instant, connection: ConnectionId) {
        self.handle_timeout(now);
        self.lobby.leave(connection);
    }

    /// Level: whether this connection is still waited for. False once it was displaced by newer ones or
    /// its time is over: close it. Ask only until [`first_packet`](Self::first_packet) or
    /// [`admit`](Self::admit) has sent the connection to a session; from then on
    /// [`Session::is_wanted`] knows.
    #[must_use]
    pub fn is_wanted(&self, connection: ConnectionId) -> bool {
        self.lobby.holds(connection)
    }

    /// A proven handshake that the host accepts: makes the session, or names the owner of the
    /// predecessor that the client would rather go on with.
    ///
    /// A new session is provisional, hidden from [`sessions`](Self::sessions), until its first
    /// authentic packet. If the client asked for a predecessor that is over or unknown, FINAL tells it
    /// so and offers the new session instead.
    ///
    /// An `incoming` that is not proven, or was displaced or timed out meanwhile, is rejected; so is
    /// any when [`max_sessions`](ServerConfig::max_sessions) are held.
    pub fn admit(&mut self, now: Instant, incoming: Incoming) -> Admission {
        self.handle_timeout(now);
        let in_time = self.lobby.leave(incoming.connection);
        let Incoming {
            connection,
            deadline,
            kind,
        } = incoming;
        let proven = match kind {
            IncomingKind::Proven(proven) if in_time => proven,
            kind => return Admission::Reject(self.too_late(kind)),
        };
        if let Some(session) = proven
            .offer
            .predecessor
            .as_ref()
            .map(|predecessor| SessionId(predecessor.id))
            && self.sessions.contains(session)
        {
            let kind = IncomingKind::Proven(proven);
            return Admission::Resume {
                session,
                incoming: Incoming {
                    connection,
                    deadline,
                    kind,
                },
            };
        }
        self.open(now, *proven)
    }

    /// What FINAL says about a predecessor that is not held here; `None` if none was named.
    fn verdict(&self, now: Instant, proven: &Proven) -> Option<Verdict> {
        let predecessor = proven.offer.predecessor.as_ref()?;
        let entombed = self.tombstones.verdict(predecessor, &proven.hash_after_2);
        Some(entombed.unwrap_or_else(|| Verdict::Unknown {
            reach: millis(self.tombstones.reach(now, &proven.established.peer_key)),
        }))
    }

    /// A new session for a proven client, if there is room.
    fn open(&mut self, now: Instant, mut proven: Proven) -> Admission {
        proven.answer.verdict = self.verdict(now, &proven);
        let id = proven.established.id;
        if self.sessions.contains(id) || self.tombstones.contains(id) {
            return Admission::Reject(Refusal::soon().seal(&mut proven.established.keys));
        }
        if self.sessions.len() >= self.config.max_sessions {
            let keys = &mut proven.established.keys;
            return Admission::Reject(match &proven.answer.verdict {
                None => Refusal::Busy.seal(keys),
                // The client goes on with a session made here: it has to come again.
                Some(Verdict::Unknown { .. }) => Refusal::soon().seal(keys),
                // The old session's truth needs no room.
                Some(_) => Rejection {
                    packet: final_packet(keys, proven.answer),
                },
            });
        }
        let name = core::mem::take(&mut proven.request.name);
        let entry = Entry::provisional(now, proven.established.peer_key, name);
        let seed = self.rng.fork();
        let (session, epoch) = Session::accepted(now, &self.config.session, seed, proven);
        self.sessions.insert(id, entry);
        Admission::New { session, epoch }
    }

    /// A proven handshake that the host refuses. Returns the packet to send before closing; there is
    /// none if `incoming` is not proven.
    pub fn refuse(&mut self, now: Instant, incoming: Incoming, refusal: Refusal) -> Rejection {
        self.handle_timeout(now);
        self.lobby.leave(incoming.connection);
        match incoming.kind {
            IncomingKind::Proven(mut proven) => refusal.seal(&mut proven.established.keys),
            kind => self.too_late(kind),
        }
    }

    /// The owner that [`Route::Resume`] or [`Admission::Resume`] named cannot take the connection: it
    /// is gone, or has too many waiting already. The client is answered as one that may try again, and
    /// nothing changes here. If the owner is gone without a last report, say
    /// [`lost`](Self::lost), too.
    pub fn orphan(&mut self, now: Instant, incoming: Incoming) -> Rejection {
        self.handle_timeout(now);
        self.lobby.leave(incoming.connection);
        self.too_late(incoming.kind)
    }

    fn too_late(&mut self, kind: IncomingKind) -> Rejection {
        match kind {
            IncomingKind::Proven(mut proven) => Refusal::soon().seal(&mut proven.established.keys),
            IncomingKind::Resume { packet, .. } => self.unknown_resume(&packet),
            IncomingKind::Handshake(_) | IncomingKind::Failed => Rejection::SILENT,
        }
    }

    /// What a session's owner got from [`Session::poll_report`]. Saying it twice changes nothing, and
    /// neither does a word about a session that is not held.
    pub fn update(&mut self, now: Instant, report: Report) {
        self.handle_timeout(now);
        match report.status {
            Status::Provisional => {}
            Status::Attached => self.sessions.shift(now, report.id, Phase::Attached),
            Status::Detached => self.sessions.shift(now, report.id, Phase::Detached),
            Status::Ended(Some(tombstone)) => {
                if let Some(entry) = self.sessions.remove(report.id) {
                    self.tombstones.entomb(now, entry.client_key, tombstone);
                }
            }
            Status::Ended(None) => {
                if let Some(entry) = self.sessions.remove(report.id)
                    && entry.phase != Phase::Provisional
                {
                    self.tombstones.forgotten(now, entry.client_key);
                }
            }
        }
    }

    /// The owner of a session died without a last report: forgets the session. Its client will learn
    /// that the fates of its data are unknown. Without effect for a session that is not held.
    pub fn lost(&mut self, now: Instant, session: SessionId) {
        self.handle_timeout(now);
        if let Some(entry) = self.sessions.remove(session) {
            // Whether it was still provisional is what the dead owner knew.
            self.tombstones.forgotten(now, entry.client_key);
        }
    }

    /// The deadline of [`poll_timeout`](Self::poll_timeout) has come, or may have.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.lobby.expire(now);
        self.tombstones.expire(now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        earliest(self.lobby.deadline(), self.tombstones.deadline())
    }

    /// The established sessions, in the order of their ids.
    pub fn sessions(&self) -> impl Iterator<Item = SessionInfo> + '_ {
        self.sessions.list()
    }

    /// How many sessions are held, provisional ones included; at most
    /// [`max_sessions`](ServerConfig::max_sessions).
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// How many tombstones are kept; at most [`max_tombstones`](ServerConfig::max_tombstones).
    #[must_use]
    pub fn tombstone_count(&self) -> usize {
        self.tombstones.len()
    }
}
