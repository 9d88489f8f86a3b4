//! A host: drives one machine as an adapter would, in its own style, and checks it after every step.

use std::collections::{BTreeMap, BTreeSet};

use unbroken_proto::event::{Ended, Swap};
use unbroken_proto::session::SessionState;
use unbroken_proto::{Cause, Epoch, Event, Session, Side};

use super::app::App;
use super::env::{Conversation, Env};
use super::framer::Framer;
use super::moments::Moment;
use super::net::{ConnId, Happening, Peer, Way};
use super::options::{HostStyle, Work};
use super::pipe::{Arrival, NEVER};
use super::watch::Watch;
use crate::model::Glance;

/// One end of a session with its connections and its application.
#[derive(Debug)]
pub struct Host {
    /// Whose turn it is when this one's turn comes.
    pub who: Peer,
    /// The machine.
    pub session: Session,
    /// Its user.
    pub app: App,
    /// How it ended, once the event was read.
    pub ended: Option<Ended>,
    /// The handshake is over and the application runs.
    pub established: bool,
    /// Nothing is done before this.
    pub asleep_until: u64,
    /// The next timer fires late by this.
    pub timer_slack: u64,
    /// Its end was judged.
    pub judged: bool,
    /// When its application's rhythm next gives it a turn.
    pub next_turn: u64,
    side: Side,
    style: HostStyle,
    links: BTreeMap<Epoch, Link>,
    given_up: BTreeMap<ConnId, Link>,
    wake_at: u64,
    planned: u64,
    /// Wake-ups that are on their way; none is planned twice for one instant.
    alarms: BTreeSet<u64>,
    quiet: bool,
    watch: Watch,
}

#[derive(Debug)]
struct Link {
    conn: ConnId,
    epoch: Epoch,
    packets: bool,
    framer: Framer,
}

/// A number for counters and maps.
#[must_use]
pub(super) fn index(side: Side) -> usize {
    if side == Side::Client { 0 } else { 1 }
}

impl Host {
    /// Takes over a machine.
    #[must_use]
    pub fn new(who: Peer, session: Session, style: HostStyle, work: Work) -> Host {
        let side = session.side();
        Host {
            who,
            session,
            app: App::new(side, work),
            ended: None,
            established: false,
            asleep_until: 0,
            timer_slack: 0,
            judged: false,
            next_turn: 0,
            side,
            style,
            links: BTreeMap::new(),
            given_up: BTreeMap::new(),
            wake_at: NEVER,
            planned: NEVER,
            alarms: BTreeSet::new(),
            quiet: false,
            watch: Watch::default(),
        }
    }

    fn out(&self) -> Way {
        if self.side == Side::Client { Way::Up } else { Way::Down }
    }

    /// The connections the machine still has.
    #[must_use]
    pub fn conns(&self) -> Vec<ConnId> {
        self.links.values().map(|link| link.conn).collect()
    }

    /// The last connection it had.
    #[must_use]
    pub fn newest_conn(&self) -> Option<ConnId> {
        let live = self.links.values().map(|link| link.conn);
        live.chain(self.given_up.keys().copied()).max()
    }

    /// Whether `conn` is, or was, one of this host's.
    #[must_use]
    pub fn has(&self, conn: ConnId) -> bool {
        self.given_up.contains_key(&conn) || self.links.values().any(|link| link.conn == conn)
    }

    /// `conn` now carries the attach `epoch`.
    pub fn link(&mut self, env: &mut Env, conn: ConnId, epoch: Epoch) {
        let packets = env.net.conn(conn).is_some_and(|conn| conn.packets);
        let framer = Framer::new(packets, env.options.carrier.bytewise);
        self.links.insert(
            epoch,
            Link {
                conn,
                epoch,
                packets,
                framer,
            },
        );
        self.quiet = false;
        env.tally.hit("host: attach");
        env.log(|| format!("{:?} conn {conn} is {epoch:?}", self.who));
    }

    /// Something came out of `conn`.
    pub fn arrival(&mut self, env: &mut Env, conv: &mut Conversation, conn: ConnId, arrival: Arrival) {
        self.quiet = false;
        let Some(epoch) = self
            .links
            .values()
            .find(|link| link.conn == conn)
            .map(|link| link.epoch)
        else {
            return self.late(env, conn, arrival);
        };
        match arrival {
            Arrival::Closed => {
                env.log(|| format!("{:?} {epoch:?} on conn {conn} closed", self.who));
                let cause = self.cause(env, conn);
                self.session.detach(env.instant(), epoch, cause);
                env.tally.hit("host: detach");
                self.drop_link(env, epoch);
            }
            Arrival::Bytes(bytes) => self.bytes(env, epoch, bytes),
        }
        self.after_input(env, conv);
    }

