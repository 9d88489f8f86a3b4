//! How processes begin, or begin again with what their disks hold.

use unbroken_proto::durable::RestoreError;
use unbroken_proto::server::Registry;
use unbroken_proto::time::Duration;
use unbroken_proto::{Instant, Session};

use super::app::App;
use super::disk::Image;
use super::world::{Who, World};

impl World {
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

    pub(super) fn begin(&mut self, id: u64, fresh: bool) {
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
        registry.set_lookup(self.is_fleet());
        let mut restored = Vec::new();
        for (id, place) in self.servers[number].disks.clone() {
            if self.is_fleet() && !self.is_abandoned(place) {
                continue;
            }
            let image = self.disks[place].image.clone();
            let away = self.away(&image);
            match registry.restore(now, &image.pieces(), away) {
                Ok((session, _)) => {
                    assert_eq!(session.id(), Some(id), "the name is another one");
                    restored.push((session, place));
                }
                Err(error) => {
                    self.refused(&image, 1, error);
                    self.forget(number, id);
                }
            }
        }
        for remains in self.servers[number].left.values() {
            if self.is_fleet() {
                // It is looked up when it is asked for.
                continue;
            }
            let restored = registry.restore(now, std::slice::from_ref(remains), None);
            assert_eq!(restored.err(), Some(RestoreError::Over));
            self.tally.hit("server: remembers an end");
        }
        let server = &mut self.servers[number];
        server.origin = origin;
        server.wake = u64::MAX;
        server.registry = Some(registry);
        self.tally.hit("server: begins");
        for (session, place) in restored {
            if self.servers[number].registry.is_none() {
                // It died meanwhile.
                return;
            }
            self.tally.hit("server: restored");
            let id = self.adopt_life(Who::Server(number), session, place, origin);
            self.begin(id, false);
        }
    }
}
