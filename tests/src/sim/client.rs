//! A client process: a host that dials when its machine wants a connection.

use bytes::Bytes;
use unbroken_proto::reconnect::{IntentKind, ReconnectIntent};
use unbroken_proto::session::SessionState;
use unbroken_proto::{Carrier, Cause};

use super::env::Env;
use super::fault::Fault;
use super::host::Host;
use super::net::{Happening, Peer, Way};
use crate::rng::mix;

/// One client process.
#[derive(Debug)]
pub struct Client {
    /// Its number.
    pub number: usize,
    /// Its machine and application.
    pub host: Host,
    /// The conversation it is one end of.
    pub conv: usize,
    dial: Option<u64>,
    fate: Option<Fault>,
    careless: u64,
    pub(super) dials: Vec<u64>,
}

impl Client {
    /// Has a machine and no connection.
    #[must_use]
    pub fn new(number: usize, host: Host, conv: usize, careless: u64) -> Client {
        Client {
            number,
            host,
            conv,
            dial: None,
            fate: None,
            careless,
            dials: Vec::new(),
        }
    }

    /// Starts, keeps or gives up a dial, as the machine's wish says.
    pub fn follow_wish(&mut self, env: &mut Env) {
        if self.host.sleeps(env).is_some() {
            return;
        }
        let Some(intent) = self.host.session.wanted_connection() else {
            if self.careless == 0 {
                self.dial = None;
            }
            return;
        };
        if self.dial == Some(intent.attempt) {
            return;
        }
        if self.dial.is_some_and(|before| before > intent.attempt) {
            env.fail(&format!("attempt {} after {:?}", intent.attempt, self.dial));
        }
        if intent.refresh_credential {
            env.tally.hit("intent: refresh credential");
            self.host.session.handle_answer(
                env.instant(),
                0,
                unbroken_proto::reconnect::Answer::Credential(Bytes::from_static(b"fresh")),
            );
            self.host.service(env);
            return;
        }
        self.dial(env, &intent);
    }

    fn dial(&mut self, env: &mut Env, intent: &ReconnectIntent) {
        env.tally.hit(match intent.kind {
            IntentKind::Establish => "intent: establish",
            IntentKind::Resume => "intent: resume",
            IntentKind::Migrate => "intent: migrate",
            other => panic!("{other:?} is not known here"),
        });
        if intent.deadline <= intent.not_before {
            env.fail(&format!("an attempt that cannot succeed: {intent:?}"));
        }
        self.dial = Some(intent.attempt);
        self.fate = env.dials.pop_front();
        let start = env.time_of(intent.not_before).max(env.now);
        self.check_pace(env, start);
        let mut takes = env.options.carrier.latency * 2 + env.rng.below(1_000_000);
        match self.fate {
            Some(Fault::DialHangs) => return,
            Some(Fault::DialSlow) => takes += env.rng.below(15_000_000_000),
            _ => {}
        }
        env.net
            .plan(start + takes, Happening::Dialled(self.number, intent.attempt));
    }

    /// Sixteen dials in a row cannot all draw tiny delays: with full jitter their sum stays below a
    /// fiftieth of its mean with a chance below 1e-9.
    fn check_pace(&mut self, env: &mut Env, start: u64) {
        self.dials.push(start);
        if self.dials.len() < 17 {
            return;
        }
        let first = self.dials.remove(0);
        let policy = &env.options.backoff;
        let attaches = self.host.session.stats().attaches;
        let mean = u64::try_from(policy.base.min(policy.cap).as_nanos()).unwrap_or(0) * 8;
        if attaches == 0 && start.saturating_sub(first) < mean / 50 {
            env.fail(&format!("sixteen dials within {} ns", start - first));
        }
    }

