//! Does what the machine wants done to have a connection, one thing at a time.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use unbroken_proto::reconnect::{Answer, Preparation};
use unbroken_proto::{Cause, Instant, ReconnectIntent};

use crate::connect_error::ConnectError;
use crate::connection::Connected;
use crate::connector::{Connecting, Connector, PendingAnswer};
use crate::state::Shared;

/// Steps in one turn: a host that answers at once, or fails at once, does not keep others waiting.
const STEPS: usize = 4;

/// The connector and what it has under way.
pub(crate) struct Attempts {
    connector: Box<dyn Connector>,
    current: Option<Task>,
    /// A fresh credential that is welcome, on its way beside what is dialled.
    credential: Option<PendingAnswer>,
    /// The attempt beside which the connector was asked for it.
    asked_beside: u64,
    /// When the next step may begin.
    wait: Option<Instant>,
}

struct Task {
    attempt: u64,
    /// When the machine gives it up.
    deadline: Instant,
    step: Step,
    work: Work,
}

/// What an intent asks for now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Prepare(Preparation),
    Refresh,
    Connect,
}

enum Work {
    Connect(Connecting),
    Answer(PendingAnswer),
    /// The application answers.
    Elsewhere,
}

impl Step {
    fn of(intent: &ReconnectIntent) -> Step {
        match intent.preparation {
            Some(preparation) => Step::Prepare(preparation),
            None if intent.refresh_credential => Step::Refresh,
            None => Step::Connect,
        }
    }
}

impl Attempts {
    pub(crate) fn new(connector: Box<dyn Connector>) -> Attempts {
        Attempts {
            connector,
            current: None,
            credential: None,
            asked_beside: 0,
            wait: None,
        }
    }

    /// When to look again, if nothing else happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.wait
    }

    /// Follows the machine's wish; returns a connection that is up.
    pub(crate) fn turn(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Option<Connected> {
        for _ in 0..STEPS {
            match self.step(shared, cx) {
                Poll::Pending => return None,
                Poll::Ready(None) => {}
                Poll::Ready(up) => return up,
            }
        }
        cx.waker().wake_by_ref();
        None
    }

    /// Ready if something was done, with a connection if that brought one.
    fn step(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Poll<Option<Connected>> {
        self.wait = None;
        let (now, intent, is_welcome) = shared.read(|state| {
            let is_welcome = state.machine.reconnecting().is_credential_welcome();
            (state.latest, state.machine.wanted_connection(), is_welcome)
        });
        if self.refresh(shared, intent.as_ref(), is_welcome, cx) {
            return Poll::Ready(None);
        }
        let Some(intent) = intent else {
            self.give_up(shared, now);
            return Poll::Pending;
        };
        let Some(task) = self.begin(shared, now, intent) else {
            return Poll::Pending;
        };
        let attempt = task.attempt;
        let up = match &mut task.work {
            Work::Elsewhere => return Poll::Pending,
            Work::Answer(pending) => {
                let given = ready!(pending.as_mut().poll(cx));
                shared.call_untimed(|state, now| state.machine.handle_answer(now, attempt, given));
                None
            }
            Work::Connect(connecting) => match ready!(connecting.as_mut().poll(cx)) {
                Ok(up) => Some(up),
                Err(error) => {
                    failed(shared, attempt, error);
                    None
                }
            },
        };
        self.current = None;
        Poll::Ready(up)
    }

    /// Sees to a fresh credential where one is welcome; whether an answer came. Nothing waits for it, and it outlives attempts: a
    /// person may be asked.
    fn refresh(
        &mut self,
        shared: &Shared,
        intent: Option<&ReconnectIntent>,
        is_welcome: bool,
        cx: &mut Context<'_>,
    ) -> bool {
        if !is_welcome {
            // One that is required by now is waited for.
            let is_required = intent.is_some_and(|intent| intent.refresh_credential);
            if self.credential.take_if(|_| !is_required).is_some() {
                self.asked_beside = 0;
            }
            return false;
        }
        let intent = intent.filter(|intent| intent.attempt != self.asked_beside);
        if let (None, Some(intent)) = (&self.credential, intent) {
            self.asked_beside = intent.attempt;
            let mut asks = intent.clone();
            (asks.preparation, asks.refresh_credential) = (None, true);
            self.credential = self.connector.prepare(&asks);
        }
        let answer = self.credential.as_mut().map(|pending| pending.as_mut().poll(cx));
        let Some(Poll::Ready(given)) = answer else { return false };
        self.credential = None;
        shared.call_untimed(|state, now| state.machine.handle_answer(now, 0, given));
        true
    }

    /// What was begun is no longer wanted. A dial whose time ran out is told of, as its connector never will.
    fn give_up(&mut self, shared: &Shared, now: Instant) {
        let gone = self.current.take();
        if gone.is_some_and(|task| matches!(task.work, Work::Connect(_)) && task.deadline <= now) {
            let error = ConnectError::new(Cause::Timeout).with_source("the connector did not answer in time");
            shared.call_untimed(|state, _| state.connect_error = Some(Arc::new(error)));
        }
    }

    /// What `intent` asks for, begun unless it is under way. `None`: its time has not come.
    fn begin(&mut self, shared: &Shared, now: Instant, intent: ReconnectIntent) -> Option<&mut Task> {
        let (attempt, deadline, step) = (intent.attempt, intent.deadline, Step::of(&intent));
        let known = |task: &Task| task.attempt == attempt && task.step == step;
        if self.current.as_ref().is_some_and(known) {
            return self.current.as_mut();
        }
        self.give_up(shared, now);
        if now < intent.not_before {
            self.wait = Some(intent.not_before);
            return None;
        }
        let work = match step {
            Step::Connect => Work::Connect(self.connector.dial(intent)),
            Step::Prepare(_) | Step::Refresh => {
                let under_way = self.credential.take_if(|_| step == Step::Refresh);
                let pending = under_way.or_else(|| self.connector.prepare(&intent));
                pending.map_or(Work::Elsewhere, Work::Answer)
            }
        };
        Some(self.current.insert(Task {
            attempt,
            deadline,
            step,
            work,
        }))
    }
}

fn failed(shared: &Shared, attempt: u64, error: ConnectError) {
    let answer = match error.after() {
        Some(after) => Answer::Postponed(after),
        None => Answer::Failed(error.cause()),
    };
    shared.call_untimed(|state, now| {
        state.machine.handle_answer(now, attempt, answer);
        state.connect_error = Some(Arc::new(error));
    });
}
