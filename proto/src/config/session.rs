//! Limits and timers of one end of a session.

use super::patience::{Heartbeat, Stuck};
use crate::budget::WindowBudget;
use crate::error::ConfigError;
use crate::limits::{FRAME_CHARGE, MAX_PACKET, admitted};
use crate::security::AtRest;
use crate::setters::setters;
use crate::time::Duration;
use crate::wire::frame::Parameters;
use crate::wire::handshake::MIN_PACKET_LIMIT;

/// Limits and timers of one end of a session. The defaults suit a shell, a tunnel or a file copy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionConfig {
    /// Bytes held for sending: queued or unacknowledged, metadata included. Owner: the outbox.
    /// 2 KiB to 1 GiB, default 24 MiB, of which a session has what it uses. At most 96 KiB of it, and at most half, wait on
    /// streams whose reader has granted no more (apart from one larger message, while nothing else waits), so that a slow reader
    /// costs little and leaves the others room. A 32nd of it (64 bytes at least) is kept for
    /// the metadata of messages that go out in more pieces than they were charged for. Beyond it come at most 64 KiB of
    /// grants, resets and stops, and one CLOSE.
    pub outbox_limit: usize,
    /// Bytes held ahead of their turn while a swap drains. Owner: the inbox. 64 KiB to 1 GiB, default 1 MiB. Beyond it come at most 64,000 bytes
    /// of one frame that arrives in parts, on each of at most two connections.
    pub inbox_limit: usize,
    /// Unread bytes that the peer may have in flight on a stream at first, metadata included. 256 B to 1 GiB, default 256 KiB.
    pub stream_window: u64,
    /// The same for all streams together. 256 B to 1 GiB, default 512 KiB. Owner: the streams.
    pub session_window: u64,
    /// What a stream's window grows to at most: it doubles when that much was read in less than two round trips. One that
    /// is no larger than [`stream_window`](Self::stream_window): it does not grow. 256 B to 1 GiB, default 16 MiB.
    pub max_stream_window: u64,
    /// The same for all streams together. 256 B to 1 GiB, default 24 MiB.
    pub max_session_window: u64,
    /// Out of which the windows of several sessions grow. Default: none, which for a registry is one of its own of 1 GiB.
    pub window_budget: Option<WindowBudget>,
    /// Sessions are durable: they outlive their process, as far as their host keeps what
    /// [`poll_record`](crate::Session::poll_record) gives it, protected like this. Default: they are not, and pay nothing for it.
    pub durable: Option<AtRest>,
    /// Streams the peer may have open at once. 1 to 65,536, default 256.
    pub max_streams: u64,
    /// Default longest payload of one frame on streams opened here, both ways; and the longest that is sent on those of the
    /// peer, whose own size may ask for less. 1,000 to 64,000 bytes, default 16 KiB: what has to be sent
    /// again goes as it was cut, and over a slow line a longer one takes long. On a slow line they are cut shorter.
    pub fragment_size: usize,
    /// Longest packet of a session, in bytes, that is sent and that the peer may send; for ways that take no longer ones. 1,200 to
    /// 65,535, default 65,535. The packets of a handshake have limits of their own: the longest holds the client's credential,
    /// and is below 1,200 bytes if that has at most 700 (and the session's name and a predecessor are there). Where longer packets do not arrive without anybody having said so here, the
    /// session finds that out by itself ([`Event::PacketLimit`](crate::Event::PacketLimit)).
    pub packet_limit: usize,
    /// Silence after which the peer is probed. 1 ms to 1 h, default 10 s. The smaller of both sides' holds.
    pub keepalive_interval: Duration,
    /// Silence after a probe that means the connection is dead. 1 ms to 1 day, default 30 s; four round trips are given in any case, and a
    /// new session's first packet is given as long as it may take by the handshake's round trip, 30 s at most.
    pub keepalive_timeout: Duration,
    /// How long an acknowledgement may wait for company. 0 to 1 s, default 25 ms.
    pub ack_delay: Duration,
    /// How long a session lives without a connection. 1 ms to 365 days, default 10 min; the smaller of both sides' holds.
    pub detached_lifetime: Duration,
    /// How long a handshake or resume may take once its connection is up. 1 ms to 10 min, default 10 s; longer only while bytes of a
    /// packet arrive ([`handle_partial`](crate::Session::handle_partial)).
    pub handshake_timeout: Duration,
    /// How long a dial may take. 1 ms to 10 min, default 10 s.
    pub dial_timeout: Duration,
    /// How long the old connection may go on delivering after a planned swap. 1 ms to 10 min, default 5 s; four round trips (3 s at most) if
    /// something is missing and it does not answer.
    pub drain_timeout: Duration,
    /// Accepting end: attempts to attach that proved themselves and were not confirmed, in a row; beyond
    /// it each is told to wait a second. What proves nothing does not count, so that no forger can shut
    /// the client out. 1 to 1,000,000, default 3.
    pub max_attempts: u32,
    /// How long `close` waits for queued data and for the peer's answer. 1 ms to 1 day, default 10 s; by [`ServerConfig::new`](crate::ServerConfig::new) 60 s, so that
    /// what a server says last reaches a client that is without network for a while. (Not for as long as a detached session lives, since
    /// a server that ends would then wait for clients that are gone for good. The client learns the close's code and reason as long as the
    /// [tombstone](crate::ServerConfig::tombstone_lifetime) lives.)
    pub linger: Duration,
    /// How long nothing but heartbeats may be said before the session counts as idle. 1 ms to 1 day, default 60 s.
    pub idle_after: Duration,
    /// When a session that moves nothing is given up, though it has connections.
    pub stuck: Stuck,
}

