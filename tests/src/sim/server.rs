//! The accepting process: a registry, unproven connections, and one task per session, as a real
//! adapter would have them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use unbroken_proto::server::{Admission, ConnectionId, Incoming, Registry, Rejection, Report, Request, Route};
use unbroken_proto::time::Duration;
use unbroken_proto::wire::frame::Verdict;
use unbroken_proto::{Carrier, Epoch, Session, SessionId};

use super::env::Env;
use super::fault::Fault;
use super::framer::Framer;
use super::host::Host;
use super::net::{ConnId, Happening, Peer, Way};
use super::options::PROMPT;
use super::pipe::Arrival;
use crate::model::Kept;
use unbroken_proto::server::Refusal;

/// See the module.
#[derive(Debug)]
pub struct Server {
    /// Knows about sessions.
    pub registry: Registry,
    /// Sessions whose clean-up was asked for.
    released: BTreeSet<SessionId>,
    /// Owns them.
    pub tasks: BTreeMap<u64, Task>,
    fronts: BTreeMap<ConnId, Front>,
    seen: BTreeSet<ConnId>,
    owners: BTreeMap<SessionId, u64>,
    mail: VecDeque<(u64, SessionId, ConnId, Incoming)>,
    reports: VecDeque<(u64, Report)>,
    next_task: u64,
    planned: u64,
}

/// A session and whoever drives it.
#[derive(Debug)]
pub struct Task {
    /// Its machine and application.
    pub host: Host,
    /// The conversation the client named.
    pub conv: usize,
    /// The session's id.
    pub id: SessionId,
    /// When it goes, once it is over.
    leaves: Option<u64>,
}

/// An accepted connection that no session has yet.
#[derive(Debug)]
struct Front {
    id: ConnectionId,
    framer: Framer,
    stage: Stage,
    held: Vec<bytes::BytesMut>,
    gone: bool,
}

#[derive(Debug)]
enum Stage {
    Silent,
    Handshake(Box<Incoming>),
    Routed,
}

/// What the world must know about a packet's effects.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing.
    Nothing,
    /// A session was made for this conversation's client.
    Made(u64),
    /// A client was refused for good.
    Refused(usize),
    /// A client found no room.
    Busy(usize),
}

impl Server {
    /// Has nobody yet.
    #[must_use]
    pub fn new(registry: Registry) -> Server {
        Server {
            registry,
            released: BTreeSet::new(),
            tasks: BTreeMap::new(),
            fronts: BTreeMap::new(),
            seen: BTreeSet::new(),
            owners: BTreeMap::new(),
            mail: VecDeque::new(),
            reports: VecDeque::new(),
            next_task: 1,
            planned: u64::MAX,
        }
    }

    /// Whether `conn` is known here at all.
    #[must_use]
    pub fn task_of(&self, conn: ConnId) -> Option<u64> {
        self.tasks
            .iter()
            .find(|(_, task)| task.host.has(conn))
            .map(|(id, _)| *id)
    }

    /// Connections that have not been given to a session.
    #[must_use]
    pub fn front_count(&self) -> usize {
        self.fronts.len()
    }

    /// A connection comes in.
    pub fn accept(&mut self, env: &mut Env, conn: ConnId) {
        if !self.seen.insert(conn) {
            return;
        }
        let id = self.registry.connection_accepted(env.instant(), Carrier::ordered());
        let packets = env.net.conn(conn).is_some_and(|conn| conn.packets);
        let framer = Framer::new(packets, env.options.carrier.bytewise);
        self.fronts.insert(
            conn,
            Front {
                id,
                framer,
                stage: Stage::Silent,
                held: Vec::new(),
                gone: false,
            },
        );
        env.tally.hit("server: accepted");
        self.sweep(env);
    }

    /// Something came up a connection that no task has.
    pub fn front(&mut self, env: &mut Env, conn: ConnId, arrival: Arrival) -> Vec<Outcome> {
        self.accept(env, conn);
        let mut outcomes = Vec::new();
        match arrival {
            Arrival::Closed => self.hang_up(env, conn),
            Arrival::Bytes(bytes) => {
                let Some(front) = self.fronts.get_mut(&conn) else {
                    return outcomes;
                };
                let (packets, framing) = front.framer.decode(bytes);
                for packet in packets {
                    outcomes.push(self.packet(env, conn, packet));
                }
                if framing.is_err() {
                    self.hang_up(env, conn);
                }
            }
        }
        self.sweep(env);
        outcomes
    }

