//! The machine: its fields, the host's calls but for packets, and what follows from any of them.

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::absence::Absence;
use super::closing::{Closing, Finish};
use super::connections::{ActiveConnection, Connections};
use super::counters::Counters;
use super::events::Events;
use super::identity::Identity;
use super::ledger::Ledger;
use super::reconnecting::{Circumstances, Decision, Reconnecting};
use super::reporting::Reporting;
use crate::accept::{Incoming, Rejection, Report};
use crate::config::{ClientConfig, Seed, SessionConfig};
use crate::durable::Journal;
use crate::error::{AttachError, ConfigError};
use crate::event::{EndReason, Event};
use crate::id::{Carrier, Epoch, Side};
use crate::reconnect::{Cause, IntentKind, ReconnectIntent};
use crate::rng::Rng;
use crate::time::{Instant, Latest};
use crate::trace::Span;
use crate::wire::frame::EndCode;

/// One end of a session.
///
/// See the [crate] documentation for how a host drives it. Input under an epoch that is over is
/// ignored everywhere, and after [`Event::Ended`] every call is harmless.
///
/// ```
/// # use unbroken_proto::{config::Seed, security::{Auth, SharedSecret}, Cause, Carrier, ClientConfig, Instant, Session};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let now = Instant::from_millis(0);
/// let auth = Auth::secret(SharedSecret::from_key(b"office", [7; 32])?);
/// let mut session = Session::connect(ClientConfig::new(auth), Seed([1; 32]), now)?;
///
/// // It wants a connection; the host has one, and sends what the session has for it.
/// assert!(session.wanted_connection().is_some());
/// let epoch = session.attach(now, Carrier::ordered())?;
/// let mut hello = Vec::new();
/// assert!(session.poll_transmit(now, epoch, &mut hello));
///
/// // The connection dies before anybody answers: the session lives on and wants another one.
/// session.detach(now, epoch, Cause::Network);
/// assert!(!session.is_wanted(epoch) && session.wanted_connection().is_some());
/// # Ok(())
/// # }
/// ```
pub struct Session {
    pub(super) side: Side,
    /// One for all sessions of a registry.
    pub(super) config: Arc<SessionConfig>,
    pub(super) rng: Rng,
    pub(super) ledger: Ledger,
    pub(super) connections: Connections,
    pub(super) identity: Identity,
    pub(super) reconnecting: Reconnecting,
    pub(super) closing: Closing,
    pub(super) absence: Absence,
    pub(super) events: Events,
    pub(super) reporting: Reporting,
    pub(super) counters: Counters,
    pub(super) latest: Latest,
    pub(super) span: Span,
}

impl Session {
    /// A dialling session. It wants a connection at once; streams may be opened and data queued
    /// before there is one.
    ///
    /// # Errors
    /// The configuration is out of range or proves nobody's identity.
    pub fn connect(config: ClientConfig, seed: Seed, now: Instant) -> Result<Session, ConfigError> {
        config.validate()?;
        let session_config = Arc::new(config.session.clone());
        let mut session = Session::new(Side::Client, session_config, Rng::new(&seed));
        session.latest.advance(now);
        session.reconnecting = Reconnecting::begin(now, config, IntentKind::Establish, &mut session.events);
        Ok(session)
    }

    /// A session of either side, before anything is known of its peer.
    pub(super) fn new(side: Side, config: Arc<SessionConfig>, mut rng: Rng) -> Session {
        let mut ledger = Ledger::new(side, &config);
        let at_rest = config.durable.as_ref();
        ledger.journal = at_rest.map(|at_rest| Box::new(Journal::new(at_rest, None, 0, &mut rng)));
        Session {
            side,
            ledger,
            connections: Connections::default(),
            identity: Identity::default(),
            reconnecting: Reconnecting::none(),
            closing: Closing::default(),
            absence: Absence::default(),
            events: Events::default(),
            reporting: Reporting::new(),
            counters: Counters::default(),
            latest: Latest::default(),
            span: Span::session(side),
            config,
            rng,
        }
    }

    /// A connection is up (client). It is a candidate until it has proven itself; ask
    /// [`poll_transmit`](Self::poll_transmit) for its first packet.
    ///
    /// # Errors
    /// No connection is wanted now, or the session is over: drop the connection.
    pub fn attach(&mut self, now: Instant, carrier: Carrier) -> Result<Epoch, AttachError> {
        let _span = self.span.enter();
        let now = self.latest.advance(now);
        let epoch = self.begin_attach(now, carrier)?;
        self.settle(now);
        Ok(epoch)
    }

    /// A connection that the registry routed to this session (server): a RESUME, or a handshake that
    /// names it as its predecessor. What carries the session stays until the newcomer has confirmed; but if the client says that it has left that,
    /// nothing is read or said there any more.
    ///
    /// # Errors
    /// The proof is not accepted, or the session is over: send the rejection's packet, if any, and close. The session ends
    /// with it if the client proved itself in a handshake, and states a position that cannot be.
    pub fn adopt(&mut self, now: Instant, incoming: Incoming) -> Result<Epoch, Rejection> {
        let _span = self.span.enter();
        let now = self.latest.advance(now);
        let epoch = self.begin_adopt(now, incoming)?;
        self.settle(now);
        Ok(epoch)
    }

