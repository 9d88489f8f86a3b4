//! Deadlines.

use super::state::Channel;
use crate::id::Epoch;
use crate::liveness::Verdict;
use crate::time::{Instant, earliest};

/// What has come to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The connection is silent for too long.
    Silence(Epoch),
    /// This attempt has run out of time.
    Attempt(u64),
    /// A number has not come for too long.
    Missing(u64),
}

impl Channel {
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        if self.is_over {
            return self.link.as_ref().and_then(|_| self.receiver.next_ack());
        }
        let dialing = self.dialing.next_deadline(&self.config);
        let Some(link) = &self.link else { return dialing };
        let alive = link.liveness.deadline(self.sender.srtt());
        let stable = (!link.stable).then(|| link.since + self.config.backoff.stable_after);
        let gap = self.gap_due();
        let sender = match self.paused_until {
            Some(until) => Some(until),
            None => self.sender.poll_timeout(),
        };
        [dialing, Some(alive), stable, gap, sender, self.receiver.next_ack()]
            .into_iter()
            .fold(None, earliest)
    }

    /// When a number is missing for too long. One that is here, and waits for the application, is not.
    fn gap_due(&self) -> Option<Instant> {
        let since = self.receiver.gap_since().filter(|_| self.turn.is_none());
        since.map(|since| since + self.config.gap_timeout)
    }

    /// Moves what is due. What the session as a whole has to hear of, one thing after the other.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Option<Due> {
        if self.is_over {
            self.receiver.handle_timeout(now);
            return None;
        }
        if let Some(attempt) = self.dialing.handle_timeout(now, &self.config) {
            return Some(Due::Attempt(attempt));
        }
        self.paused_until.take_if(|until| *until <= now);
        let link = self.link.as_mut()?;
        if !link.stable && now >= link.since + self.config.backoff.stable_after {
            link.stable = true;
            self.dialing.on_stable();
        }
        self.sender.handle_timeout(now);
        self.receiver.handle_timeout(now);
        let srtt = self.sender.srtt();
        if self.unread_bytes >= self.config.receive_buffer / 2 {
            // Nobody reads, on our own word.
            link.liveness.on_input(now, false);
        }
        if now >= link.liveness.deadline(srtt) && link.liveness.on_timeout(now, srtt) == Verdict::Dead {
            return Some(Due::Silence(link.epoch));
        }
        self.gap_due()
            .is_some_and(|due| due <= now)
            .then(|| Due::Missing(self.receiver.expected()))
    }
}
