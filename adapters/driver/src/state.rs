//! What the handles of a session and its driver share: the machine behind a lock, and who waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use unbroken_proto::config::Seed;
use unbroken_proto::durable::Mark;
use unbroken_proto::error::SendRefusal;
use unbroken_proto::event::{EndReason, Ended, Fates};
use unbroken_proto::security::Auth;
use unbroken_proto::server::{SessionCommand, Subscription};
use unbroken_proto::{Cause, ClientConfig, Epoch, Event, Instant, Session, StreamId};

use crate::clock::Clock;
use crate::connect_error::ConnectError;
use crate::events::Subscribers;
use crate::machine::{Machine, plain};
use crate::metrics::Metrics;
use crate::senders::Senders;
use crate::store::StoreError;
use crate::sync::{Waiters, WakeList, register};

/// A server does not say what is wrong with a stranger, so that a wrong secret looks like a bad network: except here.
const UNANSWERED: &str = "connected, but the handshake was not answered: a secret, key or hint that the server does not \
                          know looks like this, and so does a server of something else";

/// The machine, for whoever may call it.
pub(crate) struct Shared {
    state: Mutex<State>,
}

/// The machine and who waits for what it does. Wakers are called when the lock is released.
pub(crate) struct State {
    pub(crate) machine: Machine,
    clock: Clock,
    /// The time of the last call that read the clock.
    pub(crate) latest: Instant,
    pub(crate) metrics: Metrics,
    pub(crate) established: bool,
    pub(crate) ended: Option<Arc<Ended>>,
    /// The driver is done: no connection is left.
    pub(crate) is_disconnected: bool,
    pub(crate) connect_error: Option<Arc<ConnectError>>,
    /// Why what a durable session has to keep was not kept, the last time.
    pub(crate) store_error: Option<Arc<StoreError>>,
    /// Nobody holds the durable session any more, or it is wanted elsewhere: it is over here once all is kept that was done up to then.
    pub(crate) left_at: Option<Mark>,
    /// The session goes on elsewhere with a ticket: nothing of it stays here.
    pub(crate) is_exported: bool,
    /// Streams that a durable session was restored with, and that nobody has taken.
    pub(crate) restored: BTreeSet<StreamId>,
    /// Tasks that wait for something to be kept.
    pub(crate) keepers: Waiters,
    /// Whom the connection comes from that was the last to carry the session, where that is known.
    pub(crate) peer_address: Option<IpAddr>,
    /// The same of one that may come to carry it.
    arriving: Option<(Epoch, Option<IpAddr>)>,
    /// Receiving halves that found nothing.
    pub(crate) readers: BTreeMap<StreamId, Waker>,
    pub(crate) senders: Senders,
    /// Tasks that wait to open a stream, to accept one, and for the session to be established or over.
    pub(crate) openers: Waiters,
    pub(crate) acceptors: Waiters,
    pub(crate) watchers: Waiters,
    pub(crate) subscribers: Subscribers,
    /// A server's broadcasters that send to this session, by their numbers.
    pub(crate) subscriptions: BTreeMap<u64, Subscription>,
    /// The driver's task, if it has to be woken to see a change.
    driver: Option<Waker>,
    pub(crate) wakes: WakeList,
}

impl Shared {
    pub(crate) fn new(machine: Machine, clock: Clock) -> Arc<Shared> {
        let metrics = Metrics::new(machine.side());
        Arc::new(Shared {
            state: Mutex::new(State {
                machine,
                latest: clock.now(),
                clock,
                metrics,
                established: false,
                ended: None,
                is_disconnected: false,
                connect_error: None,
                store_error: None,
                left_at: None,
                is_exported: false,
                restored: BTreeSet::new(),
                keepers: Waiters::default(),
                peer_address: None,
                arriving: None,
                readers: BTreeMap::new(),
                senders: Senders::default(),
                openers: Waiters::default(),
                acceptors: Waiters::default(),
                watchers: Waiters::default(),
                subscribers: Subscribers::default(),
                subscriptions: BTreeMap::new(),
                driver: None,
                wakes: WakeList::default(),
            }),
        })
    }

