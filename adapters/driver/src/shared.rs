//! What a session's handles and its driver share: a desk for what the handles want, and a view of
//! what the driver last saw.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_channel::oneshot;
use unbroken_proto::error::OpenError;
use unbroken_proto::event::Ended;
use unbroken_proto::security::PublicKey;
use unbroken_proto::session::SessionState;
use unbroken_proto::stats::Stats;
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::{Duration, Event, SessionId, StreamId};

use crate::connect_error::ConnectError;
use crate::lock::{Waiters, lock, wake};
use crate::reconnecting::{ReconnectView, ReconnectWishes};
use crate::stream::StreamShared;

/// Events a subscriber may leave unread; beyond, its oldest are dropped and counted.
pub(crate) const EVENTS: usize = 256;

/// The two of them.
pub(crate) struct Shared {
    desk: Mutex<Desk>,
    view: Mutex<View>,
}

/// From the handles to the driver. Wishes are levels, so that asking often costs nothing.
#[derive(Default)]
pub(crate) struct Desk {
    /// The driver's task.
    waker: Option<Waker>,
    /// Streams with something new; each at most once.
    pub(crate) dirty: Vec<StreamId>,
    /// One per waiting `open`.
    pub(crate) opens: Vec<OpenRequest>,
    pub(crate) wishes: Wishes,
    /// Nobody looks here any more.
    over: bool,
}

#[derive(Default)]
pub(crate) struct Wishes {
    pub(crate) migrate: Option<(Duration, Bytes)>,
    pub(crate) reconnecting: ReconnectWishes,
    pub(crate) close: Option<(u64, Bytes)>,
    pub(crate) abort: bool,
    pub(crate) lifetime: Option<Duration>,
    /// An accepted stream was taken.
    pub(crate) accepted: bool,
}

pub(crate) struct OpenRequest {
    pub(crate) options: StreamOptions,
    pub(crate) answer: oneshot::Sender<Result<Opened, OpenError>>,
}

/// A stream on its way to whoever asked for it. Resets and stops it if nobody is there any more.
pub(crate) struct Opened {
    stream: Option<Arc<StreamShared>>,
    shared: Arc<Shared>,
}

impl Opened {
    pub(crate) fn new(stream: Arc<StreamShared>, shared: Arc<Shared>) -> Opened {
        Opened {
            stream: Some(stream),
            shared,
        }
    }

    pub(crate) fn id(&self) -> Option<StreamId> {
        self.stream.as_ref().map(|stream| stream.id)
    }

    pub(crate) fn take(mut self) -> Option<Arc<StreamShared>> {
        self.stream.take()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(stream) = self.stream.take() {
            stream.send(|queue| queue.reset = Some(0));
            stream.recv(|queue| queue.stop = Some(0));
            stream.touch(&self.shared);
        }
    }
}

/// From the driver to the handles.
pub(crate) struct View {
    pub(crate) state: SessionState,
    pub(crate) id: Option<SessionId>,
    pub(crate) peer_key: Option<PublicKey>,
    pub(crate) stats: Stats,
    pub(crate) reconnecting: ReconnectView,
    pub(crate) established: bool,
    pub(crate) ended: Option<Arc<Ended>>,
    pub(crate) connect_error: Option<Arc<ConnectError>>,
    /// Streams the peer opened that nobody has taken yet.
    pub(crate) accepted: VecDeque<Accepted>,
    pub(crate) waiters: Waiters,
    pub(crate) subscribers: Vec<Arc<Mutex<Ring>>>,
}

pub(crate) struct Accepted {
    pub(crate) stream: Arc<StreamShared>,
    pub(crate) label: Bytes,
    pub(crate) priority: u8,
}

/// One subscriber's events.
#[derive(Default)]
pub(crate) struct Ring {
    pub(crate) events: VecDeque<Event>,
    pub(crate) missed: u64,
    pub(crate) over: bool,
    pub(crate) waker: Option<Waker>,
}

