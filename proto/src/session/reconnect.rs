//! The calls on reconnecting.

use bytes::Bytes;

use super::machine::Session;
use crate::error::{ConfigError, PreservedTooLarge};
use crate::limits::MAX_CREDENTIAL;
use crate::reconnect::{Answer, Backoff, Cause, Strategies};
use crate::time::Instant;

impl Session {
    /// What the host says of the intent of `attempt`, which [`wanted_connection`](Self::wanted_connection) showed. Ignored
    /// when no such thing is asked for any more.
    pub fn handle_answer(&mut self, now: Instant, attempt: u64, answer: Answer) {
        let now = self.latest.advance(now);
        self.plan(now, |reconnecting, at| reconnecting.handle_answer(at, attempt, answer));
        self.settle(now);
    }

    /// The calls that change how this session reconnects. [`reconnecting`](Self::reconnecting) shows its present state.
    pub fn reconnect(&mut self) -> Reconnect<'_> {
        Reconnect { session: self }
    }
}

/// The calls that change how a session reconnects: see [`Session::reconnect`]. Without effect on the accepting side, which
/// does not dial, but for [`preserve`](Self::preserve) and [`report_failure`](Self::report_failure).
///
/// ```
/// # use unbroken_proto::{Instant, Session};
/// fn cable_is_back(session: &mut Session, now: Instant) {
///     session.reconnect().resume(now);
///     session.reconnect().at_once(now);
/// }
/// ```
#[derive(Debug)]
pub struct Reconnect<'a> {
    session: &'a mut Session,
}

impl Reconnect<'_> {
    /// Dials now instead of waiting for the backoff. An attempt that is under way and was not answered within two round trips (of
    /// the last handshake; 50 ms at least, and a second at most or where none is known), be it the dial or the handshake, is given up for
    /// another, which counts as no try: it may hang in a network that is gone. Nothing happens while nothing is pending.
    pub fn at_once(self, now: Instant) {
        let now = self.session.latest.advance(now);
        self.session.reconnecting.hurry(now);
        self.session.renew(now);
        self.session.settle(now);
    }

    /// The network is another one now, or may be: an address came or went, a person moved from Wi-Fi to a cable. What waits is
    /// dialled at once, as by [`at_once`](Self::at_once). A connection that is up is [probed](Session::probe), without an
    /// event; if its peer does not answer within one and a half round trips (95 ms at least, 1.1 s at most), another is dialled beside it, as
    /// by [`migrate`](Session::migrate), and takes its place, while one that answers stays. On the accepting side it probes.
    pub fn network_changed(self, now: Instant) {
        let now = self.session.latest.advance(now);
        self.session.on_network_changed(now);
        self.session.settle(now);
    }

    /// Begins [`Strategy::Force`](crate::reconnect::Strategy::Force) now: the current connection, if any, is
    /// left, and the session resumes, or is restored, restarted, or ends for a fresh one. With no session
    /// yet, the pending dial is made at once.
    pub fn force(self, now: Instant) {
        let now = self.session.latest.advance(now);
        self.session.begin_force(now);
        self.session.settle(now);
    }

    /// Dials and prepares nothing until [`resume`](Self::resume); what the host has under way for an
    /// attempt is to be given up, as the wish is gone. A connection that is up, and one whose handshake is under way, go on.
    /// A detached session's lifetime runs on.
    pub fn pause(self, now: Instant) {
        self.set_paused(now, true);
    }

    /// Goes on where [`pause`](Self::pause) stopped: an attempt that was under way begins
    /// anew, one that waited for its time waits on.
    pub fn resume(self, now: Instant) {
        self.set_paused(now, false);
    }

    fn set_paused(self, now: Instant, paused: bool) {
        let now = self.session.latest.advance(now);
        let Session {
            reconnecting, events, ..
        } = &mut *self.session;
        reconnecting.set_paused(now, paused, events);
        self.session.settle(now);
    }

    /// The host found something broken that no connection's end tells of: a process ended, what runs inside
    /// lost its state. What the table says about `cause` begins; the connection, if one is up, is left
    /// unless the strategy is [`Recover`](crate::reconnect::Strategy::Recover). On the accepting side the
    /// connection is dropped, for the client to come again. An attempt that waits for its time gives way to one for
    /// this cause, at that time: it counts as no try.
    pub fn report_failure(self, now: Instant, cause: Cause) {
        let now = self.session.latest.advance(now);
        if !self.session.is_ended() {
            self.session.on_failure_report(now, cause);
        }
        self.session.settle(now);
    }

    /// From the next attempt on `backoff` holds; one that waits for its time waits on, and the tries made so far count.
    /// [`Backoff::never`] takes the session out of reconnecting: it ends when its connection does.
    ///
    /// # Errors
    /// It is out of range; nothing changed.
    pub fn set_backoff(self, now: Instant, backoff: Backoff) -> Result<(), ConfigError> {
        backoff.validate()?;
        if let Some(dialing) = &mut self.session.reconnecting.dialing {
            dialing.config.backoff = backoff;
        }
        self.session.settle(now);
        Ok(())
    }

    /// From the next failure or loss on `strategies` say what is done about it.
    pub fn set_strategies(self, now: Instant, strategies: Strategies) {
        if let Some(dialing) = &mut self.session.reconnecting.dialing {
            dialing.config.strategies = strategies;
        }
        self.session.settle(now);
    }

    /// From the next handshake on the server is shown `credential` (up to 7,000 bytes): for a host whose own runs out by the
    /// clock. One that the machine asks for is an [`Answer`].
    ///
    /// # Errors
    /// It is longer; nothing changed.
    pub fn set_credential(self, now: Instant, credential: Bytes) -> Result<(), ConfigError> {
        if credential.len() > MAX_CREDENTIAL {
            return Err(ConfigError::TooLong {
                field: "credential",
                max: MAX_CREDENTIAL,
            });
        }
        let now = self.session.latest.advance(now);
        self.session
            .plan(now, |reconnecting, at| reconnecting.on_credential(at, Some(credential)));
        self.session.settle(now);
        Ok(())
    }

    /// Attaches bytes of the host's own to the session, in the place of what was there: what it needs to start
    /// the peer's process again, or to fill what runs inside ([`ShellState`](crate::reconnect::ShellState) is a ready-made
    /// form). The intents of [`Restart`](crate::reconnect::Preparation::Restart) and
    /// [`Recover`](crate::reconnect::Preparation::Recover) hand them out. They never leave this host. Up to 1 MiB
    /// ([`MAX_PRESERVED`](crate::config::MAX_PRESERVED)). Owner: the session.
    ///
    /// # Errors
    /// They are longer; what was there stays.
    pub fn preserve(self, now: Instant, state: Bytes) -> Result<(), PreservedTooLarge> {
        self.session.reconnecting.preserve(state)?;
        self.session.settle(now);
        Ok(())
    }
}