    fn packet(&mut self, env: &mut Env, conn: ConnId, packet: bytes::BytesMut) -> Outcome {
        if let Some(task) = self.task_of(conn).and_then(|number| self.tasks.get_mut(&number)) {
            task.host.packet_on(env, conn, packet);
            return Outcome::Nothing;
        }
        let Some(mut front) = self.fronts.remove(&conn) else {
            return Outcome::Nothing;
        };
        match &mut front.stage {
            Stage::Routed => {
                front.held.push(packet);
                self.fronts.insert(conn, front);
                Outcome::Nothing
            }
            Stage::Silent => {
                let is_resume = packet.first() == Some(&4);
                let honest = env.net.conn(conn).is_some_and(|conn| conn.client.is_some());
                match self.registry.first_packet(env.instant(), front.id, packet) {
                    Route::Handshake(mut incoming) => {
                        flush(env, conn, &mut incoming);
                        env.tally.hit("server: handshake");
                        front.stage = Stage::Handshake(Box::new(incoming));
                        self.fronts.insert(conn, front);
                    }
                    Route::Resume { session, incoming } => {
                        env.tally.hit("server: resume routed");
                        self.post(env, conn, front, session, incoming);
                    }
                    Route::Reject(rejection) if is_resume && !honest => {
                        reject(env, conn, &rejection, "attack: resume refused");
                    }
                    Route::Lookup { .. } => panic!("nothing is looked up"),
                    Route::Reject(rejection) => reject(env, conn, &rejection, "server: first packet rejected"),
                }
                Outcome::Nothing
            }
            Stage::Handshake(incoming) => {
                let result = incoming.handle_input(env.instant(), packet);
                flush(env, conn, incoming);
                if let Err(error) = result {
                    env.tally.hit(&format!("error: incoming {error:?}"));
                    self.registry.connection_closed(env.instant(), front.id);
                    env.net.close(env.now, conn, Way::Down);
                    return Outcome::Nothing;
                }
                let Some(request) = incoming.request().cloned() else {
                    self.fronts.insert(conn, front);
                    return Outcome::Nothing;
                };
                self.decide(env, conn, front, &request)
            }
        }
    }

    fn decide(&mut self, env: &mut Env, conn: ConnId, front: Front, request: &Request) -> Outcome {
        let Stage::Handshake(incoming) = front.stage else {
            return Outcome::Nothing;
        };
        let Some(conv) = request.name.parse().ok() else {
            env.fail("a name that no client has")
        };
        let refusal = match env.refusals.pop_front() {
            Some(Fault::RetryLater) => Some(Refusal::RetryLater {
                after: Duration::from_millis(50),
                alternate: bytes::Bytes::new(),
            }),
            Some(Fault::RefreshCredential) if request.credential.as_ref() != b"fresh" => {
                Some(Refusal::RefreshCredentials)
            }
            Some(Fault::Refuse) => Some(Refusal::Unauthorized),
            _ => None,
        };
        if let Some(refusal) = refusal {
            env.tally.hit(&format!("server: refused {refusal:?}"));
            let is_final = refusal == Refusal::Unauthorized;
            let rejection = self.registry.refuse(env.instant(), *incoming, refusal);
            reject(env, conn, &rejection, "server: refused");
            return if is_final {
                Outcome::Refused(conv)
            } else {
                Outcome::Nothing
            };
        }
        let verdict = self.verdict(env, &incoming);
        match self.registry.admit(env.instant(), *incoming) {
            Admission::New { session, epoch } => {
                if let Some(id) = session.id() {
                    env.truth.made(conn, conv, id, verdict);
                }
                self.spawn(env, conn, conv, session, epoch)
            }
            Admission::Resume { session, incoming } => {
                env.tally.hit("server: predecessor found");
                let front = Front {
                    id: front.id,
                    framer: front.framer,
                    stage: Stage::Routed,
                    held: front.held,
                    gone: false,
                };
                self.post(env, conn, front, session, incoming);
                Outcome::Nothing
            }
            Admission::Lookup { .. } => panic!("nothing is looked up"),
            Admission::Reject(rejection) => {
                // Who asks about a session that is unknown is told to come later instead.
                if let Some(verdict) = verdict.filter(|verdict| !matches!(verdict, Verdict::Unknown { .. })) {
                    env.truth.told(conn, verdict);
                }
                reject(env, conn, &rejection, "server: not admitted");
                Outcome::Busy(conv)
            }
        }
    }