impl Default for SessionConfig {
    fn default() -> Self {
        SessionConfig {
            outbox_limit: 24 << 20,
            inbox_limit: 1 << 20,
            stream_window: 256 << 10,
            session_window: 512 << 10,
            max_stream_window: 16 << 20,
            max_session_window: 24 << 20,
            window_budget: None,
            durable: None,
            max_streams: 256,
            fragment_size: 16 << 10,
            packet_limit: MAX_PACKET,
            keepalive_interval: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(30),
            ack_delay: Duration::from_millis(25),
            detached_lifetime: Duration::from_secs(600),
            handshake_timeout: Duration::from_secs(10),
            dial_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(5),
            max_attempts: 3,
            linger: Duration::from_secs(10),
            idle_after: Duration::from_secs(60),
            stuck: Stuck::default(),
        }
    }
}

impl SessionConfig {
    /// What the peer is told of these limits.
    pub(crate) fn parameters(&self) -> Parameters {
        let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        Parameters {
            stream_window: self.stream_window,
            session_window: self.session_window,
            max_streams: self.max_streams,
            packet_limit: self.packet_limit as u64,
            outbox_limit: self.outbox_limit as u64,
            inbox_limit: self.inbox_limit as u64,
            keepalive_interval: millis(self.keepalive_interval),
            detached_lifetime: millis(self.detached_lifetime),
        }
    }

    /// The same with the heartbeat changed.
    #[must_use]
    pub fn with_heartbeat(self, heartbeat: Heartbeat) -> SessionConfig {
        SessionConfig {
            keepalive_interval: heartbeat.interval,
            keepalive_timeout: heartbeat.timeout,
            ..self
        }
    }

    /// The longest message that an empty outbox takes, on a stream with fragments of
    /// [`fragment_size`](Self::fragment_size). A host that queues in front of the machine checks it there.
    #[must_use]
    pub fn largest_message(&self) -> usize {
        let room = admitted(self.outbox_limit);
        let fragments = room.div_ceil(self.fragment_size + FRAME_CHARGE).max(1);
        room.saturating_sub(fragments * FRAME_CHARGE)
    }

    /// Checks every range documented on the fields.
    ///
    /// # Errors
    /// The first field found out of its range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        const GIB: u64 = 1 << 30;
        let millis = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
        let day = 86_400_000;
        for (field, value, min, max) in [
            ("outbox_limit", self.outbox_limit as u64, 2_048, GIB),
            ("inbox_limit", self.inbox_limit as u64, 65_536, GIB),
            ("stream_window", self.stream_window, 256, GIB),
            ("session_window", self.session_window, 256, GIB),
            ("max_stream_window", self.max_stream_window, 256, GIB),
            ("max_session_window", self.max_session_window, 256, GIB),
            ("max_streams", self.max_streams, 1, 65_536),
            ("fragment_size", self.fragment_size as u64, 1_000, 64_000),
            (
                "packet_limit",
                self.packet_limit as u64,
                MIN_PACKET_LIMIT,
                MAX_PACKET as u64,
            ),
            ("keepalive_interval (ms)", millis(self.keepalive_interval), 1, 3_600_000),
            ("keepalive_timeout (ms)", millis(self.keepalive_timeout), 1, day),
            ("ack_delay (ms)", millis(self.ack_delay), 0, 1_000),
            ("detached_lifetime (ms)", millis(self.detached_lifetime), 1, 365 * day),
            ("handshake_timeout (ms)", millis(self.handshake_timeout), 1, 600_000),
            ("dial_timeout (ms)", millis(self.dial_timeout), 1, 600_000),
            ("drain_timeout (ms)", millis(self.drain_timeout), 1, 600_000),
            ("max_attempts", u64::from(self.max_attempts), 1, 1_000_000),
            ("linger (ms)", millis(self.linger), 1, day),
            ("idle_after (ms)", millis(self.idle_after), 1, day),
        ] {
            if value < min || value > max {
                return Err(ConfigError::OutOfRange { field, min, max });
            }
        }
        Ok(())
    }
}

setters! {
    SessionConfig {
        with_outbox_limit outbox_limit: usize,
        with_inbox_limit inbox_limit: usize,
        with_stream_window stream_window: u64,
        with_session_window session_window: u64,
        with_max_stream_window max_stream_window: u64,
        with_max_session_window max_session_window: u64,
        with_window_budget window_budget: Option<WindowBudget>,
        with_max_streams max_streams: u64,
        with_fragment_size fragment_size: usize,
        with_packet_limit packet_limit: usize,
        with_keepalive_interval keepalive_interval: Duration,
        with_keepalive_timeout keepalive_timeout: Duration,
        with_ack_delay ack_delay: Duration,
        with_detached_lifetime detached_lifetime: Duration,
        with_handshake_timeout handshake_timeout: Duration,
        with_dial_timeout dial_timeout: Duration,
        with_drain_timeout drain_timeout: Duration,
        with_max_attempts max_attempts: u32,
        with_linger linger: Duration,
        with_idle_after idle_after: Duration,
        with_stuck stuck: Stuck,
    }
}
