//! Waiting, for all tasks of a thread or of a poll loop: with poll(2), and until the next point in time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread::{self, Thread};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use unbroken_driver::{Budget, uptime};
use unbroken_proto::{Duration, Instant};

use crate::notifier::Notifier;
use crate::source::{Interest, Source, fresh_id, lock};

thread_local! {
    /// Where the task waits that this thread polls now.
    static CURRENT: RefCell<Option<Arc<Reactor>>> = const { RefCell::new(None) };
    static OF_THREAD: Arc<Reactor> = Arc::new(Reactor::new());
}

// What whoever waits is doing, for who has news.
const AWAKE: u8 = 0;
const NOTIFIED: u8 = 1;
const PARKED: u8 = 2;
const POLLING: u8 = 3;

pub(crate) struct Reactor {
    id: u64,
    state: AtomicU8,
    thread: Thread,
    /// Made with the first socket: a thread that waits for none is parked, which is cheaper.
    notifier: OnceLock<Arc<Source<Notifier>>>,
    sources: Mutex<Vec<Weak<Source>>>,
    /// Who sleeps until when, and under which number.
    sleepers: Mutex<BTreeMap<(Instant, u64), Waker>>,
}

impl Reactor {
    pub(crate) fn new() -> Reactor {
        Reactor {
            id: fresh_id(),
            state: AtomicU8::new(AWAKE),
            thread: thread::current(),
            notifier: OnceLock::new(),
            sources: Mutex::default(),
            sleepers: Mutex::default(),
        }
    }

    /// This thread's own.
    pub(crate) fn of_thread() -> Arc<Reactor> {
        OF_THREAD.with(Arc::clone)
    }

    /// From now on whoever waits here does so with poll(2).
    ///
    /// # Errors
    /// The system has no descriptor for waking it.
    pub(crate) fn use_poll(&self) -> io::Result<()> {
        if self.notifier.get().is_none() {
            let _somebody_was_faster = self.notifier.set(Source::new(Notifier::new()?));
        }
        Ok(())
    }

    /// Runs `poll`, which polls a task: what that waits for, it waits for here.
    pub(crate) fn enter<T>(self: &Arc<Self>, poll: impl FnOnce() -> T) -> T {
        let outer = CURRENT.replace(Some(Arc::clone(self)));
        let polled = poll();
        // News for the task around this one may have been taken for ours.
        outer.iter().for_each(|outer| outer.notify());
        CURRENT.set(outer);
        polled
    }

    /// Whoever waits, or is about to, goes on.
    pub(crate) fn notify(&self) {
        match self.state.swap(NOTIFIED, SeqCst) {
            PARKED => self.thread.unpark(),
            POLLING => drop(self.notifier.get().map(|notifier| notifier.io.notify())),
            _ => {}
        }
    }

    /// Whether somebody has news for whoever waits next.
    pub(crate) fn has_news(&self) -> bool {
        self.state.load(SeqCst) == NOTIFIED
    }

    /// From now on whoever has news wakes this thread. False: there is news already.
    pub(crate) fn begin_waiting(&self) -> bool {
        let waiting = if self.notifier.get().is_some() { POLLING } else { PARKED };
        self.state.compare_exchange(AWAKE, waiting, SeqCst, SeqCst).is_ok()
    }

    /// Waits until a socket is ready, time has come, somebody has news, or `limit` is over, and wakes the tasks that
    /// wait for it. It may also return for nothing.
    pub(crate) fn wait(&self, limit: Option<Duration>) {
        let limit = match self.begin_waiting() {
            true => [limit, self.until_next()].into_iter().flatten().min(),
            false => Some(Duration::ZERO),
        };
        match (self.notifier.get(), limit) {
            (Some(notifier), limit) => {
                if self.poll(&notifier.io, limit).is_err() {
                    // The system is out of memory: asking again at once would not help.
                    thread::sleep(Duration::from_millis(50));
                }
            }
            (None, Some(limit)) if limit.is_zero() => {}
            (None, Some(limit)) => thread::park_timeout(limit),
            (None, None) => thread::park(),
        }
        self.state.store(AWAKE, SeqCst);
        self.wake_sleepers();
    }

