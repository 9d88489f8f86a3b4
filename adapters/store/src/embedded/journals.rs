//! What each call does to the tables, inside a transaction.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use rusqlite::{OptionalExtension, params};
use unbroken_driver::store::{Fence, JournalId, KeptJournal, Opened, Snapshot, StoreError};

use super::error::too_far;
use super::statements::Statements;
use super::sum::sum;

/// What a caller asks for.
#[derive(Debug)]
pub(super) enum Request {
    Open(JournalId),
    Read(JournalId),
    /// All of them, or those of sessions that are not over.
    List {
        all: bool,
    },
    Change {
        id: JournalId,
        fence: Fence,
        change: Change,
    },
}

/// What an owner does to its journal.
#[derive(Debug)]
pub(super) enum Change {
    Append { first: u64, records: Vec<Bytes> },
    Replace(Snapshot),
    Remove,
    Release,
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Done {
    Opened(Opened),
    Read(KeptJournal),
    Listed(Vec<JournalId>),
    Changed,
}

/// Why a request was not carried out.
pub(super) enum Trouble {
    /// By the store's rules; nothing was changed.
    Refused(StoreError),
    /// By the engine; the transaction is lost.
    Engine(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Trouble {
        Trouble::Engine(error)
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Trouble {
        Trouble::Refused(error)
    }
}

/// A journal that is there.
struct Entry {
    key: i64,
    fence: i64,
    is_owned: bool,
    /// The last record that its snapshot stands for, if it has one.
    through: Option<u64>,
}

/// Milliseconds by the clock of the machine, in which times are stored.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    millis(since)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Carries out a request at that time. All that the store's rules refuse is refused before anything is changed.
pub(super) fn perform(statements: &mut Statements<'_>, now: i64, request: &Request) -> Result<Done, Trouble> {
    match request {
        Request::Open(id) => open(statements, now, id).map(Done::Opened),
        Request::Read(id) => {
            let entry = find(statements, now, id)?;
            let journal = entry.map(|entry| load(statements, now, id, &entry)).transpose()?;
            Ok(Done::Read(journal.unwrap_or_default()))
        }
        Request::List { all } => list(statements, now, *all).map(Done::Listed),
        Request::Change { id, fence, change } => {
            let entry = find(statements, now, id)?;
            let fence = i64::try_from(fence.0).unwrap_or(0);
            match (change, entry) {
                // It is done already, or there never was anything.
                (Change::Remove | Change::Release, None) => {}
                (_, None) => return Err(StoreError::Fenced.into()),
                (Change::Release, Some(entry)) if entry.fence == fence => release(statements, &entry)?,
                (_, Some(entry)) if entry.fence != fence || !entry.is_owned => return Err(StoreError::Fenced.into()),
                (Change::Append { first, records }, Some(entry)) => {
                    append(statements, now, id, &entry, *first, records)?
                }
                (Change::Replace(snapshot), Some(entry)) => replace(statements, now, id, &entry, snapshot)?,
                (Change::Remove | Change::Release, Some(entry)) => delete(statements, entry.key)?,
            }
            Ok(Done::Changed)
        }
    }
}

/// The journal of that name; one that has expired is no longer there, although its rows may be.
fn find(statements: &mut Statements<'_>, now: i64, id: &JournalId) -> rusqlite::Result<Option<Entry>> {
    statements
        .get("SELECT key, fence, owned, through FROM journals WHERE id = ?1 AND (expires IS NULL OR expires > ?2)")?
        .query_row(params![id.as_str(), now], |row| {
            Ok(Entry {
                key: row.get(0)?,
                fence: row.get(1)?,
                is_owned: row.get(2)?,
                through: number(row, 3)?,
            })
        })
        .optional()
}

/// A number that is not negative, or none.
fn number(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Option<u64>> {
    let value: Option<i64> = row.get(column)?;
    value
        .map(|value| u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value)))
        .transpose()
}

fn open(statements: &mut Statements<'_>, now: i64, id: &JournalId) -> Result<Opened, Trouble> {
    let entry = find(statements, now, id)?;
    // Before anything is changed, as it may turn out to be damaged.
    let journal = match &entry {
        Some(entry) => load(statements, now, id, entry)?,
        None => KeptJournal::default(),
    };
    let fence: i64 = statements
        .get("UPDATE fences SET last = last + 1 RETURNING last")?
        .query_row([], |row| row.get(0))?;
    if let Some(entry) = entry {
        statements
            .get("UPDATE journals SET fence = ?2, owned = 1 WHERE key = ?1")?
            .execute([entry.key, fence])?;
    } else {
        // What has expired under this name must go, so that none of it is taken for the new journal's.
        let expired: Option<i64> = statements
            .get("SELECT key FROM journals WHERE id = ?1")?
            .query_row([id.as_str()], |row| row.get(0))
            .optional()?;
        if let Some(key) = expired {
            delete(statements, key)?;
        }
        statements
            .get("INSERT INTO journals (id, fence, owned) VALUES (?1, ?2, 1)")?
            .execute(params![id.as_str(), fence])?;
    }
    let fence = Fence(u64::try_from(fence).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, fence))?);
    Ok(Opened { fence, journal })
}

