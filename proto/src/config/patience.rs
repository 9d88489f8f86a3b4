//! How often the peer is asked whether it is there, and when a session that moves nothing is given up.

use crate::setters::setters;
use crate::time::Duration;

/// When what stays unacknowledged ends the session, with
/// [`EndReason::Stuck`](crate::event::EndReason::Stuck) and its fates. Time without a connection does not count;
/// [`SessionConfig::detached_lifetime`](crate::SessionConfig::detached_lifetime) bounds that.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stuck {
    /// Attaches in a row that sent the same again and brought no acknowledgement; `None`: no limit. Default 256.
    pub replays: Option<u32>,
    /// How long a connection may stay up and acknowledge nothing of what it owes; `None`: no limit. Default 1 h.
    pub unacknowledged: Option<Duration>,
}

impl Default for Stuck {
    fn default() -> Self {
        Stuck {
            replays: Some(256),
            unacknowledged: Some(Duration::from_secs(3_600)),
        }
    }
}

impl Stuck {
    /// Nothing is ever given up.
    #[must_use]
    pub fn never() -> Stuck {
        Stuck {
            replays: None,
            unacknowledged: None,
        }
    }
}

setters! {
    Stuck {
        with_replays replays: Option<u32>,
        with_unacknowledged unacknowledged: Option<Duration>,
    }
}

/// How often the peer is probed, and when it counts as gone. The time that it has to answer is counted
/// from the first heartbeat that got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Heartbeat {
    /// Silence before a heartbeat.
    pub interval: Duration,
    /// Silence after it.
    pub timeout: Duration,
}

impl Heartbeat {
    /// 10 s and 30 s, the default.
    pub const STANDARD: Heartbeat = Heartbeat {
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(30),
    };
    /// 15 s and 45 s, for devices and metered links.
    pub const RELAXED: Heartbeat = Heartbeat {
        interval: Duration::from_secs(15),
        timeout: Duration::from_secs(45),
    };

    /// Every `interval`; gone when `count` in a row got no answer (60 s and 3, in the manner of ssh).
    #[must_use]
    pub fn counted(interval: Duration, count: u32) -> Heartbeat {
        Heartbeat {
            interval,
            timeout: interval.saturating_mul(count),
        }
    }
}

setters! {
    Heartbeat {
        with_interval interval: Duration,
        with_timeout timeout: Duration,
    }
}
