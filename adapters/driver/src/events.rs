//! What happens to a session, for those who subscribe.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use unbroken_proto::Event;
use unbroken_proto::event::Ended;

use crate::sync::{WakeList, lock, register};

/// Events that a subscriber may leave unread; beyond, its oldest are dropped and counted.
const EVENTS: usize = 256;

/// One subscriber's view of what happens to a session: connections that come and go, credentials that
/// are asked for, the end. [`Event::Ended`] is the last.
///
/// A subscriber that leaves more than 256 events unread loses the oldest; [`missed`](Events::missed)
/// counts them. Also a [`Stream`](futures_core::Stream).
#[derive(Debug)]
pub struct Events {
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    events: VecDeque<Event>,
    missed: u64,
    over: bool,
    waker: Option<Waker>,
}

impl Queue {
    fn push(&mut self, event: Event) -> Option<Waker> {
        if self.events.len() >= EVENTS {
            self.events.pop_front();
            self.missed += 1;
        }
        self.over |= matches!(event, Event::Ended(_));
        self.events.push_back(event);
        self.waker.take()
    }
}

/// Everybody who subscribed and is still there. Stands under the session's lock, so that nobody subscribes between
/// the last event and the end.
#[derive(Default)]
pub(crate) struct Subscribers {
    queues: Vec<Arc<Mutex<Queue>>>,
}

impl Subscribers {
    /// Adds a subscriber; one who comes behind the end is told of that and of nothing else.
    pub(crate) fn subscribe(&mut self, ended: Option<&Ended>) -> Events {
        let queue = Arc::<Mutex<Queue>>::default();
        match ended {
            Some(ended) => drop(lock(&queue).push(Event::Ended(ended.clone()))),
            None => {
                self.queues.retain(|queue| Arc::strong_count(queue) > 1);
                self.queues.push(Arc::clone(&queue));
            }
        }
        Events { queue }
    }

    /// Hands an event to all of them.
    pub(crate) fn publish(&mut self, event: &Event, wakes: &mut WakeList) {
        self.queues.retain(|queue| {
            wakes.push(lock(queue).push(event.clone()));
            Arc::strong_count(queue) > 1
        });
    }
}

impl Events {
    /// The next event; `None` after the last. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    /// How many events were dropped because nobody read them.
    #[must_use]
    pub fn missed(&self) -> u64 {
        lock(&self.queue).missed
    }

    fn poll_event(&self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut queue = lock(&self.queue);
        match queue.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if queue.over => Poll::Ready(None),
            None => {
                register(&mut queue.waker, cx);
                Poll::Pending
            }
        }
    }
}

impl futures_core::Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll_event(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscribers_that_are_gone_are_forgotten() {
        let mut subscribers = Subscribers::default();
        for _ in 0..100 {
            drop(subscribers.subscribe(None));
        }
        let _kept = subscribers.subscribe(None);
        assert!(subscribers.queues.len() <= 2);
    }
}
