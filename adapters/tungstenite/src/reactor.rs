//! Waiting, for all tasks of a thread or of a poll loop: with poll(2), and until the next point in time.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use unbroken_driver::uptime;
use unbroken_proto::{Duration, Instant};

use crate::notifier::Notifier;
use crate::source::{Alarm, Direction, Pollable, Source, lock};

/// Reads, writes and accepts in one poll of a task; then time limits and other tasks get their turn, whatever the
/// sockets still have to say.
const BUDGET: u32 = 64;
/// How long to rest when the system refuses to wait (it is out of memory).
const REST: Duration = Duration::from_millis(50);

thread_local! {
    /// Where the task waits that this thread polls now.
    static CURRENT: RefCell<Option<Arc<Reactor>>> = const { RefCell::new(None) };
    /// What is left of its budget.
    static BUDGET_LEFT: Cell<u32> = const { Cell::new(0) };
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
    notifier: OnceLock<Arc<Notifier>>,
    sources: Mutex<Vec<Weak<Source>>>,
    alarms: Mutex<Vec<Weak<Alarm>>>,
}

/// A socket that tasks wait for, and in which directions.
pub(crate) struct Wanted {
    pub(crate) source: Arc<Source>,
    pub(crate) reading: bool,
    pub(crate) writing: bool,
}

impl Reactor {
    pub(crate) fn new() -> Reactor {
        static IDS: AtomicU64 = AtomicU64::new(1);
        Reactor {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            state: AtomicU8::new(AWAKE),
            thread: thread::current(),
            notifier: OnceLock::new(),
            sources: Mutex::default(),
            alarms: Mutex::default(),
        }
    }

    /// This thread's own.
    pub(crate) fn of_thread() -> Arc<Reactor> {
        OF_THREAD.with(Arc::clone)
    }

    /// What wakes whoever waits with poll(2).
    pub(crate) fn notifier(&self) -> io::Result<&Arc<Notifier>> {
        if self.notifier.get().is_none() {
            let _somebody_was_faster = self.notifier.set(Arc::new(Notifier::new()?));
        }
        self.notifier.get().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Runs `poll`, which polls a task: what that waits for, it waits for here.
    pub(crate) fn enter<T>(self: &Arc<Self>, poll: impl FnOnce() -> T) -> T {
        struct Leave(Option<Arc<Reactor>>, u32);

        impl Drop for Leave {
            fn drop(&mut self) {
                let outer = self.0.take();
                if let Some(outer) = &outer {
                    // What woke the task around this one may have been taken for ours.
                    outer.notify();
                }
                CURRENT.set(outer);
                BUDGET_LEFT.set(self.1);
            }
        }

        let _leave = Leave(CURRENT.replace(Some(Arc::clone(self))), BUDGET_LEFT.replace(BUDGET));
        poll()
    }

    /// Whoever waits, or is about to, goes on.
    pub(crate) fn notify(&self) {
        match self.state.swap(NOTIFIED, Ordering::SeqCst) {
            PARKED => self.thread.unpark(),
            POLLING => self.notifier.get().into_iter().for_each(|notifier| notifier.notify()),
            _ => {}
        }
    }

    /// From now on whoever has news wakes this thread; false: there is news.
    pub(crate) fn begin(&self, waiting: u8) -> bool {
        let begun = self
            .state
            .compare_exchange(AWAKE, waiting, Ordering::SeqCst, Ordering::SeqCst);
        begun.is_ok()
    }

    /// The thread will poll by itself: see [`begin`](Self::begin).
    pub(crate) fn begin_polling(&self) -> bool {
        self.begin(POLLING)
    }

    /// Waits until a socket is ready, time has come, somebody has news, or `limit` is over, and wakes the tasks that
    /// wait for it. It may also return for nothing.
    pub(crate) fn wait(&self, limit: Option<Duration>) {
        let wanted = self.wanted();
        let waiting = if wanted.is_empty() { PARKED } else { POLLING };
        let limit = match self.begin(waiting) {
            true => [limit, self.until_alarm()].into_iter().flatten().min(),
            false => Some(Duration::ZERO),
        };
        match limit {
            limit if waiting == POLLING => {
                if self.poll(&wanted, limit).is_err() {
                    thread::sleep(REST);
                }
            }
            Some(limit) if limit.is_zero() => {}
            Some(limit) => thread::park_timeout(limit),
            None => thread::park(),
        }
        self.state.store(AWAKE, Ordering::SeqCst);
        self.wake_sleepers();
    }

    fn poll(&self, wanted: &[Wanted], limit: Option<Duration>) -> io::Result<()> {
        let notifier = self.notifier()?;
        let mut polled = Vec::with_capacity(wanted.len() + 1);
        polled.push(PollFd::new(&**notifier, PollFlags::IN));
        for want in wanted {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, want.reading);
            flags.set(PollFlags::OUT, want.writing);
            polled.push(PollFd::from_borrowed_fd(want.source.io.as_fd(), flags));
        }
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        match poll(&mut polled, limit.as_ref()) {
            Err(error) if error != rustix::io::Errno::INTR => return Err(error.into()),
            _ => {}
        }
        if polled.first().is_some_and(|notified| !notified.revents().is_empty()) {
            notifier.clear();
        }
        let over = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        for (want, polled) in wanted.iter().zip(polled.iter().skip(1)) {
            let ready = polled.revents();
            let (reader, writer) = {
                let mut waiting = lock(&want.source.waiting);
                let reader = waiting.reader.take_if(|_| ready.intersects(PollFlags::IN | over));
                (
                    reader,
                    waiting.writer.take_if(|_| ready.intersects(PollFlags::OUT | over)),
                )
            };
            reader.into_iter().chain(writer).for_each(Waker::wake);
        }
        Ok(())
    }