    /// Calls the machine, tells those who wait what came of it, and returns what `call` does. The driver is not woken:
    /// that is for who calls on the application's behalf, with [`State::notify_driver`].
    pub(crate) fn call<T>(&self, call: impl FnOnce(&mut State, Instant) -> T) -> T {
        let mut state = self.lock();
        state.tick();
        self.finish(state, call)
    }

    /// As [`call`](Shared::call), at the time of the last one: for the rest of a driver's round, and for data, of which time
    /// decides nothing. Reading the clock would cost as much as the rest of such a call.
    pub(crate) fn call_untimed<T>(&self, call: impl FnOnce(&mut State, Instant) -> T) -> T {
        let state = self.lock();
        self.finish(state, call)
    }

    /// Has the machine carry out a server's command. Whom that wakes is added to `wakes`, since the server's lock is held.
    pub(crate) fn command(&self, command: SessionCommand, wakes: &mut WakeList) {
        let mut state = self.lock();
        let now = state.tick();
        let _checked_by_the_registry = state.machine.handle_command(now, command);
        state.notify_driver();
        state.hand_out_events();
        wakes.append(std::mem::take(&mut state.wakes));
    }

    fn finish<T>(&self, mut state: MutexGuard<'_, State>, call: impl FnOnce(&mut State, Instant) -> T) -> T {
        let now = state.latest;
        let result = call(&mut state, now);
        state.hand_out_events();
        if !state.wakes.is_empty() {
            let wakes = std::mem::take(&mut state.wakes);
            drop(state);
            wakes.wake();
        }
        result
    }

    /// Looks at something that no call changes.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| {
            // The machine panicked in the middle of a call. Nothing that it would say can be believed.
            let mut state = poisoned.into_inner();
            state.break_off();
            self.state.clear_poison();
            state
        })
    }
}

impl State {
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Reads the clock for the calls that follow.
    pub(crate) fn tick(&mut self) -> Instant {
        self.latest = self.now();
        self.latest
    }

    /// Makes the driver look at the machine. For every call that may leave something to send, or a new deadline.
    pub(crate) fn notify_driver(&mut self) {
        let driver = self.driver.take();
        self.wakes.push(driver);
    }

    /// A durable session is over here once all is kept that was done so far.
    pub(crate) fn leave(&mut self) {
        self.left_at.get_or_insert(self.machine.mark());
        self.notify_driver();
    }

    /// As [`notify_driver`](State::notify_driver), for a call that changes no deadline: only if there is something to send, or to
    /// keep.
    pub(crate) fn notify_if_sending(&mut self) {
        if self.driver.is_some() && (self.machine.wants_transmit() || self.machine.wants_record()) {
            self.notify_driver();
        }
    }

    /// Whether a sending half may ask the machine now; if not, it waits, and the driver calls it forward.
    pub(crate) fn may_send(&mut self, id: StreamId, sent: &mut usize, cx: Option<&Context<'_>>) -> bool {
        let may = self.senders.may_try(id, sent, cx, &mut self.wakes);
        if !may && self.senders.has_next() {
            self.notify_driver();
        }
        may
    }

    /// The machine refused a sending half, which waits if it is for want of room. Returns the reason for the application.
    pub(crate) fn refused(&mut self, id: StreamId, refusal: SendRefusal, cx: Option<&Context<'_>>) -> SendRefusal {
        if refusal.is_temporary() {
            self.senders.refused(id, refusal, cx);
        }
        self.senders.reason(id, refusal)
    }

    /// A connection may come to carry the session: nothing is proven of it before it does.
    pub(crate) fn arrives(&mut self, epoch: Epoch, address: Option<IpAddr>) {
        self.arriving = Some((epoch, address));
    }

    /// The driver looks now, and is to be woken for what comes later.
    pub(crate) fn register_driver(&mut self, cx: &Context<'_>) {
        register(&mut self.driver, cx);
    }

