//! What a session's handles and its driver share: the machine behind a lock, and who waits for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use tokio::sync::{Notify, broadcast};
use unbroken_proto::Instant;
use unbroken_proto::ssm::DataChannel;
use unbroken_proto::ssm::event::{Chunk, DataKeyRequest, Ended, Established, Event};
use unbroken_tokio::carriers::driver::Runtime;
use unbroken_tokio::{ConnectError, Tokio};

use crate::end::End;
use crate::multiplexed::Multiplexed;

/// Events that a subscriber may leave unread; beyond, its oldest are dropped, and it is told how many.
const EVENTS: usize = 256;

/// The machine, for whoever may call it.
pub(crate) struct Shared<R: End> {
    state: Mutex<State<R>>,
    /// Something can be read, or the session is over.
    pub(crate) readable: Notify,
    /// Something can be written, or the session is over.
    pub(crate) writable: Notify,
    /// The session is established, over, or disconnected; or, if somebody waits for that, everything written has arrived.
    pub(crate) changed: Notify,
}

/// The machine, and what is known of the session.
pub(crate) struct State<R: End> {
    pub(crate) machine: DataChannel<R>,
    pub(crate) established: Option<Arc<Established>>,
    pub(crate) ended: Option<Arc<Ended>>,
    /// The driver is done: no connection is left.
    pub(crate) is_disconnected: bool,
    /// Somebody waits until everything has arrived.
    pub(crate) awaits_flush: bool,
    /// The application writes no more.
    pub(crate) is_finishing: bool,
    /// A data key that the driver has to get.
    pub(crate) key_request: Option<DataKeyRequest>,
    /// The streams of a session that has many.
    pub(crate) streams: Option<Multiplexed>,
    /// What the last attempt to have a connection failed of.
    pub(crate) connect_error: Option<Arc<ConnectError>>,
    events: broadcast::Sender<Event>,
    /// The driver's task, if it has to be woken to see a change.
    driver: Option<Waker>,
    news: News,
}

/// Whom to wake once the lock is released.
#[derive(Default)]
struct News {
    readable: bool,
    writable: bool,
    changed: bool,
    wakers: Vec<Waker>,
}

impl<R: End> Shared<R> {
    pub(crate) fn new(machine: DataChannel<R>) -> Arc<Shared<R>> {
        Arc::new(Shared {
            state: Mutex::new(State {
                machine,
                established: None,
                ended: None,
                is_disconnected: false,
                awaits_flush: false,
                is_finishing: false,
                key_request: None,
                streams: None,
                connect_error: None,
                events: broadcast::Sender::new(EVENTS),
                driver: None,
                news: News::default(),
            }),
            readable: Notify::new(),
            writable: Notify::new(),
            changed: Notify::new(),
        })
    }

    /// Calls the machine, and wakes those who wait for what came of it. The driver is not woken: that is for who calls on the
    /// application's behalf, with [`State::notify_driver`].
    pub(crate) fn call<T>(&self, call: impl FnOnce(&mut State<R>, Instant) -> T) -> T {
        let mut state = self.lock();
        let now = Tokio.now();
        let result = call(&mut state, now);
        state.settle(now);
        let news = std::mem::take(&mut state.news);
        drop(state);
        for (happened, who) in [
            (news.readable, &self.readable),
            (news.writable, &self.writable),
            (news.changed, &self.changed),
        ] {
            if happened {
                who.notify_waiters();
            }
        }
        news.wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// Looks at something that no call changes.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State<R>) -> T) -> T {
        read(&self.lock())
    }

    /// Waits on `line` until `attempt` finds something. Cancel safe.
    pub(crate) async fn wait<T>(
        &self,
        line: &Notify,
        mut attempt: impl FnMut(&mut State<R>, Instant) -> Option<T>,
    ) -> T {
        loop {
            let mut notified = std::pin::pin!(line.notified());
            // Whatever happens from now on wakes it.
            notified.as_mut().enable();
            if let Some(found) = self.call(&mut attempt) {
                return found;
            }
            notified.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: End> State<R> {
    /// Makes the driver look at the machine.
    pub(crate) fn notify_driver(&mut self) {
        self.news.wakers.extend(self.driver.take());
    }

    /// The driver looks now, and is to be woken for what comes later.
    pub(crate) fn register_driver(&mut self, cx: &Context<'_>) {
        match &mut self.driver {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// When the machine has to be called, or the streams pumped.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let streams = self.streams.as_ref().and_then(Multiplexed::poll_timeout);
        let machine = self.machine.poll_timeout();
        [machine, streams.filter(|_| self.ended.is_none())]
            .into_iter()
            .flatten()
            .min()
    }

    /// What came next. The driver is woken where that changes what it does.
    pub(crate) fn read(&mut self, now: Instant) -> Option<Chunk> {
        let before = (self.machine.wants_input(), self.machine.poll_timeout());
        let chunk = self.machine.read(now);
        if before != (self.machine.wants_input(), self.machine.poll_timeout()) {
            self.notify_driver();
        }
        chunk
    }

    /// Nothing more is written: the session ends when everything has arrived.
    pub(crate) fn finish(&mut self, now: Instant) {
        self.is_finishing = true;
        // Writers that wait find out.
        self.news.writable = true;
        if self.streams.is_none() {
            self.machine.finish(now);
        }
    }

    /// Closes a stream, behind what was written to it.
    pub(crate) fn finish_stream(&mut self, number: u32) {
        if let Some(streams) = &mut self.streams {
            streams.finish(number, &mut self.news.wakers);
        }
    }

    /// The session is over, or nobody drives it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.ended.is_some() || self.is_disconnected
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// The driver is gone.
    pub(crate) fn disconnected(&mut self) {
        self.is_disconnected = true;
        self.wake_all();
    }

    /// Whether everything that was written has arrived.
    pub(crate) fn is_flushed(&self) -> bool {
        let stats = self.machine.stats();
        stats.queued_bytes == 0
            && stats.unacknowledged_bytes == 0
            && self.streams.as_ref().is_none_or(Multiplexed::is_drained)
    }

    fn settle(&mut self, now: Instant) {
        if self.awaits_flush && self.is_flushed() {
            self.awaits_flush = false;
            self.news.changed = true;
        }
        self.hand_out_events();
        let Some(streams) = &mut self.streams else { return };
        if streams.pump(now, &mut self.machine, &mut self.news.wakers) {
            self.news.wakers.extend(self.driver.take());
        }
        if self.is_finishing && streams.is_drained() {
            self.machine.finish(now);
        }
        self.hand_out_events();
    }

    fn hand_out_events(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            match &event {
                Event::Readable => self.news.readable = true,
                Event::Writable => self.news.writable = true,
                Event::Established(established) => {
                    self.established = Some(Arc::new((**established).clone()));
                    self.news.changed = true;
                }
                Event::DataKeyNeeded(request) => self.key_request = Some((**request).clone()),
                Event::Ended(ended) => {
                    self.ended = Some(Arc::new(ended.clone()));
                    self.wake_all();
                    self.notify_driver();
                }
                _ => {}
            }
            if !matches!(event, Event::Readable | Event::Writable) {
                // Nobody may have subscribed.
                let _ = self.events.send(event);
            }
        }
    }

    fn wake_all(&mut self) {
        (self.news.readable, self.news.writable, self.news.changed) = (true, true, true);
        if let Some(streams) = &mut self.streams {
            streams.wake_all(&mut self.news.wakers);
        }
    }
}
