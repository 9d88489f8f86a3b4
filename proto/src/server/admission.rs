//! Bounds on unauthenticated peers: the connections that have proven nothing yet, and the rate of the packets that
//! make us work before they do.

#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, VecDeque};

use crate::accept::ConnectionId;
use crate::config::ServerConfig;
use crate::id::Carrier;
use crate::peer::PeerKey;
use crate::server::bucket::LONGEST_RETRY;
use crate::time::{Duration, Instant, earliest};

/// The connections that have not proven themselves. Two bounds apart, so that connections which say
/// nothing cannot displace handshakes in progress, nor the reverse. When one is full its oldest goes:
/// the newest has the best claim to be somebody who is just arriving.
///
/// A connection lives here for the handshake timeout at most, counted from its accept.
pub(crate) struct PendingConnections {
    timeout: Duration,
    max_silent: usize,
    max_handshakes: usize,
    next_connection: u64,
    next_turn: u64,
    /// Deadlines never fall from one connection to the next, even if the host's clock did, so that
    /// the first entry of each map is the one due first.
    last_deadline: Instant,
    silent: BTreeMap<ConnectionId, Silent>,
    handshakes: BTreeMap<ConnectionId, Handshaking>,
    /// Handshakes in the order of their HELLOs.
    turns: BTreeMap<u64, ConnectionId>,
    max_per_peer: usize,
    /// How many of the handshakes each peer has.
    by_peer: BTreeMap<PeerKey, usize>,
    /// Displaced or too late, and not handed out yet; no more than could wait here.
    unwanted: VecDeque<ConnectionId>,
}

/// A connection that has said nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Silent {
    pub(crate) deadline: Instant,
    pub(crate) carrier: Carrier,
}

struct Handshaking {
    deadline: Instant,
    turn: u64,
    peer: Option<PeerKey>,
}

impl PendingConnections {
    pub(crate) fn new(config: &ServerConfig) -> PendingConnections {
        PendingConnections {
            timeout: config.session.handshake_timeout,
            max_silent: config.max_silent,
            max_handshakes: config.max_handshakes,
            next_connection: 0,
            next_turn: 0,
            last_deadline: Instant::ZERO,
            silent: BTreeMap::new(),
            handshakes: BTreeMap::new(),
            turns: BTreeMap::new(),
            max_per_peer: config.max_handshakes_per_peer,
            by_peer: BTreeMap::new(),
            unwanted: VecDeque::new(),
        }
    }

    /// The host has to be told that this connection is not waited for any more.
    fn let_go(&mut self, connection: ConnectionId) {
        if self.unwanted.len() >= self.max_silent.saturating_add(self.max_handshakes) {
            self.unwanted.pop_front();
        }
        self.unwanted.push_back(connection);
    }

    /// The next connection that was displaced, or whose time is over.
    pub(crate) fn poll_unwanted(&mut self) -> Option<ConnectionId> {
        self.unwanted.pop_front()
    }

    /// A connection came in; the oldest silent one goes if there are too many now.
    pub(crate) fn accept(&mut self, now: Instant, carrier: Carrier) -> ConnectionId {
        let connection = ConnectionId(self.next_connection);
        self.next_connection = self.next_connection.saturating_add(1);
        let deadline = (now + self.timeout).max(self.last_deadline);
        self.last_deadline = deadline;
        self.silent.insert(connection, Silent { deadline, carrier });
        if self.silent.len() > self.max_silent
            && let Some((oldest, _)) = goes(&mut self.silent)
        {
            self.let_go(oldest);
        }
        connection
    }

    /// Its first packet came, so it is silent no more. `None` if it was not among the silent ones.
    pub(crate) fn spoke(&mut self, connection: ConnectionId) -> Option<Silent> {
        self.silent.remove(&connection)
    }

    /// It said HELLO; the oldest handshake goes if there are too many now.
    pub(crate) fn begin_handshake(&mut self, connection: ConnectionId, silent: Silent) {
        let deadline = silent.deadline;
        let peer = silent.carrier.peer();
        let turn = self.next_turn;
        self.next_turn = self.next_turn.saturating_add(1);
        self.handshakes.insert(connection, Handshaking { deadline, turn, peer });
        if let Some(peer) = peer {
            *self.by_peer.entry(peer).or_default() += 1;
        }
        self.turns.insert(turn, connection);
        if self.handshakes.len() > self.max_handshakes
            && let Some((_, oldest)) = goes(&mut self.turns)
        {
            self.remove(oldest);
            self.let_go(oldest);
        }
    }

