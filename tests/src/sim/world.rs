//! One schedule: clients, a server, an attacker, and time.

use unbroken_proto::config::{ClientConfig, ServerConfig};
use unbroken_proto::security::{Auth, ServerAuth, SharedSecret, StaticKey};
use unbroken_proto::server::Registry;
use unbroken_proto::session::SessionState;
use unbroken_proto::{Session, Side};

use super::client::Client;
use super::env::{Clock, Conversation, Env};
use super::host::{Host, index};
use super::moments::Moment;
use super::net::{ConnId, Happening, Peer, Way};
use super::options::Options;
use super::server::{Outcome, Server, Task};
use crate::model::{Ledger, check_ending, check_pair, name_of};
use crate::rng::{Rng, mix};

/// See the module.
#[derive(Debug)]
pub struct World {
    /// Time, chance, network.
    pub env: Env,
    /// Client processes.
    pub clients: Vec<Client>,
    /// The accepting process.
    pub server: Server,
    /// Every client session that ever was.
    pub convs: Vec<Conversation>,
    /// Things that happened since `lap`.
    steps: u64,
    lap: u64,
}

/// A schedule that needs more for a lap of virtual time is spinning somewhere.
const MAX_STEPS: u64 = 1_000_000;
const LAP: u64 = 20_000_000_000;

/// What both ends hold in every schedule.
fn secret() -> SharedSecret {
    SharedSecret::from_key(b"sim", [7; 32]).expect("because the hint is short")
}

/// The server's key in every schedule.
fn server_key() -> StaticKey {
    StaticKey::from_bytes([9; 32])
}

fn registry(env: &mut Env) -> Registry {
    let auth = ServerAuth::key(server_key());
    let auth = if env.options.suite.has_secret() {
        auth.with_secrets(vec![secret()])
    } else {
        auth
    };
    let mut config = ServerConfig::new(auth);
    config.session = env.options.server.clone();
    config.max_sessions = env.options.max_sessions;
    config.max_silent = env.options.max_silent;
    config.max_handshakes = env.options.max_silent;
    config.max_tombstones = env.options.max_tombstones;
    config.tombstone_lifetime = env.options.tombstone_lifetime;
    let seed = env.rng.seed();
    Registry::new(config, seed, env.instant()).expect("because the options are in range")
}

impl World {
    /// Ready to run.
    #[must_use]
    pub fn new(options: Options, rng: Rng) -> World {
        let mut env = Env::new(options, rng);
        let began = env.now;
        let server = Server::new(registry(&mut env));
        let mut world = World {
            env,
            clients: Vec::new(),
            server,
            convs: Vec::new(),
            steps: 0,
            lap: began,
        };
        for number in 0..world.env.options.clients {
            let client = world.new_client(number);
            world.clients.push(client);
            world.touch(Peer::Client(number));
            world.env.net.plan(world.env.now, Happening::App(Peer::Client(number)));
        }
        world.env.net.plan(world.env.now, Happening::Fault);
        world
    }

    fn new_client(&mut self, number: usize) -> Client {
        let env = &mut self.env;
        let conv = self.convs.len();
        let auth = Auth::pinned(vec![server_key().public()]);
        let auth = if env.options.suite.has_secret() {
            auth.with_secret(secret())
        } else {
            auth
        };
        let mut config = ClientConfig::new(auth);
        config.session = env.options.client.clone();
        config.suites = vec![env.options.suite];
        config.name = conv.to_string();
        config.credential = bytes::Bytes::from_static(b"stale");
        config.backoff = env.options.backoff.clone();
        let seed = env.rng.seed();
        let session = Session::connect(config, seed, env.instant()).expect("because the options are in range");
        let host = Host::new(
            Peer::Client(number),
            session,
            env.options.client_host,
            env.options.client_app,
        );
        let ledger = Ledger::new(mix(env.now ^ mix(conv as u64)));
        let mut conversation = Conversation {
            ledger,
            attached: [env.now; 2],
            ..Conversation::default()
        };
        conversation.so.may_give_up = env.options.backoff.attempts.is_some();
        self.convs.push(conversation);
        Client::new(number, host, conv, env.options.client_host.careless)
    }

