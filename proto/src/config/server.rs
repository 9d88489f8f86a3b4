//! What the accepting host chooses.

use alloc::vec::Vec;

use super::session::SessionConfig;
use crate::error::ConfigError;
use crate::peer::PeerPrefix;
use crate::security::{ServerAuth, Suite};
use crate::setters::setters;
use crate::time::Duration;

/// What a registry does when the detached sessions hold more than they may together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenDetachedFull {
    /// No new session is let in ([`Refusal::Busy`](crate::server::Refusal::Busy)) until they hold less.
    #[default]
    RefuseNew,
    /// Those detached for the longest time end ([`SessionCommand::Evict`](crate::server::SessionCommand::Evict)).
    EndLongestDetached,
}

/// What a registry does when a client opens a session under a name that another session of the same
/// identity has. An empty name is none. To go on with the session itself a client resumes it, which
/// needs its secret and not its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SameName {
    /// Both live side by side.
    #[default]
    Allow,
    /// The older one is kept, and the newcomer told to try again later, while a connection carries the
    /// older one and its client is not silent beyond what is usual. One that is detached or suspect is replaced.
    KeepHealthy,
    /// The older one is kept, and the newcomer told that there is no room, as long as the older one lives.
    Keep,
    /// The newcomer replaces the older one once it is established.
    Replace,
}

/// How often something may happen: a token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come back in a second. 1 to 1,000,000.
    pub per_second: u32,
    /// Tokens there are at most. 1 to 1,000,000.
    pub burst: u32,
}

impl Rate {
    /// The time in which one token comes back.
    pub(crate) fn interval(self) -> Duration {
        Duration::from_secs(1) / self.per_second.max(1)
    }
}

/// What the accepting end needs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerConfig {
    /// Limits and timers of its sessions.
    pub session: SessionConfig,
    /// Who we are and whom we let in.
    pub auth: ServerAuth,
    /// Suites accepted, of those that `auth` allows; default all.
    pub suites: Vec<Suite>,
    /// Connections accepted that have said nothing yet; when full the oldest goes. Some 100 bytes each.
    /// Owner: the registry. 1 to 1,048,576, default 1,024.
    pub max_silent: usize,
    /// Handshakes past HELLO; when full the oldest goes. Some 2 KiB each, and up to 8 KiB more while
    /// the host decides about a proven one. Owner: the registry. 1 to 1,048,576, default 1,024.
    pub max_handshakes: usize,
    /// HELLO packets answered in any one second, a tenth of them at once; beyond, `REJECT Retry` goes out
    /// with a moment for each to come back at. 1 to 1,000,000, default 1,000.
    pub hello_rate: u32,
    /// The same for authentic RESUME packets of sessions held here, or looked up: how fast a fleet that lost its
    /// connections all at once comes back. 1 to 1,000,000, default 10,000.
    pub resume_rate: u32,
    /// Which addresses adapters take for one peer. Default: 24 bits of IPv4, 56 of IPv6.
    pub peer_prefix: PeerPrefix,
    /// HELLO packets answered for each [`PeerKey`](crate::PeerKey); beyond, `REJECT Retry` goes out.
    /// Connections whose host gave no key are not limited by it. Default 50 a second, 50 at
    /// once: a part of what all together may, so that one peer cannot use up the others' share.
    pub peer_hellos: Option<Rate>,
    /// RESUME packets looked at for each [`PeerKey`](crate::PeerKey), likewise. Default 500 a second,
    /// 500 at once.
    pub peer_resumes: Option<Rate>,
    /// New sessions of each identity; beyond, the client is told to try again later. Default 100 a
    /// second, 1,000 at once.
    pub identity_sessions: Option<Rate>,
    /// Keys of each of these three kinds that are remembered, some 200 bytes each; beyond, the one that
    /// asked least is forgotten. Owner: the registry. 1 to 1,048,576, default 16,384.
    pub max_limited: usize,
    /// Handshakes past HELLO of each [`PeerKey`](crate::PeerKey); beyond, `REJECT Retry` goes out, so that
    /// one peer cannot displace the others'. 1 to 1,048,576, default 128.
    pub max_handshakes_per_peer: usize,
    /// Handshakes of each identity that are proven and wait for the host's decision, if the host says when it begins to decide; beyond, the client is told to come
    /// later. They count against their identity alone, and no more against the [`PeerKey`](crate::PeerKey); where more than
    /// [`max_handshakes_per_peer`](Self::max_handshakes_per_peer) of one key wait for a decision, the oldest is given up. 1 to 1,048,576, default 32.
    pub max_handshakes_per_client: usize,
    /// Sessions held of each identity; beyond, a client is told that there is no room. 1 to 16,777,216,
    /// which is the default: no limit.
    pub max_sessions_per_identity: usize,
    /// What becomes of a session under a name that another one of its identity has.
    pub same_name: SameName,
    /// Sessions held at once: provisional ones included, and ended ones that
    /// [`poll_ended`](crate::server::Registry::poll_ended) has not handed out. The registry keeps some 500
    /// bytes and the name of each. 1 to 16,777,216, default 100,000.
    pub max_sessions: usize,
    /// What all detached sessions together may hold, each charged 2 KiB beyond its bytes; as far as their
    /// owners have reported, which each does when 4 KiB changed. 1 MiB to 1 PiB, default 1 GiB.
    pub max_detached_bytes: u64,
    /// What happens beyond. Default: new sessions are refused.
    pub when_detached_full: WhenDetachedFull,
    /// How long a tombstone is kept, by the registry and, where sessions are durable, in the store. 1 ms to 365 days, default 1 h. Clients that
    /// stay away longer than this may not learn what became of their data.
    pub tombstone_lifetime: Duration,
    /// Tombstones kept at most, some 400 bytes each and the reason that a close gave (up to 1,024); beyond, the oldest goes early, of the client that
    /// ended the newest session if it has more than its share. Owner: the registry; those in a store are bounded by their lifetime. 0 (there are
    /// none, in a store neither) to 16,777,216, default 100,000.
    pub max_tombstones: usize,
}

