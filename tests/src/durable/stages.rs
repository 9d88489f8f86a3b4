//! What is tried once in a schedule: an end begins again from an earlier state of its disk, or in two processes.

use unbroken_proto::session::StoreFailure;

use super::disk::Image;
use super::net::Happening;
use super::world::{ClientProcess, ServerProcess, Who, World};

impl World {
    /// How the disks of an end were once.
    fn past(&mut self, end: usize) -> Option<(usize, Image)> {
        let place = match end {
            0 => self.clients[0].disk,
            _ => *self.servers[0].disks.values().next()?,
        };
        let past = &self.disks[place].past;
        (!past.is_empty()).then(|| (place, self.rng.pick(past).clone()))
    }

    fn loosen(&mut self, end: usize) {
        self.staged = true;
        self.excused = true;
        self.truth.loosen(end);
    }

    /// One end begins again with what its disk held once, with what its application had then, or has now.
    pub(super) fn roll_back(&mut self, end: usize) {
        let Some((place, mut image)) = self.past(end) else {
            return;
        };
        self.loosen(end);
        self.tally.hit("stage: rolled back");
        let who = if end == 0 { Who::Client(0) } else { Who::Server(0) };
        let at = self.draw_return(who);
        self.kill(who, Some(at));
        let disk = &mut self.disks[place];
        if self.rng.chance(500) {
            image.base = disk.image.base.clone();
        }
        disk.image = image;
    }

    /// Two clients have one journal.
    pub(super) fn copy_client(&mut self) {
        if !self.disks[0].image.has_snapshot() || self.clients[0].over {
            return;
        }
        self.loosen(0);
        self.tally.hit("stage: two clients");
        if self.rng.chance(500) {
            let at = self.draw_return(Who::Client(0));
            self.kill(Who::Client(0), Some(at));
        }
        let disk = self.disks.len();
        let mut copy = self.disks[0].clone();
        copy.writing = None;
        copy.owner = 0;
        self.disks.push(copy);
        self.clients.push(ClientProcess {
            disk,
            ..ClientProcess::default()
        });
        let at = self.draw_return(Who::Client(1));
        self.net.plan(at, Happening::Restart(Who::Client(1)));
    }

    /// Two servers have one journal, and the client reaches either.
    pub(super) fn copy_server(&mut self) {
        let held: Vec<_> = self.servers[0].disks.iter().map(|(id, place)| (*id, *place)).collect();
        if !held.iter().any(|(_, place)| self.disks[*place].image.has_snapshot()) {
            return;
        }
        self.loosen(1);
        self.tally.hit("stage: two servers");
        if self.rng.chance(500) {
            let at = self.draw_return(Who::Server(0));
            self.kill(Who::Server(0), Some(at));
        }
        let mut server = ServerProcess::default();
        for (id, place) in held {
            let mut copy = self.disks[place].clone();
            copy.writing = None;
            copy.owner = 0;
            server.disks.insert(id, self.disks.len());
            self.disks.push(copy);
        }
        self.servers.push(server);
        let at = self.draw_return(Who::Server(1));
        self.net.plan(at, Happening::Restart(Who::Server(1)));
    }

    /// A second process takes the disk over, and the first one learns of it when it writes.
    pub(super) fn take_over(&mut self, end: usize) {
        self.staged = true;
        self.excused = true;
        self.truth.share(end);
        self.tally.hit("stage: taken over");
        let at = self.now;
        if end == 0 {
            if !self.disks[0].image.has_snapshot() || self.clients[0].over {
                return;
            }
            self.fence(0);
            self.clients.push(ClientProcess::default());
            self.net.plan(at, Happening::Restart(Who::Client(1)));
            return;
        }
        let mut server = ServerProcess::default();
        for (id, place) in self.servers[0].disks.clone() {
            self.fence(place);
            server.disks.insert(id, place);
        }
        self.servers.push(server);
        self.net.plan(at, Happening::Restart(Who::Server(1)));
    }

    /// Nobody writes that disk any more who did so far.
    pub(super) fn fence(&mut self, place: usize) {
        self.next_life += 1;
        let disk = &mut self.disks[place];
        disk.owner = self.next_life;
        if let Some(writing) = disk.writing.take() {
            self.store_failed(writing.life, StoreFailure::Superseded);
        }
    }
}
