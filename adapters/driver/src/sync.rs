//! Locks that are held for a few lines, and lists of tasks that wait.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

/// Locks. A panic elsewhere poisons nothing: every critical section leaves its data whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps `cx`'s waker in `slot`.
pub(crate) fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

/// Wakers to be called once a lock is released. The first two, which is nearly always all, need no allocation.
#[derive(Default)]
pub(crate) struct WakeList {
    first: [Option<Waker>; 2],
    more: Vec<Waker>,
}

impl WakeList {
    pub(crate) fn push(&mut self, waker: Option<Waker>) {
        let Some(waker) = waker else { return };
        match self.first.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(waker),
            None => self.more.push(waker),
        }
    }

    pub(crate) fn append(&mut self, others: WakeList) {
        let others = others.first.into_iter().flatten().chain(others.more);
        others.for_each(|waker| self.push(Some(waker)));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first[0].is_none() && self.more.is_empty()
    }

    /// Wakes all of them.
    pub(crate) fn wake(self) {
        self.first.into_iter().flatten().for_each(Waker::wake);
        self.more.into_iter().for_each(Waker::wake);
    }
}

/// Any number of tasks that wait for the same thing, in the order in which they came. One that stops waiting leaves
/// with [`remove`](Waiters::remove).
#[derive(Default)]
pub(crate) struct Waiters {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Waiters {
    /// Waits (on) under `ticket`; the first time with none.
    pub(crate) fn wait(&mut self, ticket: &mut Option<u64>, cx: &Context<'_>) {
        let ticket = *ticket.get_or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.wakers
            .entry(ticket)
            .or_insert_with(|| cx.waker().clone())
            .clone_from(cx.waker());
    }

    pub(crate) fn remove(&mut self, ticket: u64) {
        self.wakers.remove(&ticket);
    }

    /// Wakes the one that has waited longest.
    pub(crate) fn wake_first(&mut self, wakes: &mut WakeList) {
        wakes.push(self.wakers.pop_first().map(|(_, waker)| waker));
    }

    pub(crate) fn wake_all(&mut self, wakes: &mut WakeList) {
        std::mem::take(&mut self.wakers)
            .into_values()
            .for_each(|waker| wakes.push(Some(waker)));
    }
}
