//! What handles see of reconnecting, and have to say about it.

use bytes::Bytes;
use unbroken_proto::config::MAX_PRESERVED;
use unbroken_proto::error::{ConfigError, PreservedTooLarge};
use unbroken_proto::reconnect::{Attempt, Backoff, Continuity, Handover, ReconnectStats, Strategies};
use unbroken_proto::session::Lifecycle;
use unbroken_proto::{Cause, ClientConfig, Health, Instant, ReconnectIntent, Session};

use crate::handle::SessionHandle;
use crate::machine::Machine;

/// From the handles to the driver.
#[derive(Default)]
pub(crate) struct ReconnectWishes {
    /// What happened or was said, in order.
    said: Vec<Said>,
    /// Pause (true) or go on; the last word counts.
    pause: Option<bool>,
    force: bool,
    now: bool,
    credential: Option<Option<Bytes>>,
    preserve: Option<Bytes>,
    backoff: Option<Backoff>,
    strategies: Option<Strategies>,
}

/// An answer to an attempt, or a report.
enum Said {
    Restored(u64, Result<(), Cause>),
    Restarted(u64, Result<Continuity, Cause>),
    Recovered(u64, Result<(), Cause>),
    Broken(Cause),
}

/// Answers kept for a driver that is not polled; beyond, the oldest goes: it was for an attempt long over.
const SAID: usize = 64;

impl ReconnectWishes {
    fn say(&mut self, said: Said) {
        if self.said.len() >= SAID {
            self.said.remove(0);
        }
        self.said.push(said);
    }

    /// True if there was anything.
    pub(crate) fn follow(self, now: Instant, session: &mut Machine) -> bool {
        let policy = self.backoff.is_some() || self.strategies.is_some();
        let wishes = self.pause.is_some() || self.force || self.now || policy;
        let any = wishes || !self.said.is_empty() || self.preserve.is_some() || self.credential.is_some();
        if let Some(backoff) = self.backoff {
            // It was checked when it was handed in.
            let _valid = session.set_backoff(now, backoff);
        }
        if let Some(strategies) = self.strategies {
            session.set_strategies(now, strategies);
        }
        if let Some(state) = self.preserve {
            // It was measured when it was handed in.
            let _kept = session.preserve(now, state);
        }
        match self.pause {
            Some(true) => session.pause_reconnecting(now),
            Some(false) => session.resume_reconnecting(now),
            None => {}
        }
        for said in self.said {
            match said {
                Said::Restored(attempt, result) => session.restored(now, attempt, result),
                Said::Restarted(attempt, result) => session.restarted(now, attempt, result),
                Said::Recovered(attempt, result) => session.recovered(now, attempt, result),
                Said::Broken(cause) => session.report_failure(now, cause),
            }
        }
        if let Some(credential) = self.credential {
            session.refresh_credential(now, credential);
        }
        if self.force {
            session.force(now);
        }
        if self.now {
            session.reconnect_now(now);
        }
        any
    }
}

/// From the driver to the handles.
pub(crate) struct ReconnectView {
    stats: ReconnectStats,
    history: Vec<Attempt>,
    wanted: Option<ReconnectIntent>,
    paused: bool,
    lifecycle: Lifecycle,
    health: Health,
    handover: Option<Handover>,
    preserved: Bytes,
}

impl Default for ReconnectView {
    fn default() -> ReconnectView {
        ReconnectView {
            stats: ReconnectStats::default(),
            history: Vec::new(),
            wanted: None,
            paused: false,
            lifecycle: Lifecycle::Connecting,
            health: Health::Detached,
            handover: None,
            preserved: Bytes::new(),
        }
    }
}

impl ReconnectView {
    pub(crate) fn of(now: Instant, session: &Session) -> ReconnectView {
        ReconnectView {
            stats: session.reconnect_stats(),
            history: session.history().copied().collect(),
            wanted: session.wanted_connection(),
            paused: session.is_reconnecting_paused(),
            lifecycle: session.lifecycle(),
            health: session.health(now),
            handover: session.handover(),
            preserved: session.preserved().clone(),
        }
    }
}

/// Reconnecting. What is asked shows the session when something about it last changed; every change is told by
/// [`events`](SessionHandle::events).
///
/// | wanted | call |
/// |---|---|
/// | a session that reconnects by itself | none: it does |
/// | not now (the network is known to be down), but later | [`pause_reconnecting`](SessionHandle::pause_reconnecting), [`resume_reconnecting`](SessionHandle::resume_reconnecting) |
/// | at once (the network is known to be back) | [`reconnect_now`](SessionHandle::reconnect_now) |
/// | everything that may help, at once | [`force`](SessionHandle::force) |
/// | in another manner | [`set_backoff`](SessionHandle::set_backoff), [`set_strategies`](SessionHandle::set_strategies) |
/// | never again: its end comes with its connection's | [`set_backoff`](SessionHandle::set_backoff) with [`Backoff::never`] |
impl SessionHandle {
    /// Numbers about reconnecting, the next retry's time among them.
    #[must_use]
    pub fn reconnect_stats(&self) -> ReconnectStats {
        self.shared().look(|view| view.reconnecting.stats)
    }

    /// The last attempts, oldest first, the one under way or planned last.
    #[must_use]
    pub fn history(&self) -> Vec<Attempt> {
        self.shared().look(|view| view.reconnecting.history.clone())
    }

