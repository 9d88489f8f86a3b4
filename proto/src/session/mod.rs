//! The session: lifecycle and public methods, which only delegate.
//!
//! | file | owns |
//! |---|---|
//! | `state` | the life cycle and its diagram |
//! | `ticket` | what outlives a connection: the proof, and who the peer is |
//! | `connection` | everything that dies with one connection |
//! | `links` | which connections there are: candidate, current, draining, parting |
//! | `ledger` | positions, and the rooms that hold frames |
//! | `handshake` | the client's side of a new session or a full handshake |
//! | `candidate` | packets of a connection that has not proven itself |
//! | `adopt` | the server's side of an attach |
//! | `attach` | how one connection gives way to another |
//! | `receive`, `transmit` | sealed packets in and out |
//! | `streams` | the calls on streams |
//! | `dialing` | what connection the client wants |
//! | `scheduling` | which strategy, which attempt, and when |
//! | `answers` | what the host's answers and failures do |
//! | `reconnecting` | the calls on reconnecting |
//! | `timers` | every deadline |
//! | `deadlines` | messages that are overdue |
//! | `health` | health, and the life cycle for people |
//! | `events` | what the host is told, bounded, until it asks |
//! | `ending` | close, ends, fates |
//! | `queries` | who it is, where it stands, what it has done |
//! | `commands` | what the registry is told, and what it wants |

mod adopt;
mod answers;
mod attach;
mod candidate;
mod commands;
mod connection;
mod deadlines;
mod dialing;
mod ending;
mod events;
mod handshake;
mod health;
#[cfg(any(test, feature = "test-hooks"))]
mod hooks;
mod inspect;
mod ledger;
mod links;
mod queries;
mod receive;
mod reconnecting;
mod scheduling;
mod state;
mod streams;
mod ticket;
mod timers;
mod transmit;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use self::deadlines::Deadlines;
use self::dialing::Dialing;
use self::ending::Closing;
pub use self::inspect::Inspection;
use self::ledger::Ledger;
use self::links::Links;
use self::state::State;
pub use self::state::{Lifecycle, SessionState};
use self::ticket::{Attempts, Peer, Ticket};
use crate::config::{ClientConfig, Seed, SessionConfig};
use crate::error::{AttachError, ConfigError, ConnectionError};
use crate::event::{EndReason, Ended, Event};
use crate::id::{Carrier, Epoch, Side};
use crate::liveness::{Health, Patience};
use crate::reconnect::{Cause, History, Retry};
use crate::rng::Rng;
use crate::server::{Incoming, Rejection, Report};
use crate::stats::Stats;
use crate::time::{Duration, Instant};
use crate::trace::{self, Span};

/// Packets under one key of one direction before it is replaced (PROTOCOL.md, "Key limits").
const REKEY_EVERY: u64 = 1 << 20;

/// One end of a session.
///
/// See the [crate] documentation for how a host drives it. Input under an epoch that is over is
/// ignored everywhere, and after [`Event::Ended`] every call is harmless.
pub struct Session {
    side: Side,
    /// One for all sessions of a registry.
    config: Arc<SessionConfig>,
    rng: Rng,
    state: State,
    ledger: Ledger,
    links: Links,
    ticket: Option<Ticket>,
    attempts: Attempts,
    peer: Option<Peer>,
    closing: Closing,
    /// The client's; the server never dials.
    dialing: Option<Box<Dialing>>,
    /// The client's: what was tried.
    history: Option<Box<History>>,
    /// How far the backoff had come at the end.
    retry: Retry,
    /// Server: how long the client may take to confirm the session, over whichever connection.
    provisional_until: Option<Instant>,
    /// Since when no connection carries the session.
    detached_at: Option<Instant>,
    /// The health that the host was last told, and when it was last looked at.
    shown_health: (Health, Instant),
    /// The session ended because nobody came back to it in time.
    expired: bool,
    /// What the host wants back when it has to start or fill something again.
    preserved: Bytes,
    /// Attaches in a row that had something to send again and brought no acknowledgement.
    replays: u32,
    /// When which message is overdue.
    deadlines: Deadlines,
    patience: Patience,
    events: VecDeque<Event>,
    ended: Option<Ended>,
    /// Why it is over, for the last report.
    end_reason: Option<Box<EndReason>>,
    stats: Stats,
    report_due: bool,
    /// The bytes held that the last report that became due was about.
    reported_bytes: u64,
    /// How long this end lets it be detached, if its host changed that.
    own_lifetime: Option<Duration>,
    /// Payload bytes packed below what the peer had stated: an invariant, not a statistic.
    redundant: u64,
    span: Span,
}

impl Session {
    /// A dialling session. It wants a connection at once; streams may be opened and data queued
    /// before there is one.
    ///
    /// # Errors
    /// The configuration is out of range or proves nobody's identity.
    pub fn connect(config: ClientConfig, seed: Seed, now: Instant) -> Result<Session, ConfigError> {
        config.validate()?;
        let rng = Rng::new(&seed);
        let session_config = Arc::new(config.session.clone());
        let limit = config.history_limit;
        let history = match &config.handover {
            Some(handover) => History::after(handover, limit),
            None => History::new(limit),
        };
        let fresh = history.pending().is_none();
        let preserved = config.handover.as_ref().map(|handover| handover.preserved.clone());
        let preserved = preserved.unwrap_or_default();
        let dialing = Box::new(Dialing::new(now, config));
        let mut session = Session::new(Side::Client, session_config, rng, Some(dialing));
        session.history = Some(Box::new(history));
        session.preserved = preserved;
        if fresh {
            session.record_attempt(now);
        }
        Ok(session)
    }

