//! What goes wrong, and how processes die and begin again.

use unbroken_proto::durable::RestoreError;
use unbroken_proto::server::Registry;
use unbroken_proto::session::StoreFailure;
use unbroken_proto::time::Duration;
use unbroken_proto::{Instant, Session};

use super::app::App;
use super::disk::Image;
use super::net::Happening;
use super::options::{MS, SECOND, Scenario};
use super::world::{ClientProcess, Doom, ServerProcess, Who, World};

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
    fn draw_return(&mut self, who: Who) -> u64 {
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
            self.truth.killed(life.end);
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

    /// A process begins, or begins again.
    pub(super) fn start(&mut self, who: Who) {
        match who {
            Who::Client(number) => self.start_client(number),
            Who::Server(number) => self.start_server(number),
        }
    }

    fn start_client(&mut self, number: usize) {
        if self.clients[number].life.is_some() || self.clients[number].over {
            return;
        }
        let place = self.clients[number].disk;
        let origin = self.draw_origin();
        let now = Instant::from_nanos(origin + self.now);
        let image = self.disks[place].image.clone();
        let away = self.away(&image);
        let config = self.options.client();
        let seed = self.rng.seed();
        let restored = match Session::restore(config.clone(), &image.pieces(), away, seed, now) {
            Ok(session) => Some(session),
            Err(error) => {
                self.refused(&image, 0, error);
                None
            }
        };
        let fresh = restored.is_none();
        let seed = self.rng.seed();
        let session =
            restored.unwrap_or_else(|| Session::connect(config, seed, now).expect("because the limits are valid"));
        self.tally
            .hit(if fresh { "client: begins" } else { "client: restored" });
        let id = self.adopt_life(Who::Client(number), session, place, origin);
        self.clients[number].life = Some(id);
        self.begin(id, fresh);
    }

    /// A session is not restored, which is only right where none was ever kept.
    fn refused(&mut self, image: &Image, end: usize, error: RestoreError) {
        assert!(
            !image.has_snapshot() || !self.options.durable[end],
            "end {end} is not restored: {error:?}"
        );
        let read = image.base.values().any(|kept| kept.place != Default::default());
        assert!(
            !read || !self.options.durable[end],
            "end {end} had read something before anything was kept"
        );
        self.tally.hit("restore: nothing was kept");
    }

    fn away(&mut self, image: &Image) -> Option<Duration> {
        let away = Duration::from_nanos(self.now - image.at);
        self.rng.chance(500).then_some(away)
    }

    fn begin(&mut self, id: u64, fresh: bool) {
        if !fresh {
            self.with_app(id, App::restored);
        } else if let Some(life) = self.lives.get(&id) {
            let at = life.app.at;
            if self.options.durable[at.end] {
                self.truth.absent(at, &[]);
            } else {
                // Another session altogether.
                self.disks[at.place].image.base.clear();
                self.truth.forget(at);
            }
        }
        self.log(|| {
            format!(
                "life {id} begins: {:?}",
                self.lives
                    .get(&id)
                    .map(|life| (life.who, life.session.inspect(), life.app.standing()))
            )
        });
        self.service(id);
    }

    fn start_server(&mut self, number: usize) {
        if self.servers[number].registry.is_some() || self.servers[number].over {
            return;
        }
        let origin = self.draw_origin();
        let now = Instant::from_nanos(origin + self.now);
        let seed = self.rng.seed();
        let mut registry = Registry::new(self.options.server(), seed, now).expect("because the limits are valid");
        let mut restored = Vec::new();
        for (id, place) in std::mem::take(&mut self.servers[number].disks) {
            let image = self.disks[place].image.clone();
            let away = self.away(&image);
            match registry.restore(now, &image.pieces(), away) {
                Ok((session, _)) => {
                    assert_eq!(session.id(), Some(id), "the name is another one");
                    restored.push((session, place));
                    self.servers[number].disks.insert(id, place);
                }
                Err(error) => self.refused(&image, 1, error),
            }
        }
        let server = &mut self.servers[number];
        server.origin = origin;
        server.wake = u64::MAX;
        server.registry = Some(registry);
        self.tally.hit("server: begins");
        for (session, place) in restored {
            self.tally.hit("server: restored");
            let id = self.adopt_life(Who::Server(number), session, place, origin);
            self.begin(id, false);
        }
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
            Scenario::Plain => {}
            _ if staged => {}
            Scenario::Rollback(end) => return self.roll_back(end),
            Scenario::Copies(0) => return self.copy_client(),
            Scenario::Copies(_) => return self.copy_server(),
            Scenario::Fenced(end) => return self.take_over(end),
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

    fn cut(&mut self) {
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
        let fails = self
            .lives
            .values()
            .any(|life| life.disk == place && self.options.disks[life.end].fails);
        let disk = &mut self.disks[place];
        if fails && self.rng.chance(500) {
            disk.failed = true;
            self.excused = true;
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
    fn roll_back(&mut self, end: usize) {
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
    fn copy_client(&mut self) {
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
    fn copy_server(&mut self) {
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
    fn take_over(&mut self, end: usize) {
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
    fn fence(&mut self, place: usize) {
        self.next_life += 1;
        let disk = &mut self.disks[place];
        disk.owner = self.next_life;
        if let Some(writing) = disk.writing.take() {
            self.store_failed(writing.life, StoreFailure::Superseded);
        }
    }

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
            .filter_map(|(id, life)| Some((*id, self.life_of(0, life.session.id()?)?)))
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
        if receiver.ended.is_some() || sender.ended.is_some() {
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
