//! Counts for itself what happened to one client, from its events and from what its host really did, and compares.

use std::collections::BTreeMap;

use unbroken_proto::reconnect::{Attempt, IntentKind, Outcome, Strategy};
use unbroken_proto::session::SessionState;
use unbroken_proto::time::{Duration, Instant};
use unbroken_proto::{Cause, Event, Health, Session};

use super::pace::Pace;
use crate::model::Verdict;
use crate::pair::{DialFate, Dialled};

/// How long a connection must last for the backoff to start afresh.
const STABLE: u64 = 10_000_000_000;

/// See the module.
#[derive(Debug)]
pub struct Oracle {
    pace: Pace,
    limit: usize,
    open: Option<Open>,
    last_number: u64,
    done: Vec<Attempt>,
    attempts: u64,
    successes: u64,
    failures: u64,
    /// Good answers to "start the process".
    pub restarts: u64,
    lost: BTreeMap<Cause, u32>,
    resumes: u64,
    last_gap: Option<u64>,
    total_gap: u64,
    lost_at: Option<u64>,
    attached_at: Option<u64>,
    first: bool,
    health: Health,
    /// Tries since the last connection that lasted.
    tries: u32,
    /// Of these, those that make the next wait longer.
    steps: u32,
    /// The tries, where one on which something was sent and maybe nothing acknowledged does not count as having lasted.
    tries_at_most: u32,
    /// What was acknowledged to the client and what it sent, as of now and when it attached.
    progress: (u64, u64),
    progress_before: u64,
    /// The host asked for the next attempt itself, so that no pace holds.
    pub asked: bool,
    /// The host said "now" to the attempt under way.
    hurried: bool,
    /// An attempt that hung was given up for the one that begins next; what it had prepared is prepared.
    renewed: bool,
    was_prepared: bool,
    /// How far an escalation has come.
    forced: Option<usize>,
    /// What the last attempt was for, if the host never did what comes before its dial.
    /// Forgotten where no try was left to repeat it at once, which a connection that is up survives.
    unprepared: Option<(u64, Strategy)>,
    /// The table from cause to strategy, rows that are not [`Strategy::Resume`].
    table: Vec<(Cause, Strategy)>,
    /// An attempt planned at this instant may come no sooner than so much later.
    floor: (u64, u64),
    /// An attempt that had not begun was given up now: one in its place has its time, and is no try of its own.
    unbegun: Option<(u64, Instant)>,
    /// Since when nothing holds the attempt under way up.
    free_since: u64,
    /// The session is over.
    pub over: bool,
    /// It said "pause".
    pub paused: bool,
    /// A fresh credential is owed.
    pub credential_owed: bool,
    /// A fresh credential was asked for that nothing waits for: `Some(false)` once there is none.
    credential_welcome: Option<bool>,
    /// How often the client must have said so.
    credentials_told: u64,
    credentials_expected: u64,
    /// Messages with a deadline that is not over: when, and which.
    due: Vec<(u64, u64)>,
    told: Vec<u64>,
    /// What is checked, by name.
    pub tally: crate::tally::Tally,
}

/// The attempt under way.
#[derive(Clone, Copy, Debug)]
struct Open {
    attempt: Attempt,
    /// When it was planned.
    planned: u64,
    /// When it was dialled.
    dialled: Option<u64>,
    /// A connection was made for it.
    up: bool,
    /// The client has attached since.
    attached: bool,
    /// The host has answered that what runs inside is well again.
    recovered: bool,
    /// What the host had to do first is done.
    prepared: bool,
}

fn fail<T>(what: String) -> Result<T, String> {
    Err(what)
}

