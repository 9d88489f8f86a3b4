//! What a host does for a session: packets, events, records, timers and dials, as an adapter would.

use bytes::{Bytes, BytesMut};
use unbroken_proto::reconnect::Answer;
use unbroken_proto::session::StoreFailure;
use unbroken_proto::{Carrier, Cause, Epoch, Event, Instant};

use super::net::Happening;
use super::world::{Life, Who, World};

impl World {
    /// The time of a process.
    fn time(&self, life: &Life) -> Instant {
        self.clock(life.origin)
    }

    /// Does all that follows from whatever happened to that session.
    pub(super) fn service(&mut self, id: u64) {
        loop {
            self.hear(id);
            let moved = self.keep(id);
            self.follow_wish(id);
            if !self.lives.contains_key(&id) {
                return;
            }
            let sent = self.transmit(id);
            if !self.lives.contains_key(&id) {
                return;
            }
            if !moved && !sent {
                break;
            }
        }
        self.leave_connections(id);
        self.plan_wake(id);
        self.conclude(id);
    }

    /// Events, and the registry's report.
    fn hear(&mut self, id: u64) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        while let Some(event) = life.session.poll_event() {
            let name = match &event {
                Event::Established { .. } => "event: established",
                Event::Attached { swap, .. } => match swap {
                    unbroken_proto::event::Swap::First => "event: first",
                    unbroken_proto::event::Swap::Unplanned => "event: unplanned swap",
                    unbroken_proto::event::Swap::Planned => "event: planned swap",
                },
                Event::Ended(_) => "event: ended",
                _ => "event: other",
            };
            self.tally.hit(name);
            if let Event::Ended(ended) = event {
                life.ended = Some(ended);
            }
        }
        let report = life.session.poll_report();
        let (Who::Server(number), Some(report)) = (life.who, report) else {
            return;
        };
        let server = &mut self.servers[number];
        let now = Instant::from_nanos(server.origin + self.now);
        if let Some(registry) = &mut server.registry {
            registry.update(now, report);
            while registry.poll_ended().is_some() {}
        }
    }

    /// The next record, if the disk is free. Whether it is kept already.
    fn keep(&mut self, id: u64) -> bool {
        let Some(place) = self.lives.get(&id).map(|life| life.disk) else {
            return false;
        };
        if self.disks[place].writing.is_some() {
            return false;
        }
        if self.leaves(id) {
            return true;
        }
        let Some(life) = self.lives.get_mut(&id) else {
            return false;
        };
        let disk = &mut self.disks[place];
        let Some(record) = life.session.poll_record() else {
            return false;
        };
        self.truth.record(&record.bytes);
        self.trace.bytes(&record.bytes);
        self.tally.hit(if record.is_snapshot {
            "disk: snapshot"
        } else {
            "disk: record"
        });
        let number = disk.begin(id, record);
        if self.strikes(id) {
            return false;
        }
        let latency = self.options.disks[self.lives[&id].end].latency;
        let disk = &self.disks[place];
        let at = (self.now + self.rng.below(latency + 1)).max(disk.stalled_until);
        if at == self.now {
            return self.end_write(place, number);
        }
        self.net.plan(at, Happening::Disk(place, number));
        false
    }

    /// A write ends.
    pub(super) fn written(&mut self, place: usize, number: u64) {
        let Some(writing) = self.disks[place]
            .writing
            .as_ref()
            .filter(|writing| writing.number == number)
        else {
            return;
        };
        let life = writing.life;
        if self.end_write(place, number) {
            self.service(life);
        }
    }

    /// Whether the session heard of it.
    fn end_write(&mut self, place: usize, number: u64) -> bool {
        let now = self.now;
        let disk = &mut self.disks[place];
        let later = disk.stalled_until.max(disk.full_until);
        if later > now {
            let is_full = disk.full_until > now;
            let life = disk.writing.as_ref().map_or(0, |writing| writing.life);
            if is_full {
                self.tally.hit("disk: full, said again");
                if self.leaves(life) {
                    self.disks[place].writing = None;
                    return true;
                }
            }
            self.net.plan(later, Happening::Disk(place, number));
            return false;
        }
        let life = disk.writing.as_ref().map_or(0, |writing| writing.life);
        let failure = if disk.owner > life {
            Some(StoreFailure::Superseded)
        } else if disk.failed {
            Some(StoreFailure::Failed)
        } else {
            None
        };
        if let Some(failure) = failure {
            disk.writing = None;
            return self.store_failed(life, failure);
        }
        let Some(writing) = disk.finish(now, number) else {
            return false;
        };
        if self.strikes(life) {
            return false;
        }
        let Some(life) = self.lives.get_mut(&life) else {
            return false;
        };
        let now = Instant::from_nanos(life.origin + now);
        life.session.handle_persisted(now, writing.record.number);
        true
    }

    pub(super) fn store_failed(&mut self, id: u64, failure: StoreFailure) -> bool {
        // Of a fleet another node goes on with it.
        self.excused |= !self.is_fleet() || self.lives.get(&id).is_none_or(|life| life.end == 0);
        self.tell_store_failed(id, failure)
    }

    pub(super) fn tell_store_failed(&mut self, id: u64, failure: StoreFailure) -> bool {
        let now = self.now;
        let Some(life) = self.lives.get_mut(&id) else {
            return false;
        };
        self.tally.hit(&format!("disk: {failure:?}"));
        let now = Instant::from_nanos(life.origin + now);
        life.session.handle_store_failed(now, failure);
        true
    }

    /// Dials when the machine wants it.
    fn follow_wish(&mut self, id: u64) {
        let Some(life) = self.lives.get_mut(&id).filter(|life| life.end == 0) else {
            return;
        };
        let Some(intent) = life.session.wanted_connection() else {
            life.dial = None;
            return;
        };
        if life.dial == Some(intent.attempt) {
            return;
        }
        life.dial = Some(intent.attempt);
        if intent.refresh_credential {
            self.tally.hit("intent: credential");
            let now = Instant::from_nanos(life.origin + self.now);
            life.session
                .handle_answer(now, 0, Answer::Credential(Bytes::from_static(b"fresh")));
        }
        let start = intent.not_before.as_nanos().saturating_sub(life.origin).max(self.now);
        let takes = self.options.latency + self.rng.below(self.options.latency);
        self.net.plan(start + takes, Happening::Dialled(id, intent.attempt));
    }

    /// A dial ends.
    pub(super) fn dialled(&mut self, id: u64, attempt: u64) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        let now = Instant::from_nanos(life.origin + self.now);
        let wanted = life.session.wanted_connection();
        if wanted.is_none_or(|intent| intent.attempt != attempt) {
            return;
        }
        let up: Vec<usize> = (0..self.servers.len())
            .filter(|number| self.servers[*number].registry.is_some())
            .collect();
        let luck = if self.healed { 1_000 } else { self.rng.below(1_000) };
        if up.is_empty() || luck < 60 {
            if luck >= 30 {
                life.session.handle_answer(now, attempt, Answer::Failed(Cause::Refused));
                self.service(id);
            }
            return;
        }
        let server = *self.rng.pick(&up);
        match life.session.attach(now, Carrier::ordered()) {
            Ok(epoch) => {
                let conn = self.net.connect(id, server, self.options.latency);
                life.links.insert(epoch, conn);
                self.tally.hit("host: attach");
            }
            Err(error) => panic!("attach: {error:?}"),
        }
        self.service(id);
    }

    /// Sends what there is to send. Whether that was anything.
    fn transmit(&mut self, id: u64) -> bool {
        let mut sent = false;
        let links: Vec<(Epoch, u64)> = match self.lives.get(&id) {
            Some(life) => life.links.iter().map(|(epoch, conn)| (*epoch, *conn)).collect(),
            None => return false,
        };
        for (epoch, conn) in links {
            let mut packet = Vec::new();
            loop {
                let Some(life) = self.lives.get_mut(&id) else {
                    return sent;
                };
                let now = Instant::from_nanos(life.origin + self.now);
                let wanted = life.session.wants_transmit();
                packet.clear();
                if !life.session.poll_transmit(now, epoch, &mut packet) {
                    break;
                }
                assert!(wanted, "it said that there is nothing to send");
                sent = true;
                let up = life.end == 0;
                self.trace.bytes(&packet);
                self.truth.packet(&packet, self.truth.is_strict(0));
                self.log(|| {
                    format!(
                        "life {id} conn {conn} {epoch:?} sends {} of type {:?}",
                        packet.len(),
                        packet.first()
                    )
                });
                self.net
                    .send(&mut self.rng, self.now, conn, up, Bytes::copy_from_slice(&packet));
                if self.strikes(id) {
                    return sent;
                }
            }
        }
        sent
    }

    /// Connections that are of no more use are closed.
    fn leave_connections(&mut self, id: u64) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        let session = &life.session;
        let gone: Vec<(Epoch, u64)> = life
            .links
            .iter()
            .filter(|(epoch, _)| !session.is_wanted(**epoch))
            .map(|(epoch, conn)| (*epoch, *conn))
            .collect();
        let end = life.end;
        for (epoch, conn) in gone {
            life.links.remove(&epoch);
            self.net.close(self.now, conn, end, Some(0));
        }
    }

    fn plan_wake(&mut self, id: u64) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        let Some(at) = life.session.poll_timeout() else { return };
        let at = at.as_nanos().saturating_sub(life.origin).max(self.now);
        if at < life.wake {
            life.wake = at;
            self.net.plan(at, Happening::Wake(id));
        }
    }

    /// A timer is due.
    pub(super) fn wake(&mut self, id: u64) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        let now = Instant::from_nanos(life.origin + self.now);
        if life.wake <= self.now {
            life.wake = u64::MAX;
        }
        if life.session.poll_timeout().is_some_and(|at| at <= now) {
            life.session.handle_timeout(now);
            if let Some(at) = life.session.poll_timeout().filter(|at| *at <= now) {
                panic!(
                    "a deadline of {at:?} after handle_timeout at {now:?}: {:?}",
                    life.session
                );
            }
        }
        self.service(id);
    }

    /// A packet for a client.
    pub(super) fn arrive_down(&mut self, conn: u64, packet: &Bytes) {
        let Some(known) = self.net.conns.get(&conn).filter(|conn| conn.open[0]) else {
            return;
        };
        self.input(known.client, conn, packet);
    }

    /// A packet for the session of a process.
    pub(super) fn input(&mut self, id: u64, conn: u64, packet: &Bytes) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        let Some(epoch) = life.links.iter().find(|(_, at)| **at == conn).map(|(epoch, _)| *epoch) else {
            return;
        };
        let now = Instant::from_nanos(life.origin + self.now);
        let went_on = life.session.end_reason().is_none();
        let taken = life.session.handle_input(now, epoch, BytesMut::from(&packet[..]));
        life.ended_by_peer |= went_on && life.session.end_reason().is_some();
        if let Err(error) = taken {
            let loose = !self.truth.is_strict(0) || !self.truth.is_strict(1);
            assert!(
                loose,
                "an honest peer's packet is refused: {error:?}, by life {id} {:?}",
                life.session
            );
            self.tally.hit("error: input");
        }
        self.service(id);
    }

    /// The server's end of a connection is gone.
    pub(super) fn gone_down(&mut self, conn: u64) {
        let Some(known) = self.net.conns.get(&conn).filter(|conn| conn.open[0]) else {
            return;
        };
        let life = known.client;
        self.net.close(self.now, conn, 0, Some(0));
        self.lose(life, conn);
    }

    /// A connection of that session is gone.
    pub(super) fn lose(&mut self, id: u64, conn: u64) {
        let Some(life) = self.lives.get_mut(&id) else { return };
        let Some(epoch) = life.links.iter().find(|(_, at)| **at == conn).map(|(epoch, _)| *epoch) else {
            return;
        };
        life.links.remove(&epoch);
        let now = Instant::from_nanos(life.origin + self.now);
        life.session.detach(now, epoch, Cause::Network);
        self.service(id);
    }

    /// The time that its clock shows.
    pub(super) fn now_of(&self, id: u64) -> Option<Instant> {
        self.lives.get(&id).map(|life| self.time(life))
    }
}