    /// Why that connection closed, as far as anybody said.
    fn cause(&self, env: &mut Env, conn: ConnId) -> Cause {
        let ours = match self.who {
            Peer::Client(_) => Way::Up,
            Peer::Task(_) => Way::Down,
        };
        if env.net.conn(conn).is_some_and(|conn| conn.too_long == Some(ours)) {
            env.tally.hit("host: a packet was too long");
            return Cause::TooLarge;
        }
        Cause::Network
    }

    /// A whole packet came in before the connection had a machine.
    pub fn packet(&mut self, env: &mut Env, epoch: Epoch, packet: bytes::BytesMut) {
        self.quiet = false;
        if self.links.contains_key(&epoch) {
            self.feed(env, epoch, packet);
        }
    }

    /// The same, where only the connection is known.
    pub fn packet_on(&mut self, env: &mut Env, conn: ConnId, packet: bytes::BytesMut) {
        if let Some(epoch) = self
            .links
            .values()
            .find(|link| link.conn == conn)
            .map(|link| link.epoch)
        {
            self.packet(env, epoch, packet);
        }
    }

    /// The connection of `epoch` is gone.
    pub fn lost(&mut self, env: &mut Env, epoch: Epoch) {
        self.quiet = false;
        self.session.detach(env.instant(), epoch, Cause::Network);
        self.drop_link(env, epoch);
    }

    fn bytes(&mut self, env: &mut Env, epoch: Epoch, bytes: Vec<u8>) {
        let Some(link) = self.links.get_mut(&epoch) else { return };
        let (packets, framing) = link.framer.decode(bytes);
        for packet in packets {
            if self.links.contains_key(&epoch) || env.rng.chance(self.style.late) {
                self.feed(env, epoch, packet);
            }
        }
        if framing.is_err() && self.links.contains_key(&epoch) {
            env.tally.hit("host: framing broken");
            self.session.detach(env.instant(), epoch, Cause::Protocol);
            self.drop_link(env, epoch);
        }
    }

    fn feed(&mut self, env: &mut Env, epoch: Epoch, packet: bytes::BytesMut) {
        self.watch.before_input(&self.session, epoch);
        let before = Glance::of(&self.session);
        let conn = self.links.get(&epoch).map(|link| link.conn);
        if let Err(error) = self.session.handle_input(env.instant(), epoch, packet) {
            env.tally.hit(&format!("error: {error:?}"));
            env.log(|| format!("{:?} {epoch:?} error {error:?}", self.who));
            self.transmit(env);
            self.drop_link(env, epoch);
        }
        self.watch
            .after_input(&self.session, epoch, self.links.contains_key(&epoch), env);
        self.conclude(env, conn, &before);
    }

    /// What the machine makes of an input on `conn` is compared with what is so at the other end.
    fn conclude(&mut self, env: &mut Env, conn: Option<ConnId>, before: &Glance) {
        let seen = env.truth.see(env.now, &self.session);
        env.demand(seen);
        let Some(conn) = conn else { return };
        if self.side == Side::Client {
            let after = Glance::of(&self.session);
            if let Some(sent) = before.begins_again(&after) {
                env.tally.hit(if sent {
                    "concluded: never confirmed"
                } else {
                    "concluded: nothing sent"
                });
            }
            let verdict = env.truth.concluded(conn, before, &after);
            env.demand(verdict);
        } else if self.session.stats().attaches > before.attaches() {
            env.moments.push(Moment::Confirmed(conn));
        }
    }

    fn late(&mut self, env: &mut Env, conn: ConnId, arrival: Arrival) {
        let Arrival::Bytes(bytes) = arrival else { return };
        let Some(link) = self.given_up.get_mut(&conn) else {
            return;
        };
        if !env.rng.chance(self.style.late) {
            return;
        }
        let epoch = link.epoch;
        let (packets, _) = link.framer.decode(bytes);
        for packet in packets {
            env.tally.hit("fault: input under a retired epoch");
            let before = crate::probe::probe(&self.session).map(|probe| probe.state_hash);
            if self.session.handle_input(env.instant(), epoch, packet).is_err() {
                env.tally.hit("host: late input refused");
            }
            if crate::probe::probe(&self.session).map(|probe| probe.state_hash) != before {
                env.fail(&format!("input under retired {epoch:?} changed the session"));
            }
        }
        self.service(env);
    }

    fn drop_link(&mut self, env: &mut Env, epoch: Epoch) {
        let Some(link) = self.links.remove(&epoch) else { return };
        env.net.close(env.now, link.conn, self.out());
        self.given_up.insert(link.conn, link);
    }