    /// A connection died. Ignored when its epoch is over.
    pub fn detach(&mut self, now: Instant, epoch: Epoch, cause: Cause) {
        let _span = self.span.enter();
        let now = self.latest.advance(now);
        self.on_detach(now, epoch, cause);
        self.settle(now);
    }

    /// The instant of [`poll_timeout`](Self::poll_timeout) has come, or may have.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _span = self.span.enter();
        let now = self.latest.advance(now);
        self.on_timeout(now);
        self.settle(now);
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) may have a packet for any connection now. Cheap, whatever there is to
    /// send, so that a host can ask it after each call to learn whether anybody has to be woken who sends. `true` may turn
    /// out to be in vain (what waits may not fit what the peer allows); `false` never is.
    #[must_use]
    pub fn wants_transmit(&self) -> bool {
        let connections = &self.connections;
        let candidate = connections.candidate.as_ref();
        connections.is_parting()
            || candidate.is_some_and(|candidate| candidate.outgoing.is_some())
            || connections
                .draining
                .as_ref()
                .is_some_and(|draining| draining.connection.wants_reply())
            || connections
                .heard()
                .is_some_and(|current| current.wants_control() || self.owes_frames(current))
    }

    /// Whether sequenced frames may go on that connection.
    fn owes_frames(&self, current: &ActiveConnection) -> bool {
        let ledger = &self.ledger;
        current.owes(ledger)
            || ledger.streams.may_commit(current.headroom())
            || self.closing.close_frame(ledger).is_some()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_deadline()
    }

    /// Whether the connection `epoch` is still of use. When not: send what
    /// [`poll_transmit`](Self::poll_transmit) still has for it, then close it.
    #[must_use]
    pub fn is_wanted(&self, epoch: Epoch) -> bool {
        self.connections.role(epoch).is_some()
    }

    /// What the registry must know, if it changed since this was last asked (server). Newest state
    /// only, so that skipping one loses nothing.
    pub fn poll_report(&mut self) -> Option<Report> {
        self.reporting.take_due().then(|| self.report()).flatten()
    }

    /// The next event. The last is the end. In a durable session that comes once all that this end took is kept, or never will be; and one of which the
    /// peer knows nothing, once something is kept behind it: another process may have gone on with the session.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.poll();
        event.or_else(|| self.events.poll_end(self.ledger.journal.as_deref()))
    }

    /// Whether a connection is wanted, and how (client). A level: it stands until it is answered.
    #[must_use]
    pub fn wanted_connection(&self) -> Option<ReconnectIntent> {
        self.reconnecting.intent()
    }

    /// Does what follows from any change. Every call that takes `now` ends with it, so that polls decide nothing.
    pub(super) fn settle(&mut self, now: Instant) {
        let now = self.latest.advance(now);
        self.end_if_exhausted(now);
        if self.closing.take_untold() {
            self.events.peer_closes(self.ledger.journal.as_deref_mut());
        }
        self.give_way(now);
        self.events.collect(&mut self.ledger.streams);
        self.connections
            .finish_swap(self.ledger.expected(), self.ledger.acked());
        self.pursue_migration(now);
        self.show_health(now);
        self.reporting.on_bytes(self.held_bytes(), self.absence.is_detached());
    }

    /// What of [`settle`](Self::settle) can follow from data that is queued or read, at the small price that a call for every
    /// message may have: nothing is committed or acknowledged by it, and what is due is the timers' business.
    pub(super) fn settle_data(&mut self, now: Instant) {
        let now = self.latest.advance(now);
        self.end_if_exhausted(now);
        self.events.collect(&mut self.ledger.streams);
        if self.absence.is_detached() {
            self.reporting.on_bytes(self.held_bytes(), true);
        }
    }

    /// Ends the session for a fresh one, once that is due.
    fn give_way(&mut self, now: Instant) {
        let decision = self.reconnecting.give_way(now, self.connections.is_stable());
        self.carry_out(now, decision);
    }

    /// Begins a planned swap that was asked for, once the one before it is settled.
    fn pursue_migration(&mut self, now: Instant) {
        let ready = self.reconnecting.is_migration_ready() && self.connections.candidate.is_none();
        if ready && self.may_swap() {
            self.plan(now, Reconnecting::begin_migration);
        }
    }

    /// Whether a planned swap may begin.
    pub(super) fn may_swap(&self) -> bool {
        let ledger = &self.ledger;
        self.connections
            .may_swap(ledger.expected(), ledger.acked(), ledger.next())
    }

    /// Has `reconnecting` decide, and carries its decision out.
    pub(super) fn plan(
        &mut self,
        now: Instant,
        decide: impl FnOnce(&mut Reconnecting, &mut Circumstances<'_>) -> Decision,
    ) {
        let mut circumstances = Circumstances {
            now,
            closing: self.closing.has_begun(),
            established: self.identity.ticket.is_some(),
            attached: self.connections.current.is_some(),
            stable: self.connections.is_stable(),
            proving: self.connections.candidate.is_some(),
            rng: &mut self.rng,
            events: &mut self.events,
        };
        let decision = decide(&mut self.reconnecting, &mut circumstances);
        self.carry_out(now, decision);
    }

    fn carry_out(&mut self, now: Instant, decision: Decision) {
        match decision {
            Decision::GoOn => {}
            Decision::End(reason) => self.end(now, reason, None),
            Decision::GiveWay { cause } => {
                self.conclude(now, Finish::telling(EndCode::Aborted, EndReason::Fresh { cause }));
            }
        }
    }
}
