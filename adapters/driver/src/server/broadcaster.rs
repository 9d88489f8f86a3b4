//! One message to many sessions.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_channel::mpsc;
use unbroken_proto::SessionId;
use unbroken_proto::server::{Delivery, LagPolicy, Select, SessionCommand, SessionInfo, Subscription};
use unbroken_proto::stream::StreamOptions;

use super::{Desk, ServerHandle};
use crate::errand::Errand;
use crate::lock::{lock, register, wake};

/// What a message is charged beyond its payload while it waits for a session's owner.
const CHARGE: usize = 64;

/// Sends the same messages to many sessions: to each over a stream of its own there, opened when the
/// first message for it comes. Messages of one broadcaster arrive in order; between two audiences there is none.
///
/// A session that is slow or detached is judged by its own backlog, and delays nobody. Memory holds one
/// copy of a message, however many sessions there are, until the last of them has it acknowledged.
///
/// Dropping it finishes its streams, behind what was sent.
pub struct Broadcaster {
    handle: Arc<ServerHandle>,
    seat: Arc<Seat>,
    turn: Mutex<()>,
}

/// What each of its sessions needs to know of an broadcaster.
struct Seat {
    number: u64,
    options: StreamOptions,
    backlog: usize,
    lag_policy: LagPolicy,
}

/// A message on its way to a session's owner. Dropped unjudged, the session was gone.
pub(crate) struct Envelope {
    session: SessionId,
    seat: Arc<Seat>,
    message: Bytes,
    countdown: Arc<Countdown>,
    /// The owner's account of messages waiting for it, in bytes.
    waiting: Arc<AtomicUsize>,
    judged: bool,
}

/// What became of one message so far.
struct Countdown {
    state: Mutex<Count>,
}

struct Count {
    pending: usize,
    reached: BroadcastOutcome,
    waker: Option<Waker>,
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

/// A broadcast message on its way to the sessions' owners. Ready once each has judged; dropping it
/// changes nothing.
pub struct Broadcast {
    countdown: Arc<Countdown>,
}

impl ServerHandle {
    /// An broadcaster. Its streams are opened with `options`, whose label tells the clients which it is. A
    /// session is behind when more than `backlog` bytes of it would wait, everything it sends counted;
    /// `lag_policy` says what becomes of it then.
    ///
    /// Dropping the broadcaster takes the handle's lock: do not do so inside [`registry`](ServerHandle::registry).
    #[must_use]
    pub fn broadcaster(self: &Arc<Self>, options: StreamOptions, backlog: usize, lag_policy: LagPolicy) -> Broadcaster {
        let number = {
            let mut desk = lock(&self.desk);
            desk.audiences += 1;
            desk.audiences
        };
        let seat = Seat {
            number,
            options,
            backlog,
            lag_policy,
        };
        Broadcaster {
            handle: Arc::clone(self),
            seat: Arc::new(seat),
            turn: Mutex::default(),
        }
    }
}

impl Broadcaster {
    /// Sends a message to the sessions that `select` means.
    pub fn send(&self, select: Select<'_>, message: Bytes) -> Broadcast {
        self.broadcast(|desk| desk.registry.find(select), &message)
    }

    /// The same for those that `wanted` picks. Looks at all of them, and must not call the handle.
    pub fn send_where(&self, wanted: impl Fn(&SessionInfo) -> bool, message: Bytes) -> Broadcast {
        let pick = |desk: &Desk| {
            let picked = desk.registry.sessions().filter(wanted);
            picked.map(|info| info.id).collect()
        };
        self.broadcast(pick, &message)
    }

    fn broadcast(&self, pick: impl FnOnce(&Desk) -> Vec<SessionId>, message: &Bytes) -> Broadcast {
        // Taken first, so that all sessions hear two messages in the same order. The handle's own lock is
        // let go before anything is sent: who is just arriving does not wait for thousands of others.
        let _turn = lock(&self.turn);
        let owners: Vec<(SessionId, Option<Mailbox>)> = {
            let desk = lock(&self.handle.desk);
            let sessions = pick(&desk).into_iter();
            sessions
                .map(|id| (id, desk.owners.get(&id).map(|owner| owner.mailbox.clone())))
                .collect()
        };
        let countdown = Arc::new(Countdown {
            state: Mutex::new(Count {
                pending: owners.len(),
                reached: BroadcastOutcome::default(),
                waker: None,
            }),
        });
        for (session, mailbox) in owners {
            match mailbox {
                Some(mailbox) => mailbox.tell(self.envelope(session, &mailbox, message, &countdown)),
                None => countdown.vote(session, Delivery::Declined),
            }
        }
        Broadcast { countdown }
    }

