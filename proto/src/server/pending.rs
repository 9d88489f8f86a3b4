//! The connections that no session has yet: silent ones, handshakes under way, and those that wait for the host's decision.

#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, VecDeque};

use crate::accept::ConnectionId;
use crate::config::ServerConfig;
use crate::id::Carrier;
use crate::peer::PeerKey;
use crate::security::PublicKey;
use crate::server::timers::Timers;
use crate::time::{Duration, Instant, extended};

/// The connections that have not proven themselves, or are not decided upon. Two bounds apart, so that connections which say
/// nothing cannot displace handshakes in progress, nor the reverse. When one is full its oldest goes:
/// the newest has the best claim to be somebody who is just arriving.
///
/// A connection lives here for the handshake timeout, counted from its accept; longer only while bytes of a packet arrive
/// that is not whole yet.
pub(crate) struct PendingConnections {
    timeout: Duration,
    max_silent: usize,
    max_handshakes: usize,
    next_connection: u64,
    next_turn: u64,
    silent: BTreeMap<ConnectionId, Silent>,
    handshakes: BTreeMap<ConnectionId, Handshaking>,
    /// Handshakes in the order of their HELLOs.
    turns: BTreeMap<u64, ConnectionId>,
    /// Every connection's deadline.
    deadlines: Timers<ConnectionId>,
    max_per_peer: usize,
    /// How many of the handshakes each peer has.
    proving: Counts<PeerKey>,
    /// How many that are proven and not decided upon.
    undecided: Counts<PeerKey>,
    max_per_client: usize,
    /// The same, by the keys that were proven.
    undecided_clients: Counts<PublicKey>,
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
    turn: u64,
    peer: Option<PeerKey>,
    /// Whose decision is waited for.
    client: Option<PublicKey>,
}

impl PendingConnections {
    pub(crate) fn new(config: &ServerConfig) -> PendingConnections {
        PendingConnections {
            timeout: config.session.handshake_timeout,
            max_silent: config.max_silent,
            max_handshakes: config.max_handshakes,
            next_connection: 0,
            next_turn: 0,
            silent: BTreeMap::new(),
            handshakes: BTreeMap::new(),
            turns: BTreeMap::new(),
            deadlines: Timers::new(),
            max_per_peer: config.max_handshakes_per_peer,
            proving: Counts::default(),
            undecided: Counts::default(),
            max_per_client: config.max_handshakes_per_client,
            undecided_clients: Counts::default(),
            unwanted: VecDeque::new(),
        }
    }

    /// Removes it, and the host has to be told that it is not waited for any more.
    fn let_go(&mut self, connection: ConnectionId) {
        self.leave(connection);
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
        let deadline = now + self.timeout;
        self.silent.insert(connection, Silent { deadline, carrier });
        self.deadlines.set(connection, Some(deadline));
        if self.silent.len() > self.max_silent
            && let Some((&oldest, _)) = self.silent.first_key_value()
        {
            self.let_go(oldest);
        }
        connection
    }

    /// It turned out whom it comes from.
    pub(crate) fn comes_from(&mut self, connection: ConnectionId, peer: PeerKey) {
        if let Some(silent) = self.silent.get_mut(&connection) {
            silent.carrier = silent.carrier.from_peer(peer);
        }
    }

    /// Bytes of its next packet came. Returns its deadline from now on.
    pub(crate) fn on_partial(&mut self, now: Instant, connection: ConnectionId, bytes: usize) -> Option<Instant> {
        let deadline = extended(self.deadlines.get(connection)?, now + self.timeout, bytes);
        self.deadlines.set(connection, Some(deadline));
        if let Some(silent) = self.silent.get_mut(&connection) {
            silent.deadline = deadline;
        }
        Some(deadline)
    }

    /// Its first packet came, so it is silent no more. `None` if it was not among the silent ones.
    pub(crate) fn spoke(&mut self, connection: ConnectionId) -> Option<Silent> {
        let silent = self.silent.remove(&connection)?;
        self.deadlines.set(connection, None);
        Some(silent)
    }

    /// It said HELLO; the oldest handshake goes if there are too many now.
    pub(crate) fn begin_handshake(&mut self, connection: ConnectionId, silent: Silent) {
        let peer = silent.carrier.peer();
        let turn = self.next_turn;
        self.next_turn = self.next_turn.saturating_add(1);
        let client = None;
        self.handshakes.insert(connection, Handshaking { turn, peer, client });
        self.deadlines.set(connection, Some(silent.deadline));
        self.turns.insert(turn, connection);
        self.proving.add(peer);
        if self.handshakes.len() > self.max_handshakes
            && let Some((_, &oldest)) = self.turns.first_key_value()
        {
            self.let_go(oldest);
        }
    }

    /// Whether the peer may begin another handshake.
    pub(crate) fn has_room_for(&self, peer: Option<PeerKey>) -> bool {
        self.proving.of(peer) < self.max_per_peer
    }

    /// It is proven that `client` is there, and its host is about to be asked. From here on it counts against that client, and no
    /// more against whoever else comes from the same place. Where too many from one place wait for a decision, the oldest goes: a decision
    /// that is never made is in nobody's way. `false`: too many of this client wait already.
    pub(crate) fn ask(&mut self, connection: ConnectionId, client: PublicKey) -> bool {
        let Some(handshake) = self.handshakes.get_mut(&connection).filter(|h| h.client.is_none()) else {
            return true;
        };
        if self.undecided_clients.of(Some(client)) >= self.max_per_client {
            return false;
        }
        handshake.client = Some(client);
        let peer = handshake.peer;
        self.proving.remove(peer);
        self.undecided.add(peer);
        self.undecided_clients.add(Some(client));
        if peer.is_some() && self.undecided.of(peer) > self.max_per_peer {
            let of_peer = |connection: &&ConnectionId| {
                let handshake = self.handshakes.get(*connection);
                handshake.is_some_and(|handshake| handshake.peer == peer && handshake.client.is_some())
            };
            if let Some(&oldest) = self.turns.values().find(of_peer) {
                self.let_go(oldest);
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
        self.deadlines.set(connection, None);
        self.silent.remove(&connection);
        let Some(handshake) = self.handshakes.remove(&connection) else {
            return false;
        };
        self.turns.remove(&handshake.turn);
        match handshake.client {
            None => self.proving.remove(handshake.peer),
            Some(client) => {
                self.undecided.remove(handshake.peer);
                self.undecided_clients.remove(Some(client));
            }
        }
        true
    }

    /// Drops what is due.
    pub(crate) fn expire(&mut self, now: Instant) {
        while let Some(due) = self.deadlines.pop_due(now) {
            self.let_go(due);
        }
    }

    /// When the next one is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadlines.next()
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

/// How many there are of each; those of whom nothing is known do not count. As large as what is counted.
struct Counts<K>(BTreeMap<K, usize>);

impl<K> Default for Counts<K> {
    fn default() -> Counts<K> {
        Counts(BTreeMap::new())
    }
}

impl<K: Ord> Counts<K> {
    fn of(&self, key: Option<K>) -> usize {
        let counted = key.and_then(|key| self.0.get(&key));
        counted.copied().unwrap_or_default()
    }

    fn add(&mut self, key: Option<K>) {
        if let Some(key) = key {
            *self.0.entry(key).or_default() += 1;
        }
    }

    fn remove(&mut self, key: Option<K>) {
        let Some(key) = key else { return };
        if let Some(count) = self.0.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&key);
            }
        }
    }
}
