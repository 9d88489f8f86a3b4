//! A deterministic executor with a clock of its own.
//!
//! One thread, one task at a time, one seed. Time passes only when no task can run. Tasks belong to processes, which are killed,
//! put to sleep and have their clocks changed together. What an executor may do to a future is done here: late and doubled wake-ups,
//! polls without one, slow tasks, tasks dropped before they are done or while they panic.

pub(crate) mod core;
mod sleep;
mod style;
mod task;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use unbroken_tests::rng::Rng;
use unbroken_tests::tally::Tally;

use self::core::{Core, Current, Event, Process};
use crate::net::Net;

pub use sleep::Sleep;
pub use style::{Order, Style};
pub use task::{Probe, ProcessId, TaskId, Work};

use task::{Task, Woken, waker};

/// What every clock shows at the kernel's zero: so much that a clock may go back by days.
const ORIGIN: i128 = 30 * 86_400 * 1_000_000_000;
/// Reads of its connections that one poll of a task may make.
pub const READS: u64 = 4_096;
/// Polls of one task while time stands still.
const POLLS: u64 = 20_000;

/// The process of tasks that belong to nobody.
pub const NOBODY: ProcessId = 0;

/// See the module. Shared by all that runs on it.
#[derive(Debug)]
pub struct Kernel {
    core: Mutex<Core>,
    woken: Arc<Woken>,
    reads: u64,
}

/// A panic that a schedule asked for; any other is a failure.
#[derive(Debug)]
pub struct Injected;

/// Why [`Kernel::run`] came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The condition is met.
    Done,
    /// The time is over.
    Time,
    /// A mark is due that was planned with [`Kernel::mark`].
    Mark(u64),
    /// A promise was broken.
    Failed(String),
}