    fn after_input(&mut self, env: &mut Env, conv: &mut Conversation) {
        self.note_attached(env, conv);
        if self.style.sluggish == 0 {
            return self.service(env);
        }
        let at = env.now + env.rng.below(self.style.sluggish);
        self.wake_by(env, at);
    }

    fn note_attached(&self, env: &Env, conv: &mut Conversation) {
        if matches!(self.session.state(), SessionState::Attached | SessionState::Closing) && !self.links.is_empty() {
            conv.attached[index(self.side)] = env.now;
        }
    }

    /// Whether this host does nothing now, and until when.
    #[must_use]
    pub fn sleeps(&self, env: &Env) -> Option<u64> {
        Some(self.asleep_until).filter(|until| *until > env.now)
    }

    /// A planned wake-up.
    pub fn wake(&mut self, env: &mut Env, conv: &mut Conversation) {
        self.alarms = self.alarms.split_off(&env.now.saturating_add(1));
        if env.now >= self.planned {
            self.planned = NEVER;
        }
        if env.now < self.wake_at {
            return self.wake_by(env, self.wake_at);
        }
        self.note_attached(env, conv);
        let due = self.session.poll_timeout().is_some_and(|at| at <= env.instant());
        if self.quiet && !due {
            self.expect_silence(env);
        }
        self.service(env);
    }

    /// Nothing was called since everything was drained and no deadline passed: there is nothing to send.
    fn expect_silence(&mut self, env: &mut Env) {
        let mut packet = Vec::new();
        let epochs: Vec<Epoch> = self.links.keys().copied().collect();
        for epoch in epochs {
            if self.session.poll_transmit(env.instant(), epoch, &mut packet) {
                env.fail(&format!(
                    "{:?} has a packet for {epoch:?} that no deadline announced",
                    self.who
                ));
            }
        }
        if let Some(event) = self.session.poll_event() {
            env.fail(&format!(
                "{:?} has an event that no deadline announced: {event:?}",
                self.who
            ));
        }
        env.tally.hit("check: silence");
    }

    /// Fires what is due and asks all polls, in an order of its own.
    pub fn service(&mut self, env: &mut Env) {
        if self.sleeps(env).is_some() {
            return;
        }
        self.quiet = true;
        self.timers(env);
        let first = env.rng.below(3);
        for step in 0..3 {
            match (first + step) % 3 {
                0 => self.events(env),
                1 => self.transmit(env),
                _ => self.tidy(env),
            }
        }
        self.transmit(env);
        self.tidy(env);
        self.watch.check(&self.session, self.side, env);
        let seen = env.truth.see(env.now, &self.session);
        env.demand(seen);
        self.plan_next(env);
    }

    fn timers(&mut self, env: &mut Env) {
        let now = env.instant();
        for _ in 0..2 {
            if self.session.poll_timeout().is_none_or(|at| at > now) {
                return;
            }
            self.session.handle_timeout(now);
            env.trace.note(env.now);
            if let Some(at) = self.session.poll_timeout().filter(|at| *at <= now) {
                env.fail(&format!(
                    "{:?}: a deadline of {at:?} after handle_timeout at {now:?}",
                    self.who
                ));
            }
        }
    }

    fn events(&mut self, env: &mut Env) {
        loop {
            if env.rng.chance(self.style.partial) && !env.healed {
                self.quiet = false;
                env.tally.hit("host: partial drain");
                return;
            }
            let Some(event) = self.session.poll_event() else { return };
            self.event(env, event);
        }
    }

    fn event(&mut self, env: &mut Env, event: Event) {
        if self.ended.is_some() {
            env.fail(&format!("{event:?} after the end"));
        }
        env.trace.bytes(format!("{event:?}").as_bytes());
        env.log(|| format!("{:?} event {event:?}", self.who));
        env.tally.hit(match &event {
            Event::Established { .. } => "event: established",
            Event::Attached { swap: Swap::First, .. } => "event: first attach",
            Event::Attached {
                swap: Swap::Unplanned, ..
            } => "event: unplanned swap",
            Event::Attached {
                swap: Swap::Planned, ..
            } => "event: planned swap",
            Event::Detached { .. } => "event: detached",
            Event::GoAway { .. } => "event: go away",
            Event::Incoming => "event: incoming",
            Event::Readable(_) => "event: readable",
            Event::Writable => "event: writable",
            Event::StreamsAvailable => "event: streams available",
            Event::Stopped { .. } => "event: stopped",
            Event::CredentialNeeded => "event: credential needed",
            Event::Ended(_) => "event: ended",
            _ => "event: other",
        });
        if matches!(event, Event::Established { .. }) {
            self.established = true;
            env.net.plan(env.now, Happening::App(self.who));
        }
        if let Event::Detached { cause } = &event {
            env.tally.hit(&format!("cause: {cause:?}"));
        }
        if self.app.on_event(&event) {
            env.net.plan(env.now, Happening::App(self.who));
        }
        if let Event::Ended(ended) = event {
            self.ended = Some(ended);
        }
    }

