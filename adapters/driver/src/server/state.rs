//! The registry, and how the driver of each session is reached.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::task::Waker;

use futures_channel::{mpsc, oneshot};
use unbroken_proto::server::{ConnectionId, Incoming, Registry, Rejection};
use unbroken_proto::{Instant, Session, SessionId};

use super::backlog::Backlog;
use crate::clock::Clock;
use crate::driver::Routed;
use crate::durable::DurableError;
use crate::machine::Records;
use crate::state::Shared;
use crate::store::Store;
use crate::sync::{Waiters, WakeList};

/// Connections on their way to a session's driver.
const ROUTED: usize = 4;

/// What all connections of a listening service share. Its lock is taken when a connection comes, and when a session's
/// state changes; never for data.
pub(super) struct ServerState {
    pub(super) clock: Clock,
    pub(super) registry: Registry,
    pub(super) owners: HashMap<SessionId, Owner>,
    pub(super) backlog: Backlog,
    pub(super) records: Records,
    /// Where sessions are kept, if they are.
    pub(super) store: Option<Arc<dyn Store>>,
    /// Why one could not be looked up there, the last time.
    pub(super) lookup_error: Option<Arc<DurableError>>,
    /// How many sessions are looked up there now.
    pub(super) lookups: usize,
    /// Those that are being taken over.
    pub(super) taking: HashSet<SessionId>,
    /// Somebody gives up what others ask for; how to wake him.
    pub(super) gives_up: bool,
    pub(super) giver: Option<Waker>,
    /// Somebody collects the sessions that are over; until then they are dropped.
    pub(super) is_collected: bool,
    pub(super) collector: Option<Waker>,
    /// Those who wait for the end of a drain.
    pub(super) drainers: Waiters,
    /// Dropping what stands here lets go of a connection.
    pub(super) pending: HashMap<ConnectionId, oneshot::Sender<()>>,
    /// How many there were so far.
    pub(super) broadcasters: u64,
    /// Who minds the registry's timers.
    pub(super) waker: Option<Waker>,
    pub(super) is_over: bool,
}

/// How a session's driver is reached.
pub(super) struct Owner {
    pub(super) routed: mpsc::Sender<Routed>,
    /// Its lock may be taken while the server's is held, never the other way round.
    pub(super) shared: Arc<Shared>,
}

impl ServerState {
    pub(super) fn new(clock: Clock, registry: Registry) -> ServerState {
        ServerState {
            clock,
            registry,
            owners: HashMap::new(),
            backlog: Backlog::default(),
            records: Records::default(),
            store: None,
            lookup_error: None,
            lookups: 0,
            taking: HashSet::new(),
            gives_up: false,
            giver: None,
            is_collected: false,
            collector: None,
            drainers: Waiters::default(),
            pending: HashMap::new(),
            broadcasters: 0,
            waker: None,
            is_over: false,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Carries out what the registry wants: lets go of connections that it waits for no more, passes its commands on to
    /// the sessions, and what is over to who collects it.
    pub(super) fn carry_out(&mut self, wakes: &mut WakeList) {
        while let Some(connection) = self.registry.poll_unwanted() {
            self.pending.remove(&connection);
        }
        while let Some((session, command)) = self.registry.poll_command() {
            if let Some(owner) = self.owners.get(&session) {
                owner.shared.command(command, wakes);
            }
        }
        if self.is_collected {
            wakes.push(self.collector.take());
        } else {
            while self.registry.poll_ended().is_some() {}
        }
    }

    /// The registry's deadline may have changed, and what it wants.
    pub(super) fn on_change(&mut self, wakes: &mut WakeList) {
        self.carry_out(wakes);
        wakes.push(self.waker.take());
        // Also when there is no drain any more: that is what they wait for.
        self.drainers.wake_all(wakes);
    }

    /// A session that the registry holds from now on: its machine, and the connections that come for it.
    pub(super) fn take_in(&mut self, now: Instant, session: Session) -> (Arc<Shared>, mpsc::Receiver<Routed>) {
        let (sender, routed) = mpsc::channel(ROUTED);
        let id = session.id();
        let shared = Shared::new(self.records.begin(session, now), self.clock.clone());
        if let Some(id) = id {
            let owner = Owner {
                routed: sender,
                shared: Arc::clone(&shared),
            };
            self.owners.insert(id, owner);
            self.backlog.admit(id);
        }
        (shared, routed)
    }

    /// What to say on a connection whose session's driver is gone.
    pub(super) fn orphan(&mut self, incoming: Incoming) -> Rejection {
        let now = self.now();
        self.registry.orphan(now, incoming)
    }
}
