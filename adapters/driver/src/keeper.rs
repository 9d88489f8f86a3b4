//! Writes down what a durable session has to keep, one write at a time; whatever becomes due meanwhile goes with the next.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use unbroken_proto::durable::Record;
use unbroken_proto::event::EndReason;
use unbroken_proto::session::StoreFailure;
use unbroken_proto::{Duration, Instant};

use crate::clock::Timer;
use crate::connections::Turn;
use crate::state::Shared;
use crate::store::{Fence, JournalId, Snapshot, Store, StoreError};

/// How long a store that cannot be reached, or is full, is left alone at first, and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

type Writing = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send>>;

/// The journal of one session, in its store.
pub(crate) struct Keeper {
    store: Arc<dyn Store>,
    id: JournalId,
    fence: Fence,
    work: Work,
    pause: Duration,
    /// How long what is left of the session is kept once it is over (accepting side).
    keep_for: Option<Duration>,
    left: Left,
    /// Another process owned the journal when this one left it.
    is_fenced: bool,
}

/// How far it is with what is left of a session that is over.
enum Left {
    /// The session was not asked yet.
    Unknown,
    /// There is this, or nothing, to be written in the place of the journal.
    Known(Option<Snapshot>),
    Written,
}

/// What becomes of the journal of a session that is over here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disposal {
    /// The session is over: what its client may ask for takes the journal's place, if there is anything.
    Over,
    /// It stays as it is, for whoever goes on with it.
    Released,
    /// It is none of our business: somebody else has it.
    Foreign,
}

/// Whether the session is over here because it was left, and all is kept that was done before. Whatever was done since is none of this process's any
/// more, so that one who never stops, or what a full store does not take, cannot hold that up.
fn release(shared: &Shared) -> bool {
    shared.call_untimed(|state, now| {
        let is_over = state.machine.end_reason().is_some();
        let is_left = !is_over && state.left_at.is_some_and(|mark| state.machine.has_persisted(mark));
        if is_left {
            state.machine.handle_store_failed(now, StoreFailure::Released);
        }
        is_left
    })
}

impl Disposal {
    pub(crate) fn of(reason: &EndReason) -> Disposal {
        match reason {
            EndReason::Superseded => Disposal::Foreign,
            EndReason::Moved | EndReason::StorageFailed => Disposal::Released,
            _ => Disposal::Over,
        }
    }
}

enum Work {
    Idle,
    Writing(Record, Writing),
    /// The store did not take the record, and is asked again then.
    Waiting(Record, Instant),
    /// The last call.
    Leaving(Writing),
    /// The store did not take the last call, and is asked again then.
    LeavingLater(Instant),
    Over,
}

impl Keeper {
    pub(crate) fn new(store: Arc<dyn Store>, id: JournalId, fence: Fence) -> Keeper {
        Keeper {
            store,
            id,
            fence,
            work: Work::Idle,
            pause: PAUSE.0,
            keep_for: None,
            left: Left::Unknown,
            is_fenced: false,
        }
    }

    /// What is left of the session when it is over is kept for that long, if at all.
    pub(crate) fn with_tombstone(mut self, lifetime: Option<Duration>) -> Keeper {
        self.keep_for = lifetime;
        self
    }