    /// Packs while the carriers take it.
    pub fn transmit(&mut self, env: &mut Env) {
        if env.rng.chance(self.style.reluctant) && !env.healed {
            self.quiet = false;
            return;
        }
        let way = self.out();
        let epochs: Vec<Epoch> = self.links.keys().copied().collect();
        let mut packet = Vec::new();
        for epoch in epochs {
            let Some(conn) = self.links.get(&epoch).map(|link| link.conn) else {
                continue;
            };
            loop {
                if !env.net.has_room(env.now, conn, way) {
                    self.quiet = false;
                    env.tally.hit("host: carrier full");
                    break;
                }
                packet.clear();
                let wanted = self.session.wants_transmit();
                if !self.session.poll_transmit(env.instant(), epoch, &mut packet) {
                    break;
                }
                if !wanted {
                    env.fail(&format!("{:?} packs what it said it does not want to send", self.who));
                }
                if packet.is_empty() || packet.len() > unbroken_proto::config::MAX_PACKET {
                    env.fail(&format!("a packet of {} bytes", packet.len()));
                }
                env.send(conn, way, &packet);
            }
        }
    }

    fn tidy(&mut self, env: &mut Env) {
        let epochs: Vec<Epoch> = self.links.keys().copied().collect();
        for epoch in epochs {
            if !self.session.is_wanted(epoch) {
                self.transmit(env);
                let blocked = self
                    .links
                    .get(&epoch)
                    .is_some_and(|link| link.packets && !env.net.has_room(env.now, link.conn, self.out()));
                if !blocked {
                    env.tally.hit("host: unwanted connection closed");
                    self.drop_link(env, epoch);
                }
            }
        }
    }

    fn plan_next(&mut self, env: &mut Env) {
        let mut at = self.session.poll_timeout().map_or(NEVER, |at| env.time_of(at));
        if at != NEVER {
            at = at.max(env.now) + std::mem::take(&mut self.timer_slack);
        }
        let way = self.out();
        for link in self.links.values() {
            if !env.net.has_room(env.now, link.conn, way) {
                at = at.min(env.net.room_at(link.conn, way).unwrap_or(NEVER));
            }
        }
        if !self.quiet && (self.style.partial > 0 || self.style.reluctant > 0) && !env.healed {
            at = at.min(env.now + 1_000_000);
        } else if self.style.eager && self.ended.is_none() {
            let poke = env.rng.scaled(1_000_000, 3_000_000_000);
            at = at.min(env.now + poke);
        }
        self.wake_at = NEVER;
        self.wake_by(env, at);
    }

    fn wake_by(&mut self, env: &mut Env, at: u64) {
        self.wake_at = self.wake_at.min(at);
        if self.wake_at < self.planned || self.planned < env.now {
            self.planned = self.wake_at;
            self.alarm(env, self.wake_at);
        }
    }

    fn alarm(&mut self, env: &mut Env, at: u64) {
        if self.alarms.insert(at) {
            env.net.plan(at, Happening::Wake(self.who));
        }
    }

    /// When it means to wake, for a failure's report.
    #[must_use]
    pub fn plans(&self) -> String {
        format!(
            "wakes {} planned {} asleep {}",
            self.wake_at, self.planned, self.asleep_until
        )
    }

    /// Sleeps until `until`.
    pub fn sleep(&mut self, env: &mut Env, until: u64) {
        self.asleep_until = self.asleep_until.max(until);
        self.quiet = false;
        self.planned = NEVER;
        self.wake_at = self.asleep_until;
        self.alarm(env, self.asleep_until);
    }

    /// Cuts all connections from this side without telling the machine anything.
    pub fn abandon_conns(&mut self, env: &mut Env) {
        let epochs: Vec<Epoch> = self.links.keys().copied().collect();
        for epoch in epochs {
            self.drop_link(env, epoch);
        }
    }

    /// After the end nothing may be left: no deadline, no wish, no connection.
    pub fn check_clean(&mut self, env: &mut Env) {
        if let Some(at) = self.session.poll_timeout() {
            env.fail(&format!("{:?} ended and still has a deadline, {at:?}", self.who));
        }
        if let Some(wish) = self.session.wanted_connection() {
            env.fail(&format!("{:?} ended and still wants {wish:?}", self.who));
        }
        let left: Vec<Epoch> = self
            .links
            .keys()
            .copied()
            .filter(|epoch| self.session.is_wanted(*epoch))
            .collect();
        if !left.is_empty() {
            env.fail(&format!("{:?} ended and still wants {left:?}", self.who));
        }
        env.tally.hit("check: clean end");
    }
}