    fn new(side: Side, config: Arc<SessionConfig>, rng: Rng, dialing: Option<Box<Dialing>>) -> Session {
        Session {
            side,
            ledger: Ledger::new(side, &config),
            config,
            rng,
            state: State::Connecting,
            links: Links::default(),
            ticket: None,
            attempts: Attempts::default(),
            peer: None,
            closing: Closing::default(),
            dialing,
            history: None,
            retry: Retry::default(),
            provisional_until: None,
            detached_at: None,
            shown_health: (Health::Detached, Instant::ZERO),
            expired: false,
            preserved: Bytes::new(),
            replays: 0,
            deadlines: Deadlines::default(),
            patience: Patience::default(),
            events: VecDeque::new(),
            ended: None,
            end_reason: None,
            stats: Stats::default(),
            report_due: false,
            reported_bytes: 0,
            own_lifetime: None,
            redundant: 0,
            span: Span::session(side),
        }
    }

    /// A connection is up (client). It is a candidate until it has proven itself; ask
    /// [`poll_transmit`](Self::poll_transmit) for its first packet.
    ///
    /// # Errors
    /// No connection is wanted now, or the session is over: drop the connection.
    pub fn attach(&mut self, now: Instant, carrier: Carrier) -> Result<Epoch, AttachError> {
        let _span = self.span.enter();
        let epoch = self.begin_attach(now, carrier)?;
        self.settle(now);
        Ok(epoch)
    }

    /// A connection that the registry routed to this session (server): a RESUME, or a handshake that
    /// names it as its predecessor. The current connection goes on until the newcomer has confirmed.
    ///
    /// # Errors
    /// The proof is not accepted. Nothing changed; send the rejection's packet, if any, and close.
    pub fn adopt(&mut self, now: Instant, incoming: Incoming) -> Result<Epoch, Rejection> {
        let _span = self.span.enter();
        let epoch = self.begin_adopt(now, incoming)?;
        self.settle(now);
        Ok(epoch)
    }

    /// A connection died. Ignored when its epoch is over.
    pub fn detach(&mut self, now: Instant, epoch: Epoch, cause: Cause) {
        let _span = self.span.enter();
        self.on_detach(now, epoch, cause);
        self.settle(now);
    }

    /// A packet arrived on the connection `epoch`.
    ///
    /// # Errors
    /// Drop this connection (what [`poll_transmit`](Self::poll_transmit) still has for it may be sent
    /// first). The machine knows already; there is no need to call [`detach`](Self::detach).
    pub fn handle_input(&mut self, now: Instant, epoch: Epoch, packet: BytesMut) -> Result<(), ConnectionError> {
        let _span = self.span.enter();
        trace::packet_in(epoch, packet.len());
        let result = self.on_packet(now, epoch, packet);
        let _ = result.as_ref().inspect_err(|error| trace::refused_input(epoch, error));
        // If the session is over because of it, the last words to the peer stay.
        if let Err(error) = &result
            && self.links.carries(epoch)
        {
            self.drop_link(now, epoch, receive::cause_of(error));
        }
        self.settle(now);
        result
    }

    /// The instant of [`poll_timeout`](Self::poll_timeout) has come, or may have.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _span = self.span.enter();
        self.on_timeout(now);
        self.settle(now);
    }

    /// Closes the session gracefully, behind what is queued; see [`SessionConfig::linger`] for how
    /// long that may take. `reason` is cut to 1,024 bytes. [`Event::Ended`] tells how it went.
    ///
    /// A session that is not established yet lingers too, for what is queued to be delivered; with nothing
    /// queued it ends at once. Who does not want to wait calls [`abort`](Self::abort).
    pub fn close(&mut self, now: Instant, code: u64, reason: Bytes) {
        let _span = self.span.enter();
        self.begin_close(now, code, reason);
        self.settle(now);
    }

    /// Ends the session now. The peer is told if a connection is up; fates as far as known.
    pub fn abort(&mut self, now: Instant) {
        let _span = self.span.enter();
        self.end_by_host(now);
        self.settle(now);
    }

    /// Commits one packet for the connection `epoch` and appends it to `buf`; `false`: nothing to
    /// send on it now. To be asked when the carrier can take a packet.
    pub fn poll_transmit(&mut self, now: Instant, epoch: Epoch, buf: &mut Vec<u8>) -> bool {
        let _span = self.span.enter();
        let start = buf.len();
        let packed = self.transmit(now, epoch, buf);
        if packed {
            trace::packet_out(epoch, buf.len() - start);
        }
        packed
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
        self.links.carries(epoch)
    }

    /// What the registry must know, if it changed since this was last asked (server). Newest state
    /// only, so that skipping one loses nothing.
    pub fn poll_report(&mut self) -> Option<Report> {
        core::mem::take(&mut self.report_due).then(|| self.report()).flatten()
    }

    /// For tests and tools: positions and counters that applications have no use for.
    #[doc(hidden)]
    pub fn inspect(&self) -> Inspection {
        self.inspection()
    }

    /// What follows from any change. At the end of every call that takes `now`, so that polls decide nothing.
    fn settle(&mut self, now: Instant) {
        self.end_if_exhausted(now);
        self.give_way(now);
        self.collect_events();
        self.finish_swap();
        self.pursue_migration(now);
        self.show_health(now);
        self.note_bytes();
    }
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
