//! One task of an application: its chance, its patience.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use unbroken_proto::SessionId;
use unbroken_proto::event::{EndReason, Ended};
use unbroken_tests::rng::Rng;

use crate::SimRuntime;
use crate::kernel::Sleep;
use crate::options::Work;
use crate::oracle::{Conversation, Party, Verdict};
use crate::shared::{EndId, Shared, State};

/// What all tasks of one end's application have.
#[derive(Debug, Clone)]
pub struct App {
    /// Its process.
    pub runtime: SimRuntime,
    /// What it shares with the schedule.
    pub shared: Shared,
    /// Which end it is.
    pub end: EndId,
    /// What it does.
    pub work: Work,
    /// How often it drops what waits, of a thousand polls.
    pub cancel: u64,
    /// Nothing is forgiven that is known to be wrong.
    pub strict: bool,
    /// Streams that its peer lets it have open.
    pub peer_streams: u64,
}

impl App {
    /// Runs a task of it.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(&self, name: &str, run: impl FnOnce(Task) -> F) {
        let kernel = self.runtime.kernel();
        let rng = kernel.with(|core| core.rng.fork());
        let task = Task { app: self.clone(), rng };
        let name = format!("app {} {:?} {name}", self.end.0, self.end.1);
        kernel.spawn(self.runtime.process(), &name, run(task));
    }
}

/// One task.
#[derive(Debug)]
pub struct Task {
    /// Whose it is.
    pub app: App,
    /// Its chance.
    pub rng: Rng,
}

const MS: u64 = 1_000_000;

impl Task {
    /// Looks at, or changes, what everybody shares.
    pub fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        self.app.shared.with(act)
    }

    /// Fails if `verdict` does.
    pub fn demand(&self, what: &str, verdict: Verdict) {
        if let Err(wrong) = verdict {
            self.app
                .runtime
                .kernel()
                .fail(&format!("{:?}, {what}: {wrong}", self.app.end));
        }
    }

    /// Asks the conversation; fails if that does.
    pub fn judge(&self, what: &str, ask: impl FnOnce(&mut Conversation) -> Verdict) {
        let verdict = self.with(|state| ask(&mut state.oracle.conversations[self.app.end.0]));
        self.demand(what, verdict);
    }

    /// The session has this id now. It gets another one if the server lost the first before anything had reached it.
    pub fn known(&self, id: Option<SessionId>) {
        let (number, end) = self.app.end;
        if let (Party::Client, Some(id)) = (end, id) {
            let before = self.with(|state| state.oracle.conversations[number].id.replace(id));
            if before.is_some_and(|before| before != id) {
                self.hit("app: a client's session begins again");
            }
        }
    }

    /// Somebody was told how the session ended.
    pub fn told(&self, what: &str, ended: &Arc<Ended>) {
        let (number, end) = self.app.end;
        let verdict = self.with(|state| {
            let conversation = &mut state.oracle.conversations[number];
            let done = conversation.done(end);
            let first = done.ended.is_none();
            if first && ended.reason == EndReason::Aborted && !done.aborted && !done.broken && state.breaks > 0 {
                // Somebody's task panicked or was dropped: this was whose.
                state.breaks -= 1;
                done.broken = true;
            }
            conversation.ended(end, ended)
        });
        self.demand(what, verdict);
    }

    /// Counts.
    pub fn hit(&self, name: &str) {
        self.app.runtime.kernel().hit(name);
    }

    /// The time of the kernel.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.app.runtime.kernel().now()
    }

    /// Whether there are no more faults.
    #[must_use]
    pub fn is_healed(&self) -> bool {
        self.with(|state| state.healed)
    }

    fn sleep(&self, nanos: u64) -> Sleep {
        self.app.runtime.kernel().sleep(self.app.runtime.process(), nanos)
    }

    /// Rests for up to so long; shortly, once all is well.
    pub async fn rest(&mut self, nanos: u64) {
        let nanos = if self.is_healed() { nanos.min(20 * MS) } else { nanos };
        let nanos = self.rng.below(nanos + 1);
        if nanos > 0 {
            self.sleep(nanos).await;
        }
    }

    /// Rests until then, unless all is well before.
    pub async fn rest_until(&self, until: u64) {
        while !self.is_healed() && self.now() < until {
            self.sleep((until - self.now()).clamp(1, 1_000 * MS)).await;
        }
    }

    /// What comes of `future`; `None` if it was dropped before: at any poll, or after up to `patience`. A task that never drops
    /// anything has no alarm either: it hangs if nobody wakes it.
    pub async fn patient<T>(&mut self, patience: u64, future: impl Future<Output = T>) -> Option<T> {
        let mut future = pin!(future);
        let mut alarm = None;
        let cancel = self.app.cancel;
        let given = poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            if self.rng.chance(cancel) {
                return Poll::Ready(None);
            }
            if alarm.is_none() && cancel > 0 {
                let nanos = self.rng.scaled(MS, patience);
                alarm = Some(self.sleep(nanos));
            }
            alarm
                .as_mut()
                .map_or(Poll::Pending, |alarm| Pin::new(alarm).poll(cx).map(|()| None))
        });
        let given = given.await;
        if given.is_none() {
            self.hit("host: a waiting future dropped");
            if self.rng.chance(300) {
                self.rest(50 * MS).await;
            }
        }
        given
    }
}

/// Waits for a future that may be dropped and made again any number of times.
macro_rules! insist {
    ($task:expr, $patience:expr, $future:expr) => {
        loop {
            if let Some(given) = $task.patient($patience, $future).await {
                break given;
            }
        }
    };
}
pub(crate) use insist;
