//! One session for a host with a poll loop of its own: nothing here blocks, waits or wakes.

use std::io;

use bytes::Bytes;
use unbroken_proto::config::{ClientConfig, Seed};
use unbroken_proto::error::ConfigError;
use unbroken_proto::reconnect::{Continuity, Preparation};
use unbroken_proto::server::{Incoming, Rejection};
use unbroken_proto::{Carrier, Cause, Epoch, Instant, ReconnectIntent, Session};

use crate::connection::Connection;
use crate::failure::{cause_of, is_blocked, later_of};
use crate::links::{Links, Turn};

/// Rounds in one step before the host's other work gets a turn.
const ROUNDS: usize = 16;

/// The host's answer to what an intent asks for before the dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A fresh credential; `None`, the final no, ends the session.
    Credential(Option<Bytes>),
    /// To [`Preparation::Restore`].
    Restored(Result<(), Cause>),
    /// To [`Preparation::Restart`].
    Restarted(Result<Continuity, Cause>),
    /// To [`Preparation::Recover`].
    Recovered(Result<(), Cause>),
}

/// When to step again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// At once, without asking the sockets: the step was only cut short, or the machine has a new
    /// [wish](Stepper::poll_intent).
    pub at_once: bool,
    /// At the latest; `None`: when a socket has news, or the machine was called.
    pub deadline: Option<Instant>,
}

impl Next {
    /// How long to wait from `now` on; `None`: as long as nothing happens.
    #[must_use]
    pub fn wait(&self, now: Instant) -> Option<std::time::Duration> {
        match self.at_once {
            true => Some(std::time::Duration::ZERO),
            false => self.deadline.map(|deadline| deadline.saturating_since(now)),
        }
    }

    pub(crate) fn earliest(self, other: Next) -> Next {
        Next {
            at_once: self.at_once || other.at_once,
            deadline: [self.deadline, other.deadline].into_iter().flatten().min(),
        }
    }
}

/// A session and its connections, driven by [`step`](Stepper::step): one thread, no waiting.
///
/// The host's loop: [`step`](Self::step); answer [`poll_intent`](Self::poll_intent); call the
/// [machine](Self::session_mut) as it likes (streams, events); wait for any of the
/// [`connections`](Self::connections)' sockets, or [`Next::deadline`]; again. A step reads and writes until the
/// sockets block, so edge-triggered readiness is enough; so is asking for all sockets whenever one has news.
///
/// See `examples/mio.rs`.
pub struct Stepper<C> {
    session: Session,
    links: Links<C>,
    /// What the host was last asked for.
    asked: Option<(u64, Step)>,
    /// A dialled connection whose own handshake goes on.
    opening: Option<(u64, Carrier, C)>,
}

/// What an intent asks for now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Prepare(Preparation),
    Refresh,
    Dial,
}

impl Step {
    fn of(intent: &ReconnectIntent) -> Step {
        match intent.preparation {
            Some(preparation) => Step::Prepare(preparation),
            None if intent.refresh_credential => Step::Refresh,
            None => Step::Dial,
        }
    }
}

impl<C: Connection> Stepper<C> {
    /// A dialling session. `seed` is 32 fresh random bytes ([`fresh_seed`](crate::fresh_seed)).
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn connect(config: ClientConfig, seed: Seed, now: Instant) -> Result<Stepper<C>, ConfigError> {
        Session::connect(config, seed, now).map(Stepper::new)
    }

    fn new(session: Session) -> Stepper<C> {
        Stepper {
            session,
            links: Links::new(),
            asked: None,
            opening: None,
        }
    }

    /// A session that a server's registry admitted, on the connection it came on.
    #[must_use]
    pub fn accepted(session: Session, epoch: Epoch, connection: C) -> Stepper<C> {
        let mut stepper = Stepper::new(session);
        stepper.links.add(epoch, connection);
        stepper
    }