impl Ring {
    /// For who subscribes after the end.
    pub(crate) fn end(&mut self, ended: &Ended) {
        self.push(Event::Ended(ended.clone()));
    }

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

impl Shared {
    pub(crate) fn new(state: SessionState) -> Arc<Shared> {
        Arc::new(Shared {
            desk: Mutex::new(Desk::default()),
            view: Mutex::new(View {
                state,
                id: None,
                peer_key: None,
                stats: Stats::default(),
                reconnecting: ReconnectView::default(),
                established: false,
                ended: None,
                connect_error: None,
                accepted: VecDeque::new(),
                waiters: Waiters::default(),
                subscribers: Vec::new(),
            }),
        })
    }

    /// For a handle: puts something on the desk and wakes the driver.
    pub(crate) fn ask(&self, put: impl FnOnce(&mut Desk)) {
        let waker = {
            let mut desk = lock(&self.desk);
            if desk.over {
                return;
            }
            put(&mut desk);
            desk.waker.clone()
        };
        wake(waker);
    }

    /// For the driver: takes what is on the desk into `taken` and will be woken for what comes later.
    pub(crate) fn take_desk(&self, cx: &Context<'_>, taken: &mut Desk) {
        let mut desk = lock(&self.desk);
        crate::lock::register(&mut desk.waker, cx);
        std::mem::swap(&mut desk.dirty, &mut taken.dirty);
        std::mem::swap(&mut desk.opens, &mut taken.opens);
        taken.wishes = std::mem::take(&mut desk.wishes);
    }

    /// The session is over: what lies on the desk is dropped, and nothing more is taken.
    pub(crate) fn clear_desk(&self) {
        let _dropped = std::mem::replace(
            &mut *lock(&self.desk),
            Desk {
                over: true,
                ..Desk::default()
            },
        );
    }

    pub(crate) fn look<T>(&self, read: impl FnOnce(&View) -> T) -> T {
        read(&lock(&self.view))
    }

    /// Changes the view and wakes everybody who waits for a change of it.
    pub(crate) fn show<T>(&self, change: impl FnOnce(&mut View) -> T) -> T {
        let (result, wakers) = {
            let mut view = lock(&self.view);
            let result = change(&mut view);
            (result, view.waiters.take())
        };
        wakers.for_each(Waker::wake);
        result
    }

    /// Changes the view in something nobody waits for.
    pub(crate) fn note(&self, change: impl FnOnce(&mut View)) {
        change(&mut lock(&self.view));
    }

    /// Hands an event to all subscribers.
    pub(crate) fn publish(&self, event: &Event) {
        let mut wakers = Vec::new();
        lock(&self.view).subscribers.retain(|ring| {
            wakers.push(lock(ring).push(event.clone()));
            Arc::strong_count(ring) > 1
        });
        wakers.into_iter().for_each(wake);
    }
}

/// Waits until `check` finds something in the view.
pub(crate) struct Wait<'a, T> {
    shared: &'a Shared,
    check: fn(&mut View) -> Option<T>,
    ticket: Option<u64>,
}

impl<'a, T> Wait<'a, T> {
    pub(crate) fn new(shared: &'a Shared, check: fn(&mut View) -> Option<T>) -> Wait<'a, T> {
        Wait {
            shared,
            check,
            ticket: None,
        }
    }
}

impl<T> Future for Wait<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        let mut view = lock(&this.shared.view);
        match (this.check)(&mut view) {
            Some(found) => Poll::Ready(found),
            None => {
                view.waiters.wait(&mut this.ticket, cx);
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Wait<'_, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            lock(&self.shared.view).waiters.remove(ticket);
        }
    }
}

/// Held by every handle of a session and its streams. When the last one goes, the session closes.
pub(crate) struct CloseOnDrop {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.shared.ask(|desk| {
            desk.wishes.close.get_or_insert((0, Bytes::new()));
        });
    }
}
