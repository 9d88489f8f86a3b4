//! What handles see of reconnecting, and have to say about it.

use bytes::Bytes;
use unbroken_proto::error::{ConfigError, PreservedTooLarge};
use unbroken_proto::reconnect::{Answer, Attempt, Backoff, Handover, ReconnectStats, Strategies};
use unbroken_proto::{Cause, ClientConfig, Duration, Event, Health, ReconnectIntent};

use crate::session::Session;

/// Reconnecting. Every change is told by [`events`](Session::events).
///
/// | wanted | call |
/// |---|---|
/// | a session that reconnects by itself | none: it does |
/// | not now (the network is known to be down), but later | [`pause_reconnecting`](Session::pause_reconnecting), [`resume_reconnecting`](Session::resume_reconnecting) |
/// | at once (the network is known to be back) | [`reconnect_now`](Session::reconnect_now) |
/// | at once, if the network changed | [`network_changed`](Session::network_changed) |
/// | to know whether the peer is there | [`probe`](Session::probe) |
/// | everything that may help, at once | [`force`](Session::force) |
/// | in another manner | [`set_backoff`](Session::set_backoff), [`set_strategies`](Session::set_strategies) |
/// | never again: its end comes with its connection's | [`set_backoff`](Session::set_backoff) with [`Backoff::never`] |
impl Session {
    /// Numbers about reconnecting, the next retry's time among them.
    #[must_use]
    pub fn reconnect_stats(&self) -> ReconnectStats {
        self.shared().read(|state| state.machine.reconnecting().stats())
    }

    /// The last attempts, oldest first, the one under way or planned last.
    #[must_use]
    pub fn history(&self) -> Vec<Attempt> {
        self.shared()
            .read(|state| state.machine.reconnecting().history().copied().collect())
    }

    /// What is being done to have a connection. If it asks for a
    /// [preparation](unbroken_proto::reconnect::Preparation) that the [`Connector`](crate::Connector) does not make, that is the
    /// application's to do and to [answer](Self::answer). [`Event::Reconnect`](unbroken_proto::Event::Reconnect) tells of each.
    #[must_use]
    pub fn wanted_connection(&self) -> Option<ReconnectIntent> {
        self.shared().read(|state| state.machine.wanted_connection())
    }

    /// The application's answer to what the intent of attempt `attempt` asks for before the dial. Ignored when the intent is
    /// no longer for that attempt. A [`Reconnector`](crate::Reconnector) answers with closures.
    pub fn answer(&self, attempt: u64, answer: Answer) {
        self.call(|machine, now| machine.handle_answer(now, attempt, answer));
    }

    /// The answer to [`Event::CredentialNeeded`](unbroken_proto::Event::CredentialNeeded): a fresh credential, or `None`: there is none,
    /// which ends the session as [`Answer::NoCredential`] says. [`Reconnector::credentials`](crate::Reconnector::credentials) does it with a closure.
    pub fn refresh_credential(&self, credential: Option<Bytes>) {
        // It is as good for any attempt, so that the number does not matter.
        self.answer(0, credential.map_or(Answer::NoCredential, Answer::Credential));
    }

    /// Something is broken that no connection's end tells of; what the table says about `cause` begins. As
    /// [`Reconnect::report_failure`](unbroken_proto::session::Reconnect::report_failure).
    pub fn report_failure(&self, cause: Cause) {
        self.call(|machine, now| machine.reconnect().report_failure(now, cause));
    }

    /// Dials now instead of waiting for the backoff, and gives up an attempt that is under way and was not answered within two round
    /// trips. As [`Reconnect::at_once`](unbroken_proto::session::Reconnect::at_once).
    pub fn reconnect_now(&self) {
        self.call(|machine, now| machine.reconnect().at_once(now));
    }

    /// The network is another one now, or may be. As
    /// [`Reconnect::network_changed`](unbroken_proto::session::Reconnect::network_changed): what waits is dialled at once, and a connection whose
    /// peer does not answer soon is replaced. A `NetworkWatcher` of `unbroken-carriers` (feature `network`, Linux) calls it.
    pub fn network_changed(&self) {
        self.call(|machine, now| machine.reconnect().network_changed(now));
    }

    /// Whether the peer is there: how long it took to answer, or `None`, if it did not within four round trips (250 ms at
    /// least, 3 s at most) or no connection carries the session. A connection whose peer does not answer is given up for another. As
    /// [`Session::probe`](unbroken_proto::Session::probe). Cancel safe.
    pub async fn probe(&self) -> Option<Duration> {
        let mut events = self.events();
        if !self.call(|machine, now| machine.probe(now)) {
            return None;
        }
        loop {
            if let Event::Probed { round_trip } = events.next().await? {
                return round_trip;
            }
        }
    }

    /// From the next attempt on `backoff` holds. As
    /// [`Reconnect::set_backoff`](unbroken_proto::session::Reconnect::set_backoff).
    ///
    /// # Errors
    /// It is out of range.
    pub fn set_backoff(&self, backoff: Backoff) -> Result<(), ConfigError> {
        self.call(|machine, now| machine.reconnect().set_backoff(now, backoff))
    }

    /// From the next failure or loss on `strategies` say what is done about it.
    pub fn set_strategies(&self, strategies: Strategies) {
        self.call(|machine, now| machine.reconnect().set_strategies(now, strategies));
    }

    /// Begins [`Strategy::Force`](unbroken_proto::reconnect::Strategy::Force) now.
    pub fn force(&self) {
        self.call(|machine, now| machine.reconnect().force(now));
    }

    /// Dials nothing until [`resume_reconnecting`](Self::resume_reconnecting); a connection that is up goes on.
    pub fn pause_reconnecting(&self) {
        self.call(|machine, now| machine.reconnect().pause(now));
    }

    /// Goes on where [`pause_reconnecting`](Self::pause_reconnecting) stopped.
    pub fn resume_reconnecting(&self) {
        self.call(|machine, now| machine.reconnect().resume(now));
    }

    /// Whether reconnecting is paused.
    #[must_use]
    pub fn is_reconnecting_paused(&self) -> bool {
        self.shared().read(|state| state.machine.reconnecting().is_paused())
    }

    /// Attaches the application's own bytes to the session, to be had back when something has to be
    /// restarted or recovered.
    ///
    /// # Errors
    /// They are longer than [`MAX_PRESERVED`](unbroken_proto::config::MAX_PRESERVED).
    pub fn preserve(&self, state: Bytes) -> Result<(), PreservedTooLarge> {
        self.call(|machine, now| machine.reconnect().preserve(now, state))
    }

    /// What [`preserve`](Self::preserve) attached, or the session before this one left.
    #[must_use]
    pub fn preserved(&self) -> Bytes {
        self.shared()
            .read(|state| state.machine.reconnecting().preserved().clone())
    }

    /// What this session leaves to one that takes its place: for
    /// [`ClientConfig::handover`](unbroken_proto::ClientConfig::handover), once it has
    /// [ended](Self::ended). `None` on the accepting side.
    #[must_use]
    pub fn handover(&self) -> Option<Handover> {
        self.shared().read(|state| state.machine.reconnecting().handover())
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

    /// How the session fares.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared().read(|state| state.machine.health(state.now()))
    }
}
