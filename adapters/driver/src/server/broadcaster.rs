//! One message to many sessions.

use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use unbroken_proto::SessionId;
use unbroken_proto::server::{Delivery, LagPolicy, Select, SessionInfo};
use unbroken_proto::stream::StreamOptions;

use super::handle::ServerHandle;
use super::state::{MailSender, ServerState};
use crate::envelope::{Broadcast, Countdown, Envelope, Terms};
use crate::mailbox::Mail;
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
    terms: Arc<Terms>,
    turn: Mutex<()>,
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
            terms: Arc::new(Terms {
                number,
                options,
                backlog,
                lag_policy,
            }),
            turn: Mutex::default(),
        }
    }
}

impl Broadcaster {
    /// Sends a message to the sessions that `select` means.
    pub fn send(&self, select: Select<'_>, message: Bytes) -> Broadcast {
        self.broadcast(|state| state.registry.find(select), &message)
    }

    /// The same for those that `wanted` picks. Looks at all of them, and must not call the server.
    pub fn send_where(&self, wanted: impl Fn(&SessionInfo) -> bool, message: Bytes) -> Broadcast {
        let pick = |state: &ServerState| {
            let picked = state.registry.sessions().filter(wanted);
            picked.map(|info| info.id).collect()
        };
        self.broadcast(pick, &message)
    }

    fn broadcast(&self, pick: impl FnOnce(&ServerState) -> Vec<SessionId>, message: &Bytes) -> Broadcast {
        // Taken first, so that all sessions hear two messages in the same order. The server's own lock is
        // let go before anything is sent: who is just arriving does not wait for thousands of others.
        let _turn = lock(&self.turn);
        let owners: Vec<(SessionId, Option<MailSender>)> = self.server.with(|state, _, _| {
            let sessions = pick(state).into_iter();
            sessions
                .map(|id| (id, state.owners.get(&id).map(|owner| owner.mail.clone())))
                .collect()
        });
        let countdown = Countdown::new(owners.len());
        for (session, mail) in owners {
            match mail {
                Some(mail) => mail.send(Envelope::new(session, &self.terms, message, &countdown, &mail.waiting)),
                None => countdown.count(session, Delivery::Declined),
            }
        }
        Broadcast { countdown }
    }
}

impl Drop for Broadcaster {
    fn drop(&mut self) {
        let senders: Vec<MailSender> = self
            .server
            .with(|state, _, _| state.owners.values().map(|owner| owner.mail.clone()).collect());
        for mail in senders {
            mail.put(Mail::Over(self.terms.number));
        }
    }
}

impl fmt::Debug for Broadcaster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broadcaster")
            .field("terms", &self.terms)
            .finish_non_exhaustive()
    }
}
