//! When a connection is wanted, and what it takes: a token, and then a dial.

use bytes::Bytes;

use crate::reconnect::{
    Attempt, Cause, History, IntentKind, Outcome, Reached, ReconnectIntent, ReconnectStats, Retry, Strategy,
};
use crate::rng::Rng;
use crate::ssm::body::Token;
use crate::ssm::config::ChannelConfig;
use crate::time::{Duration, Instant};

/// Decides about connections; the channel carries out.
#[derive(Debug)]
pub(crate) struct Dialing {
    retry: Retry,
    history: History,
    attempt: u64,
    want: Option<Want>,
    cause: Option<Cause>,
    /// Where the next dial goes, if not to the usual place.
    url: Bytes,
}

#[derive(Debug)]
struct Want {
    kind: IntentKind,
    not_before: Instant,
    /// `None`: it has to be asked for first.
    token: Option<Token>,
    /// When the step that is being taken began, or will.
    since: Instant,
    announced: bool,
}

/// What follows from a loss or a failure.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Another attempt is planned.
    Try,
    /// None is left.
    GiveUp,
    /// The session is to end for a fresh one.
    Fresh,
}

impl Dialing {
    /// The first dial is wanted at once. `token`: what it takes, if that is there already.
    pub(crate) fn new(now: Instant, token: Option<Token>, config: &ChannelConfig) -> Dialing {
        let mut dialing = Dialing {
            retry: Retry::default(),
            history: History::new(config.history_limit),
            attempt: 0,
            want: None,
            cause: None,
            url: Bytes::new(),
        };
        // Nothing has failed yet, so that there is nobody to move in step with.
        dialing.retry.next(now, &config.backoff, 0);
        dialing.begin(now, IntentKind::Establish, now, token);
        dialing
    }

    fn begin(&mut self, now: Instant, kind: IntentKind, not_before: Instant, token: Option<Token>) {
        self.attempt += 1;
        let attempt = Attempt {
            number: self.attempt,
            kind,
            strategy: strategy(kind),
            cause: self.cause,
            started: not_before,
            duration: None,
            reached: Reached::Nothing,
            outcome: Outcome::Pending,
        };
        self.history.begin(now, attempt);
        self.want = Some(Want {
            kind,
            not_before,
            token,
            since: not_before,
            announced: not_before <= now,
        });
    }

    pub(crate) fn intent(&self, config: &ChannelConfig) -> Option<ReconnectIntent> {
        let want = self.want.as_ref()?;
        Some(ReconnectIntent {
            attempt: self.attempt,
            not_before: want.not_before,
            deadline: want.deadline(config),
            kind: want.kind,
            strategy: strategy(want.kind),
            preparation: None,
            preserved: Bytes::new(),
            cause: self.cause,
            refresh_credential: want.token.is_none(),
            alternate: self.url.clone(),
        })
    }

    /// The token that was asked for; `url`: where to dial with it, if the service said so.
    pub(crate) fn grant(&mut self, now: Instant, attempt: u64, token: Token, url: Bytes) {
        let asked = self.want.as_mut().filter(|want| want.token.is_none());
        let Some(want) = asked.filter(|_| self.attempt == attempt) else {
            return;
        };
        want.token = Some(token);
        want.since = want.not_before.max(now);
        want.announced = true;
        if !url.is_empty() {
            self.url = url;
        }
    }

    /// A dial succeeded: what its first message has to show. `None`: no dial is wanted.
    pub(crate) fn take_dial(&mut self, now: Instant) -> Option<(Token, Option<Attempt>)> {
        let token = self.want.as_mut()?.token.take()?;
        self.want = None;
        self.cause = None;
        self.history.reach(Reached::Connection);
        self.history.on_attached(now);
        Some((token, self.history.finish(now, Outcome::Succeeded)))
    }

    /// The connection is lost.
    pub(crate) fn on_lost(&mut self, now: Instant, cause: Cause, config: &ChannelConfig, rng: &mut Rng) -> Next {
        self.history.on_lost(now, cause);
        self.schedule(now, IntentKind::Resume, cause, None, config, rng)
    }

    /// The attempt failed; `after`: no other is made before. `None`: it was over already.
    pub(crate) fn on_failed(
        &mut self,
        now: Instant,
        attempt: u64,
        (cause, after): (Cause, Option<Duration>),
        config: &ChannelConfig,
        rng: &mut Rng,
    ) -> Option<(Next, Option<Attempt>)> {
        if self.attempt != attempt {
            return None;
        }
        let kind = self.want.take()?.kind;
        let ended = self.history.finish(now, Outcome::Failed(cause));
        if kind == IntentKind::Establish && config.strategies.is_final(cause) {
            self.cause = Some(cause);
            return Some((Next::GiveUp, ended));
        }
        Some((self.schedule(now, kind, cause, after, config, rng), ended))
    }

    fn schedule(
        &mut self,
        now: Instant,
        kind: IntentKind,
        cause: Cause,
        after: Option<Duration>,
        config: &ChannelConfig,
        rng: &mut Rng,
    ) -> Next {
        self.cause = Some(cause);
        if kind == IntentKind::Resume && config.strategies.for_cause(cause) == Strategy::Fresh {
            return Next::Fresh;
        }
        let random = rng.next_u64();
        let Some(due) = self.retry.next(now, &config.backoff, random) else {
            return Next::GiveUp;
        };
        let floor = after.map_or(now, |after| now + config.backoff.later(after, rng.next_u64()));
        // A token serves one dial: the next is asked for again.
        self.begin(now, kind, due.max(floor), None);
        Next::Try
    }

    /// The connection stayed up for long enough.
    pub(crate) fn on_stable(&mut self) {
        self.retry.reset();
    }

    /// What waits for its time is due now.
    pub(crate) fn hurry(&mut self, now: Instant) {
        if let Some(want) = &mut self.want {
            if want.not_before > now {
                (want.not_before, want.since) = (now, now);
            }
            want.announced = true;
            self.history.hurry(now);
        }
    }

    /// The session is over.
    pub(crate) fn end(&mut self, now: Instant) -> Option<Attempt> {
        self.want = None;
        self.history.finish(now, Outcome::Abandoned)
    }

    pub(crate) fn next_deadline(&self, config: &ChannelConfig) -> Option<Instant> {
        let want = self.want.as_ref()?;
        Some(match want.announced {
            true => want.deadline(config),
            false => want.not_before,
        })
    }

    /// The attempt that has run out of time, if one has.
    pub(crate) fn handle_timeout(&mut self, now: Instant, config: &ChannelConfig) -> Option<u64> {
        let want = self.want.as_mut()?;
        want.announced |= now >= want.not_before;
        (now >= want.deadline(config)).then_some(self.attempt)
    }

    pub(crate) fn history(&self) -> impl Iterator<Item = &Attempt> {
        self.history.iter()
    }

    pub(crate) fn stats(&self) -> ReconnectStats {
        let mut stats = self.history.stats;
        stats.next_retry = self.want.as_ref().map(|want| want.not_before);
        stats
    }
}

impl Want {
    fn deadline(&self, config: &ChannelConfig) -> Instant {
        let limit = match self.token {
            Some(_) => config.dial_timeout,
            None => config.token_timeout,
        };
        let limit = config.backoff.attempt_timeout.map_or(limit, |most| limit.min(most));
        self.since + limit
    }
}

fn strategy(kind: IntentKind) -> Strategy {
    match kind {
        IntentKind::Establish => Strategy::Fresh,
        IntentKind::Resume | IntentKind::Migrate => Strategy::Resume,
    }
}
