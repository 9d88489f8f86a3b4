//! The sessions that there are, and those that ended lately.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use unbroken_tokio::proto::event::Swap;
use unbroken_tokio::proto::security::PublicKey;
use unbroken_tokio::proto::{Event, SessionId};
use unbroken_tokio::{Events, Session};

use super::protocol::{Kind, Problem, SessionRow, State, StreamRow};
use super::words;

/// So many sessions that are over are remembered.
const ENDED: usize = 64;
/// Of an id so many digits have to be said.
const SHORTEST: usize = 4;
/// So many ids are listed where a name is not clear.
const LISTED: usize = 20;

/// All sessions that were accepted.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    living: BTreeMap<SessionId, Arc<Entry>>,
    /// The oldest first.
    ended: VecDeque<SessionRow>,
}

/// What is known of a session.
#[derive(Debug)]
pub(crate) struct Entry {
    id: SessionId,
    name: String,
    key: PublicKey,
    session: Session,
    since: Instant,
    changing: Mutex<Changing>,
}

#[derive(Debug, Default)]
struct Changing {
    /// What the last connection was lost for, and when.
    lost: Option<(&'static str, Instant)>,
    /// Whether there was no connection when something was last heard.
    is_away: bool,
    /// Label and beginning of each open stream.
    streams: BTreeMap<u64, (String, Instant)>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Directory {
    /// Lists a session until it is left.
    pub(super) fn enter(&self, session: &Session, key: PublicKey, name: Option<String>) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            // One that was accepted has an id.
            id: session.id().unwrap_or(SessionId([0; 16])),
            name: name.unwrap_or_else(|| key.to_string().chars().take(8).collect()),
            key,
            session: session.clone(),
            since: Instant::now(),
            changing: Mutex::default(),
        });
        tokio::spawn(watch(session.events(), Arc::downgrade(&entry)));
        locked(&self.kept).living.insert(entry.id, Arc::clone(&entry));
        entry
    }

    /// The session is over.
    pub(super) fn leave(&self, entry: &Entry) {
        let row = entry.row();
        let mut kept = locked(&self.kept);
        let gone = kept.living.remove(&entry.id);
        kept.ended.push_back(row);
        if kept.ended.len() > ENDED {
            kept.ended.pop_front();
        }
        drop(kept);
        // It may be the last one to hold the session, whose end takes locks of its own.
        drop(gone);
    }

    /// The oldest first.
    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        let mut entries: Vec<_> = locked(&self.kept).living.values().cloned().collect();
        entries.sort_by_key(|entry| entry.since);
        entries
    }

    pub(super) fn ended(&self) -> Vec<SessionRow> {
        locked(&self.kept).ended.iter().cloned().collect()
    }

    /// The session of this id or name, or whose id begins so.
    pub(super) fn find(&self, wanted: &str) -> Result<Arc<Entry>, Problem> {
        let entries = self.entries();
        let digits = wanted.to_ascii_lowercase();
        let by = |fits: &dyn Fn(&Entry) -> bool| -> Vec<Arc<Entry>> {
            entries.iter().filter(|entry| fits(entry)).cloned().collect()
        };
        let mut found = by(&|entry| entry.id.to_string() == digits);
        if found.is_empty() {
            found = by(&|entry| entry.name == wanted);
        }
        if found.is_empty() && digits.len() >= SHORTEST {
            found = by(&|entry| entry.id.to_string().starts_with(&digits));
        }
        match (found.pop(), found.len()) {
            (None, _) => Err(Problem::new(
                Kind::NoSuchSession,
                format!("there is no session {wanted:?}"),
            )),
            (Some(one), 0) => Ok(one),
            (Some(last), _) => {
                found.push(last);
                Err(ambiguous(wanted, &found))
            }
        }
    }
}

fn ambiguous(wanted: &str, found: &[Arc<Entry>]) -> Problem {
    let ids: Vec<String> = found.iter().take(LISTED).map(|entry| entry.id.to_string()).collect();
    let more = if found.len() > LISTED { ", and others" } else { "" };
    let message = format!("{} sessions are {wanted:?}: {}{more}", found.len(), ids.join(", "));
    let error = Kind::Ambiguous;
    Problem { error, message, ids }
}

impl Entry {
    pub(super) fn id(&self) -> SessionId {
        self.id
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Lists a stream until what is returned is dropped.
    pub(crate) fn stream(self: &Arc<Entry>, id: u64, label: &[u8]) -> Listed {
        let label = String::from_utf8_lossy(label).into_owned();
        locked(&self.changing).streams.insert(id, (label, Instant::now()));
        Listed(Arc::clone(self), id)
    }

    pub(super) fn row(&self) -> SessionRow {
        let (stats, ended) = (self.session.stats(), self.session.ended());
        let state = match &ended {
            Some(ended) => words::after(&ended.reason),
            None => words::state(self.session.state(), self.session.health()),
        };
        let changing = locked(&self.changing);
        SessionRow {
            name: self.name.clone(),
            id: self.id.to_string(),
            key: self.key.to_string(),
            peer: self.session.peer_address().map(|address| address.to_string()),
            state,
            ended: ended.map(|ended| words::ending(&ended.reason)),
            age_ms: millis_since(self.since),
            streams: changing.streams.len(),
            bytes_in: stats.payload_received,
            bytes_out: stats.payload_sent,
            unacknowledged_bytes: stats.outbox_bytes,
            unread_bytes: stats.unread_bytes,
            replayed_bytes: stats.replayed_bytes,
            swaps: stats.attaches.saturating_sub(1),
            last_cause: changing.lost.map(|(cause, _)| cause.to_owned()),
            last_lost_ms: changing.lost.map(|(_, at)| millis_since(at)),
            round_trip_us: round_trip(state, stats.srtt),
        }
    }

    pub(super) fn streams(&self) -> Vec<StreamRow> {
        let changing = locked(&self.changing);
        let rows = changing.streams.iter().map(|(id, (label, since))| StreamRow {
            id: *id,
            label: label.clone(),
            age_ms: millis_since(*since),
        });
        rows.collect()
    }
}

/// That of a connection that is gone says nothing.
fn round_trip(state: State, measured: Option<std::time::Duration>) -> Option<u64> {
    let is_attached = matches!(state, State::Connected | State::Idle | State::Suspect);
    measured
        .filter(|_| is_attached)
        .and_then(|time| u64::try_from(time.as_micros()).ok())
}

fn millis_since(then: Instant) -> u64 {
    u64::try_from(then.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// An open stream's place in the list.
#[derive(Debug)]
pub(crate) struct Listed(Arc<Entry>, u64);

impl Drop for Listed {
    fn drop(&mut self) {
        locked(&self.0.changing).streams.remove(&self.1);
    }
}

/// Notes what connections are lost for.
async fn watch(mut events: Events, entry: Weak<Entry>) {
    while let Some(event) = events.next().await {
        let Some(entry) = entry.upgrade() else { return };
        locked(&entry.changing).hear(&event);
    }
}

impl Changing {
    fn hear(&mut self, event: &Event) {
        match event {
            Event::Detached { cause } => {
                self.lost = Some((cause.name(), Instant::now()));
                self.is_away = true;
            }
            Event::Attached { swap, .. } => {
                // The client knew of a loss that was not noticed here.
                if *swap == Swap::Unplanned && !self.is_away {
                    self.lost = Some(("noticed by the client", Instant::now()));
                }
                self.is_away = false;
            }
            _ => {}
        }
    }
}