impl Kernel {
    /// An executor without tasks. All its choices come from `rng`; a poll may read `reads` times.
    #[must_use]
    pub fn new(style: Style, rng: Rng, net: Net, reads: u64) -> Arc<Kernel> {
        Arc::new(Kernel {
            core: Mutex::new(Core::new(style, rng, net)),
            woken: Arc::default(),
            reads,
        })
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Core) -> T) -> T {
        let (result, wakes) = {
            let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
            let result = act(&mut core);
            (result, std::mem::take(&mut core.wakes))
        };
        self.woken.wake_all(wakes);
        result
    }

    /// The time, in nanoseconds.
    pub fn now(&self) -> u64 {
        self.with(|core| core.now)
    }

    /// Tells what happens on standard error.
    pub fn show(&self) {
        self.with(|core| core.log = true);
    }

    /// One line for [`show`](Kernel::show).
    pub fn log(&self, what: impl FnOnce() -> String) {
        self.with(|core| core.log(what));
    }

    /// One more of `name`.
    pub fn hit(&self, name: &str) {
        self.with(|core| core.tally.hit(name));
    }

    /// Something that must be the same in every run of a seed.
    pub fn note(&self, number: u64) {
        self.with(|core| core.trace.note(number));
    }

    /// The counters.
    pub fn tally(&self) -> Tally {
        self.with(|core| core.tally.clone())
    }

    /// The hash over all that happened.
    pub fn trace(&self) -> u64 {
        self.with(|core| core.trace.value())
    }

    /// Polls so far.
    pub fn polls(&self) -> u64 {
        self.with(|core| core.polls)
    }

    /// A promise is broken.
    ///
    /// # Panics
    /// Always: the poll under way fails, and with it the run.
    pub fn fail(&self, what: &str) -> ! {
        let now = self.now();
        panic!("at {}.{:06} ms: {what}", now / 1_000_000, now % 1_000_000);
    }

    /// The executor's oddities change.
    pub fn set_style(&self, style: Style) {
        self.with(|core| core.style = style);
    }

    /// What runs inside of wake-ups.
    pub fn set_probe(&self, probe: Option<Arc<Probe>>) {
        self.woken.set_probe(probe);
    }

    /// A new process.
    pub fn process(&self) -> ProcessId {
        self.with(|core| {
            core.processes.push(Process::default());
            ProcessId::try_from(core.processes.len() - 1).unwrap_or(NOBODY)
        })
    }

    /// Runs `work` in `process`, unless that is dead.
    pub fn spawn(&self, process: ProcessId, name: &str, work: impl Future<Output = ()> + Send + 'static) -> TaskId {
        let mut work: Option<Work> = Some(Box::pin(work));
        let id = self.with(|core| {
            core.next_task += 1;
            let id = core.next_task;
            if !core.processes[process as usize].dead {
                let task = Task {
                    name: name.to_owned(),
                    process,
                    work: work.take(),
                    waker: waker(id, &self.woken),
                    frozen_until: 0,
                    polls: 0,
                    last: (0, 0),
                };
                core.tasks.insert(id, task);
                core.ready.insert(id);
            }
            id
        });
        drop(work);
        id
    }

    /// Sleeps for so many nanoseconds, more or less, as a process of this executor does.
    pub fn sleep(self: &Arc<Self>, process: ProcessId, nanos: u64) -> Sleep {
        let timer = self.with(|core| core.arm(process, nanos));
        Sleep {
            kernel: Arc::clone(self),
            timer,
        }
    }

    /// The tasks whose name begins with `prefix`, by id.
    pub fn tasks(&self, prefix: &str) -> Vec<(TaskId, String)> {
        self.with(|core| {
            let named = core.tasks.iter().filter(|(_, task)| task.name.starts_with(prefix));
            named.map(|(id, task)| (*id, task.name.clone())).collect()
        })
    }

    /// The tasks of a process, by id.
    pub fn tasks_of(&self, process: ProcessId) -> Vec<(TaskId, String)> {
        self.with(|core| {
            let own = core.tasks.iter().filter(|(_, task)| task.process == process);
            own.map(|(id, task)| (*id, task.name.clone())).collect()
        })
    }

    /// Drops a task where it stands.
    pub fn kill_task(&self, id: TaskId) {
        drop(self.with(|core| core.tasks.remove(&id)));
    }

    /// Drops all tasks of a process; it never runs anything again.
    pub fn kill(&self, process: ProcessId) {
        let ids = self.with(|core| {
            core.processes[process as usize].dead = true;
            let own = core.tasks.iter().filter(|(_, task)| task.process == process);
            own.map(|(id, _)| *id).collect::<Vec<_>>()
        });
        ids.into_iter().for_each(|id| self.kill_task(id));
    }

    /// Whether a process was killed.
    pub fn is_dead(&self, process: ProcessId) -> bool {
        self.with(|core| core.processes[process as usize].dead)
    }

    /// Polls a task no more before `until`.
    pub fn freeze(&self, id: TaskId, until: u64) {
        self.with(|core| {
            if let Some(task) = core.tasks.get_mut(&id) {
                task.frozen_until = task.frozen_until.max(until);
                core.plan(until, Event::Thaw);
            }
        });
    }

    /// All tasks may run again.
    pub fn thaw(&self) {
        self.with(|core| core.tasks.values_mut().for_each(|task| task.frozen_until = 0));
    }

    /// Moves a process's clock. `told`: its sleeps know.
    pub fn jump(&self, process: ProcessId, by: i128, told: bool) {
        self.with(|core| {
            core.processes[process as usize].skew += by;
            if !told || by < 0 {
                return;
            }
            let by = u64::try_from(by).unwrap_or(u64::MAX);
            let mut due = Vec::new();
            for (id, timer) in core.timers.iter_mut().filter(|(_, timer)| timer.process == process) {
                timer.at = timer.at.saturating_sub(by);
                due.push((timer.at, *id));
            }
            due.into_iter().for_each(|(at, id)| core.plan(at, Event::Timer(id)));
        });
    }

    /// Comes back from [`run`](Kernel::run) with `mark` at `at`.
    pub fn mark(&self, at: u64, mark: u64) {
        self.with(|core| core.plan(at, Event::Mark(mark)));
    }

    /// Wakers that something still holds, tasks of this executor included.
    pub fn wakers(&self) -> usize {
        self.woken.alive()
    }

    /// Sleeps under way.
    pub fn timers(&self) -> usize {
        self.with(|core| core.timers.len())
    }

    /// Runs until `until`, or until `done` says so, which is asked whenever nothing is left to do for the moment.
    pub fn run(&self, until: u64, mut done: impl FnMut() -> bool) -> Stop {
        loop {
            self.with(Core::catch_up);
            let woken = self.woken.take();
            let (picked, mark) = self.with(|core| {
                core.on_woken(woken);
                (core.pick(), core.marks.pop())
            });
            if let Some(mark) = mark {
                if let Some(task) = picked {
                    self.with(|core| core.ready.insert(task));
                }
                return Stop::Mark(mark);
            }
            if let Some(task) = picked {
                if let Err(what) = self.poll(task) {
                    return Stop::Failed(what);
                }
                continue;
            }
            if done() {
                return Stop::Done;
            }
            let next = self.with(|core| core.agenda.first_key_value().map(|((at, _), _)| *at));
            match next {
                Some(at) if at <= until => self.with(|core| core.now = core.now.max(at)),
                _ => {
                    self.with(|core| core.now = core.now.max(until));
                    return Stop::Time;
                }
            }
        }
    }

    fn poll(&self, id: TaskId) -> Result<(), String> {
        let taken = self.with(|core| {
            let now = core.now;
            let unwinding = core.style.drop_unwinding;
            let task = core.tasks.get_mut(&id)?;
            task.polls += 1;
            task.last = match task.last {
                (at, count) if at == now => (now, count + 1),
                _ => (now, 1),
            };
            let (busy, name) = (task.last.1 > POLLS, task.name.clone());
            let (work, waker) = (task.work.take()?, task.waker.clone());
            core.current = Current {
                task: id,
                ..Current::default()
            };
            core.polls += 1;
            core.trace.note(id);
            core.trace.note(now);
            core.log(|| format!("poll {name}"));
            Some((work, waker, unwinding, busy.then_some(name)))
        });
        let Some((work, waker, unwinding, busy)) = taken else {
            return Ok(());
        };
        if let Some(name) = busy {
            return Err(format!("{name} was polled {POLLS} times while time stood still"));
        }
        match step(work, &mut Context::from_waker(&waker), unwinding) {
            Ok(Some(work)) => self.with(|core| {
                if let Some(task) = core.tasks.get_mut(&id) {
                    task.work = Some(work);
                }
            }),
            Ok(None) => drop(self.with(|core| core.tasks.remove(&id))),
            Err(panic) => {
                drop(self.with(|core| core.tasks.remove(&id)));
                if !panic.is::<Injected>() {
                    return Err(words(panic.as_ref()));
                }
            }
        }
        Ok(())
    }

    /// The task under way reads.
    pub(crate) fn count_read(&self) {
        let busy = self.with(|core| {
            core.current.reads += 1;
            let task = core
                .tasks
                .get(&core.current.task)
                .filter(|_| core.current.reads > self.reads);
            task.map(|task| task.name.clone())
        });
        if let Some(name) = busy {
            self.fail(&format!("{name} reads more than {} times in one poll", self.reads));
        }
    }
}

/// Polls once; gives the work back if it is not done.
fn step(mut work: Work, cx: &mut Context<'_>, unwinding: bool) -> Result<Option<Work>, Box<dyn Any + Send>> {
    let polled = match unwinding {
        true => catch_unwind(AssertUnwindSafe(move || {
            let done = work.as_mut().poll(cx);
            (done, work)
        })),
        false => {
            let done = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx)));
            done.map(|done| (done, work))
        }
    };
    Ok(match polled? {
        (Poll::Pending, work) => Some(work),
        (Poll::Ready(()), _) => None,
    })
}

/// What a panic says.
pub(crate) fn words(panic: &(dyn Any + Send)) -> String {
    let said = panic.downcast_ref::<String>().cloned();
    said.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "a panic without words".to_owned())
}

/// Panics as a schedule wants it.
pub fn inject() -> ! {
    resume_unwind(Box::new(Injected))
}
