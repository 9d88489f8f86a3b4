//! A broadcast message on its way to one session, and the count of how all of them fared.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use unbroken_proto::SessionId;
use unbroken_proto::server::{Delivery, LagPolicy, Subscription};
use unbroken_proto::stream::StreamOptions;

use crate::sync::{lock, register, wake};

/// What a message is charged beyond its payload while it waits for a session's driver.
const CHARGE: usize = 64;

/// What each of its sessions needs to know of a broadcaster.
#[derive(Debug)]
pub(crate) struct Terms {
    /// The broadcaster's number.
    pub(crate) number: u64,
    pub(crate) options: StreamOptions,
    pub(crate) backlog: usize,
    pub(crate) lag_policy: LagPolicy,
}

/// A message on its way to a session's driver. Dropped undelivered, the session was gone.
pub(crate) struct Envelope {
    session: SessionId,
    terms: Arc<Terms>,
    message: Bytes,
    countdown: Arc<Countdown>,
    /// The driver's account of messages waiting for it, in bytes.
    waiting: Arc<AtomicUsize>,
    is_delivered: bool,
}

impl Envelope {
    pub(crate) fn new(
        session: SessionId,
        terms: &Arc<Terms>,
        message: &Bytes,
        countdown: &Arc<Countdown>,
        waiting: &Arc<AtomicUsize>,
    ) -> Envelope {
        waiting.fetch_add(message.len().saturating_add(CHARGE), Ordering::Relaxed);
        Envelope {
            session,
            terms: Arc::clone(terms),
            message: message.clone(),
            countdown: Arc::clone(countdown),
            waiting: Arc::clone(waiting),
            is_delivered: false,
        }
    }

    pub(crate) fn broadcaster(&self) -> u64 {
        self.terms.number
    }

    pub(crate) fn message(&self) -> &Bytes {
        &self.message
    }

    /// The session's subscription, if it has none yet.
    pub(crate) fn subscription(&self) -> Subscription {
        let terms = &self.terms;
        Subscription::new(terms.options.clone(), terms.backlog, terms.lag_policy)
    }

    /// What is to become of the message if too much waits for this driver already.
    pub(crate) fn overflow(&self) -> Option<LagPolicy> {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let before = waiting.saturating_sub(self.message.len() + CHARGE);
        let behind = before > 0 && before.saturating_add(self.message.len()) > self.terms.backlog;
        behind.then_some(self.terms.lag_policy)
    }

    pub(crate) fn delivered(mut self, delivery: Delivery) {
        self.is_delivered = true;
        self.countdown.count(self.session, delivery);
    }
}

impl Drop for Envelope {
    fn drop(&mut self) {
        self.waiting.fetch_sub(self.message.len() + CHARGE, Ordering::Relaxed);
        if !self.is_delivered {
            self.countdown.count(self.session, Delivery::Declined);
        }
    }
}

/// What became of one message so far.
#[derive(Debug)]
pub(crate) struct Countdown {
    state: Mutex<Count>,
}

#[derive(Debug)]
struct Count {
    pending: usize,
    outcome: BroadcastOutcome,
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

/// A broadcast message on its way to the sessions' drivers. Ready once each has taken or refused it; dropping it
/// changes nothing.
#[derive(Debug)]
#[must_use = "the message goes out all the same; this tells how it fared"]
pub struct Broadcast {
    pub(crate) countdown: Arc<Countdown>,
}

impl Countdown {
    pub(crate) fn new(sessions: usize) -> Arc<Countdown> {
        Arc::new(Countdown {
            state: Mutex::new(Count {
                pending: sessions,
                outcome: BroadcastOutcome::default(),
                waker: None,
            }),
        })
    }

    pub(crate) fn count(&self, session: SessionId, delivery: Delivery) {
        let waker = {
            let mut count = lock(&self.state);
            count.pending -= 1;
            match delivery {
                Delivery::Queued => count.outcome.queued += 1,
                refused => count.outcome.refused.push((session, refused)),
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
            return Poll::Ready(std::mem::take(&mut count.outcome));
        }
        register(&mut count.waker, cx);
        Poll::Pending
    }
}