impl Oracle {
    /// Nothing happened yet.
    #[must_use]
    pub fn new(pace: Pace, limit: usize, table: &[(Cause, Strategy)]) -> Oracle {
        Oracle {
            pace,
            limit,
            open: None,
            last_number: 0,
            done: Vec::new(),
            attempts: 0,
            successes: 0,
            failures: 0,
            restarts: 0,
            lost: BTreeMap::new(),
            resumes: 0,
            last_gap: None,
            total_gap: 0,
            lost_at: None,
            attached_at: None,
            first: true,
            health: Health::Detached,
            tries: 0,
            tries_at_most: 0,
            steps: 0,
            progress: (0, 0),
            progress_before: 0,
            asked: false,
            hurried: false,
            renewed: false,
            was_prepared: false,
            forced: None,
            unprepared: None,
            table: table.to_vec(),
            floor: (0, 0),
            unbegun: None,
            free_since: 0,
            over: false,
            paused: false,
            credential_owed: false,
            credential_welcome: None,
            credentials_told: 0,
            credentials_expected: 0,
            due: Vec::new(),
            told: Vec::new(),
            tally: crate::tally::Tally::default(),
        }
    }

    /// The client said this.
    ///
    /// # Errors
    /// It cannot be true.
    pub fn event(&mut self, now: u64, event: &Event) -> Verdict {
        match event {
            Event::Reconnect(attempt) if attempt.outcome == Outcome::Pending => self.planned(now, *attempt),
            Event::Reconnect(attempt) => self.over(now, *attempt),
            Event::Attached { .. } => self.attached(now),
            Event::Detached { cause } => self.detached(now, *cause),
            Event::Health(health) => {
                self.health = *health;
                let detached = *health == Health::Detached;
                if detached == self.attached_at.is_some() && !self.over {
                    return fail(format!("{health:?} while attached since {:?}", self.attached_at));
                }
                self.tally.hit(&format!("health: {health:?}"));
                Ok(())
            }
            Event::CredentialNeeded => {
                self.credentials_told += 1;
                Ok(())
            }
            Event::Overdue { message, .. } => self.overdue(now, *message),
            _ => Ok(()),
        }
    }

    fn planned(&mut self, now: u64, attempt: Attempt) -> Verdict {
        if let Some(open) = &self.open {
            return fail(format!("{attempt:?} begins beside {open:?}"));
        }
        if attempt.number <= self.last_number {
            return fail(format!("attempt {} after {}", attempt.number, self.last_number));
        }
        self.last_number = attempt.number;
        self.attempts += 1;
        let first = std::mem::take(&mut self.first);
        // By the host's wish, or because nobody answered soon after the network had changed.
        let wished = matches!(attempt.cause, Some(Cause::Local | Cause::Heartbeat));
        let swap = attempt.kind == IntentKind::Migrate && wished;
        let renewed = std::mem::take(&mut self.renewed);
        let asked = std::mem::take(&mut self.asked) || swap || renewed;
        let forced = self.forced.is_some();
        // Whoever was told when to come does not wait longer the next time.
        let told = self.floor.0 == now;
        let replaces = self.unbegun.take() == Some((now, attempt.started));
        if !first && !asked {
            self.check_strategy(now, &attempt)?;
        }
        if !first && !asked && !replaces {
            self.check_pace(now, &attempt)?;
        }
        self.tally
            .add("check: in the place of one that waited", u64::from(replaces));
        let counts = u32::from(!asked && !forced && !replaces);
        self.tries += counts;
        self.steps += counts * u32::from(!told);
        self.tries_at_most += counts;
        self.unprepared = None;
        self.free_since = now;
        self.open = Some(Open {
            attempt,
            planned: now,
            dialled: None,
            up: false,
            attached: false,
            recovered: false,
            prepared: attempt.strategy.preparation().is_none() || renewed && self.was_prepared,
        });
        self.tally.hit(&format!("strategy: {:?}", attempt.strategy));
        Ok(())
    }