fn load(statements: &mut Statements<'_>, now: i64, id: &JournalId, entry: &Entry) -> Result<KeptJournal, Trouble> {
    let damaged = |place: String| StoreError::Damaged { place };
    let mut written = None;
    let mut snapshot = None;
    if let Some(through) = entry.through {
        let (time, bytes) = statements
            .get("SELECT written, sum, bytes FROM snapshots WHERE journal = ?1")?
            .query_row([entry.key], |row| whole(row, 0, id, through))
            .optional()?
            .flatten()
            .ok_or_else(|| damaged(format!("the snapshot of {id}")))?;
        written = Some(time);
        snapshot = Some((through, bytes));
    }
    let statement =
        statements.get("SELECT number, written, sum, bytes FROM records WHERE journal = ?1 ORDER BY number")?;
    let mut rows = statement.query([entry.key])?;
    let mut records = Vec::new();
    let mut last = entry.through.unwrap_or(0);
    while let Some(row) = rows.next()? {
        last += 1;
        let (time, bytes) = whole(row, 1, id, last)?
            .filter(|_| row.get(0).is_ok_and(|number: i64| u64::try_from(number) == Ok(last)))
            .ok_or_else(|| damaged(format!("record {last} of {id}")))?;
        written = written.max(Some(time));
        records.push(bytes);
    }
    // A clock that was set back since does not know.
    let written_ago = written
        .and_then(|written| u64::try_from(now.saturating_sub(written)).ok())
        .map(Duration::from_millis);
    Ok(KeptJournal {
        snapshot,
        records,
        written_ago,
    })
}

/// When it was written, and what, from that column on; `None`, if it is not what was written there.
fn whole(
    row: &rusqlite::Row<'_>,
    column: usize,
    id: &JournalId,
    number: u64,
) -> rusqlite::Result<Option<(i64, Bytes)>> {
    let bytes: Vec<u8> = row.get(column + 2)?;
    let is_whole = row.get::<_, i64>(column + 1)? == sum(id, number, &bytes);
    Ok(is_whole.then_some((row.get(column)?, bytes.into())))
}

fn list(statements: &mut Statements<'_>, now: i64, all: bool) -> Result<Vec<JournalId>, Trouble> {
    let statement =
        statements.get("SELECT id FROM journals WHERE expires IS NULL OR (?2 AND expires > ?1) ORDER BY key")?;
    let mut rows = statement.query(params![now, all])?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let id = name.parse().map_err(|_| StoreError::Damaged {
            place: format!("the name {name:?} of a journal"),
        })?;
        ids.push(id);
    }
    Ok(ids)
}

/// The number of the last record that is kept, or that the snapshot stands for.
fn last(statements: &mut Statements<'_>, entry: &Entry) -> rusqlite::Result<u64> {
    let last = statements
        .get("SELECT number FROM records WHERE journal = ?1 ORDER BY number DESC LIMIT 1")?
        .query_row([entry.key], |row| number(row, 0))
        .optional()?;
    Ok(last.flatten().max(entry.through).unwrap_or(0))
}

fn append(
    statements: &mut Statements<'_>,
    now: i64,
    id: &JournalId,
    entry: &Entry,
    first: u64,
    records: &[Bytes],
) -> Result<(), Trouble> {
    let kept = last(statements, entry)?;
    // What is stored is at most `i64::MAX`, so there is a next one.
    let next = kept + 1;
    if first > next {
        return Err(StoreError::Gap { first, kept }.into());
    }
    let end = first.checked_add(u64::try_from(records.len()).unwrap_or(u64::MAX));
    if end.is_none_or(|end| i64::try_from(end).is_err()) {
        return Err(too_far().into());
    }
    let known = usize::try_from(next - first).unwrap_or(usize::MAX);
    let statement =
        statements.get("INSERT INTO records (journal, number, written, sum, bytes) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for (number, record) in (next..).zip(records.iter().skip(known)) {
        let sum = sum(id, number, record);
        statement.execute(params![
            entry.key,
            i64::try_from(number).unwrap_or(i64::MAX),
            now,
            sum,
            &record[..]
        ])?;
    }
    Ok(())
}

fn replace(
    statements: &mut Statements<'_>,
    now: i64,
    id: &JournalId,
    entry: &Entry,
    snapshot: &Snapshot,
) -> Result<(), Trouble> {
    let through = i64::try_from(snapshot.through)
        .ok()
        .filter(|through| *through < i64::MAX)
        .ok_or_else(too_far)?;
    // One that comes after a later one has nothing to say any more, and the records it would need are gone.
    if entry.through > Some(snapshot.through) {
        return Ok(());
    }
    statements
        .get("DELETE FROM records WHERE journal = ?1 AND number <= ?2")?
        .execute([entry.key, through])?;
    let expires = snapshot.keep_for.map(|time| now.saturating_add(millis(time)));
    statements
        .get("UPDATE journals SET through = ?2, expires = ?3 WHERE key = ?1")?
        .execute(params![entry.key, through, expires])?;
    statements
        .get("INSERT OR REPLACE INTO snapshots (journal, written, sum, bytes) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            entry.key,
            now,
            sum(id, snapshot.through, &snapshot.bytes),
            &snapshot.bytes[..]
        ])?;
    Ok(())
}

/// The journal stays for whoever opens it next, unless there is nothing in it.
fn release(statements: &mut Statements<'_>, entry: &Entry) -> Result<(), Trouble> {
    if entry.through.is_none() && last(statements, entry)? == 0 {
        return delete(statements, entry.key).map_err(Trouble::Engine);
    }
    statements
        .get("UPDATE journals SET owned = 0 WHERE key = ?1")?
        .execute([entry.key])?;
    Ok(())
}

/// Deletes a journal with all that is kept of it.
pub(super) fn delete(statements: &mut Statements<'_>, key: i64) -> rusqlite::Result<()> {
    for statement in [
        "DELETE FROM records WHERE journal = ?1",
        "DELETE FROM snapshots WHERE journal = ?1",
        "DELETE FROM journals WHERE key = ?1",
    ] {
        statements.get(statement)?.execute([key])?;
    }
    Ok(())
}