    /// What the registry has to say about the session that a client had, which has to be true.
    fn verdict(&mut self, env: &mut Env, incoming: &Incoming) -> Option<Verdict> {
        let verdict = self.registry.verdict_on(env.instant(), incoming)?;
        let id = SessionId(incoming.predecessor()?.id);
        env.tally.hit(match &verdict {
            Verdict::Expired { .. } => "verdict: expired",
            Verdict::Closed { .. } => "verdict: closed",
            Verdict::Replaced { .. } => "verdict: replaced",
            Verdict::Superseded => "verdict: superseded",
            Verdict::Unknown { .. } => "verdict: unknown",
            _ => "verdict: other",
        });
        let registry = &self.registry;
        let kept = |id| match registry.session(id) {
            Some(_) => Kept::Session,
            None if registry.is_entombed(id) => Kept::Tombstone,
            None => Kept::Nothing,
        };
        let so = env.truth.verdict(env.now, id, &verdict, kept);
        env.demand(so);
        Some(verdict)
    }

    fn spawn(&mut self, env: &mut Env, conn: ConnId, conv: usize, session: Session, epoch: Epoch) -> Outcome {
        let number = self.next_task;
        self.next_task += 1;
        let Some(id) = session.id() else {
            env.fail("a session without an id")
        };
        let mut host = Host::new(
            Peer::Task(number),
            session,
            env.options.server_host,
            env.options.server_app,
        );
        host.link(env, conn, epoch);
        host.service(env);
        env.tally.hit("server: session made");
        self.owners.insert(id, number);
        self.tasks.insert(
            number,
            Task {
                host,
                conv,
                id,
                leaves: None,
            },
        );
        Outcome::Made(number)
    }

    fn post(&mut self, env: &mut Env, conn: ConnId, mut front: Front, session: SessionId, incoming: Incoming) {
        front.stage = Stage::Routed;
        self.fronts.insert(conn, front);
        let delay = if env.rng.chance(300) {
            env.rng.below(50_000_000)
        } else {
            0
        };
        let at = env.now + delay;
        self.mail.push_back((at, session, conn, incoming));
        env.net.plan(at, Happening::Mail);
    }

    /// Hands RESUMEs to the owners of their sessions. Returns the tasks that got one.
    pub fn deliver(&mut self, env: &mut Env) -> Vec<u64> {
        let mut touched = Vec::new();
        let mut waiting = VecDeque::new();
        while let Some((at, session, conn, incoming)) = self.mail.pop_front() {
            let asleep = self
                .owners
                .get(&session)
                .and_then(|task| self.tasks.get(task))
                .and_then(|task| task.host.sleeps(env));
            if at > env.now || asleep.is_some() {
                let later = asleep.unwrap_or(at).max(at);
                env.net.plan(later, Happening::Mail);
                waiting.push_back((at, session, conn, incoming));
                continue;
            }
            touched.extend(self.adopt(env, session, conn, incoming));
        }
        self.mail = waiting;
        touched
    }

    fn adopt(&mut self, env: &mut Env, session: SessionId, conn: ConnId, incoming: Incoming) -> Option<u64> {
        let front = self.fronts.remove(&conn);
        let number = self.owners.get(&session).copied();
        let Some(task) = number.and_then(|number| self.tasks.get_mut(&number)) else {
            let rejection = self.registry.orphan(env.instant(), incoming);
            reject(env, conn, &rejection, "server: orphaned resume");
            return None;
        };
        let honest = env.net.conn(conn).is_some_and(|conn| conn.client.is_some());
        match task.host.session.adopt(env.instant(), incoming) {
            Ok(epoch) => {
                let stated = task.host.session.inspect().stated;
                let so = env.truth.resumed(conn, session, stated);
                env.demand(so);
                env.tally.hit(if honest {
                    "server: resume adopted"
                } else {
                    "attack: resume adopted"
                });
                task.host.link(env, conn, epoch);
                let gone = front.as_ref().is_none_or(|front| front.gone);
                for packet in front.map(|front| front.held).unwrap_or_default() {
                    task.host.packet(env, epoch, packet);
                }
                if gone {
                    task.host.lost(env, epoch);
                }
            }
            Err(rejection) => {
                reject(
                    env,
                    conn,
                    &rejection,
                    if honest {
                        "server: resume refused"
                    } else {
                        "attack: resume refused"
                    },
                );
            }
        }
        task.host.service(env);
        number
    }

    /// Passes on what owners report, a while later, in order.
    pub fn report(&mut self, env: &mut Env, task: u64) {
        let Some(task) = self.tasks.get_mut(&task) else { return };
        // A host that sleeps did not look at what was done to its session.
        let seen = env.truth.see(env.now, &task.host.session);
        env.demand(seen);
        if let Some(report) = task.host.session.poll_report() {
            let delay = if env.rng.chance(200) {
                env.rng.below(env.options.report_delay)
            } else {
                0
            };
            let at = self.reports.back().map_or(0, |(at, _)| *at).max(env.now + delay);
            self.reports.push_back((at, report));
            env.net.plan(at, Happening::Front);
        }
    }

