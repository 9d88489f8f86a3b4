//! What a host chooses for a data channel, whichever end it is.

use crate::error::ConfigError;
use crate::reconnect::{Backoff, Strategies};
use crate::setters::setters;
use crate::time::Duration;

/// How a data channel is used. Every buffer's bound is here.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelConfig {
    /// Bytes of data in a frame, before they are sealed: 1 to 1,048,576, default 1,024. Both real programs take more; whether the
    /// service does is not known.
    pub frame_bytes: usize,
    /// Sequenced frames sent a second; as many as go in a second may go at once. 1 or more, default 900: the service is said to pause a
    /// session that keeps to more than 1,000. `None`: as many as the window lets.
    pub frames_per_second: Option<u32>,
    /// Bytes that are sent and not acknowledged. 4,096 or more, default 256 KiB. Owner: the channel.
    pub window: usize,
    /// Bytes that the application has handed over and that are not on their way. 1 or more, default 256 KiB. Owner: the channel.
    pub send_buffer: usize,
    /// Bytes that have arrived and were not read; as many again may be held ahead of their turn. 4,096 or more, default 16 MiB: real programs send on
    /// without asking whether there is room. What finds none is not acknowledged, and comes again. Owner: the channel.
    pub receive_buffer: usize,
    /// How long a frame's acknowledgement waits, up to 100 ms; default 1 ms. Both real programs forget an acknowledgement that comes
    /// before they have written down what it is for.
    pub ack_delay: Duration,
    /// Whether a frame whose digest is wrong is dropped. Default true. (The real agent never looks.)
    pub check_digest: bool,
    /// Frames wait so long at most for one that does not come, while there is a connection: then the session is over, since the peer has
    /// lost it. 1 s or more, default 60 s.
    pub gap_timeout: Duration,
    /// A connection that brings nothing is pinged after so long. 1 s or more, default 25 s.
    pub keepalive_interval: Duration,
    /// A ping waits so long for an answer; where frames wait for acknowledgements, one is sent and judged sooner. 1 s or more,
    /// default 15 s.
    pub keepalive_timeout: Duration,
    /// How long a dial may take, the upgrade included. 1 ms or more, default 15 s.
    pub dial_timeout: Duration,
    /// How long the call may take that gets a token. 1 ms or more, default 30 s.
    pub token_timeout: Duration,
    /// When to try again. By default as [`Backoff::default`]: for as long as the service has the session.
    pub backoff: Backoff,
    /// What is done about a connection that broke: [`Strategy::Resume`](crate::reconnect::Strategy::Resume), the default, or
    /// [`Strategy::Fresh`](crate::reconnect::Strategy::Fresh), with which the session ends so that the host can start another.
    pub strategies: Strategies,
    /// Attempts that are remembered. Default 32.
    pub history_limit: usize,
}

impl Default for ChannelConfig {
    fn default() -> Self {
        ChannelConfig {
            frame_bytes: 1_024,
            frames_per_second: Some(900),
            window: 256 << 10,
            send_buffer: 256 << 10,
            receive_buffer: 16 << 20,
            ack_delay: Duration::from_millis(1),
            check_digest: true,
            gap_timeout: Duration::from_secs(60),
            keepalive_interval: Duration::from_secs(25),
            keepalive_timeout: Duration::from_secs(15),
            dial_timeout: Duration::from_secs(15),
            token_timeout: Duration::from_secs(30),
            backoff: Backoff::default(),
            strategies: Strategies::resume_always(),
            history_limit: 32,
        }
    }
}

impl ChannelConfig {
    /// Checks every range documented on the fields.
    ///
    /// # Errors
    /// The first field found out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let bytes = |bytes: usize| bytes as u64;
        for (field, value, min, max) in [
            ("frame_bytes", bytes(self.frame_bytes), 1, 1 << 20),
            (
                "frames_per_second",
                u64::from(self.frames_per_second.unwrap_or(1)),
                1,
                u64::MAX,
            ),
            ("window", bytes(self.window), 4_096, u64::MAX),
            ("send_buffer", bytes(self.send_buffer), 1, u64::MAX),
            ("receive_buffer", bytes(self.receive_buffer), 4_096, u64::MAX),
            ("ack_delay (ms)", millis(self.ack_delay), 0, 100),
            ("gap_timeout (ms)", millis(self.gap_timeout), 1_000, u64::MAX),
            (
                "keepalive_interval (ms)",
                millis(self.keepalive_interval),
                1_000,
                u64::MAX,
            ),
            (
                "keepalive_timeout (ms)",
                millis(self.keepalive_timeout),
                1_000,
                u64::MAX,
            ),
            ("dial_timeout (ms)", millis(self.dial_timeout), 1, u64::MAX),
            ("token_timeout (ms)", millis(self.token_timeout), 1, u64::MAX),
        ] {
            if value < min || value > max {
                return Err(ConfigError::OutOfRange { field, min, max });
            }
        }
        self.backoff.validate()
    }
}

setters! {
    ChannelConfig {
        with_frame_bytes frame_bytes: usize,
        with_frames_per_second frames_per_second: Option<u32>,
        with_window window: usize,
        with_send_buffer send_buffer: usize,
        with_receive_buffer receive_buffer: usize,
        with_ack_delay ack_delay: Duration,
        with_check_digest check_digest: bool,
        with_gap_timeout gap_timeout: Duration,
        with_keepalive_interval keepalive_interval: Duration,
        with_keepalive_timeout keepalive_timeout: Duration,
        with_dial_timeout dial_timeout: Duration,
        with_token_timeout token_timeout: Duration,
        with_backoff backoff: Backoff,
        with_strategies strategies: Strategies,
        with_history_limit history_limit: usize,
    }
}