    fn envelope(&self, session: SessionId, mailbox: &Mailbox, message: &Bytes, countdown: &Arc<Countdown>) -> Envelope {
        let waiting = Arc::clone(&mailbox.waiting);
        waiting.fetch_add(message.len().saturating_add(CHARGE), Ordering::Relaxed);
        Envelope {
            session,
            seat: Arc::clone(&self.seat),
            message: message.clone(),
            countdown: Arc::clone(countdown),
            waiting,
            judged: false,
        }
    }
}

impl Drop for Broadcaster {
    fn drop(&mut self) {
        let mailboxes: Vec<Mailbox> = {
            let desk = lock(&self.handle.desk);
            desk.owners.values().map(|owner| owner.mailbox.clone()).collect()
        };
        for mailbox in mailboxes {
            mailbox.put(Errand::Over(self.seat.number));
        }
    }
}

/// Where errands for a session's owner go.
#[derive(Clone)]
pub(super) struct Mailbox {
    errands: mpsc::UnboundedSender<Errand>,
    /// Bytes of broadcast messages that it has not taken yet.
    waiting: Arc<AtomicUsize>,
}

impl Mailbox {
    pub(super) fn new() -> (Mailbox, mpsc::UnboundedReceiver<Errand>) {
        let (errands, mail) = mpsc::unbounded();
        let waiting = Arc::default();
        (Mailbox { errands, waiting }, mail)
    }

    pub(super) fn put(&self, errand: Errand) {
        let _gone = self.errands.unbounded_send(errand);
    }

    /// Passes a message on, unless too much waits for this owner already.
    fn tell(&self, envelope: Envelope) {
        let before = envelope.waiting.load(Ordering::Relaxed) - envelope.message.len() - CHARGE;
        let behind = before > 0 && before.saturating_add(envelope.message.len()) > envelope.seat.backlog;
        if !behind {
            return self.put(Errand::Message(envelope));
        }
        match envelope.seat.lag_policy {
            LagPolicy::Skip => envelope.judged(Delivery::Missed),
            LagPolicy::End => {
                self.put(Errand::SessionCommand(SessionCommand::Abort));
                envelope.judged(Delivery::Ended);
            }
        }
    }
}

impl Envelope {
    pub(crate) fn broadcaster(&self) -> u64 {
        self.seat.number
    }

    pub(crate) fn message(&self) -> &Bytes {
        &self.message
    }

    /// The session's place in the broadcaster, if it has none yet.
    pub(crate) fn listener(&self) -> Subscription {
        Subscription::new(self.seat.options.clone(), self.seat.backlog, self.seat.lag_policy)
    }

    pub(crate) fn judged(mut self, delivery: Delivery) {
        self.judged = true;
        self.countdown.vote(self.session, delivery);
    }
}

impl Drop for Envelope {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.message.len() + CHARGE, Ordering::Relaxed);
        if !self.judged {
            self.countdown.vote(self.session, Delivery::Declined);
        }
    }
}

impl Countdown {
    fn vote(&self, session: SessionId, delivery: Delivery) {
        let waker = {
            let mut count = lock(&self.state);
            count.pending -= 1;
            match delivery {
                Delivery::Queued => count.reached.queued += 1,
                refused => count.reached.refused.push((session, refused)),
            }
            if count.pending > 0 {
                return;
            }
            count.waker.take()
        };
        wake(waker);
    }
}

impl Future for Broadcast {
    type Output = BroadcastOutcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<BroadcastOutcome> {
        let mut count = lock(&self.countdown.state);
        if count.pending == 0 {
            return Poll::Ready(std::mem::take(&mut count.reached));
        }
        register(&mut count.waker, cx);
        Poll::Pending
    }
}
