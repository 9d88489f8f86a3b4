//! The thread that writes: takes what waits, commits it in one transaction, and answers.

use std::sync::mpsc;

use futures_channel::oneshot;
use rusqlite::Connection;
use unbroken_driver::store::StoreError;

use super::error::{Cause, Kind};
use super::expiry;
use super::journals::{self, Change, Done, Request, Trouble};
use super::statements::Statements;

/// How many calls share a commit at most, so that its answers do not wait for ever.
const CALLS_AT_ONCE: usize = 1024;
/// After how many bytes a commit takes no more calls.
const BYTES_AT_ONCE: usize = 8 << 20;

/// What a call is told.
pub(super) type Answer = Result<Done, StoreError>;

/// Somebody waits for this.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) request: Request,
    pub(super) reply: oneshot::Sender<Answer>,
}

/// Runs until nobody can call any more.
pub(super) fn run(database: Connection, queue: mpsc::Receiver<Call>) {
    let mut writer = Writer::new(&database);
    while let Ok(call) = queue.recv() {
        writer.serve(gather(call, &queue));
        writer.expire();
    }
}

/// All that waits now, within bounds.
fn gather(first: Call, queue: &mpsc::Receiver<Call>) -> Vec<Call> {
    let mut bytes = size(&first.request);
    let mut calls = vec![first];
    while calls.len() < CALLS_AT_ONCE && bytes < BYTES_AT_ONCE {
        let Ok(call) = queue.try_recv() else { break };
        bytes += size(&call.request);
        calls.push(call);
    }
    calls
}

fn size(request: &Request) -> usize {
    match request {
        Request::Change {
            change: Change::Append { records, .. },
            ..
        } => records.iter().map(|record| record.len()).sum(),
        Request::Change {
            change: Change::Replace(snapshot),
            ..
        } => snapshot.bytes.len(),
        _ => 0,
    }
}

struct Writer<'d> {
    statements: Statements<'d>,
    /// What the engine failed with. What is on the disk is not known from then on, so that nothing is answered from it.
    failed: Option<Cause>,
}

impl<'d> Writer<'d> {
    fn new(database: &'d Connection) -> Writer<'d> {
        Writer {
            statements: Statements::new(database),
            failed: None,
        }
    }

    /// Carries out calls together; or, if there is no room for all of them or some are damaged, one by one, so that none fails
    /// for another one's sake.
    fn serve(&mut self, mut calls: Vec<Call>) {
        // Nobody would hear of it.
        calls.retain(|call| !call.reply.is_canceled());
        if calls.is_empty() {
            return;
        }
        match self.commit(&calls) {
            Ok(answers) => {
                for (call, answer) in calls.into_iter().zip(answers) {
                    answer_to(call, answer);
                }
            }
            Err(cause) if calls.len() == 1 || cause.kind() == Kind::Engine => {
                for call in calls {
                    answer_to(call, Err(cause.to_store_error()));
                }
            }
            Err(_) => {
                for call in calls {
                    self.serve(vec![call]);
                }
            }
        }
    }

    /// One transaction: all of them are answered by the rules of the store, or nothing has changed.
    fn commit(&mut self, calls: &[Call]) -> Result<Vec<Answer>, Cause> {
        if let Some(cause) = &self.failed {
            return Err(cause.clone());
        }
        match transact(&mut self.statements, calls) {
            // What is in the log may have a place in the database, so that the log can begin anew.
            Err(error) if Kind::of(&error) == Kind::Full && self.empty_the_log() => {
                transact(&mut self.statements, calls).map_err(|error| self.note(error))
            }
            other => other.map_err(|error| self.note(error)),
        }
    }

    /// Moves all that is in the log into the database, if there is room; returns whether there was.
    fn empty_the_log(&mut self) -> bool {
        let moved = self
            .statements
            .database()
            .query_row("PRAGMA wal_checkpoint(RESTART)", [], |row| row.get::<_, i64>(0));
        match moved {
            Ok(blocked) => blocked == 0,
            Err(error) => {
                self.note(error);
                false
            }
        }
    }

    /// Deletes some of what has expired. Whoever comes next need not know that it did not work, unless the engine failed.
    fn expire(&mut self) {
        if self.failed.is_none()
            && let Err(error) = expiry::expire(&mut self.statements, journals::now())
        {
            self.note(error);
        }
    }

    fn note(&mut self, error: rusqlite::Error) -> Cause {
        let cause = Cause::new(error);
        if cause.kind() == Kind::Engine {
            self.failed = Some(cause.clone());
        }
        cause
    }
}

fn transact(statements: &mut Statements<'_>, calls: &[Call]) -> rusqlite::Result<Vec<Answer>> {
    // Undone when it is dropped.
    let transaction = statements.begin()?;
    let now = journals::now();
    let mut answers = Vec::with_capacity(calls.len());
    for call in calls {
        answers.push(match journals::perform(statements, now, &call.request) {
            Ok(done) => Ok(done),
            Err(Trouble::Refused(error)) => Err(error),
            Err(Trouble::Engine(error)) => return Err(error),
        });
    }
    transaction.commit()?;
    Ok(answers)
}

fn answer_to(call: Call, answer: Answer) {
    // Who does not wait any more need not know.
    let _ = call.reply.send(answer);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
