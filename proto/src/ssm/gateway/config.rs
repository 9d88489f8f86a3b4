//! What a host chooses for a gateway.

use crate::error::ConfigError;
use crate::setters::setters;
use crate::time::Duration;

/// Bounds and times of a [`Gateway`](crate::ssm::gateway::Gateway).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GatewayConfig {
    /// Sessions at a time. 1 or more, default 1,024.
    pub max_sessions: usize,
    /// Connections at a time that have not said who they are. 1 or more, default 256. (Others are two for each session at most.)
    pub max_opening: usize,
    /// Tokens of one end of a session that are not used yet; a further one takes the place of the oldest. 1 to 64, default 4.
    pub max_tokens: usize,
    /// Bytes of frames on their way to one end. The frame that reaches the bound is still taken. 1 or more, default 256 KiB. Owner: the
    /// session, for each direction. An end that is not read from because of it gets no answer to its pings either, and may
    /// connect again; it loses nothing by that.
    pub held_bytes: usize,
    /// Longest frame that is passed on, in bytes with its header; a longer one is dropped. 1,144 or more, default 1 MiB and 4 KiB.
    pub max_frame: usize,
    /// How long a connection may take to say who it is. 1 ms or more, default 15 s.
    pub opening_timeout: Duration,
    /// How long a connection is kept for the last frames of a session that is over. 1 ms or more, default 5 s.
    pub closing_timeout: Duration,
    /// A session of which neither end has had a connection for so long is over. 1 s or more, default 20 min. It is counted from the
    /// beginning for one that never had any.
    pub abandoned_timeout: Duration,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        GatewayConfig {
            max_sessions: 1_024,
            max_opening: 256,
            max_tokens: 4,
            held_bytes: 256 << 10,
            max_frame: (1 << 20) + (4 << 10),
            opening_timeout: Duration::from_secs(15),
            closing_timeout: Duration::from_secs(5),
            abandoned_timeout: Duration::from_secs(20 * 60),
        }
    }
}

impl GatewayConfig {
    /// Checks every range documented on the fields.
    ///
    /// # Errors
    /// The first field found out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        for (field, value, min, max) in [
            ("max_sessions", self.max_sessions as u64, 1, u64::MAX),
            ("max_opening", self.max_opening as u64, 1, u64::MAX),
            ("max_tokens", self.max_tokens as u64, 1, 64),
            ("held_bytes", self.held_bytes as u64, 1, u64::MAX),
            ("max_frame", self.max_frame as u64, 1_144, u64::MAX),
            ("opening_timeout (ms)", millis(self.opening_timeout), 1, u64::MAX),
            ("closing_timeout (ms)", millis(self.closing_timeout), 1, u64::MAX),
            (
                "abandoned_timeout (ms)",
                millis(self.abandoned_timeout),
                1_000,
                u64::MAX,
            ),
        ] {
            if value < min || value > max {
                return Err(ConfigError::OutOfRange { field, min, max });
            }
        }
        Ok(())
    }
}

setters! {
    GatewayConfig {
        with_max_sessions max_sessions: usize,
        with_max_opening max_opening: usize,
        with_max_tokens max_tokens: usize,
        with_held_bytes held_bytes: usize,
        with_max_frame max_frame: usize,
        with_opening_timeout opening_timeout: Duration,
        with_closing_timeout closing_timeout: Duration,
        with_abandoned_timeout abandoned_timeout: Duration,
    }
}