    /// What is being done to have a connection. If it asks for a
    /// [preparation](unbroken_proto::reconnect::Preparation), that is the application's to do and to answer;
    /// the driver only dials. [`Event::Reconnect`](unbroken_proto::Event::Reconnect) tells of each.
    #[must_use]
    pub fn wanted_connection(&self) -> Option<ReconnectIntent> {
        self.shared().look(|view| view.reconnecting.wanted.clone())
    }

    /// The session's state was loaded again, or why not.
    pub fn restored(&self, attempt: u64, result: Result<(), Cause>) {
        self.say(Said::Restored(attempt, result));
    }

    /// The peer's process runs again, with or without the session, or why not.
    pub fn restarted(&self, attempt: u64, result: Result<Continuity, Cause>) {
        self.say(Said::Restarted(attempt, result));
    }

    /// What runs inside has its state again, or why not.
    pub fn recovered(&self, attempt: u64, result: Result<(), Cause>) {
        self.say(Said::Recovered(attempt, result));
    }

    /// Something is broken that no connection's end tells of; what the table says about `cause` begins. As
    /// [`Session::report_failure`].
    pub fn report_failure(&self, cause: Cause) {
        self.say(Said::Broken(cause));
    }

    /// Dials now instead of waiting for the backoff.
    pub fn reconnect_now(&self) {
        self.shared().ask(|desk| desk.wishes.reconnecting.now = true);
    }

    /// The answer to [`Event::CredentialNeeded`](unbroken_proto::Event::CredentialNeeded): a fresh credential, or `None`, the final
    /// no, which ends the session. [`Reconnector::credentials`](crate::Reconnector::credentials) does it with a closure.
    pub fn refresh_credential(&self, credential: Option<Bytes>) {
        self.shared()
            .ask(|desk| desk.wishes.reconnecting.credential = Some(credential));
    }

    /// From the next attempt on `backoff` holds. As [`Session::set_backoff`].
    ///
    /// # Errors
    /// It is out of range.
    pub fn set_backoff(&self, backoff: Backoff) -> Result<(), ConfigError> {
        backoff.validate()?;
        self.shared()
            .ask(|desk| desk.wishes.reconnecting.backoff = Some(backoff));
        Ok(())
    }

    /// From the next failure or loss on `strategies` say what is done about it.
    pub fn set_strategies(&self, strategies: Strategies) {
        self.shared()
            .ask(|desk| desk.wishes.reconnecting.strategies = Some(strategies));
    }

    /// Begins [`Strategy::Force`](unbroken_proto::reconnect::Strategy::Force) now.
    pub fn force(&self) {
        self.shared().ask(|desk| desk.wishes.reconnecting.force = true);
    }

    /// Dials nothing until [`resume_reconnecting`](Self::resume_reconnecting); a connection that is up goes on.
    pub fn pause_reconnecting(&self) {
        self.shared().ask(|desk| desk.wishes.reconnecting.pause = Some(true));
    }

    /// Goes on where [`pause_reconnecting`](Self::pause_reconnecting) stopped.
    pub fn resume_reconnecting(&self) {
        self.shared().ask(|desk| desk.wishes.reconnecting.pause = Some(false));
    }

    /// Whether reconnecting is paused.
    #[must_use]
    pub fn is_reconnecting_paused(&self) -> bool {
        self.shared().look(|view| view.reconnecting.paused)
    }

    /// Attaches the application's own bytes to the session, to be had back when something has to be
    /// restarted or recovered.
    ///
    /// # Errors
    /// They are longer than [`MAX_PRESERVED`].
    pub fn preserve(&self, state: Bytes) -> Result<(), PreservedTooLarge> {
        if state.len() > MAX_PRESERVED {
            return Err(PreservedTooLarge);
        }
        self.shared()
            .note(|view| view.reconnecting.preserved.clone_from(&state));
        self.shared()
            .ask(|desk| desk.wishes.reconnecting.preserve = Some(state));
        Ok(())
    }

    /// What [`preserve`](Self::preserve) attached, or the session before this one left.
    #[must_use]
    pub fn preserved(&self) -> Bytes {
        self.shared().look(|view| view.reconnecting.preserved.clone())
    }

    /// What this session leaves to one that takes its place: for
    /// [`ClientConfig::handover`](unbroken_proto::ClientConfig::handover), once it has
    /// [ended](Self::ended). `None` on the accepting side.
    #[must_use]
    pub fn handover(&self) -> Option<Handover> {
        self.shared().look(|view| view.reconnecting.handover.clone())
    }

    /// `config` for a session that takes this one's place once it has [ended](Self::ended), for
    /// [`EndReason::Fresh`](unbroken_proto::event::EndReason::Fresh) above all: with history, numbers, backoff and preserved state of
    /// this one. Before the end, and on the accepting side, nothing is left and `config` comes back as it is.
    #[must_use]
    pub fn hand_over(&self, mut config: ClientConfig) -> ClientConfig {
        if self.ended().is_some() {
            config.handover = self.handover().map(Box::new);
        }
        config
    }

    /// Where the session is in its life, in five words for people.
    #[must_use]
    pub fn lifecycle(&self) -> Lifecycle {
        self.shared().look(|view| view.reconnecting.lifecycle)
    }

    /// How the session fares.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared().look(|view| view.reconnecting.health)
    }

    fn say(&self, said: Said) {
        self.shared().ask(|desk| desk.wishes.reconnecting.say(said));
    }
}