    /// What the table says about the cause, or the next step of an escalation, or again what was not prepared.
    fn check_strategy(&mut self, now: u64, attempt: &Attempt) -> Verdict {
        let Some(cause) = attempt.cause else {
            return fail(format!("{attempt:?} without a cause"));
        };
        let unprepared = self
            .unprepared
            .filter(|(at, _)| *at == now)
            .map(|(_, strategy)| strategy);
        let table = self.table.iter().find(|(row, _)| *row == cause);
        let table = table.map_or(Strategy::Resume, |(_, strategy)| *strategy);
        let expected = match (&mut self.forced, unprepared, attempt.kind) {
            (None, None, IntentKind::Migrate) => Strategy::Resume,
            (Some(step), ..) => {
                *step += 1;
                self.tally.hit("check: escalation");
                [Strategy::Resume, Strategy::Restore, Strategy::Restart, Strategy::Fresh][(*step).min(3)]
            }
            (None, Some(same), _) => same,
            (None, None, IntentKind::Establish) if table == Strategy::Restart => table,
            (None, None, IntentKind::Establish) => Strategy::Fresh,
            (None, None, IntentKind::Resume) => table,
            (None, None, other) => return fail(format!("{other:?} is not known here")),
        };
        if attempt.strategy == expected {
            Ok(())
        } else {
            fail(format!("{attempt:?} should be {expected:?}"))
        }
    }

    /// Never sooner than the policy's own numbers say.
    fn check_pace(&mut self, now: u64, attempt: &Attempt) -> Verdict {
        let delay = attempt.started.as_nanos().saturating_sub(now);
        let (said, floor) = std::mem::take(&mut self.floor);
        let floor = if said == now {
            floor.min((self.pace.cap * 1e9) as u64)
        } else {
            0
        };
        if delay < floor {
            return fail(format!("{attempt:?} after {delay} ns, the other end said {floor}"));
        }
        if self.forced.is_some() {
            return if delay < 2_000_000_000 {
                fail(format!("{attempt:?} after {delay} ns, without a pause"))
            } else {
                Ok(())
            };
        }
        if self.pace.tries.is_some_and(|most| self.tries >= most) {
            return fail(format!("try {} of {:?}", self.tries + 1, self.pace.tries));
        }
        if delay > self.pace.most(self.tries_at_most).max(floor + floor / 2) && self.tries > 0 {
            return fail(format!("{attempt:?} only after {delay} ns"));
        }
        if delay < self.pace.least(self.steps) {
            return fail(format!(
                "{attempt:?} after {delay} ns, the {}th of {}: at least {}",
                self.steps,
                self.pace.name,
                self.pace.least(self.steps)
            ));
        }
        self.tally.hit("check: pace");
        Ok(())
    }

    fn over(&mut self, now: u64, attempt: Attempt) -> Verdict {
        let Some(open) = self.open.take() else {
            return fail(format!("{attempt:?} ends and never began"));
        };
        self.hurried = false;
        self.was_prepared = open.prepared;
        if !open.prepared && attempt.outcome != Outcome::Succeeded {
            self.unprepared = Some((now, open.attempt.strategy));
        }
        let took = now.saturating_sub(attempt.started.as_nanos());
        let same = attempt.number == open.attempt.number
            && attempt.strategy == open.attempt.strategy
            && attempt.cause == open.attempt.cause
            && attempt.duration == Some(Duration::from_nanos(took));
        if !same {
            return fail(format!("{open:?} ends as {attempt:?} at {now}"));
        }
        let truly = open.up && open.attached || open.recovered && self.attached_at.is_some();
        match attempt.outcome {
            Outcome::Succeeded if !truly => return fail(format!("{open:?} is no success")),
            Outcome::Succeeded => {
                self.successes += 1;
                self.forced = None;
            }
            Outcome::Failed(_) if open.attached => return fail(format!("{open:?} is no failure")),
            Outcome::Failed(cause) => {
                self.failures += 1;
                self.tally.hit(&format!("failed: {cause:?}"));
            }
            Outcome::Abandoned => {
                let begins = attempt.started.max(Instant::from_nanos(now));
                let waited = self.paused || attempt.started == begins && attempt.duration == Some(Duration::ZERO);
                self.unbegun = waited.then_some((now, begins));
                self.tally.hit("attempt: abandoned");
            }
            other => return fail(format!("over, and {other:?}")),
        }
        self.done.push(attempt);
        Ok(())
    }

