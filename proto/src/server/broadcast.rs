//! One message to many sessions.

#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::error::SendRefusal;
use crate::id::StreamId;
use crate::session::{Session, SessionState};
use crate::stream::StreamOptions;
use crate::time::Instant;

/// What becomes of a session that is behind when a message comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LagPolicy {
    /// It misses the message, and its owner is told.
    #[default]
    Skip,
    /// It ends.
    End,
}

/// What became of a broadcast message at one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delivery {
    /// It goes out in its turn; as safe as any other message of the session.
    Queued,
    /// The session was behind and misses it.
    Missed,
    /// The session was behind, and so it ended.
    Ended,
    /// The session takes no more: its client stopped the stream, or it is closing or over.
    Declined,
}

/// One session's place in a broadcaster, kept by its owner. It decides for this session alone, so that
/// none can delay another; a session without a connection is treated by the same bound.
///
/// Who broadcasts hands a clone of the same [`Bytes`] to each owner: the payload is in memory once,
/// however many sessions there are and however far behind, until the last of them has it acknowledged.
#[derive(Clone, Debug)]
pub struct Subscription {
    options: StreamOptions,
    stream: Option<StreamId>,
    backlog: usize,
    lag_policy: LagPolicy,
    missed: u64,
}

impl Subscription {
    /// Messages go over a stream of their own, opened with `options` when the first one comes. The
    /// session is behind when more than `backlog` bytes of it would be queued or unacknowledged,
    /// everything it sends counted, or when its outbox has no room.
    #[must_use]
    pub fn new(options: StreamOptions, backlog: usize, lag_policy: LagPolicy) -> Subscription {
        Subscription {
            options,
            stream: None,
            backlog,
            lag_policy,
            missed: 0,
        }
    }

    /// A message came.
    pub fn deliver(&mut self, now: Instant, session: &mut Session, message: &Bytes) -> Delivery {
        if matches!(session.state(), SessionState::Closing | SessionState::Ended) {
            return Delivery::Declined;
        }
        if session.stats().outbox_bytes.saturating_add(message.len()) > self.backlog {
            return self.behind(now, session);
        }
        let stream = match self.stream {
            Some(stream) => stream,
            None => match session.open(now, self.options.clone()) {
                Ok(stream) => *self.stream.insert(stream),
                Err(_) => return self.behind(now, session),
            },
        };
        match session.stream(stream).send(now, message.clone()) {
            Ok(()) => Delivery::Queued,
            Err(refused) => match refused.reason {
                // It wants no more, which is not known yet where it is kept.
                SendRefusal::Unread if session.is_stop_hidden(stream) => {
                    self.missed = self.missed.saturating_add(1);
                    Delivery::Missed
                }
                SendRefusal::Full | SendRefusal::Unread | SendRefusal::TooLarge => self.behind(now, session),
                _ => Delivery::Declined,
            },
        }
    }

    /// The stream that messages go over, once there was one.
    #[must_use]
    pub fn stream(&self) -> Option<StreamId> {
        self.stream
    }

    /// How many messages it missed.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }

    fn behind(&mut self, now: Instant, session: &mut Session) -> Delivery {
        self.missed = self.missed.saturating_add(1);
        match self.lag_policy {
            LagPolicy::Skip => Delivery::Missed,
            LagPolicy::End => {
                session.abort(now);
                Delivery::Ended
            }
        }
    }
}