impl ServerConfig {
    /// The defaults, with `auth`.
    #[must_use]
    pub fn new(auth: ServerAuth) -> ServerConfig {
        ServerConfig {
            session: SessionConfig::default().with_linger(Duration::from_secs(60)),
            auth,
            suites: Suite::all(),
            max_silent: 1_024,
            max_handshakes: 1_024,
            hello_rate: 1_000,
            resume_rate: 10_000,
            peer_prefix: PeerPrefix::default(),
            peer_hellos: Some(Rate {
                per_second: 50,
                burst: 50,
            }),
            peer_resumes: Some(Rate {
                per_second: 500,
                burst: 500,
            }),
            identity_sessions: Some(Rate {
                per_second: 100,
                burst: 1_000,
            }),
            max_limited: 16_384,
            max_handshakes_per_peer: 128,
            max_handshakes_per_client: 32,
            max_sessions_per_identity: 1 << 24,
            same_name: SameName::default(),
            max_sessions: 100_000,
            max_detached_bytes: 1 << 30,
            when_detached_full: WhenDetachedFull::default(),
            tombstone_lifetime: Duration::from_secs(3_600),
            max_tombstones: 100_000,
        }
    }

    /// Checks every range documented on the fields, the session's included.
    ///
    /// # Errors
    /// The first field found out of its range, or as [`ServerAuth::validate`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        const DAY: u64 = 86_400_000;
        self.session.validate()?;
        let lifetime = u64::try_from(self.tombstone_lifetime.as_millis()).unwrap_or(u64::MAX);
        for (field, value, min, max) in [
            ("max_silent", self.max_silent as u64, 1, 1 << 20),
            ("max_handshakes", self.max_handshakes as u64, 1, 1 << 20),
            ("hello_rate", u64::from(self.hello_rate), 1, 1_000_000),
            ("resume_rate", u64::from(self.resume_rate), 1, 1_000_000),
            ("max_limited", self.max_limited as u64, 1, 1 << 20),
            (
                "max_handshakes_per_peer",
                self.max_handshakes_per_peer as u64,
                1,
                1 << 20,
            ),
            (
                "max_handshakes_per_client",
                self.max_handshakes_per_client as u64,
                1,
                1 << 20,
            ),
            (
                "max_sessions_per_identity",
                self.max_sessions_per_identity as u64,
                1,
                1 << 24,
            ),
            ("max_sessions", self.max_sessions as u64, 1, 1 << 24),
            ("max_detached_bytes", self.max_detached_bytes, 1 << 20, 1 << 50),
            ("tombstone_lifetime (ms)", lifetime, 1, 365 * DAY),
            ("max_tombstones", self.max_tombstones as u64, 0, 1 << 24),
        ] {
            if value < min || value > max {
                return Err(ConfigError::OutOfRange { field, min, max });
            }
        }
        for (field, rate) in [
            ("peer_hellos (either part)", self.peer_hellos),
            ("peer_resumes (either part)", self.peer_resumes),
            ("identity_sessions (either part)", self.identity_sessions),
        ] {
            let parts = rate.map_or([1, 1], |rate| [rate.per_second, rate.burst]);
            if parts.iter().any(|part| !(1..=1_000_000).contains(part)) {
                return Err(ConfigError::OutOfRange {
                    field,
                    min: 1,
                    max: 1_000_000,
                });
            }
        }
        self.auth.validate(&self.suites)
    }

    /// The suites that are configured and fit `auth`.
    pub(crate) fn accepted_suites(&self) -> Vec<Suite> {
        self.auth.suites(&self.suites)
    }
}

setters! {
    ServerConfig {
        with_session session: SessionConfig,
        with_auth auth: ServerAuth,
        with_suites suites: Vec<Suite>,
        with_max_silent max_silent: usize,
        with_max_handshakes max_handshakes: usize,
        with_hello_rate hello_rate: u32,
        with_resume_rate resume_rate: u32,
        with_peer_prefix peer_prefix: PeerPrefix,
        with_peer_hellos peer_hellos: Option<Rate>,
        with_peer_resumes peer_resumes: Option<Rate>,
        with_identity_sessions identity_sessions: Option<Rate>,
        with_max_limited max_limited: usize,
        with_max_handshakes_per_peer max_handshakes_per_peer: usize,
        with_max_handshakes_per_client max_handshakes_per_client: usize,
        with_max_sessions_per_identity max_sessions_per_identity: usize,
        with_same_name same_name: SameName,
        with_max_sessions max_sessions: usize,
        with_max_detached_bytes max_detached_bytes: u64,
        with_when_detached_full when_detached_full: WhenDetachedFull,
        with_tombstone_lifetime tombstone_lifetime: Duration,
        with_max_tombstones max_tombstones: usize,
    }
}