    fn attached(&mut self, now: u64) -> Verdict {
        let Some(open) = self.open.as_mut().filter(|open| open.up) else {
            return fail(format!("attached by no dial of {:?}", self.open));
        };
        open.attached = true;
        self.credential_welcome = None;
        // A connection that lasted, and was replaced.
        self.settle_tries(now);
        self.attached_at = Some(now);
        self.progress_before = self.progress.0;
        if let Some(lost) = self.lost_at.take() {
            self.resumes += 1;
            self.last_gap = Some(now - lost);
            self.total_gap += now - lost;
        }
        Ok(())
    }

    fn detached(&mut self, now: u64, cause: Cause) -> Verdict {
        if self.attached_at.is_none() {
            return fail("detached twice".to_owned());
        }
        self.settle_tries(now);
        self.attached_at = None;
        self.lost_at = Some(now);
        *self.lost.entry(cause).or_default() += 1;
        self.tally.hit(&format!("lost: {cause:?}"));
        Ok(())
    }

    /// Only what stayed for ten seconds counts as stable.
    fn settle_tries(&mut self, now: u64) {
        if self.attached_at.is_some_and(|since| now - since >= STABLE) {
            (self.tries, self.steps) = (0, 0);
            self.tally.hit("check: stable");
            let (acked, sent) = self.progress;
            if acked == sent || acked > self.progress_before {
                self.tries_at_most = 0;
                self.tally.hit("check: stable, and something arrived");
            }
        }
    }

    /// So much of what the client sent is acknowledged: up to the first position, of those before the second.
    pub fn acknowledged(&mut self, acked: u64, sent: u64) {
        self.progress = (acked, sent);
    }

    /// Attempts of a swap are tries, too, but not beside a connection that lasted.
    pub fn time(&mut self, now: u64) {
        self.settle_tries(now);
    }

    /// The host dialled.
    ///
    /// # Errors
    /// It should not have been asked to.
    pub fn dialled(&mut self, dial: &Dialled) -> Verdict {
        let Some(open) = &mut self.open else {
            return fail(format!("{dial:?} for no attempt"));
        };
        if open.attempt.number != dial.intent.attempt {
            return fail(format!("{dial:?} while {open:?}"));
        }
        if self.paused || self.credential_owed || !open.prepared {
            return fail(format!(
                "{dial:?}: paused {}, credential owed {}, prepared {}",
                self.paused, self.credential_owed, open.prepared
            ));
        }
        if dial.at < open.attempt.started.as_nanos() && !self.hurried {
            return fail(format!("{dial:?} before {:?}", open.attempt.started));
        }
        open.up = matches!(dial.fate, DialFate::Up);
        open.dialled = Some(dial.at);
        match &dial.fate {
            DialFate::Postponed(after) => self.later(dial.at, *after),
            DialFate::Fails(Cause::Authentication) => self.owe_credential(),
            DialFate::Fails(Cause::Denied) => self.welcome_credential(),
            _ => {}
        }
        self.tally.hit(match &dial.fate {
            DialFate::Up => "dial: up",
            DialFate::Dead => "dial: dead",
            DialFate::Hangs => "dial: hangs",
            DialFate::Fails(_) => "dial: fails",
            DialFate::Postponed(_) => "dial: postponed",
        });
        Ok(())
    }

