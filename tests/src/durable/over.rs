//! What is left of sessions that are over, or go on elsewhere.

use unbroken_proto::SessionId;
use unbroken_proto::event::EndReason;
use unbroken_proto::session::SessionState;

use super::net::Happening;
use super::options::SECOND;
use super::world::{Final, Life, Who, World};

impl World {
    /// A session that is over leaves, once that is kept.
    pub(super) fn conclude(&mut self, id: u64) {
        let Some(life) = self.lives.get(&id).filter(|life| life.ended.is_some()) else {
            return;
        };
        let state = life.session.state();
        assert_eq!(state, SessionState::Ended, "after the last event");
        // Its successor may be writing, too.
        let writing = self.disks[life.disk].writing.as_ref();
        if writing.is_some_and(|writing| writing.life == id) || !life.links.is_empty() {
            return;
        }
        if life
            .ended
            .as_ref()
            .is_some_and(|ended| self.goes_on(life.end, &ended.reason))
        {
            return self.part(id);
        }
        for _ in 0..20 {
            let eager = std::mem::replace(&mut self.healed, true);
            self.turn(id);
            self.healed = eager;
        }
        let Some(mut life) = self.lives.remove(&id) else { return };
        let Some(ended) = life.ended.take() else { return };
        self.log(|| format!("life {id} {:?} ended: {:?}", life.who, ended.reason));
        self.tally
            .hit(&format!("end: {}", name(&format!("{:?}", ended.reason))));
        let storage = matches!(ended.reason, EndReason::StorageFailed | EndReason::Superseded);
        if storage && self.disks[life.disk].failed && self.rng.chance(700) {
            return self.repair(&life);
        }
        if self.is_fleet() && life.end == 1 && ended.reason == EndReason::StorageFailed {
            // Its journal is released, and is where it was for those whose disks are well.
            self.disks[life.disk].failed = false;
            self.lives.insert(id, life);
            return self.part(id);
        }
        match life.who {
            Who::Client(number) => {
                let process = &mut self.clients[number];
                process.life = None;
                process.over = true;
            }
            Who::Server(number) => self.entomb(number, id, &mut life),
        }
        self.finals.push(Final {
            end: life.end,
            id: life.session.id(),
            disk: life.disk,
            ended,
            keys: life.keys,
        });
    }

    /// A server has what is left of a session, in the place of its journal.
    fn entomb(&mut self, number: usize, id: u64, life: &mut Life) {
        self.servers[number].owners.retain(|_, owner| *owner != id);
        if self.is_fleet() && self.disks[life.disk].owner != id {
            // Only where the client's last word came here. The store takes nothing of it.
            assert!(life.ended_by_peer, "it ends what another node goes on with");
            self.tally.hit("fleet: an end is told here, too");
            return;
        }
        let Some(session) = life.session.id() else { return };
        self.forget(number, session);
        if let Some(remains) = life.session.remains() {
            self.tally.hit("server: leaves a tombstone");
            for sharing in self.sharing(number) {
                self.servers[sharing].left.insert(session, remains.bytes.clone());
            }
        }
    }

    /// A server has nothing more of a session.
    pub(super) fn forget(&mut self, number: usize, session: SessionId) {
        for sharing in self.sharing(number) {
            self.servers[sharing].disks.remove(&session);
        }
    }

    /// A session that goes on elsewhere is no more of this process's.
    fn part(&mut self, id: u64) {
        let Some(life) = self.lives.remove(&id) else { return };
        self.log(|| format!("life {id} {:?} parts: {:?}", life.who, life.session.end_reason()));
        self.tally.hit("fleet: parted");
        if let Who::Server(number) = life.who {
            self.servers[number].owners.retain(|_, owner| *owner != id);
        }
        let disk = &mut self.disks[life.disk];
        if disk.owner == id {
            disk.owner = 0;
        }
    }

    /// Somebody mends the disk, and the process begins again.
    fn repair(&mut self, life: &Life) {
        let disk = &mut self.disks[life.disk];
        disk.failed = false;
        disk.owner = 0;
        let at = self.now + self.rng.scaled(1, 5 * SECOND);
        match life.who {
            Who::Client(number) => {
                self.clients[number].life = None;
                self.net.plan(at, Happening::Restart(life.who));
            }
            Who::Server(number) => {
                self.servers[number].owners.clear();
                self.kill(life.who, Some(at));
            }
        }
    }
}

/// The name in front of whatever is printed with it.
fn name(printed: &str) -> &str {
    printed.split([' ', '{', '(']).next().unwrap_or(printed)
}
