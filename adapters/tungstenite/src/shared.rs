//! What the thread of a session and its handles share: the machine under a lock, and who waits for what.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant as Moment;

use unbroken_proto::event::{EndReason, Ended, Fates};
use unbroken_proto::{Duration, Event, Instant, Session, SessionId};

use crate::bell::Bell;
use crate::clock::uptime;
use crate::stepper::{Next, Stepper};
use crate::wire::Wire;

/// Events a subscriber may leave unread; beyond, its oldest are dropped and counted.
const EVENTS: usize = 256;

/// The two of them.
pub(crate) struct Shared {
    core: Mutex<Core>,
    /// Anything a caller may wait for has happened.
    changed: Condvar,
    bell: Bell,
}

pub(crate) struct Core {
    pub(crate) stepper: Stepper<Wire>,
    pub(crate) established: Option<SessionId>,
    pub(crate) ended: Option<Arc<Ended>>,
    pub(crate) connect_error: Option<Arc<io::Error>>,
    subscribers: Vec<Arc<Mutex<Ring>>>,
    /// The thread waits: who changes something rings.
    asleep: bool,
    /// Something changed since the thread last looked.
    stirred: bool,
}

/// One subscriber's events.
#[derive(Default)]
pub(crate) struct Ring {
    pub(crate) events: VecDeque<Event>,
    pub(crate) missed: u64,
}

impl Ring {
    fn push(&mut self, event: Event) {
        if self.events.len() >= EVENTS {
            self.events.pop_front();
            self.missed += 1;
        }
        self.events.push_back(event);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When a call with a time limit has to return.
pub(crate) fn limit(within: Option<Duration>) -> Option<Moment> {
    // A limit beyond the clock is none.
    within.and_then(|within| Moment::now().checked_add(within))
}

impl Shared {
    pub(crate) fn new(stepper: Stepper<Wire>) -> io::Result<Arc<Shared>> {
        Ok(Arc::new(Shared {
            core: Mutex::new(Core {
                stepper,
                established: None,
                ended: None,
                connect_error: None,
                subscribers: Vec::new(),
                asleep: false,
                stirred: false,
            }),
            changed: Condvar::new(),
            bell: Bell::new()?,
        }))
    }

    pub(crate) fn core(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    /// Looks at something that nothing changes.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Core) -> T) -> T {
        look(&self.core())
    }

    /// Calls the machine; its thread sees to what follows.
    pub(crate) fn call<T>(&self, call: impl FnOnce(&mut Core, Instant) -> T) -> T {
        let mut core = self.core();
        let result = call(&mut core, uptime());
        self.wake(core);
        result
    }

    /// Calls the machine until it has an answer, waiting in between; `None` if there was none until `limit`.
    pub(crate) fn wait<T>(
        &self,
        limit: Option<Moment>,
        mut ask: impl FnMut(&mut Core, Instant) -> Option<T>,
    ) -> Option<T> {
        let mut core = self.core();
        loop {
            if let Some(answer) = ask(&mut core, uptime()) {
                self.wake(core);
                return Some(answer);
            }
            let Some(limit) = limit else {
                core = self.changed.wait(core).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = limit.saturating_duration_since(Moment::now());
            if left.is_zero() {
                return None;
            }
            let (guard, _) = self
                .changed
                .wait_timeout(core, left)
                .unwrap_or_else(PoisonError::into_inner);
            core = guard;
        }
    }

    fn wake(&self, mut core: MutexGuard<'_, Core>) {
        core.stirred = true;
        let asleep = std::mem::take(&mut core.asleep);
        drop(core);
        if asleep {
            self.bell.ring();
        }
    }

    /// For the thread: gives the lock back until something happens, unless it has happened already.
    pub(crate) fn sleep(&self, mut core: MutexGuard<'_, Core>, limit: Option<Duration>) {
        if core.stirred {
            return;
        }
        core.asleep = true;
        let stepper = &core.stepper;
        let sockets: Vec<_> = stepper
            .connections()
            .map(|wire| {
                (
                    Arc::clone(wire.socket()),
                    crate::connection::Connection::wants_write(wire),
                )
            })
            .collect();
        drop(core);
        if self.bell.wait(&sockets, limit).is_err() {
            // The system is out of something; it is not ours to spin on it.
            std::thread::sleep(Duration::from_millis(50));
        }
        self.core().asleep = false;
    }

    /// For the thread: one step of the session.
    pub(crate) fn step(&self) -> (MutexGuard<'_, Core>, Instant, Next) {
        let mut core = self.core();
        core.stirred = false;
        let now = uptime();
        let next = core.stepper.step(now);
        (core, now, next)
    }

    /// For the thread: hands out what the machine has to say.
    pub(crate) fn tell(&self, core: &mut Core) {
        let mut any = false;
        while let Some(event) = core.stepper.session_mut().poll_event() {
            any = true;
            core.publish(event);
        }
        if any {
            self.changed.notify_all();
        }
    }

    /// For a thread that is about to go: nobody waits for it any more.
    pub(crate) fn give_up(&self) {
        let mut core = self.core();
        core.stepper.session_mut().abort(uptime());
        self.tell(&mut core);
        if core.ended.is_none() {
            core.publish(Event::Ended(Ended {
                reason: EndReason::Aborted,
                fates: Fates::default(),
            }));
        }
        drop(core);
        self.changed.notify_all();
    }
}

impl Core {
    pub(crate) fn session(&mut self) -> &mut Session {
        self.stepper.session_mut()
    }

    pub(crate) fn subscribe(&mut self) -> Arc<Mutex<Ring>> {
        let ring = Arc::new(Mutex::new(Ring::default()));
        match &self.ended {
            Some(ended) => lock(&ring).push(Event::Ended(Ended::clone(ended))),
            None => self.subscribers.push(Arc::clone(&ring)),
        }
        ring
    }

    fn publish(&mut self, event: Event) {
        match &event {
            Event::Established { id } => self.established = Some(*id),
            Event::Ended(ended) => self.ended = Some(Arc::new(ended.clone())),
            // Callers wait for these; who subscribes is told of what happens to the session.
            Event::Readable(_) | Event::Writable | Event::StreamsAvailable | Event::Incoming => return,
            _ => {}
        }
        self.subscribers.retain(|ring| {
            lock(ring).push(event.clone());
            Arc::strong_count(ring) > 1
        });
        if self.ended.is_some() {
            self.subscribers.clear();
        }
    }
}

#[cfg(test)]
mod tests;
