//! What is remembered of sessions that are over, so that a client that was away learns what became of
//! its data; and how far back that memory is complete.

#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};

use crate::accept::{Over, Tombstone};
use crate::id::SessionId;
use crate::security::PublicKey;
use crate::server::watched::WatchedClock;
use crate::time::{Duration, Instant, earliest};
use crate::wire::frame::{Predecessor, Verdict};

/// The tombstones. Bounded in number and age.
///
/// *Reach* is how far back they are complete: no established session ended within it without a
/// tombstone that is still here. A client whose session began within the reach of a registry that
/// does not know it may conclude that nothing was delivered, so a reach that is too long
/// doubles data, and one that is too short merely leaves fates unknown. Dropping a tombstone early
/// therefore shortens it: for that client's key alone while other tombstones show that the key is
/// used again; else for every key that has no tombstone here, since a client without a key of its
/// own shows a new one each time it asks.
///
/// Ages and reach are counted by a [`WatchedClock`], so that neither a clock that jumps nor a host that stood still
/// makes a reach longer than the clients' own time.
pub(crate) struct Tombstones {
    lifetime: Duration,
    limit: usize,
    clock: WatchedClock,
    /// Complete since then for keys that have no tombstone here; `None`: nothing was ever forgotten.
    complete_since: Option<Instant>,
    next: u64,
    /// By age. Ages never fall from one to the next.
    graves: BTreeMap<u64, Grave>,
    by_id: BTreeMap<SessionId, u64>,
    by_client: BTreeMap<PublicKey, Client>,
}

struct Grave {
    tombstone: Tombstone,
    client: PublicKey,
    ended: Instant,
}

/// A client's key that has tombstones.
struct Client {
    /// Oldest first; never empty.
    graves: VecDeque<u64>,
    complete_since: Option<Instant>,
}

/// A key that holds more than one part in this many of a full store gives way to itself.
const SHARES: usize = 8;

impl Tombstones {
    pub(crate) fn new(lifetime: Duration, limit: usize, now: Instant) -> Tombstones {
        Tombstones {
            lifetime,
            limit,
            clock: WatchedClock::new(now),
            complete_since: None,
            next: 0,
            graves: BTreeMap::new(),
            by_id: BTreeMap::new(),
            by_client: BTreeMap::new(),
        }
    }

    /// A session of `client` is over. Drops one early when there are too many.
    pub(crate) fn entomb(&mut self, now: Instant, client: PublicKey, mut tombstone: Tombstone) {
        if self.by_id.contains_key(&tombstone.id) {
            return;
        }
        tombstone.verifiers.shrink_to_fit();
        let ended = self.clock.advance(now);
        let number = self.next;
        self.next = self.next.saturating_add(1);
        self.by_id.insert(tombstone.id, number);
        self.graves.insert(
            number,
            Grave {
                tombstone,
                client,
                ended,
            },
        );
        let complete_since = self.complete_since;
        let of_client = self.by_client.entry(client).or_insert_with(|| Client {
            graves: VecDeque::with_capacity(1),
            complete_since,
        });
        of_client.graves.push_back(number);
        if self.graves.len() > self.limit {
            let greedy = of_client.graves.len() > self.limit.div_ceil(SHARES);
            let of_client = of_client.graves.front().copied().filter(|_| greedy);
            if let Some(oldest) = of_client.or(self.oldest()) {
                self.drop_early(oldest);
            }
        }
    }

    /// An established session of `client` is over and left no tombstone.
    pub(crate) fn forgotten(&mut self, now: Instant, client: PublicKey) {
        let now = self.clock.advance(now);
        self.shorten(now, client);
    }

    /// Nothing is vouched for any more that ended before `now`.
    fn shorten(&mut self, now: Instant, client: PublicKey) {
        match self.by_client.get_mut(&client) {
            Some(client) => client.complete_since = client.complete_since.max(Some(now)),
            None => self.complete_since = self.complete_since.max(Some(now)),
        }
    }

