//! What must hold in every state, and what tells states apart.

use unbroken_proto::Side;
use unbroken_proto::event::EndReason;

use crate::world::{World, index, side};
use unbroken_tests::pair::ServerEnd;
use unbroken_tests::rng::mix;
use unbroken_tests::tally::hash_bytes;

impl World {
    /// # Panics
    /// When something does not hold.
    pub(crate) fn check(&mut self) {
        let client = Some(self.pair.client.inspect());
        let server = self.pair.server.as_ref().map(|server| server.inspect());
        for seen in [client, server].into_iter().flatten() {
            assert!(seen.acked <= seen.next);
            assert_eq!(seen.redundant, 0, "what the peer has is sent again");
        }
        // Of a session that is over nothing is left to be acknowledged: its fates say what is known.
        let going = self.pair.ended.iter().all(Option::is_none);
        let same = self.pair.server.as_ref().and_then(|server| server.id()) == self.pair.client.id();
        if let (Some(client), Some(server), true) = (client, server, same && going) {
            for (us, sender, receiver) in [(0, client, server), (1, server, client)] {
                assert!(sender.acked <= receiver.expected, "end {us} freed what did not arrive");
                self.check_disks(us, sender.acked, receiver.expected);
            }
        }
        self.check_ends();
    }

    /// What end `us` knows to be the other's is on the other's disk, and what the other has is on the disk of end `us`.
    fn check_disks(&self, us: usize, acked: u64, arrived: u64) {
        let [ours, theirs] = [&self.disks[us], &self.disks[1 - us]];
        let kept = theirs.kept.as_ref().map_or(0, |kept| kept.expected);
        assert!(kept >= acked, "{acked} is acknowledged to end {us}, and {kept} is kept");
        let kept = ours.kept.as_ref().map_or(0, |kept| kept.next);
        assert!(kept >= arrived, "{arrived} of end {us} has arrived, and {kept} is kept");
    }

    fn check_ends(&mut self) {
        for (us, ended) in self.pair.ended.clone().into_iter().enumerate() {
            let Some(ended) = ended else { continue };
            let right = match ended.reason {
                EndReason::Closed { .. } | EndReason::LingerExpired | EndReason::AbortedByPeer => self.is_closed(),
                // The other end's memory of the end died with its process.
                EndReason::Unknown | EndReason::Expired => self.is_closed(),
                _ => false,
            };
            assert!(right, "end {us} ended with {:?}", ended.reason);
            let verdict = self.pair.ledger.check_fates(side(us == 0), &ended);
            assert_eq!(verdict, Ok(()), "end {us}, {:?}", ended.reason);
        }
    }

    /// # Panics
    /// When the session did not come to where it had to.
    pub(crate) fn check_healed(&mut self) {
        self.check();
        assert!(
            self.is_done() || (self.is_closed() && !self.is_established()),
            "locked out: {:?} / {:?}, {:?}, {:?}, unsettled {:?}",
            self.pair.client.state(),
            self.pair.server.as_ref().map(|server| server.state()),
            self.pair.ended,
            self.apps,
            self.pair.ledger.unsettled()
        );
    }

    /// Tells states apart by what the machines show of their inside, what is kept, what is in flight and what is left of the
    /// budget; instants are left out, but for whether a dial is due.
    pub(crate) fn key(&self) -> u64 {
        let mut key = 0u64;
        let mut note = |n: u64| key = mix(key ^ n).wrapping_add(n.rotate_left(9));
        for (us, session) in [Some(&self.pair.client), self.pair.server.as_ref()]
            .into_iter()
            .enumerate()
        {
            note(session.map_or(u64::MAX, |session| session.inspect().state_hash));
            note(session.map_or(u64::MAX, unbroken_proto::Session::inspect_links));
            note(session.map_or(u64::MAX, |session| session.stats().attaches));
            note(session.map_or(0, |session| u64::from(session.wants_record())));
            let app = &self.apps[us];
            note(hash_bytes(format!("{app:?}").as_bytes()));
            let disk = &self.disks[us];
            note(disk.keys[0]);
            note(disk.keys[1] ^ u64::from(disk.is_writing()) ^ u64::from(disk.is_removed) << 1);
        }
        for (number, wire) in self.pair.wires.iter().enumerate() {
            note(u64::from(wire.client.is_some()) | u64::from(self.cut.contains(&number)) << 1);
            note(match wire.server {
                ServerEnd::Silent(_) => 1,
                ServerEnd::Handshake(..) => 2,
                ServerEnd::Bound(_) => 3,
                ServerEnd::Closed => 4,
            });
            for from in [Side::Client, Side::Server] {
                note(wire.in_flight(from).len() as u64);
                // Sealed packets differ with every key; how long they are tells their frames apart.
                wire.in_flight(from)
                    .iter()
                    .for_each(|packet| note(packet.len() as u64 * 8 + u64::from(packet[0])));
            }
        }
        let left = &self.left;
        note(u64::from(left.migrations) | u64::from(left.late) << 8 | u64::from(left.cuts) << 16);
        note(u64::from(left.kills) | u64::from(self.waited) << 8);
        note(self.pair.dial_at().map_or(0, |at| 1 + u64::from(at <= self.pair.now)));
        note(hash_bytes(format!("{:?}", self.pair.ended).as_bytes()));
        note(u64::from(self.may_read(true)) | u64::from(self.may_read(false)) << 1);
        note(index(self.is_established()) as u64);
        key
    }
}