    fn hand_out_events(&mut self) {
        while let Some(event) = self.machine.poll_event() {
            match event {
                Event::Readable(stream) => self.wakes.push(self.readers.remove(&stream)),
                Event::Writable => self.on_writable(),
                Event::StreamsAvailable => self.openers.wake_first(&mut self.wakes),
                Event::Incoming => self.acceptors.wake_first(&mut self.wakes),
                Event::Ended(ended) => self.end(ended),
                event => self.publish(&event),
            }
        }
    }

    fn on_writable(&mut self) {
        self.openers.wake_first(&mut self.wakes);
        if self.senders.on_writable(&mut self.wakes) {
            self.notify_driver();
        }
    }

    fn publish(&mut self, event: &Event) {
        match event {
            Event::Stopped { stream, code } => self.senders.stop(*stream, *code, &mut self.wakes),
            Event::Established { .. } => {
                self.established = true;
                self.watchers.wake_all(&mut self.wakes);
            }
            Event::Attached { epoch, .. } => {
                let arrived = self.arriving.take_if(|(arriving, _)| arriving == epoch);
                self.peer_address = arrived.and_then(|(_, address)| address);
            }
            Event::Reconnect(attempt) if attempt.is_unanswered() => {
                let error = ConnectError::new(Cause::Timeout).with_source(UNANSWERED);
                self.connect_error = Some(Arc::new(error));
            }
            _ => {}
        }
        self.metrics.event(event);
        self.subscribers.publish(event, &mut self.wakes);
    }

    fn end(&mut self, ended: Ended) {
        if self.ended.is_some() {
            return;
        }
        self.metrics.stats(&self.machine.stats());
        self.metrics.ended(&ended.reason);
        self.subscribers.publish(&Event::Ended(ended.clone()), &mut self.wakes);
        self.ended = Some(Arc::new(ended));
        let readers = std::mem::take(&mut self.readers);
        readers.into_values().for_each(|waker| self.wakes.push(Some(waker)));
        self.senders.wake_all(&mut self.wakes);
        for waiters in [
            &mut self.openers,
            &mut self.acceptors,
            &mut self.watchers,
            &mut self.keepers,
        ] {
            waiters.wake_all(&mut self.wakes);
        }
        self.notify_driver();
    }

    /// Puts a session that is over in the machine's place: every call on it is harmless.
    fn break_off(&mut self) {
        let config = ClientConfig::new(Auth::anonymous());
        if let Ok(mut session) = Session::connect(config, Seed([0; 32]), Instant::ZERO) {
            session.abort(Instant::ZERO);
            while session.poll_event().is_some() {}
            self.machine = plain(session);
        }
        self.end(Ended::new(EndReason::Aborted, Fates::unaccounted()));
    }
}

/// Waits until `attempt` finds something. Who is done, or stops waiting, wakes the next in the line.
pub(crate) struct Wait<'a, F> {
    shared: &'a Shared,
    line: fn(&mut State) -> &mut Waiters,
    ticket: Option<u64>,
    attempt: F,
}

impl<'a, T, F: FnMut(&mut State, Instant) -> Option<T>> Wait<'a, F> {
    pub(crate) fn new(shared: &'a Shared, line: fn(&mut State) -> &mut Waiters, attempt: F) -> Wait<'a, F> {
        Wait {
            shared,
            line,
            ticket: None,
            attempt,
        }
    }
}

impl<T, F: FnMut(&mut State, Instant) -> Option<T> + Unpin> Future for Wait<'_, F> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.get_mut();
        this.shared.call(|state, now| match (this.attempt)(state, now) {
            Some(found) => Poll::Ready(found),
            None => {
                (this.line)(state).wait(&mut this.ticket, cx);
                Poll::Pending
            }
        })
    }
}

impl<F> Drop for Wait<'_, F> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        self.shared.call(|state, _| {
            let mut wakes = std::mem::take(&mut state.wakes);
            let line = (self.line)(state);
            line.remove(ticket);
            line.wake_first(&mut wakes);
            state.wakes = wakes;
        });
    }
}
