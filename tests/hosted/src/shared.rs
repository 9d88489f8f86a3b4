//! What the schedule and the applications it runs share.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use unbroken_driver::{Events, Session};
use unbroken_proto::StreamId;

use crate::oracle::{Oracle, Party};

/// One end of one conversation.
pub type EndId = (usize, Party);

/// What somebody wants of one half of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Abandon it with this code; 0: let go of it, which finishes it.
    Reset(u64),
    /// Ask the peer to stop with this code; 0: by dropping the half.
    Stop(u64),
}

/// How the next client is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Not let in, for good.
    Refuse,
    /// Not now.
    Later,
    /// Not with that credential.
    Refresh,
    /// Let in after so many nanoseconds.
    After(u64),
    /// Nobody decides.
    Never,
    /// The callback panics.
    Panic,
    /// Its future panics.
    PanicLater,
}

/// Where the next dial of a client panics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialPanic {
    /// In the connector.
    AtOnce,
    /// In its future.
    Later,
}

/// See the module.
#[derive(Debug, Default)]
pub struct State {
    /// What must be true.
    pub oracle: Oracle,
    /// No more faults: everything must arrive now.
    pub healed: bool,
    /// Handles that nobody else may drop.
    pub handles: BTreeMap<EndId, Session>,
    /// Tasks that open, write or read, by end.
    pub work: BTreeMap<EndId, usize>,
    /// Halves there are, and what is wanted of them.
    pub writers: BTreeMap<(EndId, StreamId), Option<Wish>>,
    /// The same for reading.
    pub readers: BTreeMap<(EndId, StreamId), Option<Wish>>,
    /// Until when an end does not read.
    pub reads_from: BTreeMap<EndId, u64>,
    /// Until when the server's application takes no sessions.
    pub accepts_from: u64,
    /// Ends whose application closes.
    pub closing: BTreeMap<EndId, bool>,
    /// How the next clients are judged.
    pub judgements: VecDeque<Judgement>,
    /// Clients whose next dial panics.
    pub dial_panics: BTreeMap<usize, DialPanic>,
    /// How long the next answers take that a connector is asked for, in milliseconds, and what they are.
    pub answers: VecDeque<u64>,
    /// Tasks of drivers that were dropped or panicked, and whose sessions are not known.
    pub breaks: u64,
    /// What a server asked of all its sessions: to close, to be aborted.
    pub commanded: [bool; 2],
    /// Subscriptions that were made inside of wake-ups, and of what.
    pub probed: VecDeque<(EndId, Events)>,
    /// Wake-ups so far, for those that probe.
    pub probes: u64,
    /// Broadcast messages so far.
    pub broadcasts: u64,
}

impl State {
    /// Takes out the handles of some ends.
    pub fn take_handles(&mut self, which: impl Fn(EndId) -> bool) -> Vec<(EndId, Session)> {
        let (taken, kept) = std::mem::take(&mut self.handles)
            .into_iter()
            .partition(|(end, _)| which(*end));
        self.handles = kept;
        let taken: BTreeMap<EndId, Session> = taken;
        taken.into_iter().collect()
    }
}

/// Shared by everything in a schedule.
#[derive(Debug, Clone, Default)]
pub struct Shared(Arc<Mutex<State>>);

impl Shared {
    /// Looks, or changes.
    pub fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The same, if nobody else does just now.
    #[must_use]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, State>> {
        self.0.try_lock().ok()
    }
}

/// Counts a task as work of an end as long as it lives.
#[derive(Debug)]
pub struct Working {
    shared: Shared,
    end: EndId,
}

impl Working {
    /// One more.
    #[must_use]
    pub fn new(shared: &Shared, end: EndId) -> Working {
        shared.with(|state| *state.work.entry(end).or_default() += 1);
        Working {
            shared: shared.clone(),
            end,
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.shared.with(|state| {
            if let Some(count) = state.work.get_mut(&self.end) {
                *count -= 1;
            }
        });
    }
}
