//! What goes wrong, and how processes die.

use unbroken_proto::time::Duration;

use super::net::Happening;
use super::options::{MS, SECOND, Scenario};
use super::world::{Doom, Who, World};

impl World {
    /// Whether a process dies at this step; it is dead then.
    pub(super) fn strikes(&mut self, life: u64) -> bool {
        let Some(who) = self.lives.get(&life).map(|life| life.who) else {
            return true;
        };
        let Some(doom) = self.doom.as_mut().filter(|doom| doom.who == who) else {
            return false;
        };
        if doom.steps > 0 {
            doom.steps -= 1;
            return false;
        }
        self.doom = None;
        self.tally.hit("fault: died between two steps");
        let at = self.draw_return(who);
        self.kill(who, Some(at));
        true
    }

    /// When a process that dies now comes back.
    pub(super) fn draw_return(&mut self, who: Who) -> u64 {
        let lifetime = self.options.lifetime;
        if self.options.long_absence && !self.staged && self.rng.chance(300) {
            self.staged = true;
            self.excused = true;
            self.tally.hit("fault: away for long");
            return self.now + lifetime + self.rng.below(lifetime);
        }
        let _ = who;
        self.now
            + if self.rng.chance(200) {
                0
            } else {
                self.rng.scaled(1, 5 * SECOND)
            }
    }

    /// A process dies. What it had in memory is gone; of what it was writing some may be there.
    pub(super) fn kill(&mut self, who: Who, back: Option<u64>) {
        let lives: Vec<u64> = self
            .lives
            .iter()
            .filter(|(_, life)| life.who == who)
            .map(|(id, _)| *id)
            .collect();
        self.tally.hit(if lives.is_empty() {
            "fault: killed without a session"
        } else {
            "fault: killed"
        });
        for id in lives {
            let Some(life) = self.lives.remove(&id) else { continue };
            self.log(|| {
                format!(
                    "life {id} {who:?} dies: {} {:?}",
                    life.app.standing(),
                    life.session.inspect()
                )
            });
            let disk = &mut self.disks[life.disk];
            if disk.writing.as_ref().is_some_and(|writing| writing.life == id) {
                let what = disk.tear(&mut self.rng, self.now);
                self.tally.hit(&format!("disk: cut off, {what}"));
            }
            if !self.options.durable[life.end] {
                self.excused = true;
            }
            for conn in life.links.into_values() {
                let silence = self.silence();
                self.net.close(self.now, conn, life.end, silence);
            }
        }
        match who {
            Who::Client(number) => self.clients[number].life = None,
            Who::Server(number) => {
                let server = &mut self.servers[number];
                server.registry = None;
                server.owners.clear();
                for conn in std::mem::take(&mut server.lookups).into_keys() {
                    self.net.close(self.now, conn, 1, Some(0));
                }
                for conn in std::mem::take(&mut server.fronts).into_keys() {
                    self.net.close(self.now, conn, 1, Some(0));
                }
            }
        }
        if let Some(at) = back {
            self.net.plan(at, Happening::Restart(who));
        }
    }

    /// After how long the other end learns that a connection is gone, if nobody asks.
    fn silence(&mut self) -> Option<u64> {
        self.rng.chance(600).then(|| self.rng.scaled(0, 2 * SECOND))
    }

    /// The next fault.
    pub(super) fn fault(&mut self) {
        if self.faults == 0 || self.healed {
            return;
        }
        self.faults -= 1;
        let at = self.now + self.rng.below(self.options.fault_every) + 1;
        self.net.plan(at, Happening::Fault);
        let staged = self.staged || self.faults > self.options.faults / 2;
        match self.options.scenario {
            Scenario::Plain | Scenario::Fleet => {}
            _ if staged => {}
            Scenario::Rollback(end) => return self.roll_back(end),
            Scenario::Copies(0) => return self.copy_client(),
            Scenario::Copies(_) => return self.copy_server(),
            Scenario::Fenced(end) => return self.take_over(end),
        }
        if self.is_fleet() && self.rng.chance(300) {
            // The client comes back, to whichever node.
            return self.cut();
        }
        let who = if self.rng.chance(500) {
            Who::Client(0)
        } else {
            Who::Server(self.pick_server())
        };
        match self.rng.below(12) {
            0..=1 => self.kill_sometimes(who),
            2..=5 => {
                let steps = self.rng.scaled(0, 24);
                self.doom = Some(Doom { who, steps });
            }
            6..=8 => self.cut(),
            9 => self.trouble_disk(),
            10 => self.migrate(),
            _ => {
                let both = [Who::Client(0), Who::Server(self.pick_server())];
                both.into_iter().for_each(|who| self.kill_sometimes(who));
            }
        }
    }

    fn pick_server(&mut self) -> usize {
        usize::try_from(self.rng.below(self.servers.len() as u64)).unwrap_or(0)
    }

    /// An end that is not durable rarely dies, since nothing is left to be looked at then.
    fn kill_sometimes(&mut self, who: Who) {
        let end = usize::from(matches!(who, Who::Server(_)));
        if !self.options.durable[end] && !self.rng.chance(50) {
            return;
        }
        let at = self.draw_return(who);
        self.kill(who, Some(at));
    }

    pub(super) fn cut(&mut self) {
        let conns: Vec<u64> = self.net.conns.keys().copied().collect();
        if conns.is_empty() {
            return;
        }
        let id = *self.rng.pick(&conns);
        self.tally.hit("fault: cut");
        if self.rng.chance(400)
            && let Some(conn) = self.net.conns.get_mut(&id)
        {
            conn.cut = true;
        }
        for up in [true, false] {
            if self.rng.chance(750) {
                let at = self.now
                    + if self.rng.chance(500) {
                        0
                    } else {
                        self.rng.scaled(0, SECOND)
                    };
                self.net.plan(at, Happening::Gone(id, up));
            }
        }
    }

    fn trouble_disk(&mut self) {
        let place = usize::try_from(self.rng.below(self.disks.len() as u64)).unwrap_or(0);
        let until = self.now + self.rng.scaled(MS, 20 * SECOND);
        let users = || self.lives.values().filter(|life| life.disk == place);
        let fails = users().any(|life| self.options.disks[life.end].fails);
        let is_shared = self.is_fleet() && users().all(|life| life.end == 1);
        let disk = &mut self.disks[place];
        if fails && self.rng.chance(500) {
            disk.failed = true;
            self.excused |= !is_shared;
            self.tally.hit("fault: a disk fails");
        } else if self.rng.chance(500) {
            disk.stalled_until = until;
            self.tally.hit("fault: a disk stalls");
        } else {
            disk.full_until = until;
            self.tally.hit("fault: a disk is full");
        }
    }

    fn migrate(&mut self) {
        let lives: Vec<u64> = self.lives.keys().copied().collect();
        if lives.is_empty() {
            return;
        }
        let id = *self.rng.pick(&lives);
        let Some(now) = self.now_of(id) else { return };
        if let Some(life) = self.lives.get_mut(&id) {
            self.tally.hit("fault: migrate");
            if life.end == 0 && self.rng.chance(300) {
                life.session.reconnect().network_changed(now);
            } else {
                life.session.migrate(now, Duration::from_secs(2), Default::default());
            }
        }
        self.service(id);
    }
}