    /// Whether the peer may begin another handshake.
    pub(crate) fn has_room_for(&self, peer: Option<PeerKey>) -> bool {
        let held = peer.and_then(|peer| self.by_peer.get(&peer));
        held.is_none_or(|held| *held < self.max_per_peer)
    }

    /// Removes a handshake from every index.
    fn remove(&mut self, connection: ConnectionId) -> bool {
        let Some(handshake) = self.handshakes.remove(&connection) else {
            return false;
        };
        self.turns.remove(&handshake.turn);
        if let Some(peer) = handshake.peer
            && let Some(held) = self.by_peer.get_mut(&peer)
        {
            *held -= 1;
            if *held == 0 {
                self.by_peer.remove(&peer);
            }
        }
        true
    }

    /// Whether it still waits here.
    pub(crate) fn holds(&self, connection: ConnectionId) -> bool {
        self.silent.contains_key(&connection) || self.handshakes.contains_key(&connection)
    }

    /// It is decided upon, or gone. Whether it was still waiting in a handshake.
    pub(crate) fn leave(&mut self, connection: ConnectionId) -> bool {
        self.silent.remove(&connection);
        self.remove(connection)
    }

    /// Drops what is due.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some((first, silent)) = self.silent.first_key_value()
            && silent.deadline <= now
        {
            let first = *first;
            self.silent.remove(&first);
            self.let_go(first);
        }
        while let Some((first, handshake)) = self.handshakes.first_key_value()
            && handshake.deadline <= now
        {
            let first = *first;
            self.remove(first);
            self.let_go(first);
        }
    }

    /// When the next one is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        earliest(
            self.silent.first_key_value().map(|(_, silent)| silent.deadline),
            self.handshakes
                .first_key_value()
                .map(|(_, handshake)| handshake.deadline),
        )
    }

    /// How many are silent, and how many in a handshake.
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.silent.len(), self.handshakes.len())
    }

    /// How many wait here.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.silent.len() + self.handshakes.len()
    }
}

/// Takes out the one that gives way when a bound is hit.
fn goes<K: Ord, V>(map: &mut BTreeMap<K, V>) -> Option<(K, V)> {
    map.pop_first()
}

/// How much of one kind may happen: in no second more than its rate, a tenth of it at once. The rest
/// of the registry's limits are about peers; this one bounds what all of them together may cost.
pub(crate) struct Budget {
    /// The time in which one token comes back.
    interval: Duration,
    /// What may be taken at once, as time.
    burst: Duration,
    /// When all tokens are back.
    full_at: Instant,
    /// The last moment a refused client was told to come back at.
    told: Instant,
}

impl Budget {
    /// `rate` is at least 1 (see `ServerConfig::validate`).
    pub(crate) fn new(rate: u32) -> Budget {
        let at_once = rate.div_ceil(10).max(1);
        // What is there at once and what comes back within a second are `rate` together.
        let interval = Duration::from_secs(1) / rate.saturating_sub(at_once).saturating_add(1).max(1);
        Budget {
            // A remainder lost in the division must not let in one more.
            interval: interval.saturating_add(Duration::from_nanos(1)),
            burst: interval.saturating_add(Duration::from_nanos(1)).saturating_mul(at_once),
            full_at: Instant::ZERO,
            told: Instant::ZERO,
        }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// The budget is spent; come back after this long. Each refused client is told a moment of its
    /// own, at the rate they can be served, so that they do not all come back at once.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let full_at = self.full_at.max(now) + self.interval;
        match self.missing(now) {
            None => {
                self.full_at = full_at;
                Ok(())
            }
            Some(token_in) => {
                let told = (self.told + self.interval).max(now + token_in).min(now + LONGEST_RETRY);
                self.told = told;
                Err(told.saturating_since(now))
            }
        }
    }

    /// When there is a token again; `None`: there is one.
    pub(crate) fn missing(&self, now: Instant) -> Option<Duration> {
        let full_at = self.full_at.max(now) + self.interval;
        let ahead = full_at.saturating_since(now);
        (ahead > self.burst).then(|| ahead.saturating_sub(self.burst))
    }
}
