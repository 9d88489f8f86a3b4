//! Connections that come and go, and the wish for one.

use alloc::collections::VecDeque;

use bytes::Bytes;

use super::link::Link;
use super::state::Channel;
use crate::id::Epoch;
use crate::reconnect::{Attempt, Cause};
use crate::ssm::body::Token;
use crate::ssm::dialing::Next;
use crate::ssm::event::Event;
use crate::ssm::message::Message;
use crate::time::{Duration, Instant};

impl Channel {
    /// The token for the dial of `attempt`, and where that goes if not to the usual place.
    pub(crate) fn grant(&mut self, now: Instant, attempt: u64, token: Token, url: Bytes) {
        self.dialing.grant(now, attempt, token, url);
    }

    /// A dial succeeded; `first` makes of the token what goes before anything else. `None`: no dial is wanted.
    pub(crate) fn attach(
        &mut self,
        now: Instant,
        first: impl FnOnce(&mut Channel, Token) -> VecDeque<Message>,
    ) -> Option<Epoch> {
        let (token, attempt) = self.dialing.take_dial(now).filter(|_| !self.is_over)?;
        self.epochs += 1;
        let epoch = Epoch(self.epochs);
        let first = first(self, token);
        self.link = Some(Link::new(now, epoch, first, &self.config));
        self.sender.on_attached();
        self.receiver.on_attached(now);
        self.paused_until = None;
        self.tell_attempt(attempt);
        let gap = self.lost_at.take().map(|lost| now.saturating_since(lost));
        self.push_event(Event::Attached {
            epoch,
            replayed: self.sender.payload_bytes(),
            gap: gap.unwrap_or_default(),
        });
        Some(epoch)
    }

    /// The connection is gone. `None`: that is known.
    pub(crate) fn detach(&mut self, now: Instant, epoch: Epoch, cause: Cause) -> Option<Next> {
        self.link.take_if(|link| link.epoch == epoch)?;
        if self.is_over {
            return None;
        }
        self.lost_at = Some(now);
        self.push_event(Event::Detached { cause });
        Some(self.dialing.on_lost(now, cause, &self.config, &mut self.rng))
    }

    /// The attempt came to nothing. `None`: nobody waits for it.
    pub(crate) fn failed(
        &mut self,
        now: Instant,
        attempt: u64,
        cause: Cause,
        after: Option<Duration>,
    ) -> Option<(Next, Cause)> {
        let failed = self
            .dialing
            .on_failed(now, attempt, (cause, after), &self.config, &mut self.rng);
        let (next, ended) = failed?;
        self.tell_attempt(ended);
        Some((next, cause))
    }

    fn tell_attempt(&mut self, attempt: Option<Attempt>) {
        if let Some(attempt) = attempt {
            self.push_event(Event::Reconnect(attempt));
        }
    }

    /// Dials now instead of waiting.
    pub(crate) fn hurry(&mut self, now: Instant) {
        self.dialing.hurry(now);
    }

    /// Whether this connection is to be kept.
    pub(crate) fn is_wanted(&self, epoch: Epoch) -> bool {
        let is_current = self.link.as_ref().is_some_and(|link| link.epoch == epoch);
        // Whoever asked for the end hears that it was heard.
        is_current && (!self.is_over || self.receiver.owes_acks())
    }

    /// The session is over: nothing is dialled or kept any more.
    pub(crate) fn end(&mut self, now: Instant, ended: crate::ssm::event::Ended) {
        self.is_over = true;
        let attempt = self.dialing.end(now);
        self.tell_attempt(attempt);
        self.push_event(Event::Ended(ended));
    }
}