    /// Runs until `until`, or until nothing happens any more, or `stop` says so.
    pub fn run(&mut self, until: u64, mut stop: impl FnMut(&mut World) -> bool) {
        while let Some((at, what)) = self.env.net.soonest() {
            if at > until {
                self.env.net.plan(at, what);
                self.env.now = until;
                return;
            }
            self.env.now = self.env.now.max(at);
            self.steps += 1;
            if self.env.now - self.lap > LAP {
                (self.lap, self.steps) = (self.env.now, 0);
            }
            if self.steps > MAX_STEPS {
                self.env.fail(&format!(
                    "more than {MAX_STEPS} steps within {LAP} ns; the last is {what:?}"
                ));
            }
            self.step(what);
            if stop(self) {
                return;
            }
        }
    }

    fn step(&mut self, what: Happening) {
        self.env.clock = None;
        match what {
            Happening::Accept(conn) => self.server.accept(&mut self.env, conn),
            Happening::Arrive(conn, way) => self.arrive(conn, way),
            Happening::Wake(peer) => {
                self.with_host(peer, |host, env, conv| host.wake(env, conv));
                self.touch(peer);
            }
            Happening::App(peer) => self.app_turn(peer),
            Happening::Dialled(number, attempt) => {
                self.env.clock = Some(number);
                if let Some(client) = self.clients.get_mut(number) {
                    client.dialled(&mut self.env, attempt);
                }
                self.touch(Peer::Client(number));
            }
            Happening::Front => self.server.tick(&mut self.env),
            Happening::Mail => {
                for task in self.server.deliver(&mut self.env) {
                    self.touch(Peer::Task(task));
                }
            }
            Happening::Fault => super::inject::next_fault(self),
        }
        super::moments::strike(self);
    }

    /// Does something with one host, its surroundings and its conversation.
    pub fn with_host<T>(
        &mut self,
        peer: Peer,
        act: impl FnOnce(&mut Host, &mut Env, &mut Conversation) -> T,
    ) -> Option<T> {
        self.env.read_clock_of(peer);
        let (host, conv) = match peer {
            Peer::Client(number) => self
                .clients
                .get_mut(number)
                .map(|client| (&mut client.host, client.conv))?,
            Peer::Task(number) => self
                .server
                .tasks
                .get_mut(&number)
                .map(|task| (&mut task.host, task.conv))?,
        };
        Some(act(host, &mut self.env, &mut self.convs[conv]))
    }

    fn arrive(&mut self, conn: ConnId, way: Way) {
        let task = if way == Way::Up {
            self.server.task_of(conn).map(Peer::Task)
        } else {
            None
        };
        let peer = match way {
            Way::Down => self.env.net.conn(conn).and_then(|conn| conn.client).map(Peer::Client),
            Way::Up => task,
        };
        if let Some(until) = peer
            .and_then(|peer| self.with_host(peer, |host, env, _| host.sleeps(env)))
            .flatten()
        {
            self.env.net.plan(until, Happening::Arrive(conn, way));
            return;
        }
        let now = self.env.now;
        let Some(Some(arrival)) = self.env.net.with_pipe(conn, way, |pipe| pipe.pop(now)) else {
            return;
        };
        let impostor = self.env.net.conn(conn).is_some_and(|conn| conn.impostor);
        match (way, peer) {
            (Way::Up, None) if !impostor => {
                self.env.clock = None;
                for outcome in self.server.front(&mut self.env, conn, arrival) {
                    self.outcome(&outcome);
                }
                if let Some(task) = self.server.task_of(conn) {
                    self.touch(Peer::Task(task));
                }
            }
            (_, Some(peer)) => {
                self.with_host(peer, |host, env, conv| host.arrival(env, conv, conn, arrival));
                self.touch(peer);
            }
            _ => {}
        }
    }

    fn outcome(&mut self, outcome: &Outcome) {
        match *outcome {
            Outcome::Nothing => {}
            Outcome::Refused(conv) => self.convs[conv].so.refused = true,
            Outcome::Busy(conv) => self.convs[conv].so.busy = true,
            Outcome::Made(task) => self.touch(Peer::Task(task)),
        }
    }

