//! The faults, and the host that has to live with them.

use bytes::Bytes;
use unbroken_proto::event::{EndReason, Event};
use unbroken_proto::reconnect::{Continuity, IntentKind, Preparation, Strategies, Strategy};
use unbroken_proto::server::Refusal;
use unbroken_proto::session::SessionState;
use unbroken_proto::time::Duration;
use unbroken_proto::{Carrier, Cause, Health, Side, StreamId};

use super::oracle::Oracle;
use super::pace::Pace;
use crate::pair::{DialFate, Pair, Setup};
use crate::rng::{Rng, mix};
use crate::tally::Tally;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;
/// No attempt takes longer than this if nothing holds it up: preparation, dial and handshake at their longest.
const PATIENCE: u64 = 100 * SECOND;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Summary {
    /// What happened, by name.
    pub tally: Tally,
    /// How it ended.
    pub end: String,
}

/// Something the host does later.
#[derive(Clone, Debug)]
enum Later {
    /// Another fault.
    Fault,
    /// The answer to the preparation of that attempt: good, or not.
    Prepared(u64, Preparation, Result<Continuity, Cause>),
    /// The answer to a wish for a credential.
    Credential(bool),
    /// The network's silence is noticed by the server.
    Notice(usize),
}

/// See [`crate::harness`].
#[derive(Debug)]
pub struct Harness {
    pair: Pair,
    setup: Setup,
    rng: Rng,
    oracle: Oracle,
    stream: StreamId,
    sent: u64,
    agenda: Vec<(u64, u64, Later)>,
    planned: u64,
    /// The attempt whose preparation the host has seen to, and the one whose credential.
    seen: [u64; 2],
    faults: u64,
    refused_for_good: bool,
    detached_for: u64,
    end: Option<EndReason>,
}

/// Runs the schedule of `seed`.
///
/// # Panics
/// When a promise is broken; whoever calls prints the seed.
#[must_use]
pub fn run(seed: u64) -> Summary {
    let mut harness = Harness::new(seed);
    harness.run_faults();
    harness.settle_down();
    Summary {
        tally: harness.oracle.tally.clone(),
        end: harness.end.map_or_else(String::new, |end| format!("{end:?}")),
    }
}

fn fate(rng: &mut Rng) -> DialFate {
    match rng.below(9) {
        0 | 1 => DialFate::Fails(Cause::Refused),
        2 => DialFate::Fails(Cause::Network),
        3 => DialFate::Dead,
        4 => DialFate::Hangs,
        5 => DialFate::Fails(*rng.pick(&[Cause::Authentication, Cause::Denied])),
        6 => DialFate::Postponed(Duration::from_millis(rng.scaled(1, 40_000))),
        _ => DialFate::Up,
    }
}