    fn poll(&self, notifier: &Notifier, limit: Option<Duration>) -> io::Result<()> {
        let interests = self.interests();
        let polled = interests.iter().map(|interest| PollFd::new(interest, interest.flags));
        let mut polled: Vec<_> = polled.collect();
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        match poll(&mut polled, limit.as_ref()) {
            // A signal: whoever waits looks at the clock and waits for the rest of its time.
            Err(error) if error != rustix::io::Errno::INTR => return Err(error.into()),
            _ => {}
        }
        if polled.first().is_some_and(|notified| !notified.revents().is_empty()) {
            notifier.clear();
        }
        let over = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        for (interest, polled) in interests.iter().zip(&polled) {
            let ready = polled.revents();
            let mut waiting = lock(&interest.source.waiting);
            let reader = waiting.reader.take_if(|_| ready.intersects(PollFlags::IN | over));
            let writer = waiting.writer.take_if(|_| ready.intersects(PollFlags::OUT | over));
            drop(waiting);
            reader.into_iter().chain(writer).for_each(Waker::wake);
        }
        Ok(())
    }

    /// What is to be polled: the notifier, which is the first, and the sockets that tasks wait for.
    pub(crate) fn interests(&self) -> Vec<Interest> {
        let notifier = self.notifier.get().map(|notifier| Interest {
            source: Arc::<Source<Notifier>>::clone(notifier),
            flags: PollFlags::IN,
        });
        let mut interests: Vec<_> = notifier.into_iter().collect();
        lock(&self.sources).retain(|source| {
            let Some(source) = source.upgrade() else { return false };
            let waiting = lock(&source.waiting);
            let ours = waiting.reactor == self.id;
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, waiting.reader.is_some());
            flags.set(PollFlags::OUT, waiting.writer.is_some());
            drop(waiting);
            if ours && !flags.is_empty() {
                interests.push(Interest { source, flags });
            }
            ours
        });
        interests
    }

    /// How long until the next point in time that a task waits for.
    pub(crate) fn until_next(&self) -> Option<Duration> {
        let next = lock(&self.sleepers).first_key_value().map(|((at, _), _)| *at);
        next.map(|at| at.saturating_since(uptime()))
    }

    fn wake_sleepers(&self) {
        let due = {
            let mut sleepers = lock(&self.sleepers);
            let later = sleepers.split_off(&(uptime(), u64::MAX));
            std::mem::replace(&mut *sleepers, later)
        };
        due.into_values().for_each(Waker::wake);
    }
}

/// A thread's reactor wakes it.
impl Wake for Reactor {
    fn wake(self: Arc<Self>) {
        self.notify();
    }
}

fn current() -> io::Result<Arc<Reactor>> {
    let current = CURRENT.with_borrow(Option::clone);
    current.ok_or_else(|| io::Error::other("a socket of this crate is polled outside of its executors"))
}

/// Calls `call`, which does not block, on `source`; if there is no answer yet, the task is woken to ask again, once `source`
/// is readable (`PollFlags::IN`) or writable (`PollFlags::OUT`).
pub(crate) fn poll_io<S: AsFd + Send + Sync + 'static, T>(
    source: &Arc<Source<S>>,
    readiness: PollFlags,
    cx: &mut Context<'_>,
    mut call: impl FnMut(&S) -> io::Result<T>,
) -> Poll<io::Result<T>> {
    let mut budget = Budget::new();
    loop {
        ready!(budget.poll_step(cx));
        match call(&source.io) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return Poll::Ready(done),
        }
    }
    let reactor = current()?;
    reactor.use_poll()?;
    let mut waiting = lock(&source.waiting);
    let waker = Some(cx.waker().clone());
    match readiness == PollFlags::IN {
        true => waiting.reader = waker,
        false => waiting.writer = waker,
    }
    let known = std::mem::replace(&mut waiting.reactor, reactor.id);
    drop(waiting);
    if known != reactor.id {
        let source: Arc<Source> = Arc::<Source<S>>::clone(source);
        lock(&reactor.sources).push(Arc::downgrade(&source));
    }
    Poll::Pending
}

/// Ready when its time has come.
pub(crate) struct Sleep {
    /// Until when, and a number of its own.
    key: (Instant, u64),
    reactor: Option<Arc<Reactor>>,
}

impl Sleep {
    pub(crate) fn until(deadline: Instant) -> Sleep {
        let (key, reactor) = ((deadline, fresh_id()), None);
        Sleep { key, reactor }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Ok(reactor) = current() else { return Poll::Ready(()) };
        if self.key.0 <= uptime() {
            return Poll::Ready(());
        }
        lock(&reactor.sleepers).insert(self.key, cx.waker().clone());
        self.reactor = Some(reactor);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(reactor) = &self.reactor {
            lock(&reactor.sleepers).remove(&self.key);
        }
    }
}