    fn app_turn(&mut self, peer: Peer) {
        let again = self.with_host(peer, |host, env, conv| {
            if let Some(until) = host.sleeps(env) {
                return Some(until);
            }
            if host.session.side() == Side::Server && !host.established || host.ended.is_some() {
                return None;
            }
            let before = env.now;
            host.app.turn(&mut host.session, env, conv);
            host.service(env);
            Some(before + host.app.pause(env).max(1))
        });
        // Events give extra turns; the rhythm itself must not multiply.
        if let Some(Some(at)) = again {
            let planned = match peer {
                Peer::Client(number) => self.clients.get_mut(number).map(|client| &mut client.host.next_turn),
                Peer::Task(number) => self.server.tasks.get_mut(&number).map(|task| &mut task.host.next_turn),
            };
            if let Some(planned) = planned.filter(|planned| **planned <= self.env.now) {
                *planned = at;
                self.env.net.plan(at, Happening::App(peer));
            }
        }
        self.touch(peer);
    }

    /// After anything was done with `peer`: wishes, reports, beginnings and ends.
    pub fn touch(&mut self, peer: Peer) {
        self.env.read_clock_of(peer);
        match peer {
            Peer::Client(number) => {
                if let Some(client) = self.clients.get_mut(number) {
                    client.follow_wish(&mut self.env);
                }
            }
            Peer::Task(number) => {
                self.server.report(&mut self.env, number);
                self.note_established(number);
            }
        }
        let ended = self.with_host(peer, |host, _, _| {
            let known = host.session.side() == Side::Client || host.session.stats().attaches > 0;
            known && host.ended.is_some() && !std::mem::replace(&mut host.judged, true)
        });
        if ended == Some(true) {
            self.judge(peer);
        }
        if let Peer::Task(number) = peer {
            self.bury(number);
        }
    }

    fn note_established(&mut self, number: u64) {
        let Some(task) = self
            .server
            .tasks
            .get(&number)
            .filter(|task| task.host.session.stats().attaches > 0)
        else {
            return;
        };
        let conv = &mut self.convs[task.conv];
        // One that another has followed is over, whoever looks at it again.
        if conv.task.is_some_and(|known| known >= number) {
            return;
        }
        if conv.task.is_some() {
            self.env.tally.hit("edge: a client begins again");
            let verdict = conv.ledger.restart_server();
            self.env.demand(verdict);
        }
        // What one before it did that was never more than provisional is no act of this one either.
        (conv.so.closed[1], conv.so.aborted[1], conv.ended[1]) = (false, false, None);
        conv.task = Some(number);
        conv.task_gone = false;
    }

    /// The hosts that read this clock.
    pub fn on_clock(&self, clock: Clock) -> Vec<Peer> {
        match clock {
            Some(number) => vec![Peer::Client(number)],
            None => self.server.tasks.keys().copied().map(Peer::Task).collect(),
        }
    }

    /// A clock jumps forward: who has a connection is as young as before, who has none is older.
    pub fn jump(&mut self, clock: Clock, length: u64) {
        let side = usize::from(clock.is_none());
        let mut attached = Vec::new();
        for peer in self.on_clock(clock) {
            let state = self.with_host(peer, |host, _, _| host.session.state());
            let has_connection = matches!(state, Some(SessionState::Attached | SessionState::Closing));
            let conv = self.place(peer).map(|(conv, _)| conv);
            attached.extend(conv.filter(|_| has_connection));
        }
        let of_client = clock.map(|number| self.clients[number].conv);
        for (number, conv) in self.convs.iter_mut().enumerate() {
            if of_client.is_some_and(|of| of != number) {
                continue;
            }
            let seen = &mut conv.attached[side];
            if attached.contains(&number) {
                *seen = self.env.now;
            } else if let Some(earlier) = seen.checked_sub(length) {
                *seen = earlier;
            } else {
                conv.so.may_expire = true;
            }
        }
        if let Some(number) = clock {
            // What it planned comes sooner.
            self.clients[number].dials.clear();
        }
        self.env.clock = clock;
        self.env.jump(i64::try_from(length).unwrap_or(0));
    }