impl Harness {
    /// Everything follows from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Harness {
        let mut rng = Rng::new(mix(seed ^ 0x7269_6700));
        let pace = *rng.pick(&Pace::ALL);
        let mut table = vec![
            (Cause::ProcessEnded, Strategy::Restart),
            (Cause::StateDamaged, Strategy::Restore),
            (Cause::ApplicationLost, Strategy::Recover),
        ];
        if rng.chance(300) {
            table[2].1 = Strategy::Fresh;
        }
        let mut strategies = Strategies::resume_always();
        for (cause, strategy) in &table {
            strategies = strategies.with(*cause, *strategy);
        }
        let mut setup = Setup {
            seed: u8::try_from(seed % 251).unwrap_or(0),
            backoff: pace
                .backoff()
                .with_attempt_timeout(*rng.pick(&[None, Some(Duration::from_millis(2_500))])),
            strategies,
            history_limit: usize::try_from(*rng.pick(&[64, 0, 1, 5])).unwrap_or(0),
            ..Setup::default()
        };
        setup.client.idle_after = Duration::from_secs(*rng.pick(&[60, 2]));
        let mut pair = Pair::new(&setup);
        let stream = open(&mut pair);
        let oracle = Oracle::new(pace, setup.history_limit, &table);
        let faults = rng.between(5, 60);
        Harness {
            pair,
            setup,
            rng,
            oracle,
            stream,
            sent: 0,
            agenda: Vec::new(),
            planned: 0,
            seen: [0; 2],
            faults,
            refused_for_good: false,
            detached_for: 0,
            end: None,
        }
    }

    /// Prints what happens, when `UNBROKEN_LOG` is set.
    fn log(&self, what: impl FnOnce() -> String) {
        if std::env::var_os("UNBROKEN_LOG").is_some() {
            println!("{:>8}.{:06} {}", self.pair.now / MS, self.pair.now % MS, what());
        }
    }

    fn fail(&self, what: &str) -> ! {
        panic!("at {} ms: {what}; {:?}", self.pair.now / MS, self.setup.backoff)
    }

    fn demand(&self, verdict: Result<(), String>) {
        if let Err(what) = verdict {
            self.fail(&what);
        }
    }

    fn plan(&mut self, after: u64, what: Later) {
        self.planned += 1;
        self.agenda.push((self.pair.now + after, self.planned, what));
    }

    fn run_faults(&mut self) {
        self.plan(0, Later::Fault);
        self.run(|harness| harness.faults == 0);
    }

    /// The network is well, the host answers everything at once and well; what was sent arrives.
    fn settle_down(&mut self) {
        self.faults = 0;
        self.pair.dials.clear();
        self.pair.refusals.clear();
        self.agenda
            .retain(|(.., what)| !matches!(what, Later::Credential(false)));
        self.seen = [0; 2];
        let now = self.pair.instant();
        self.pair.client.reconnect().resume(now);
        self.oracle.paused = false;
        self.oracle.free(self.pair.now);
        let begin = self.pair.now;
        self.run(|harness| {
            let late = harness.pair.now > begin + 500 * SECOND;
            harness.pair.client.state() == SessionState::Attached && harness.pair.ledger.is_settled() || late
        });
        if self.end.is_some() {
            return;
        }
        if !self.pair.ledger.is_settled() {
            self.fail(&format!(
                "it never got through: {:?}, {:?}",
                self.pair.client.state(),
                self.pair.client.wanted_connection()
            ));
        }
        self.oracle.tally.hit("check: all arrived");
        let now = self.pair.instant();
        self.pair
            .client
            .close(now, 0, Bytes::new())
            .expect("because the code fits");
        self.run(|harness| harness.end.is_some());
        // The connection may have been dead, and no try left.
        let closed = matches!(
            self.end,
            Some(EndReason::Closed { .. } | EndReason::LingerExpired | EndReason::GaveUp { .. })
        );
        if !closed {
            self.fail(&format!("a close ends with {:?}", self.end));
        }
    }

    /// Lets time pass until `done`, or the session is over for good.
    fn run(&mut self, done: impl Fn(&Harness) -> bool) {
        for _ in 0..200_000 {
            self.settle();
            if self.end.is_some() || done(self) {
                return;
            }
            let planned = self.agenda.iter().map(|(at, ..)| *at).min();
            let next = self.pair.next_deadline().into_iter().chain(planned).min();
            let Some(next) = next else {
                self.fail("nothing will ever happen")
            };
            self.pair.now = self.pair.now.max(next);
            let acknowledged = self.pair.client.inspect();
            self.oracle.acknowledged(acknowledged.acked, acknowledged.next);
            self.oracle.time(self.pair.now);
            self.pair.timers();
            let due = self.agenda.iter().filter(|(at, ..)| *at <= self.pair.now);
            if let Some((at, number, what)) = due.min_by_key(|(at, number, _)| (*at, *number)).cloned() {
                self.agenda.retain(|(a, n, _)| (*a, *n) != (at, number));
                self.settle();
                if self.end.is_none() {
                    self.act(what);
                }
            }
        }
        self.fail("it spins");
    }

    /// Everything that can happen now happens, and everything that is said is checked.
    fn settle(&mut self) {
        loop {
            self.on_event();
            let refusals = self.pair.refusals.front().cloned();
            let left = self.pair.refusals.len();
            let moved = self.pair.step();
            for dial in std::mem::take(&mut self.pair.dialled) {
                self.log(|| format!("{dial:?}"));
                let verdict = self.oracle.dialled(&dial);
                self.demand(verdict);
            }
            if self.pair.refusals.len() < left {
                match refusals {
                    Some(Refusal::RetryLater { after, .. }) => self.oracle.later(self.pair.now, after),
                    Some(Refusal::RefreshCredentials) => self.oracle.owe_credential(),
                    _ => {}
                }
            }
            self.on_event();
            self.pair.read_all(Side::Server, &[self.stream]);
            let due = self
                .pair
                .client
                .poll_timeout()
                .is_some_and(|at| at <= self.pair.instant());
            if !moved && due {
                self.pair.timers();
            } else if !moved && !self.answer() {
                break;
            }
        }
        let arrived = self.pair.ledger.half(self.stream, Side::Client).has().messages;
        let over = self.pair.client.state() == SessionState::Ended;
        if !over && self.end.is_none() {
            let verdict = self.oracle.check_due(self.pair.now, arrived);
            self.demand(verdict);
        }
        let verdict = self.oracle.check(self.pair.now, &self.pair.client);
        self.demand(verdict);
        if let (Some(limit), Some(at)) = (self.setup.backoff.attempt_timeout, self.oracle.dialled_at())
            && u128::from(self.pair.now - at) > limit.as_nanos()
            && !over
        {
            self.fail(&format!("dialled at {} ms and still under way", at / MS));
        }
        if let Some(since) = self.oracle.waiting_since().filter(|_| !over)
            && self.pair.now > since + PATIENCE
        {
            self.fail(&format!("an attempt since {} ms", since / MS));
        }
        self.bury();
    }

    /// What the client said.
    fn on_event(&mut self) {
        self.pair.read_events();
        let acknowledged = self.pair.client.inspect();
        self.oracle.acknowledged(acknowledged.acked, acknowledged.next);
        self.oracle.over = self.pair.client.state() == SessionState::Ended;
        for (side, event) in std::mem::take(&mut self.pair.events) {
            self.log(|| format!("{side:?} {event:?}"));
            if side == Side::Client {
                if let Event::Attached { gap, .. } = &event {
                    self.detached_for = self.detached_for.max(u64::try_from(gap.as_nanos()).unwrap_or(u64::MAX));
                }
                let verdict = self.oracle.event(self.pair.now, &event);
                if let Err(what) = verdict {
                    self.fail(&format!("{event:?}: {what}"));
                }
            }
        }
    }

    /// The session is over: rightly so, and with the truth about what was sent? Then the fresh one follows.
    fn bury(&mut self) {
        let Some(ended) = self.pair.ended[0].take() else { return };
        self.pair.read_all(Side::Server, &[self.stream]);
        let verdict = self.pair.ledger.check_fates(Side::Client, &ended);
        self.demand(verdict);
        if self.pair.client.poll_timeout().is_some() || self.pair.client.wanted_connection().is_some() {
            self.fail("something is left of a session that is over");
        }
        self.oracle.end();
        let long = self.detached_for > 500 * SECOND || self.pair.now > 600 * SECOND;
        let right = match &ended.reason {
            EndReason::Fresh { .. } => true,
            EndReason::GaveUp { .. } => self.oracle.may_give_up(),
            EndReason::Unauthorized => self.refused_for_good,
            EndReason::Expired | EndReason::Unknown => long,
            EndReason::Closed { .. } | EndReason::LingerExpired => self.faults == 0,
            _ => false,
        };
        if !right {
            self.fail(&format!("it ended with {:?}", ended.reason));
        }
        self.oracle.tally.hit(match &ended.reason {
            EndReason::Fresh { .. } => "end: fresh",
            EndReason::GaveUp { .. } => "end: gave up",
            EndReason::Unauthorized => "end: unauthorized",
            EndReason::Closed { .. } => "end: closed",
            _ => "end: other",
        });
        if !matches!(ended.reason, EndReason::Fresh { .. }) {
            self.end = Some(ended.reason);
            return;
        }
        self.setup.seed = self.setup.seed.wrapping_add(1);
        self.pair.follow(&self.setup);
        self.oracle.follow();
        self.oracle.free(self.pair.now);
        self.stream = open(&mut self.pair);
        (self.sent, self.seen) = (0, [0; 2]);
        self.agenda.retain(|(.., what)| matches!(what, Later::Fault));
        self.on_event();
    }

    /// The host looks at what is wanted of it besides dials. True: it did something at once.
    fn answer(&mut self) -> bool {
        let Some(intent) = self.pair.client.wanted_connection() else {
            return false;
        };
        if intent.not_before > self.pair.instant() {
            return false;
        }
        if !intent.is_dial() && self.pair.client.attach(self.pair.instant(), Carrier::ordered()).is_ok() {
            self.fail(&format!("a connection was taken before {intent:?} was answered"));
        }
        let settle_down = self.faults == 0;
        if let Some(asked) = intent.preparation.filter(|_| self.seen[0] != intent.attempt) {
            self.seen[0] = intent.attempt;
            let bad = *self.rng.pick(&[Cause::Network, Cause::Timeout, Cause::StateDamaged]);
            let kept = asked != Preparation::Restart || settle_down || self.rng.chance(600);
            let good = Ok(if kept { Continuity::Kept } else { Continuity::Lost });
            let (after, result) = match self.rng.below(if settle_down { 1 } else { 7 }) {
                0 | 1 => (0, good),
                2 => (0, Err(bad)),
                3 => (self.rng.scaled(1, 25 * SECOND), good),
                4 => (self.rng.scaled(1, 25 * SECOND), Err(bad)),
                // Too late to count.
                5 => (40 * SECOND, good),
                _ => return false,
            };
            self.plan(after, Later::Prepared(intent.attempt, asked, result));
        }
        let welcome = self.pair.client.reconnecting().is_credential_welcome();
        let asked = intent.preparation.is_none() && intent.refresh_credential || welcome;
        if asked && self.seen[1] != intent.attempt {
            self.seen[1] = intent.attempt;
            let after = if settle_down {
                0
            } else {
                self.rng.scaled(0, 60 * SECOND)
            };
            let no = !settle_down && self.rng.chance(30);
            self.plan(after, Later::Credential(!no));
        }
        false
    }

    fn act(&mut self, what: Later) {
        let now = self.pair.instant();
        self.log(|| format!("{what:?}"));
        match what {
            Later::Fault => self.fault(),
            Later::Notice(wire) => {
                self.pair.notice(wire, Side::Server);
            }
            Later::Credential(fresh) => {
                let established = self.pair.client.id().is_some();
                if self.oracle.credential(fresh, established) {
                    self.refused_for_good = true;
                }
                if fresh {
                    self.oracle.free(self.pair.now);
                }
                let credential = fresh.then(|| Bytes::from_static(b"fresh"));
                self.pair.client.handle_answer(
                    now,
                    0,
                    credential.map_or(
                        unbroken_proto::reconnect::Answer::NoCredential,
                        unbroken_proto::reconnect::Answer::Credential,
                    ),
                );
            }
            Later::Prepared(attempt, asked, result) => self.prepared(attempt, asked, result),
        }
    }

    fn prepared(&mut self, attempt: u64, asked: Preparation, result: Result<Continuity, Cause>) {
        let now = self.pair.instant();
        let wanted = self.pair.client.wanted_connection();
        let current = wanted.is_some_and(|intent| intent.attempt == attempt && intent.preparation == Some(asked));
        if self.oracle.paused {
            // The wish is gone; the host has given it up.
            self.seen[0] = 0;
            return;
        }
        // Answers nobody asked for are worth nothing.
        if asked != Preparation::Recover {
            self.pair
                .client
                .handle_answer(now, attempt, unbroken_proto::reconnect::Answer::Recovered);
        }
        self.pair
            .client
            .handle_answer(now, attempt + 1_000, unbroken_proto::reconnect::Answer::Restored);
        if current && result.is_ok() {
            self.oracle.prepared(attempt);
            self.oracle.free(self.pair.now);
        }
        self.oracle.tally.hit(match (current, result) {
            (false, _) => "answer: too late",
            (true, Ok(Continuity::Kept)) => "answer: good",
            (true, Ok(Continuity::Lost)) => "answer: lost",
            (true, Err(_)) => "answer: bad",
        });
        match asked {
            Preparation::Restore => self.pair.client.handle_answer(
                now,
                attempt,
                result
                    .map(drop)
                    .map_or_else(unbroken_proto::reconnect::Answer::Failed, |()| {
                        unbroken_proto::reconnect::Answer::Restored
                    }),
            ),
            Preparation::Restart => self.pair.client.handle_answer(
                now,
                attempt,
                result.map_or_else(
                    unbroken_proto::reconnect::Answer::Failed,
                    unbroken_proto::reconnect::Answer::Restarted,
                ),
            ),
            Preparation::Recover => self.pair.client.handle_answer(
                now,
                attempt,
                result
                    .map(drop)
                    .map_or_else(unbroken_proto::reconnect::Answer::Failed, |()| {
                        unbroken_proto::reconnect::Answer::Recovered
                    }),
            ),
            other => panic!("{other:?} is not known here"),
        }
    }

    fn fault(&mut self) {
        if self.faults == 0 {
            return;
        }
        self.faults -= 1;
        let pause = self.rng.scaled(MS, 20 * SECOND);
        self.plan(pause, Later::Fault);
        let now = self.pair.instant();
        let fault = self.rng.below(17);
        self.log(|| format!("---- fault {fault}"));
        match fault {
            0..=3 => self.cut(),
            4 | 5 => {
                for _ in 0..self.rng.between(1, 4) {
                    let fate = fate(&mut self.rng);
                    self.pair.dials.push_back(fate);
                }
            }
            6 | 7 => self.report(),
            8 => {
                let attempts = |session: &unbroken_proto::Session| session.reconnecting().stats().attempts;
                let before = attempts(&self.pair.client);
                self.pair.client.reconnect().at_once(now);
                if self.rng.chance(300) {
                    self.pair.client.reconnect().network_changed(now);
                }
                if attempts(&self.pair.client) == before {
                    self.oracle.hurry();
                } else {
                    let verdict = self.oracle.renewed(self.pair.now);
                    self.demand(verdict);
                }
            }
            9 => {
                self.oracle.paused = true;
                self.pair.client.reconnect().pause(now);
            }
            10 | 11 => {
                self.oracle.paused = false;
                self.oracle.free(self.pair.now);
                // What waits in the host for an answer begins anew.
                self.seen = [0; 2];
                self.pair.client.reconnect().resume(now);
            }
            12 => self.force(),
            13 => self.pair.client.migrate(now, Duration::from_secs(1), Bytes::new()),
            14 => {
                let after = Duration::from_millis(self.rng.scaled(1, 20_000));
                let alternate = Bytes::new();
                let refusal = if self.rng.chance(500) {
                    Refusal::RefreshCredentials
                } else {
                    Refusal::RetryLater { after, alternate }
                };
                self.pair.refusals.push_back(refusal);
            }
            15 => {
                self.pair.client.probe(now);
            }
            _ => {}
        }
        if self.rng.chance(700) {
            self.say();
        }
    }

    fn say(&mut self) {
        let within = self.rng.scaled(MS, 60 * SECOND);
        let len = usize::try_from(self.rng.scaled(0, 2_000)).unwrap_or(0);
        let now = self.pair.instant();
        let half = self.pair.ledger.half(self.stream, Side::Client);
        let payload = half.payload(len);
        let sent = self
            .pair
            .client
            .stream(self.stream)
            .send_within(now, payload, Duration::from_nanos(within));
        let Ok(number) = sent else { return };
        self.pair.ledger.half(self.stream, Side::Client).sent(len);
        self.sent += 1;
        if number != self.sent {
            self.fail(&format!("message {} is called {number}", self.sent));
        }
        self.oracle.watch(self.pair.now + within, number);
    }

    /// The newest connection is cut; not everybody hears of it, and not at once.
    fn cut(&mut self) {
        let Some(wire) = self.pair.wires.iter().rposition(|wire| wire.client.is_some()) else {
            return;
        };
        self.pair.wires[wire].cut([true; 2]);
        let after = self.rng.scaled(0, 30 * SECOND);
        match self.rng.below(4) {
            0 => {}
            1 => self.plan(after, Later::Notice(wire)),
            _ => {
                self.pair.notice(wire, Side::Client);
                self.plan(after, Later::Notice(wire));
            }
        }
    }

    fn report(&mut self) {
        let cause = *self.rng.pick(&[
            Cause::ProcessEnded,
            Cause::StateDamaged,
            Cause::ApplicationLost,
            Cause::Heartbeat,
            Cause::Authentication,
        ]);
        let now = self.pair.instant();
        let attached = self.pair.client.health(now) != Health::Detached;
        let strategy = self.setup.strategies.for_cause(cause);
        self.oracle.asked = attached && matches!(strategy, Strategy::Recover | Strategy::Fresh);
        if cause == Cause::Authentication {
            self.oracle.owe_credential();
        }
        self.pair.client.reconnect().report_failure(now, cause);
    }

    fn force(&mut self) {
        let now = self.pair.instant();
        let establishing = self
            .pair
            .client
            .wanted_connection()
            .is_some_and(|intent| intent.kind == IntentKind::Establish);
        if self.pair.client.id().is_none() || establishing {
            self.oracle.hurry();
        } else {
            self.oracle.force();
        }
        self.pair.client.reconnect().force(now);
    }
}

/// A stream of messages.
fn open(pair: &mut Pair) -> StreamId {
    let stream = pair.open(Side::Client);
    pair.ledger.half(stream, Side::Client).messages = true;
    stream
}
