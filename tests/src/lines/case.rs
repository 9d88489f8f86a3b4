//! What is run.

use unbroken_proto::SessionConfig;

use super::carrier::{Framing, Socket};
use super::line::{HEADER, SEGMENT, share, takes};
use super::{MS, SECOND};

/// What both ends may hold where the defaults are too little.
const LARGE: u64 = 256 << 20;

/// A line, what is on it, and what happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Milliseconds there and back, without anything that waits.
    pub rtt: u64,
    /// Megabits a second.
    pub rate: u64,
    /// What carries packets.
    pub framing: Framing,
    /// Where they wait for TCP.
    pub socket: Socket,
    /// What the queue before the link holds.
    pub buffer: Buffer,
    /// What happens to the line once the session has settled.
    pub change: Option<Change>,
    /// Who else is on the line.
    pub company: Company,
    /// How the bulk is read.
    pub reading: Reading,
}

/// The size of the queue before a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Buffer {
    /// A quarter of what is on the way on a full line, and 16 KiB at least.
    Shallow,
    /// One and a half times that, and 256 KiB at least.
    Large,
    /// Ten times that, and 1 MiB at least.
    Bloated,
}

/// What happens to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Its rate drops to a tenth.
    Slower,
    /// Its rate grows tenfold.
    Faster,
    /// Its round trip doubles.
    Longer,
}

/// Who else is on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// Nobody.
    Alone,
    /// Another session, which came later.
    Session,
    /// A plain TCP stream with a congestion window of CUBIC's kind, which fills the queue. The session's TCP has one, too.
    Stream,
}

/// How the bulk is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// At once.
    Eager,
    /// At a tenth of the line's rate, or a window in four round trips if that is less: who reads one in two lets it grow.
    Slow,
    /// Not at all.
    Absent,
}

impl Case {
    /// The round trip in nanoseconds.
    #[must_use]
    pub fn rtt_ns(&self) -> u64 {
        self.rtt * MS
    }

    /// Bits a second.
    #[must_use]
    pub fn bits(&self) -> u64 {
        self.rate * 1_000_000
    }

    /// Bits a second and round trip after the change.
    pub(super) fn changed(&self) -> (u64, u64) {
        match self.change {
            None => (self.bits(), self.rtt_ns()),
            Some(Change::Slower) => (self.bits() / 10, self.rtt_ns()),
            Some(Change::Faster) => (self.bits() * 10, self.rtt_ns()),
            Some(Change::Longer) => (self.bits(), self.rtt_ns() * 2),
        }
    }

    /// Bytes that the queue before the link holds.
    pub(super) fn queue(&self) -> u64 {
        let on_the_way = share(self.bits(), self.rtt_ns());
        match self.buffer {
            Buffer::Shallow => (on_the_way / 4).max(16 << 10),
            Buffer::Large => (on_the_way * 3 / 2).max(256 << 10),
            Buffer::Bloated => (on_the_way * 10).max(1 << 20),
        }
    }

    /// When a session has to have the line's rate.
    pub(super) fn settles(&self) -> u64 {
        10 * self.rtt_ns() + SECOND
    }

    /// So much later the queue of the start has to be gone: a line counts as full when it was for a round trip, and it takes another
    /// to empty it. After a change there is no more time.
    pub(super) fn calms(&self) -> u64 {
        if self.change.is_some() { 0 } else { 5 * self.rtt_ns() }
    }

    /// How long it is looked at: long enough that one packet more or less decides nothing.
    pub(super) fn lasts(&self) -> u64 {
        let (bits, rtt) = self.changed();
        let seconds = match (self.company, bits / 1_000_000) {
            (Company::Alone, 500..) => 3,
            (Company::Alone, 50..) => 6,
            (Company::Alone, _) => 12,
            // Windows of TCP take long until they are fair.
            _ => 60,
        };
        (seconds * SECOND).max(20 * rtt)
    }

    /// Bytes a second at which the bulk is read; `None`: as they come.
    pub(super) fn reads(&self) -> Option<u64> {
        match self.reading {
            Reading::Eager => None,
            Reading::Slow => {
                let windows = self.config().stream_window * 1_000 / (4 * self.rtt);
                Some((self.bits() / 80).min(windows))
            }
            Reading::Absent => Some(0),
        }
    }

    /// What both ends are configured to: the defaults, or more where they cannot hold what is on the way.
    #[must_use]
    pub fn config(&self) -> SessionConfig {
        let config = SessionConfig::default();
        let (bits, rtt) = self.changed();
        if share(bits.max(self.bits()), rtt) < config.max_stream_window {
            return config;
        }
        config
            .with_max_stream_window(LARGE)
            .with_max_session_window(LARGE)
            .with_outbox_limit(LARGE as usize)
    }

    /// The most bytes that a receiver may hold: what it ever granted, and what is ahead of its turn.
    pub(super) fn most_unread(&self) -> usize {
        let config = self.config();
        usize::try_from(config.max_session_window)
            .unwrap_or(usize::MAX)
            .saturating_add(config.inbox_limit)
    }

    /// How long the line takes for four segments.
    pub(super) fn four_segments(&self) -> u64 {
        takes(4 * (SEGMENT + HEADER), self.changed().0)
    }
}