    /// The machine, to look at.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The machine: streams, events, and whatever else a host may call. [`step`](Self::step) afterwards.
    pub fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }

    pub(crate) fn into_session(self) -> Session {
        self.session
    }

    /// The connections whose sockets matter: all for reading, those that
    /// [want to](Connection::wants_write) for writing, too.
    pub fn connections(&self) -> impl Iterator<Item = &C> {
        let opening = self.opening.iter().map(|(_, _, connection)| connection);
        self.links.iter().chain(opening)
    }

    /// Whether the session is over and its connections are closed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.session.state() == unbroken_proto::session::SessionState::Ended && self.links.is_empty()
    }

    /// What the machine wants done now to have a connection, once for each step of each attempt. A dial
    /// ([`ReconnectIntent::is_dial`]) is answered with [`dialled`](Self::dialled) or
    /// [`dial_failed`](Self::dial_failed), what comes before it with [`answer`](Self::answer), or with the machine's
    /// own calls. An answer to an attempt that is over changes nothing.
    pub fn poll_intent(&mut self, now: Instant) -> Option<ReconnectIntent> {
        let Some(intent) = self.session.wanted_connection() else {
            (self.asked, self.opening) = (None, None);
            return None;
        };
        let step = Step::of(&intent);
        if self.asked == Some((intent.attempt, step)) {
            return None;
        }
        (self.asked, self.opening) = (None, None);
        if now < intent.not_before {
            return None;
        }
        self.asked = Some((intent.attempt, step));
        Some(intent)
    }

    /// Whether [`poll_intent`](Self::poll_intent) would have something new now.
    fn has_intent(&self, now: Instant) -> bool {
        let intent = self.session.wanted_connection();
        intent.is_some_and(|intent| now >= intent.not_before && self.asked != Some((intent.attempt, Step::of(&intent))))
    }

    /// The dial of `attempt` has a connection. Its own handshake goes on in [`step`](Self::step).
    pub fn dialled(&mut self, attempt: u64, carrier: Carrier, connection: C) {
        if self.asked == Some((attempt, Step::Dial)) {
            self.opening = Some((attempt, carrier, connection));
        }
    }

    /// The dial of `attempt` failed.
    pub fn dial_failed(&mut self, now: Instant, attempt: u64, error: &io::Error) {
        if self.asked == Some((attempt, Step::Dial)) {
            self.asked = None;
        }
        match later_of(error) {
            Some(after) => self.session.dial_postponed(now, attempt, after),
            None => self.session.dial_failed(now, attempt, cause_of(error)),
        }
    }

    /// What was asked for before the dial of `attempt` is done.
    pub fn answer(&mut self, now: Instant, attempt: u64, answer: Answer) {
        match answer {
            Answer::Credential(credential) => {
                if self.asked == Some((attempt, Step::Refresh)) {
                    self.session.refresh_credential(now, credential);
                }
            }
            Answer::Restored(result) => self.session.restored(now, attempt, result),
            Answer::Restarted(result) => self.session.restarted(now, attempt, result),
            Answer::Recovered(result) => self.session.recovered(now, attempt, result),
        }
    }

    /// A connection that the registry routed here.
    ///
    /// # Errors
    /// The machine does not take it: it comes back, with what to tell it.
    pub fn adopt(&mut self, now: Instant, incoming: Incoming, connection: C) -> Result<(), (C, Rejection)> {
        match self.session.adopt(now, incoming) {
            Ok(epoch) => {
                self.links.add(epoch, connection);
                Ok(())
            }
            Err(rejection) => Err((connection, rejection)),
        }
    }

    /// Reads, keeps time, writes, as far as nothing blocks.
    pub fn step(&mut self, now: Instant) -> Next {
        let mut turn = Turn::More;
        for _ in 0..ROUNDS {
            if turn == Turn::Idle {
                break;
            }
            self.open(now);
            turn = self.links.read(now, Some(&mut self.session));
            if self.session.poll_timeout().is_some_and(|deadline| deadline <= now) {
                self.session.handle_timeout(now);
            }
            turn = turn.or(self.links.write(now, Some(&mut self.session)));
        }
        Next {
            at_once: turn == Turn::More || self.has_intent(now),
            deadline: self.deadline(now),
        }
    }

    fn deadline(&self, now: Instant) -> Option<Instant> {
        // A wish that is due is with the host already, or to be asked for at once.
        let wanted = self.session.wanted_connection().map(|intent| intent.not_before);
        let wanted = wanted.filter(|at| *at > now);
        [self.session.poll_timeout(), self.links.deadline(), wanted]
            .into_iter()
            .flatten()
            .min()
    }

    /// Goes on with a dialled connection's own handshake.
    fn open(&mut self, now: Instant) {
        let Some((attempt, carrier, mut connection)) = self.opening.take() else {
            return;
        };
        match connection.open() {
            Ok(()) => {
                self.asked = None;
                if let Ok(epoch) = self.session.attach(now, carrier) {
                    self.links.add(epoch, connection);
                }
            }
            Err(error) if is_blocked(&error) => self.opening = Some((attempt, carrier, connection)),
            Err(error) => self.dial_failed(now, attempt, &error),
        }
    }
}
