//! One message to many sessions.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use unbroken_proto::server::{Delivery, LagPolicy, Select, SessionInfo, Subscription};
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::{Instant, SessionId};

use super::handle::ServerHandle;
use super::state::ServerState;
use crate::machine::bare;
use crate::state::{Shared, State};
use crate::sync::lock;

/// Sends the same messages to many sessions: to each over a stream of its own there, opened when the
/// first message for it comes. Messages of one broadcaster arrive in order; between two broadcasters there is none.
///
/// A session that is slow or detached is judged by its own backlog, and delays nobody. Memory holds one
/// copy of a message, however many sessions there are, until the last of them has it acknowledged.
///
/// Dropping it finishes its streams, behind what was sent.
pub struct Broadcaster {
    server: Arc<ServerHandle>,
    number: u64,
    /// What a session that hears of it for the first time begins with.
    template: Subscription,
    /// Held while a message goes out, so that all sessions get two messages in the same order.
    turn: Mutex<()>,
}

/// What became of a broadcast message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BroadcastOutcome {
    /// Sessions whose turn it is now to deliver it; as safe there as any other message of theirs.
    pub queued: usize,
    /// Those that do not get it, and why.
    pub refused: Vec<(SessionId, Delivery)>,
}

impl ServerHandle {
    /// A broadcaster. Its streams are opened with `options`, whose label tells the clients which it is. A
    /// session is behind when more than `backlog` bytes of it would wait, everything it sends counted;
    /// `lag_policy` says what becomes of it then.
    ///
    /// Dropping the broadcaster takes the server's lock: do not do so inside [`registry`](ServerHandle::registry).
    #[must_use]
    pub fn broadcaster(self: &Arc<Self>, options: StreamOptions, backlog: usize, lag_policy: LagPolicy) -> Broadcaster {
        let number = self.with(|state, _, _| {
            state.broadcasters += 1;
            state.broadcasters
        });
        Broadcaster {
            server: Arc::clone(self),
            number,
            template: Subscription::new(options, backlog, lag_policy),
            turn: Mutex::default(),
        }
    }
}

impl Broadcaster {
    /// Sends a message to the sessions that `select` means. It does not wait: each takes it, or refuses, at once.
    pub fn send(&self, select: Select<'_>, message: Bytes) -> BroadcastOutcome {
        self.broadcast(|state| state.registry.find(select), &message)
    }

    /// The same for those that `wanted` picks. Looks at all of them, and must not call the server.
    pub fn send_where(&self, wanted: impl Fn(&SessionInfo) -> bool, message: Bytes) -> BroadcastOutcome {
        let pick = |state: &ServerState| {
            let picked = state.registry.sessions().filter(wanted);
            picked.map(|info| info.id).collect()
        };
        self.broadcast(pick, &message)
    }

    fn broadcast(&self, pick: impl FnOnce(&ServerState) -> Vec<SessionId>, message: &Bytes) -> BroadcastOutcome {
        let _turn = lock(&self.turn);
        // The server's own lock is let go before anything is sent: who is just arriving does not wait for thousands of
        // others.
        let sessions: Vec<(SessionId, Option<Arc<Shared>>)> = self.server.with(|state, _, _| {
            let shared = |id: &SessionId| state.owners.get(id).map(|owner| Arc::clone(&owner.shared));
            let picked = pick(state).into_iter();
            picked.map(|id| (id, shared(&id))).collect()
        });
        let mut outcome = BroadcastOutcome::default();
        for (id, shared) in sessions {
            let delivery = shared.map_or(Delivery::Declined, |shared| {
                shared.call(|state, now| self.deliver(state, now, message))
            });
            match delivery {
                Delivery::Queued => outcome.queued += 1,
                refused => outcome.refused.push((id, refused)),
            }
        }
        outcome
    }

    fn deliver(&self, state: &mut State, now: Instant, message: &Bytes) -> Delivery {
        let subscriptions = &mut state.subscriptions;
        let subscription = subscriptions
            .entry(self.number)
            .or_insert_with(|| self.template.clone());
        let is_new = subscription.stream().is_none();
        let delivery = subscription.deliver(now, bare(&mut state.machine, now, "broadcast"), message);
        if is_new && let Some(stream) = subscription.stream() {
            // Nobody reads here; what the client might say must not use up its windows.
            let _it_was_just_opened = state.machine.stream(stream).stop(now, 0);
        }
        state.notify_driver();
        delivery
    }
}

impl Drop for Broadcaster {
    fn drop(&mut self) {
        let sessions: Vec<Arc<Shared>> = self.server.with(|state, _, _| {
            let owners = state.owners.values();
            owners.map(|owner| Arc::clone(&owner.shared)).collect()
        });
        for shared in sessions {
            shared.call(|state, now| {
                let subscription = state.subscriptions.remove(&self.number);
                if let Some(stream) = subscription.and_then(|subscription| subscription.stream()) {
                    // Both halves are over then, since ours was stopped when it opened.
                    let _already_over = state.machine.stream(stream).finish(now);
                    state.notify_driver();
                }
            });
        }
    }
}

debug_some!(Broadcaster, template);
