//! What an application holds of a listening service.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, ready};

use unbroken_proto::config::{Seed, ServerConfig};
use unbroken_proto::error::ConfigError;
use unbroken_proto::server::{Placement, Refusal, Registry, Request};
use unbroken_proto::{Instant, PeerPrefix};

use super::backlog::Accepted;
use super::state::ServerState;
use crate::clock::{Clock, Timer};
use crate::runtime::Runtime;
use crate::sync::{Waiters, WakeList, lock, register};

/// Decides on a proven client, and where its session belongs.
pub type Authorise = Box<dyn Fn(Request) -> Verdict + Send + Sync>;
/// The decision, on its way.
pub type Verdict = Pin<Box<dyn Future<Output = Result<Placement, Refusal>> + Send>>;

/// A listening service: what all its connections share.
///
/// | to | call |
/// |---|---|
/// | serve a connection that was accepted | [`serve`](ServerHandle::serve) |
/// | have the sessions that come of it | [`accept`](ServerHandle::accept) |
/// | list sessions, find them by id, name, label or identity | [`sessions`](ServerHandle::sessions), [`find`](ServerHandle::find) |
/// | close, end, move or prolong one, some or all | [`command`](ServerHandle::command), [`command_where`](ServerHandle::command_where) |
/// | tell all or some of them something | [`broadcaster`](ServerHandle::broadcaster) |
/// | release what is kept for a session, once, however it ended | [`ended`](ServerHandle::ended) |
/// | let sessions go before the service stops | [`drain`](ServerHandle::drain), [`drained`](ServerHandle::drained) |
/// | keep sessions beyond the process | [`keep_in`](ServerHandle::keep_in), [`restore`](ServerHandle::restore), [`run_handovers`](ServerHandle::run_handovers) |
/// | show numbers | [`snapshot`](ServerHandle::snapshot) |
/// | label, or anything else the registry can do | [`registry`](ServerHandle::registry) |
/// | say who comes in, whose session it is, by which labels | [`Authorise`] |
/// | record what is said in sessions (feature `trace`) | `trace` |
/// | set limits | [`ServerConfig`] |
pub struct ServerHandle {
    pub(super) state: Mutex<ServerState>,
    pub(super) prefix: PeerPrefix,
    pub(super) authorise: Authorise,
    clock: Clock,
}

impl ServerHandle {
    /// A listening service on `runtime`. [`run_timers`](ServerHandle::run_timers) has to be spawned there.
    ///
    /// `seed` is 32 fresh random bytes ([`fresh_seed`](crate::fresh_seed)).
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn new<R: Runtime>(
        runtime: &R,
        config: ServerConfig,
        seed: Seed,
        authorise: Authorise,
    ) -> Result<Arc<ServerHandle>, ConfigError> {
        let prefix = config.peer_prefix;
        let clock = Clock::new(runtime);
        let mut registry = Registry::new(config, seed, clock.now())?;
        // Where sessions are durable, one that is not held here may be in the store; without a store that cannot be known.
        registry.set_lookup(true);
        Ok(Arc::new(ServerHandle {
            state: Mutex::new(ServerState::new(clock.clone(), registry)),
            prefix,
            authorise,
            clock,
        }))
    }

    /// Lets go of all connections that have not proven anything, of sessions that nobody has accepted, and of the task
    /// that runs the timers. Accepted sessions live on with their handles.
    pub fn shut_down(&self) {
        let waiting = self.with(|state, _, wakes| {
            state.is_over = true;
            state.pending.clear();
            wakes.push(state.waker.take());
            wakes.push(state.giver.take());
            state.backlog.clear()
        });
        drop(waiting);
    }

    /// Has a record of each session that is admitted from now on: see [`unbroken_trace`]. `writers` says where that of this session goes;
    /// `None`: it has no record. **What is written is a secret.** It can be read, and not replayed, since the handshake is no part of it.
    ///
    /// `writers` is called while the server is locked: it must not call the server, nor block for long. A session's driver writes as it
    /// goes, so that what it returned should buffer.
    #[cfg(feature = "trace")]
    pub fn trace(
        &self,
        writers: impl Fn(unbroken_proto::SessionId) -> Option<Box<dyn std::io::Write + Send>> + Send + 'static,
    ) {
        self.with(|state, _, _| state.records = crate::machine::Records::new(writers));
    }

    /// The next session to be established. Any number of tasks may ask. Cancel safe.
    pub async fn accept(&self) -> Accepted {
        let mut wait = Wait::new(self, |state| &mut state.backlog.acceptors);
        poll_fn(|cx| {
            loop {
                let accepted = ready!(self.with(|state, _, _| state.backlog.poll(&mut wait.ticket, cx)));
                // Its driver may have ended it, and be about to take it out of the backlog.
                if !accepted.is_exhausted() {
                    return Poll::Ready(accepted);
                }
            }
        })
        .await
    }

    /// Runs the registry's timers until [`shut_down`](ServerHandle::shut_down). Spawn it once.
    pub async fn run_timers(self: Arc<Self>) {
        let mut timer = self.timer();
        poll_fn(|cx| {
            loop {
                let next = self.with(|state, now, wakes| {
                    if state.registry.poll_timeout().is_some_and(|deadline| deadline <= now) {
                        state.registry.handle_timeout(now);
                    }
                    state.carry_out(wakes);
                    register(&mut state.waker, cx);
                    (!state.is_over).then(|| state.registry.poll_timeout())
                });
                match next {
                    None => return Poll::Ready(()),
                    Some(None) => return Poll::Pending,
                    Some(Some(deadline)) if timer.poll_until(cx, timer.now(), deadline).is_pending() => {
                        return Poll::Pending;
                    }
                    Some(Some(_)) => {}
                }
            }
        })
        .await;
    }

    pub(super) fn timer(&self) -> Timer {
        self.clock.timer()
    }

    /// Looks at the state or changes it, and wakes who has to know once the lock is released.
    pub(super) fn with<T>(&self, access: impl FnOnce(&mut ServerState, Instant, &mut WakeList) -> T) -> T {
        let mut wakes = WakeList::default();
        let result = {
            let mut state = lock(&self.state);
            let now = state.now();
            access(&mut state, now, &mut wakes)
        };
        wakes.wake();
        result
    }
}

/// Somebody who waits in a line. Who is done, or stops waiting, wakes the next.
pub(super) struct Wait<'a> {
    server: &'a ServerHandle,
    line: fn(&mut ServerState) -> &mut Waiters,
    pub(super) ticket: Option<u64>,
}

impl<'a> Wait<'a> {
    pub(super) fn new(server: &'a ServerHandle, line: fn(&mut ServerState) -> &mut Waiters) -> Wait<'a> {
        let ticket = None;
        Wait { server, line, ticket }
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        self.server.with(|state, _, wakes| {
            let line = (self.line)(state);
            line.remove(ticket);
            line.wake_first(wakes);
        });
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sessions = lock(&self.state).owners.len();
        f.debug_struct("ServerHandle")
            .field("sessions", &sessions)
            .finish_non_exhaustive()
    }
}
