//! Everything the kernel keeps under its one lock.

use std::collections::{BTreeMap, BTreeSet};
use std::task::{Poll, Waker};

use unbroken_tests::rng::Rng;
use unbroken_tests::tally::{Tally, Trace};

use super::style::{Order, Style};
use super::task::{ProcessId, Task, TaskId};
use crate::net::{Net, Port};

/// Names a sleep.
pub(super) type TimerId = u64;

/// What will happen.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A task that was woken hears of it now.
    Wake(TaskId),
    /// A sleep is over.
    Timer(TimerId),
    /// Something may have arrived, or room come, on a connection.
    Stir(u64),
    /// Something may have arrived at a listener.
    Knock(Port),
    /// A task or process may be polled again.
    Thaw,
    /// The schedule's own.
    Mark(u64),
}

/// One process.
#[derive(Clone, Debug, Default)]
pub(super) struct Process {
    pub(super) dead: bool,
    /// What its clock shows beyond the kernel's, in nanoseconds.
    pub(super) skew: i128,
}

#[derive(Debug)]
pub(super) struct Timer {
    pub(super) at: u64,
    pub(super) process: ProcessId,
    pub(super) waker: Option<Waker>,
}

/// The poll under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Current {
    pub(super) task: TaskId,
    pub(super) reads: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    pub(crate) net: Net,
    pub(crate) tally: Tally,
    pub(crate) trace: Trace,
    pub(super) style: Style,
    pub(super) agenda: BTreeMap<(u64, u64), Event>,
    pub(super) seq: u64,
    pub(super) tasks: BTreeMap<TaskId, Task>,
    pub(super) next_task: TaskId,
    pub(super) ready: BTreeSet<TaskId>,
    pub(super) timers: BTreeMap<TimerId, Timer>,
    pub(super) next_timer: TimerId,
    pub(super) processes: Vec<Process>,
    pub(super) current: Current,
    pub(super) polls: u64,
    /// To be woken once the lock is free.
    pub(crate) wakes: Vec<Waker>,
    /// Marks that are due.
    pub(super) marks: Vec<u64>,
    pub(super) log: bool,
    /// System calls so far.
    calls: u64,
}

/// Every so many system calls a signal comes.
const SIGNALS: u64 = 5;

impl Core {
    pub(super) fn new(style: Style, rng: Rng, net: Net) -> Core {
        Core {
            now: 1_000_000_000,
            rng,
            net,
            tally: Tally::default(),
            trace: Trace::default(),
            style,
            agenda: BTreeMap::new(),
            seq: 0,
            tasks: BTreeMap::new(),
            next_task: 0,
            ready: BTreeSet::new(),
            timers: BTreeMap::new(),
            next_timer: 0,
            processes: vec![Process::default()],
            current: Current::default(),
            polls: 0,
            wakes: Vec::new(),
            marks: Vec::new(),
            log: false,
            calls: 0,
        }
    }

    /// Whether a signal interrupts the next system call. Nothing is drawn for it, so that it leaves schedules as they are.
    pub(crate) fn is_interrupted(&mut self) -> bool {
        self.calls += 1;
        let interrupted = self.calls.is_multiple_of(SIGNALS);
        if interrupted {
            self.tally.hit("host: a call that a signal interrupts");
        }
        interrupted
    }

    pub(crate) fn plan(&mut self, at: u64, event: Event) {
        self.seq += 1;
        self.agenda.insert((at.max(self.now), self.seq), event);
    }

    /// Plans that somebody looks at `conn` at each of `times`.
    pub(crate) fn plan_stirs(&mut self, conn: u64, times: Vec<u64>) {
        for at in times {
            self.plan(at, Event::Stir(conn));
        }
    }

