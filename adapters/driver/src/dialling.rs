//! Does what the machine wants done to have a connection, one thing at a time.

use std::task::{Context, Poll};

use unbroken_proto::reconnect::Preparation;
use unbroken_proto::{Instant, ReconnectIntent};

use crate::connect_error::ConnectError;
use crate::connection::Connected;
use crate::connector::{Answer, Connector, Dial, PendingAnswer};
use crate::machine::Machine;

/// Steps in one turn: a host that answers at once, or fails at once, does not keep others waiting.
const STEPS: usize = 4;

/// The connector and what it has under way.
pub(crate) struct Dialling {
    connector: Box<dyn Connector>,
    current: Option<Task>,
    /// When the next step may begin.
    wait: Option<Instant>,
    failed: Option<ConnectError>,
}

struct Task {
    attempt: u64,
    step: Step,
    work: Work,
}

/// What an intent asks for now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Prepare(Preparation),
    Refresh,
    Dial,
}

enum Work {
    Dial(Dial),
    Answer(PendingAnswer),
    /// The application answers.
    Elsewhere,
}

/// What a turn brought.
pub(crate) enum Turn {
    Idle,
    /// The machine was told something.
    Told,
    Up(Connected),
}

impl Step {
    fn of(intent: &ReconnectIntent) -> Step {
        match intent.preparation {
            Some(preparation) => Step::Prepare(preparation),
            None if intent.refresh_credential => Step::Refresh,
            None => Step::Dial,
        }
    }
}

impl Dialling {
    pub(crate) fn new(connector: Box<dyn Connector>) -> Dialling {
        Dialling {
            connector,
            current: None,
            wait: None,
            failed: None,
        }
    }

    /// When to look again, if nothing else happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.wait
    }

    /// Follows the machine's wish.
    pub(crate) fn turn(&mut self, now: Instant, session: &mut Machine, cx: &mut Context<'_>) -> Turn {
        let mut turn = Turn::Idle;
        for _ in 0..STEPS {
            match self.step(now, session, cx) {
                Turn::Idle => return turn,
                Turn::Told => turn = Turn::Told,
                Turn::Up(up) => return Turn::Up(up),
            }
        }
        cx.waker().wake_by_ref();
        turn
    }

    fn step(&mut self, now: Instant, session: &mut Machine, cx: &mut Context<'_>) -> Turn {
        self.wait = None;
        let Some(intent) = session.wanted_connection() else {
            self.current = None;
            return Turn::Idle;
        };
        let (attempt, step) = (intent.attempt, Step::of(&intent));
        let known = |task: &Task| task.attempt == attempt && task.step == step;
        if !self.current.as_ref().is_some_and(known) {
            self.current = None;
            if now < intent.not_before {
                self.wait = Some(intent.not_before);
                return Turn::Idle;
            }
            let work = match step {
                Step::Dial => Work::Dial(self.connector.dial(intent)),
                Step::Prepare(_) | Step::Refresh => {
                    self.connector.prepare(&intent).map_or(Work::Elsewhere, Work::Answer)
                }
            };
            self.current = Some(Task { attempt, step, work });
        }
        let Some(task) = &mut self.current else {
            return Turn::Idle;
        };
        let done = match &mut task.work {
            Work::Elsewhere => Poll::Pending,
            Work::Answer(answering) => answering.as_mut().poll(cx).map(|given| {
                answer(now, session, attempt, given);
                Turn::Told
            }),
            Work::Dial(dial) => dial.as_mut().poll(cx).map(|result| match result {
                Ok(up) => Turn::Up(up),
                Err(error) => {
                    failed(now, session, attempt, &error);
                    self.failed = Some(error);
                    Turn::Told
                }
            }),
        };
        let Poll::Ready(turn) = done else { return Turn::Idle };
        self.current = None;
        turn
    }

    /// Why the last dial failed, once.
    pub(crate) fn take_failed(&mut self) -> Option<ConnectError> {
        self.failed.take()
    }
}

fn failed(now: Instant, session: &mut Machine, attempt: u64, error: &ConnectError) {
    match error.after() {
        Some(after) => session.dial_postponed(now, attempt, after),
        None => session.dial_failed(now, attempt, error.cause()),
    }
}

fn answer(now: Instant, session: &mut Machine, attempt: u64, answer: Answer) {
    match answer {
        Answer::Credential(credential) => session.refresh_credential(now, credential),
        Answer::Restored(result) => session.restored(now, attempt, result),
        Answer::Restarted(result) => session.restarted(now, attempt, result),
        Answer::Recovered(result) => session.recovered(now, attempt, result),
    }
}