    /// All sockets that tasks wait for.
    pub(crate) fn wanted(&self) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        lock(&self.sources).retain(|source| {
            let Some(source) = source.upgrade() else { return false };
            let (ours, reading, writing) = {
                let waiting = lock(&source.waiting);
                let ours = waiting.reactor == self.id;
                (ours, waiting.reader.is_some(), waiting.writer.is_some())
            };
            if ours && (reading || writing) {
                wanted.push(Wanted {
                    source,
                    reading,
                    writing,
                });
            }
            ours
        });
        wanted
    }

    /// How long until the next point in time that a task waits for.
    pub(crate) fn until_alarm(&self) -> Option<Duration> {
        let mut next: Option<Instant> = None;
        lock(&self.alarms).retain(|alarm| {
            let alarm = alarm.upgrade();
            next = alarm.iter().map(|alarm| alarm.deadline).chain(next).min();
            alarm.is_some()
        });
        next.map(|next| next.saturating_since(uptime()))
    }

    fn wake_sleepers(&self) {
        let now = uptime();
        let mut due = Vec::new();
        lock(&self.alarms).retain(|alarm| {
            let Some(alarm) = alarm.upgrade() else { return false };
            if alarm.deadline <= now {
                due.extend(lock(&alarm.waiting).take());
            }
            alarm.deadline > now
        });
        due.into_iter().for_each(Waker::wake);
    }

    fn add_source<S: Pollable + 'static>(&self, source: &Arc<Source<S>>) {
        let source: Arc<Source> = Arc::<Source<S>>::clone(source);
        lock(&self.sources).push(Arc::downgrade(&source));
    }
}

/// A thread's reactor wakes it.
impl Wake for Reactor {
    fn wake(self: Arc<Self>) {
        self.notify();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.notify();
    }
}

fn current() -> io::Result<Arc<Reactor>> {
    let current = CURRENT.with_borrow(Option::clone);
    current.ok_or_else(|| io::Error::other("a socket of this crate is polled outside of its executors"))
}

/// Calls `call`, which does not block, on `source` until it has an answer.
pub(crate) fn poll_io<S: Pollable + 'static, T>(
    source: &Arc<Source<S>>,
    direction: Direction,
    cx: &Context<'_>,
    mut call: impl FnMut(&S) -> io::Result<T>,
) -> Poll<io::Result<T>> {
    let left = BUDGET_LEFT.get();
    if left == 0 {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    BUDGET_LEFT.set(left - 1);
    loop {
        match call(&source.io) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return Poll::Ready(done),
        }
    }
    let reactor = current()?;
    // Without one nobody could wake us: as when the system refuses a socket.
    reactor.notifier()?;
    let is_new = {
        let mut waiting = lock(&source.waiting);
        let slot = match direction {
            Direction::Read => &mut waiting.reader,
            Direction::Write => &mut waiting.writer,
        };
        *slot = Some(cx.waker().clone());
        std::mem::replace(&mut waiting.reactor, reactor.id) != reactor.id
    };
    if is_new {
        reactor.add_source(source);
    }
    Poll::Pending
}

/// Ready when `deadline` has come.
pub(crate) struct Sleep {
    deadline: Instant,
    /// Once it waits: where.
    alarm: Option<(Arc<Alarm>, u64)>,
}

impl Sleep {
    pub(crate) fn until(deadline: Instant) -> Sleep {
        Sleep { deadline, alarm: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.deadline <= uptime() {
            return Poll::Ready(());
        }
        let Ok(reactor) = current() else { return Poll::Ready(()) };
        match &self.alarm {
            Some((alarm, there)) if *there == reactor.id => *lock(&alarm.waiting) = Some(cx.waker().clone()),
            _ => {
                let alarm = Arc::new(Alarm {
                    deadline: self.deadline,
                    waiting: Mutex::new(Some(cx.waker().clone())),
                });
                lock(&reactor.alarms).push(Arc::downgrade(&alarm));
                self.alarm = Some((alarm, reactor.id));
            }
        }
        Poll::Pending
    }
}