    pub(super) fn arm(&mut self, process: ProcessId, nanos: u64) -> TimerId {
        let style = self.style;
        let mut nanos = nanos.saturating_add(self.rng.below(style.sleep_late + 1));
        if self.rng.chance(style.sleep_early) {
            nanos = self.rng.below(nanos + 1);
            self.tally.hit("host: a sleep that ends early");
        }
        self.next_timer += 1;
        let at = self.now.saturating_add(nanos);
        self.timers.insert(
            self.next_timer,
            Timer {
                at,
                process,
                waker: None,
            },
        );
        self.next_timer
    }

    pub(super) fn poll_timer(&mut self, id: TimerId, waker: &Waker) -> Poll<()> {
        let Some(timer) = self.timers.get_mut(&id) else {
            return Poll::Ready(());
        };
        let dead = self.processes[timer.process as usize].dead;
        if !dead && timer.at <= self.now {
            self.timers.remove(&id);
            return Poll::Ready(());
        }
        let first = timer.waker.replace(waker.clone()).is_none();
        let at = timer.at;
        if first && !dead {
            self.plan(at, Event::Timer(id));
        }
        Poll::Pending
    }

    /// Acts on everything due.
    pub(super) fn catch_up(&mut self) {
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                Event::Wake(task) => {
                    self.ready.insert(task);
                }
                Event::Timer(id) => {
                    let waker = self.timers.get(&id).and_then(|timer| timer.waker.clone());
                    self.wakes.extend(waker);
                }
                Event::Stir(conn) => self.net.stir(self.now, conn, &mut self.wakes),
                Event::Knock(port) => self.net.knock(&port, &mut self.wakes),
                Event::Thaw => {}
                Event::Mark(mark) => self.marks.push(mark),
            }
        }
    }

    /// The next task to poll, if one may be.
    pub(super) fn pick(&mut self) -> Option<TaskId> {
        let (tasks, now) = (&self.tasks, self.now);
        self.ready.retain(|task| tasks.contains_key(task));
        let may = |task: &&TaskId| tasks.get(task).is_some_and(|task| task.frozen_until <= now);
        let picked = match self.style.order {
            Order::Oldest => self.ready.iter().find(may).copied(),
            Order::Newest => self.ready.iter().rev().find(may).copied(),
            Order::Random => {
                let ready: Vec<TaskId> = self.ready.iter().filter(may).copied().collect();
                match ready.len() {
                    0 => None,
                    1 => ready.first().copied(),
                    _ => Some(*self.rng.pick(&ready)),
                }
            }
        }?;
        self.ready.remove(&picked);
        Some(picked)
    }

    /// Takes in who was woken, in an order that does not depend on who woke them first.
    pub(super) fn on_woken(&mut self, woken: BTreeSet<TaskId>) {
        for task in woken {
            if !self.tasks.contains_key(&task) {
                continue;
            }
            if self.rng.chance(self.style.late) {
                let at = self.now + self.rng.below(self.style.late_by + 1);
                self.plan(at, Event::Wake(task));
                self.tally.hit("host: a wake-up that comes late");
            } else {
                self.ready.insert(task);
            }
            if self.rng.chance(self.style.twice) {
                let at = self.now + self.rng.below(self.style.late_by + 1);
                self.plan(at, Event::Wake(task));
                self.tally.hit("host: a wake-up that comes twice");
            }
        }
        if self.rng.chance(self.style.spurious) {
            let ids: Vec<TaskId> = self.tasks.keys().copied().collect();
            if !ids.is_empty() {
                let task = *self.rng.pick(&ids);
                self.ready.insert(task);
                self.tally.hit("host: a poll without a wake-up");
            }
        }
    }

    /// What a process's clock shows.
    pub(crate) fn clock(&self, process: ProcessId) -> u64 {
        let skew = self.processes[process as usize].skew;
        u64::try_from((i128::from(self.now) + super::ORIGIN + skew).max(0)).unwrap_or(u64::MAX)
    }

    pub(crate) fn log(&self, what: impl FnOnce() -> String) {
        if self.log {
            // At once, so that a schedule that hangs shows where.
            eprintln!("{:>14.6} {}", self.now as f64 / 1e9, what());
        }
    }
}
