//! Counters one can look at. Everything here is a plain number since the session began.
//!
//! ```
//! # use unbroken_proto::{config::Seed, security::{Auth, SharedSecret}, ClientConfig, Instant, Session};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let now = Instant::from_millis(0);
//! # let auth = Auth::secret(SharedSecret::from_key(b"office", [7; 32])?);
//! # let mut session = Session::connect(ClientConfig::new(auth), Seed([1; 32]), now)?;
//! let stream = session.open(now, Default::default())?;
//! session.stream(stream).send(now, "waits".into())?;
//! let stats = session.stats();
//! assert_eq!((stats.packets_sent, stats.attaches), (0, 0));
//! assert!(stats.outbox_bytes > "waits".len(), "because metadata counts");
//! # Ok(())
//! # }
//! ```

use crate::time::Duration;

/// What a session has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Packets packed, of any type.
    pub packets_sent: u64,
    /// Authentic packets received.
    pub packets_received: u64,
    /// Application payload bytes committed, each counted once.
    pub payload_sent: u64,
    /// Application payload bytes accepted in order, each counted once.
    pub payload_received: u64,
    /// Payload bytes packed again after an attach.
    pub replayed_bytes: u64,
    /// Sequenced frames that arrived again and were discarded.
    pub duplicate_frames: u64,
    /// Attaches confirmed, the first included.
    pub attaches: u64,
    /// Smoothed round-trip time of the current connection, if measured.
    pub srtt: Option<Duration>,
    /// The least round trip that the current connection showed lately, if measured.
    pub least_rtt: Option<Duration>,
    /// Bytes a second that the current connection's line has shown to carry, if measured.
    pub delivery_rate: Option<u64>,
    /// Bytes of packets on the current connection's line: sent, and not acknowledged.
    pub in_flight: u64,
    /// How many of these there should be at most, while there is a connection.
    pub in_flight_limit: u64,
    /// Bytes held for the peer's acknowledgement or waiting to be sent, metadata included.
    pub outbox_bytes: usize,
    /// Bytes held ahead of their turn, metadata included.
    pub inbox_bytes: usize,
    /// Received bytes the application has not read, metadata included.
    pub unread_bytes: usize,
}
