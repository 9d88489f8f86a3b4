//! What is on the disks, held against what the other end knows.

use unbroken_proto::server::Registry;
use unbroken_proto::{Instant, Session};

use super::options::Scenario;
use super::world::World;

impl World {
    /// What one end knows to be the other's is on the other's disk, and what was sent is on one's own.
    pub(super) fn check_kept(&mut self) {
        let ids: Vec<u64> = self.lives.keys().copied().collect();
        for id in ids {
            let place = self.lives[&id].disk;
            if self.rng.chance(200) && self.options.scenario != Scenario::Plain {
                self.disks[place].remember();
            }
        }
        let pairs: Vec<(u64, u64)> = self
            .lives
            .iter()
            .filter(|(_, life)| life.end == 0 && life.ended.is_none())
            .filter_map(|(id, life)| Some((*id, self.owner_in_any(life.session.id()?)?)))
            .collect();
        if !self.truth.is_strict(0) || !self.truth.is_strict(1) || self.lives.len() != 2 {
            return;
        }
        for (client, server) in pairs {
            self.check_pair(client, server);
            self.check_pair(server, client);
        }
    }

    fn check_pair(&mut self, sender: u64, receiver: u64) {
        let (Some(sender), Some(receiver)) = (self.lives.get(&sender), self.lives.get(&receiver)) else {
            return;
        };
        if receiver.session.end_reason().is_some() || sender.session.end_reason().is_some() {
            return;
        }
        let (sent, got) = (sender.session.inspect(), receiver.session.inspect());
        let (sends, receives) = ((sender.disk, sender.end), (receiver.disk, receiver.end));
        let mut tried = false;
        if let Some(kept) = self.inspect_disk(receives) {
            assert!(
                kept.0 >= sent.acked,
                "{} is acknowledged, and {} is kept by end {}",
                sent.acked,
                kept.0,
                receives.1
            );
            tried = true;
        }
        if let Some(kept) = self.inspect_disk(sends) {
            assert!(
                kept.1 >= got.expected,
                "{} has arrived, and {} is kept by end {}",
                got.expected,
                kept.1,
                sends.1
            );
            tried = true;
        }
        if tried {
            self.tally.hit("check: what is kept");
        }
    }

    /// The positions (expected, next) of the session on a disk.
    fn inspect_disk(&mut self, (place, end): (usize, usize)) -> Option<(u64, u64)> {
        if !self.options.durable[end] {
            return None;
        }
        let pieces = self.disks[place].image.pieces();
        let now = Instant::from_nanos(self.now);
        let seed = self.rng.seed();
        let session = match end {
            0 => Session::restore(self.options.client(), &pieces, None, seed, now),
            _ => Registry::new(self.options.server(), seed, now)
                .expect("because the limits are valid")
                .restore(now, &pieces, None)
                .map(|(session, _)| session),
        };
        let inspection = match session {
            Ok(session) => session.inspect(),
            Err(error) => {
                assert!(
                    !self.disks[place].image.has_snapshot(),
                    "a copy is not restored: {error:?}"
                );
                return Some((0, 0));
            }
        };
        Some((inspection.expected, inspection.next))
    }
}