    /// When it has something to do by itself.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.work {
            Work::Waiting(_, until) => Some(*until),
            _ => None,
        }
    }

    /// Hands the store what is due, and the session what the store answers.
    pub(crate) fn turn(&mut self, now: Instant, shared: &Shared, cx: &mut Context<'_>) -> Turn {
        let mut turn = Turn::Idle;
        loop {
            match std::mem::replace(&mut self.work, Work::Over) {
                Work::Idle => {
                    release(shared);
                    let Some(record) = shared.call_untimed(|state, _| state.machine.poll_record()) else {
                        self.work = Work::Idle;
                        return turn;
                    };
                    self.begin(record);
                }
                Work::Waiting(..) if release(shared) => self.work = Work::Idle,
                Work::Waiting(record, until) if until <= now => self.begin(record),
                Work::Writing(record, mut writing) => match writing.as_mut().poll(cx) {
                    Poll::Pending => {
                        self.work = Work::Writing(record, writing);
                        return turn;
                    }
                    Poll::Ready(answer) => {
                        turn = Turn::More;
                        self.on_answer(now, shared, record, answer);
                    }
                },
                other => {
                    self.work = other;
                    return turn;
                }
            }
        }
    }

    fn begin(&mut self, record: Record) {
        let (store, id, fence) = (Arc::clone(&self.store), self.id.clone(), self.fence);
        let (number, bytes, is_snapshot) = (record.number, record.bytes.clone(), record.is_snapshot);
        let writing = async move {
            if is_snapshot {
                let snapshot = Snapshot {
                    through: number,
                    bytes,
                    keep_for: None,
                };
                return store.replace(&id, fence, &snapshot).await;
            }
            store.append(&id, fence, number, &[bytes]).await
        };
        self.work = Work::Writing(record, Box::pin(writing));
    }

    fn on_answer(&mut self, now: Instant, shared: &Shared, record: Record, answer: Result<(), StoreError>) {
        let failure = match answer {
            Ok(()) => {
                self.work = Work::Idle;
                self.pause = PAUSE.0;
                return shared.call_untimed(|state, now| {
                    state.machine.handle_persisted(now, record.number);
                    state.keepers.wake_all(&mut state.wakes);
                });
            }
            Err(error @ (StoreError::Unavailable(_) | StoreError::Full(_))) => {
                self.work = Work::Waiting(record, now + self.pause);
                self.pause = (self.pause * 2).min(PAUSE.1);
                return shared.call_untimed(|state, _| state.store_error = Some(Arc::new(error)));
            }
            Err(StoreError::Fenced) => StoreFailure::Superseded,
            Err(error) => {
                shared.call_untimed(|state, _| state.store_error = Some(Arc::new(error)));
                StoreFailure::Failed
            }
        };
        self.work = Work::Idle;
        shared.call_untimed(|state, now| {
            state.machine.handle_store_failed(now, failure);
            state.keepers.wake_all(&mut state.wakes);
        });
    }

    /// The session is over here. Ready when the store knows what that means for what it keeps.
    ///
    /// Returns whether the session has gone on elsewhere before.
    pub(crate) fn poll_leave(
        &mut self,
        disposal: Disposal,
        shared: &Shared,
        timer: &mut Timer,
        cx: &mut Context<'_>,
    ) -> Poll<bool> {
        loop {
            match &mut self.work {
                // Whatever comes of it, there is nothing more to do here but the last call.
                Work::Writing(_, writing) => {
                    // The store takes one call after the other.
                    let _answer = ready!(writing.as_mut().poll(cx));
                    self.work = Work::Idle;
                    self.pause = PAUSE.0;
                }
                Work::Leaving(leaving) => {
                    let answer = ready!(leaving.as_mut().poll(cx));
                    let is_tombstone = matches!(self.left, Left::Known(Some(_)));
                    // A session that is over, and whose journal stayed, would come back.
                    let insists = disposal == Disposal::Over
                        && !self.is_left()
                        && matches!(answer, Err(StoreError::Unavailable(_)));
                    match answer {
                        Ok(()) if is_tombstone => {
                            self.left = Left::Written;
                            self.leave(disposal, shared);
                        }
                        Err(StoreError::Full(_)) if is_tombstone => {
                            // Rather does its client learn nothing than that what is over comes back.
                            self.left = Left::Known(None);
                            self.leave(disposal, shared);
                        }
                        Err(StoreError::Unavailable(_) | StoreError::Full(_)) if self.pause < PAUSE.1 || insists => {
                            self.work = Work::LeavingLater(timer.now() + self.pause);
                            self.pause = (self.pause * 2).min(PAUSE.1);
                        }
                        // One that cannot be told finds out by itself that nobody has the journal any more.
                        answer => {
                            // Who comes for what is left of a session takes nothing from this process.
                            self.is_fenced |= matches!(answer, Err(StoreError::Fenced)) && !self.is_left();
                            self.work = Work::Over;
                        }
                    }
                }
                Work::LeavingLater(until) => {
                    ready!(timer.poll_until(cx, timer.now(), *until));
                    self.leave(disposal, shared);
                }
                Work::Over => return Poll::Ready(self.is_fenced),
                Work::Idle | Work::Waiting(..) => self.leave(disposal, shared),
            }
        }
    }

    fn leave(&mut self, disposal: Disposal, shared: &Shared) {
        let (store, id, fence) = (Arc::clone(&self.store), self.id.clone(), self.fence);
        if disposal == Disposal::Over && matches!(self.left, Left::Unknown) {
            self.left = Left::Known(self.tombstone(shared));
        }
        let leaving: Writing = match (disposal, &self.left) {
            (Disposal::Foreign, _) => {
                self.work = Work::Over;
                return;
            }
            (Disposal::Released, _) | (_, Left::Written) => Box::pin(async move { store.release(&id, fence).await }),
            (_, Left::Known(Some(snapshot))) => {
                let snapshot = snapshot.clone();
                Box::pin(async move { store.replace(&id, fence, &snapshot).await })
            }
            _ => Box::pin(async move { store.remove(&id, fence).await }),
        };
        self.work = Work::Leaving(leaving);
    }

    /// What is left of the session stands in the place of its journal.
    fn is_left(&self) -> bool {
        matches!(self.left, Left::Written)
    }

    fn tombstone(&self, shared: &Shared) -> Option<Snapshot> {
        let keep_for = self.keep_for?;
        let record = shared.call_untimed(|state, _| state.machine.remains())?;
        Some(Snapshot {
            through: record.number,
            bytes: record.bytes,
            keep_for: Some(keep_for),
        })
    }

    /// Whether nothing is being written, nor is to be; or the last call has begun.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(
            self.work,
            Work::Idle | Work::Leaving(_) | Work::LeavingLater(_) | Work::Over
        )
    }
}