    /// The other end said "later".
    pub fn later(&mut self, now: u64, after: Duration) {
        self.floor = (now, u64::try_from(after.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The host says "now".
    pub fn hurry(&mut self) {
        self.hurried = self.open.is_some();
    }

    /// The host said "now", and the client gave up what hung.
    ///
    /// # Errors
    /// It had hardly begun.
    pub fn renewed(&mut self, now: u64) -> Verdict {
        let begun = self.open.and_then(|open| open.dialled).unwrap_or(now);
        if now - begun < 50_000_000 {
            return fail(format!("{:?} was given up after {} ns", self.open, now - begun));
        }
        self.renewed = true;
        self.tally.hit("attempt: renewed");
        Ok(())
    }

    /// The host forces it: what is planned next is asked for.
    pub fn force(&mut self) {
        (self.forced, self.asked) = (Some(0), true);
    }

    /// Nothing holds the attempt under way up any more.
    pub fn free(&mut self, now: u64) {
        self.free_since = now;
    }

    /// The host gave a good answer to what attempt `number` asks for before the dial.
    pub fn prepared(&mut self, number: u64) {
        if let Some(open) = self.open.as_mut().filter(|open| open.attempt.number == number) {
            open.prepared = true;
            open.recovered = open.attempt.strategy == Strategy::Recover;
            if open.attempt.strategy == Strategy::Restart {
                self.restarts += 1;
            }
        }
    }

    /// What the host did means that the client must ask for a fresh credential.
    pub fn owe_credential(&mut self) {
        let told = std::mem::replace(&mut self.credential_owed, true) || self.credential_welcome == Some(true);
        self.credential_welcome = None;
        if !told {
            self.credentials_expected += 1;
        }
    }

    /// Somebody who has proven nothing denied access.
    fn welcome_credential(&mut self) {
        if !self.credential_owed && self.credential_welcome.is_none() {
            self.credential_welcome = Some(true);
            self.credentials_expected += 1;
        }
    }

    /// The host answers with a credential, or that there is none. Whether that ends the session.
    pub fn credential(&mut self, fresh: bool, established: bool) -> bool {
        if fresh {
            self.credential_owed = false;
            self.credential_welcome = None;
            return false;
        }
        let welcome = self.credential_welcome == Some(true);
        if welcome {
            self.credential_welcome = Some(false);
        }
        self.credential_owed || welcome && !established
    }

    /// A message was sent that is overdue at `due`.
    pub fn watch(&mut self, due: u64, message: u64) {
        self.due.push((due, message));
    }

    fn overdue(&mut self, now: u64, message: u64) -> Verdict {
        match self.due.iter().find(|(_, watched)| *watched == message) {
            Some((due, _)) if *due <= now && !self.told.contains(&message) => {
                self.told.push(message);
                self.tally.hit("event: overdue");
                Ok(())
            }
            other => fail(format!("{message} overdue at {now}: {other:?}")),
        }
    }

    /// Whoever is late and not even at the peer, which has `arrived`, must have been told of.
    ///
    /// # Errors
    /// One was not.
    pub fn check_due(&mut self, now: u64, arrived: u64) -> Verdict {
        let (over, open): (Vec<_>, Vec<_>) = self.due.iter().partition(|(due, _)| *due <= now);
        let silent = over
            .iter()
            .find(|(_, message)| *message > arrived && !self.told.contains(message));
        if let Some((due, message)) = silent {
            return fail(format!("{message} was due at {due}, and nothing was said by {now}"));
        }
        self.due = open;
        // Those are told in the same instant or never.
        self.told.clear();
        Ok(())
    }

    /// Everything the client says about itself now.
    ///
    /// # Errors
    /// It is not what happened.
    pub fn check(&self, now: u64, session: &Session) -> Verdict {
        let stats = session.reconnecting().stats();
        let nanos = Duration::from_nanos;
        let rate = self.successes + self.failures;
        let rate = (rate > 0).then(|| self.successes as f64 / rate as f64);
        let same = (stats.attempts, stats.successes, stats.failures, stats.restarts)
            == (self.attempts, self.successes, self.failures, self.restarts)
            && stats.resumes == self.resumes
            && stats.last_time_to_resume == self.last_gap.map(nanos)
            && stats.total_time_to_resume == nanos(self.total_gap)
            && stats.success_rate() == rate
            && stats.all_disconnections() == self.lost.values().map(|n| u64::from(*n)).sum::<u64>()
            && Cause::ALL
                .iter()
                .all(|cause| stats.disconnections(*cause) == self.lost.get(cause).copied().unwrap_or(0));
        if !same {
            return fail(format!("{stats:?}, but {self:?}"));
        }
        self.check_history(session)?;
        // Where no try is left there is nothing to ask for.
        if self.credentials_told != self.credentials_expected && !ended(session) {
            return fail(format!(
                "a credential was asked for {} times, not {}",
                self.credentials_told, self.credentials_expected
            ));
        }
        let wanted = session.wanted_connection();
        if self.paused && wanted.is_some() || session.reconnecting().is_paused() != self.paused && !ended(session) {
            return fail(format!("paused {}, and {wanted:?}", self.paused));
        }
        if let Some(wanted) = &wanted {
            let open = self.open.map(|open| open.attempt.number);
            if open != Some(wanted.attempt) || wanted.refresh_credential != self.credential_owed {
                return fail(format!("{wanted:?}, but {open:?}, owed {}", self.credential_owed));
            }
            let welcome = self.credential_welcome == Some(true);
            if session.reconnecting().is_credential_welcome() != welcome {
                return fail(format!("a credential is welcome: not {welcome}"));
            }
            if wanted.strategy == Strategy::Force {
                return fail("force is no step".to_owned());
            }
        }
        if stats.next_retry != wanted.map(|wanted| wanted.not_before) {
            return fail(format!("next retry {:?}", stats.next_retry));
        }
        self.check_state(now, session)
    }

    fn check_history(&self, session: &Session) -> Verdict {
        let told: Vec<&Attempt> = session.reconnecting().history().collect();
        let skipped = self.done.len().saturating_sub(self.limit);
        let open = self.open.as_ref().map(|open| &open.attempt);
        let expected: Vec<&Attempt> = self.done.iter().skip(skipped).chain(open).collect();
        let plain = |attempts: &[&Attempt]| -> Vec<(u64, Strategy, IntentKind, Outcome, Option<Duration>)> {
            attempts
                .iter()
                .map(|a| (a.number, a.strategy, a.kind, a.outcome, a.duration))
                .collect()
        };
        if plain(&told) == plain(&expected) {
            Ok(())
        } else {
            fail(format!("history {told:?} is not {expected:?}"))
        }
    }

    fn check_state(&self, now: u64, session: &Session) -> Verdict {
        let attached = self.attached_at.is_some();
        let state = session.state();
        if !ended(session) && (state == SessionState::Attached) != attached && state != SessionState::Closing {
            return fail(format!("{state:?}, attached {attached}"));
        }
        let health = session.health(Instant::from_nanos(now));
        if health != self.health {
            return fail(format!("{health:?}, last told {:?}", self.health));
        }
        Ok(())
    }

    /// Whether the session may give up by its count.
    #[must_use]
    pub fn may_give_up(&self) -> bool {
        self.pace.tries.is_some_and(|most| self.tries_at_most >= most)
    }

    /// When the attempt under way was dialled, if it was and nothing holds it up.
    #[must_use]
    pub fn dialled_at(&self) -> Option<u64> {
        self.open.filter(|_| !self.paused)?.dialled
    }

    /// How long the attempt under way has been waited for, and whether anything holds it up.
    #[must_use]
    pub fn waiting_since(&self) -> Option<u64> {
        let open = self.open.filter(|_| !self.paused && !self.credential_owed)?;
        Some(open.attempt.started.as_nanos().max(open.planned).max(self.free_since))
    }

    /// The session ended for a fresh one, which goes on here.
    pub fn follow(&mut self) {
        self.attached_at = None;
        self.health = Health::Detached;
        self.credential_owed = false;
        self.credential_welcome = None;
        self.paused = false;
        self.over = false;
        (self.forced, self.unprepared) = (None, None);
        (self.due, self.told) = (Vec::new(), Vec::new());
        if self.open.is_none() {
            // Nothing is under way: the fresh one plans its own.
            self.first = true;
            self.asked = true;
        }
    }

    /// The end of the session: detached, if it was attached, without a word.
    pub fn end(&mut self) {
        self.attached_at = None;
        self.health = Health::Detached;
    }
}

fn ended(session: &Session) -> bool {
    session.state() == SessionState::Ended
}