    /// An end was announced: is it the right one, and is what it says true?
    fn judge(&mut self, peer: Peer) {
        let Some((conv, side)) = self.place(peer) else { return };
        let task = self.convs[conv].task;
        let other = if side == Side::Client {
            task.map(Peer::Task)
        } else {
            self.client_of(conv).map(Peer::Client)
        };
        if let Some(other) = other {
            self.drain(other);
        }
        self.drain(peer);
        let lifetime = self
            .env
            .options
            .client
            .detached_lifetime
            .min(self.env.options.server.detached_lifetime);
        let lifetime = u64::try_from(lifetime.as_nanos()).unwrap_or(u64::MAX);
        let jumped = !self.env.clocks.is_empty();
        let memory_short =
            jumped || self.env.options.max_tombstones < 100 || self.convs.iter().any(|conv| conv.so.server_lost);
        let env = &mut self.env;
        let state = &mut self.convs[conv];
        state.so.memory_short = memory_short;
        if state
            .attached
            .iter()
            .any(|seen| seen.saturating_add(lifetime) <= env.now.saturating_add(1_000_000))
        {
            state.so.may_expire = true;
        }
        let host = match peer {
            Peer::Client(number) => &mut self.clients[number].host,
            Peer::Task(number) => match self.server.tasks.get_mut(&number) {
                Some(task) => &mut task.host,
                None => return,
            },
        };
        let Some(ended) = host.ended.clone() else { return };
        env.tally.hit(name_of(&ended.reason));
        let us = index(side);
        if side == Side::Client {
            env.demand(env.truth.check_end(host.session.id(), &ended));
        }
        env.demand(check_ending(us, &ended.reason, &state.so));
        env.demand(state.ledger.check_fates(side, &ended));
        state.ended[us] = Some(ended.reason);
        if let [Some(client), Some(server)] = &state.ended {
            env.demand(check_pair(client, server));
            env.tally.hit("check: both ended");
        }
        if side == Side::Server {
            env.moments.extend(host.newest_conn().map(Moment::Ended));
        }
        host.check_clean(env);
    }

    fn place(&self, peer: Peer) -> Option<(usize, Side)> {
        match peer {
            Peer::Client(number) => self.clients.get(number).map(|client| (client.conv, Side::Client)),
            Peer::Task(number) => self.server.tasks.get(&number).map(|task| (task.conv, Side::Server)),
        }
    }

    fn client_of(&self, conv: usize) -> Option<usize> {
        self.clients.iter().position(|client| client.conv == conv)
    }

    /// Reads out everything the machine of `peer` holds.
    pub fn drain(&mut self, peer: Peer) {
        self.with_host(peer, |host, env, conv| {
            if host.session.side() == Side::Client || host.session.stats().attaches > 0 {
                host.app.drain(&mut host.session, env, conv);
                host.service(env);
            }
        });
    }

    fn bury(&mut self, number: u64) {
        let Some(task) = self.server.tasks.get(&number) else {
            return;
        };
        let over = task.host.session.state() == SessionState::Ended
            && (task.host.ended.is_some() || task.host.session.stats().attaches == 0);
        if over && self.server.may_leave(&mut self.env, number) {
            self.server.kill(&mut self.env, number);
        }
    }

    /// The owner of a server session is gone without a word.
    pub fn kill_task(&mut self, number: u64) {
        self.drain(Peer::Task(number));
        let Some(Task { conv, id, .. }) = self.server.kill(&mut self.env, number) else {
            return;
        };
        self.env.clock = None;
        self.env.truth.killed(self.env.now, id);
        self.server.registry.lost(self.env.instant(), id);
        self.convs[conv].so.server_lost = true;
        self.convs[conv].task_gone = true;
    }

    /// The accepting process starts again with nothing.
    pub fn restart(&mut self) {
        let tasks: Vec<u64> = self.server.tasks.keys().copied().collect();
        tasks.into_iter().for_each(|task| self.kill_task(task));
        self.server.drop_fronts(&mut self.env);
        self.convs.iter_mut().for_each(|conv| conv.so.server_lost = true);
        self.env.clock = None;
        self.env.truth.restarted();
        self.server.registry = registry(&mut self.env);
    }

    /// A client process is gone; a new one takes its place.
    pub fn replace_client(&mut self, number: usize) {
        self.drain(Peer::Client(number));
        self.env.clock = Some(number);
        let fresh = self.new_client(number);
        let mut old = std::mem::replace(&mut self.clients[number], fresh);
        if old.host.ended.is_none() {
            self.convs[old.conv].so.client_lost = true;
        }
        old.host.abandon_conns(&mut self.env);
        self.touch(Peer::Client(number));
        self.env.net.plan(self.env.now, Happening::App(Peer::Client(number)));
    }
}