    /// A dial ends.
    pub fn dialled(&mut self, env: &mut Env, attempt: u64) {
        if let Some(until) = self.host.sleeps(env) {
            env.net.plan(until, Happening::Dialled(self.number, attempt));
            return;
        }
        let current = self
            .host
            .session
            .wanted_connection()
            .is_some_and(|intent| intent.attempt == attempt);
        if !current {
            if !env.rng.chance(self.careless) {
                return;
            }
            env.tally.hit("fault: dial out of turn");
        }
        match self.fate {
            Some(Fault::DialRefused) => {
                env.tally.hit("host: dial refused");
                self.host.session.handle_answer(
                    env.instant(),
                    attempt,
                    unbroken_proto::reconnect::Answer::Failed(Cause::Refused),
                );
            }
            fate => self.connected(env, fate),
        }
        self.host.service(env);
        self.follow_wish(env);
    }

    fn connected(&mut self, env: &mut Env, fate: Option<Fault>) {
        let carrier = if env.rng.chance(500) {
            Carrier::ordered()
        } else {
            Carrier::ordered().authenticated()
        };
        let epoch = match self.host.session.attach(env.instant(), carrier) {
            Ok(epoch) => epoch,
            Err(error) => {
                env.tally.hit(&format!("error: attach {error:?}"));
                return;
            }
        };
        let conn = env.net.connect(env.options.carrier, Some(self.number), &mut env.rng);
        self.host.link(env, conn, epoch);
        if fate == Some(Fault::DialImpostor) {
            impostor(env, conn);
            return;
        }
        env.net
            .plan(env.now + env.options.carrier.latency, Happening::Accept(conn));
        if fate == Some(Fault::DialDies) {
            let at = env.now + env.rng.below(2_000_000);
            for way in Way::BOTH {
                env.net.with_pipe(conn, way, |pipe| {
                    pipe.drop_all();
                    pipe.close_at(at);
                });
            }
        }
        if std::mem::take(&mut env.cut_young) {
            env.tally.hit("carrier: cut young");
            let unnoticed = env.rng.chance(300);
            for way in Way::BOTH {
                let bytes = env.rng.scaled(0, 700);
                let at = env.now + env.options.carrier.latency + env.rng.below(400_000_000);
                env.net.with_pipe(conn, way, |pipe| {
                    pipe.cut_after(bytes);
                    if !unnoticed {
                        pipe.close_at(at);
                    }
                });
            }
        }
    }

    /// Whether the session is over and its user knows.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.host.ended.is_some() && self.host.session.state() == SessionState::Ended
    }

    /// Its place in the simulation.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer::Client(self.number)
    }
}

/// Somebody else answers: junk, a refusal, an old packet, or nothing.
fn impostor(env: &mut Env, conn: u64) {
    if let Some(known) = env.net.conn(conn) {
        known.impostor = true;
    }
    let at = env.now + 1_000_000;
    for _ in 0..=env.rng.below(3) {
        let mut packet = match env.rng.below(5) {
            0 => vec![6, 2],
            1 => vec![6, 1, u8::try_from(env.rng.below(64)).unwrap_or(0)],
            2 => vec![6, u8::try_from(env.rng.between(3, 4)).unwrap_or(3)],
            3 if !env.recorded.is_empty() => env.rng.pick(&env.recorded).clone(),
            _ => junk(env),
        };
        if env.rng.chance(100) {
            packet.push(0);
        }
        env.tally.hit("attack: impostor answers");
        env.send(conn, Way::Down, &packet);
    }
    if env.rng.chance(700) {
        env.net.with_pipe(conn, Way::Down, |pipe| pipe.close_at(at));
    }
}

/// Bytes of no meaning, of a plausible first byte.
pub(super) fn junk(env: &mut Env) -> Vec<u8> {
    let len = env.rng.scaled(1, 400);
    let first = env.rng.below(9);
    (0..len)
        .map(|at| if at == 0 { first } else { mix(env.now ^ at) })
        .map(|n| n.to_le_bytes()[0])
        .collect()
}