    /// The verdict for a proven client about its predecessor; `None` if there is no tombstone of it here.
    pub(crate) fn verdict(&self, predecessor: &Predecessor, handshake_hash: &[u8; 32]) -> Option<Verdict> {
        self.get(SessionId(predecessor.id))?
            .verdict(predecessor, handshake_hash)
    }

    /// Whether the session of that id may go on in another process.
    pub(crate) fn is_elsewhere(&self, id: SessionId) -> bool {
        self.get(id).is_some_and(Tombstone::is_elsewhere)
    }

    fn get(&self, id: SessionId) -> Option<&Tombstone> {
        let grave = self.graves.get(self.by_id.get(&id)?)?;
        Some(&grave.tombstone)
    }

    /// Whether there is one of that id.
    pub(crate) fn contains(&self, id: SessionId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// How far back the tombstones are complete as far as `client` can know.
    pub(crate) fn reach(&self, now: Instant, client: &PublicKey) -> Duration {
        let complete_since = self
            .by_client
            .get(client)
            .map_or(self.complete_since, |client| client.complete_since);
        let Some(complete_since) = complete_since else {
            // Of what this registry made nothing was forgotten, and about more nobody asks it. So its own age does not matter:
            // a session may have begun as soon as it did, and the answer takes its time.
            return self.lifetime;
        };
        let watched = self.clock.at(now).saturating_since(complete_since);
        watched.saturating_sub(WatchedClock::LONGEST).min(self.lifetime)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.graves.len()
    }

    /// Drops what is due.
    pub(crate) fn expire(&mut self, now: Instant) {
        let now = self.clock.advance(now);
        while self.due().is_some_and(|due| due <= now) {
            let _its_time_is_over = self.oldest().and_then(|oldest| self.remove(oldest));
        }
    }

    /// When the oldest is due, by the watched clock.
    fn due(&self) -> Option<Instant> {
        let oldest = self.graves.first_key_value();
        oldest.map(|(_, grave)| grave.ended + self.lifetime)
    }

    /// When to call [`expire`](Self::expire): also so that time is seen to pass while it counts.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let grown = self
            .complete_since
            .map(|since| since + self.lifetime + WatchedClock::LONGEST);
        let until = earliest(self.due(), grown.filter(|grown| *grown > self.clock.time));
        until.map(|until| self.clock.next_look(until))
    }

    fn oldest(&self) -> Option<u64> {
        self.graves.first_key_value().map(|(number, _)| *number)
    }

    fn drop_early(&mut self, number: u64) {
        if let Some((client, ended)) = self.remove(number) {
            self.shorten(ended, client);
        }
    }

    /// Nothing final is said any more of a session that was thought to be over.
    pub(crate) fn send_elsewhere(&mut self, id: SessionId) {
        let number = self.by_id.get(&id);
        if let Some(grave) = number.and_then(|number| self.graves.get_mut(number)) {
            grave.tombstone.over = Some(Box::new(Over::Elsewhere));
        }
    }

    /// A session that went on in another process is back. What is over for good stays so.
    pub(crate) fn recall(&mut self, id: SessionId) {
        if self.is_elsewhere(id)
            && let Some(&number) = self.by_id.get(&id)
        {
            self.remove(number);
        }
    }

    /// Takes one out. Returns the client and when the session ended.
    fn remove(&mut self, number: u64) -> Option<(PublicKey, Instant)> {
        let grave = self.graves.remove(&number)?;
        self.by_id.remove(&grave.tombstone.id);
        if let Some(client) = self.by_client.get_mut(&grave.client) {
            if let Ok(place) = client.graves.binary_search(&number) {
                client.graves.remove(place);
            }
            if client.graves.is_empty() {
                // The key is like any other again, so what it lost counts for all.
                self.complete_since = self.complete_since.max(client.complete_since);
                self.by_client.remove(&grave.client);
            }
        }
        Some((grave.client, grave.ended))
    }
}