    /// The registry's own timers and messages.
    pub fn tick(&mut self, env: &mut Env) {
        while self.reports.front().is_some_and(|(at, _)| *at <= env.now) {
            if let Some((_, report)) = self.reports.pop_front() {
                self.registry.update(env.instant(), report);
            }
        }
        if self.registry.poll_timeout().is_some_and(|at| at <= env.instant()) {
            self.registry.handle_timeout(env.instant());
            if let Some(at) = self.registry.poll_timeout().filter(|at| *at <= env.instant()) {
                env.fail(&format!("the registry has a deadline of {at:?} after handle_timeout"));
            }
        }
        self.clean_up(env);
        self.planned = u64::MAX;
        self.sweep(env);
    }

    /// What is kept for a session is released once it is over, and once only.
    fn clean_up(&mut self, env: &mut Env) {
        while let Some(over) = self.registry.poll_ended() {
            if !self.released.insert(over.info.id) {
                env.fail(&format!("session {} was handed out for clean-up twice", over.info.id));
            }
        }
    }

    /// Closes what the registry no longer wants, and plans its next turn.
    fn sweep(&mut self, env: &mut Env) {
        let now = env.instant();
        let gone: Vec<ConnId> = self
            .fronts
            .iter()
            .filter(|(_, front)| match &front.stage {
                Stage::Routed => false,
                Stage::Silent => !self.registry.is_wanted(front.id),
                Stage::Handshake(incoming) => !self.registry.is_wanted(front.id) || incoming.deadline() <= now,
            })
            .map(|(conn, _)| *conn)
            .collect();
        for conn in gone {
            env.tally.hit("server: unproven connection dropped");
            self.hang_up(env, conn);
        }
        let mut next = self.registry.poll_timeout().map_or(u64::MAX, |at| env.time_of(at));
        for front in self.fronts.values() {
            if let Stage::Handshake(incoming) = &front.stage {
                next = next.min(env.time_of(incoming.deadline()));
            }
        }
        if next < self.planned {
            self.planned = next;
            env.net.plan(next.max(env.now), Happening::Front);
        }
    }

    fn hang_up(&mut self, env: &mut Env, conn: ConnId) {
        let Some(mut front) = self.fronts.remove(&conn) else {
            return;
        };
        if matches!(front.stage, Stage::Routed) {
            front.gone = true;
            self.fronts.insert(conn, front);
            return;
        }
        self.registry.connection_closed(env.instant(), front.id);
        env.net.close(env.now, conn, Way::Down);
    }

    /// Whether a task that is over goes now. Where reports take their time so does an owner, and it is asked meanwhile.
    pub fn may_leave(&mut self, env: &mut Env, number: u64) -> bool {
        let quick = env.options.report_delay == PROMPT || env.healed;
        let Some(task) = self.tasks.get_mut(&number).filter(|_| !quick) else {
            return true;
        };
        if let Some(leaves) = task.leaves {
            return leaves <= env.now;
        }
        let leaves = env.now + env.rng.below(env.options.report_delay);
        task.leaves = Some(leaves);
        env.net.plan(leaves, Happening::Wake(Peer::Task(number)));
        leaves <= env.now
    }

    /// Takes a task out, with all its connections.
    pub fn kill(&mut self, env: &mut Env, number: u64) -> Option<Task> {
        let mut task = self.tasks.remove(&number)?;
        self.owners.remove(&task.id);
        task.host.abandon_conns(env);
        Some(task)
    }

    /// Everything unproven is cut off.
    pub fn drop_fronts(&mut self, env: &mut Env) {
        let conns: Vec<ConnId> = self.fronts.keys().copied().collect();
        for conn in conns {
            self.fronts.remove(&conn);
            env.net.close(env.now, conn, Way::Down);
        }
        self.mail.clear();
        self.reports.clear();
    }
}

fn flush(env: &mut Env, conn: ConnId, incoming: &mut Incoming) {
    let mut packet = Vec::new();
    while incoming.poll_transmit(&mut packet) {
        env.send(conn, Way::Down, &packet);
        packet.clear();
    }
}

fn reject(env: &mut Env, conn: ConnId, rejection: &Rejection, what: &str) {
    env.tally.hit(what);
    env.log(|| format!("conn {conn}: {what}"));
    if let Some(packet) = &rejection.packet {
        env.send(conn, Way::Down, packet);
    }
    env.net.close(env.now, conn, Way::Down);
}
