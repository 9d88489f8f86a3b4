//! The database: its tables, and how it is opened.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::error::{Cause, Kind, OpenError};
use super::expiry;
use super::options::EmbeddedOptions;
use super::statements::Statements;

/// Marks a database as a store of sessions ("unbr").
const APPLICATION: i32 = 0x756e_6272;
/// The tables' version.
const VERSION: i32 = 1;

/// Records are entries of their own, in the order of their journal, so that what an append writes does not grow with what is
/// kept, and a journal is read in one pass. A snapshot stands apart from the owner, which changes without it.
///
/// SQLite has no sums of its own: whether what is read is what was written, `sum` tells.
///
/// The fences of all journals come from one number, so that they grow although a journal was deleted in between.
const TABLES: &str = "
    CREATE TABLE fences (last INTEGER NOT NULL) STRICT;
    INSERT INTO fences VALUES (0);
    CREATE TABLE journals (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        fence INTEGER NOT NULL,
        owned INTEGER NOT NULL,
        through INTEGER,
        expires INTEGER
    ) STRICT;
    CREATE INDEX expiring ON journals (expires) WHERE expires IS NOT NULL;
    CREATE TABLE snapshots (
        journal INTEGER PRIMARY KEY,
        written INTEGER NOT NULL,
        sum INTEGER NOT NULL,
        bytes BLOB NOT NULL
    ) STRICT;
    CREATE TABLE records (
        journal INTEGER NOT NULL,
        number INTEGER NOT NULL,
        written INTEGER NOT NULL,
        sum INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        PRIMARY KEY (journal, number)
    ) STRICT, WITHOUT ROWID;
";

/// Opens the database of that file for this process alone, makes its tables if it is empty, and deletes what has expired.
pub(super) fn open(file: &Path, options: &EmbeddedOptions) -> Result<Connection, OpenError> {
    let explain = |error: rusqlite::Error| explain(file, error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut database = Connection::open_with_flags(file, flags).map_err(explain)?;
    // Who has the lock keeps it.
    database.busy_timeout(Duration::ZERO).map_err(explain)?;
    database
        .pragma_update(None, "locking_mode", "EXCLUSIVE")
        .map_err(explain)?;
    // Nothing is written before it is known to be ours.
    let is_new = recognise(&database, explain)?;
    configure(&database, options).map_err(explain)?;
    check(&database, explain)?;
    let transaction = database
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(explain)?;
    if is_new {
        transaction.execute_batch(TABLES).map_err(explain)?;
        transaction
            .pragma_update(None, "application_id", APPLICATION)
            .map_err(explain)?;
        transaction
            .pragma_update(None, "user_version", VERSION)
            .map_err(explain)?;
    }
    transaction.commit().map_err(explain)?;
    match expiry::clean(&mut Statements::new(&database)) {
        // It may be deleted later; what is kept can be read, and that may be what makes room.
        Err(error) if Kind::of(&error) == Kind::Full => {}
        other => other.map_err(explain)?,
    }
    Ok(database)
}

/// Whether the database is empty; if it is not, it must be a store.
fn recognise(database: &Connection, explain: impl Fn(rusqlite::Error) -> OpenError + Copy) -> Result<bool, OpenError> {
    let number = |name| database.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let application = number("application_id").map_err(explain)?;
    let version = number("user_version").map_err(explain)?;
    let tables: i64 = database
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(explain)?;
    match (application, version, tables) {
        (0, 0, 0) => Ok(true),
        (APPLICATION, VERSION, _) => Ok(false),
        _ => Err(OpenError::Unknown { application, version }),
    }
}

fn configure(database: &Connection, options: &EmbeddedOptions) -> rusqlite::Result<()> {
    // A commit is one write to the end of the log and one sync of it.
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.pragma_update(None, "synchronous", "FULL")?;
    // On Apple's systems a plain sync stops at the drive's cache.
    database.pragma_update(None, "fullfsync", true)?;
    database.pragma_update(None, "checkpoint_fullfsync", true)?;
    // The file is not trusted to be what was written.
    database.pragma_update(None, "cell_size_check", true)?;
    database.pragma_update(None, "trusted_schema", false)?;
    // What a large commit has made of the log is given back.
    database.pragma_update(None, "journal_size_limit", 4 << 20)?;
    if let Some(bytes) = options.max_bytes {
        let page: i64 = database.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page.max(1);
        database.pragma_update(None, "max_page_count", pages.max(1))?;
    }
    Ok(())
}

fn check(database: &Connection, explain: impl Fn(rusqlite::Error) -> OpenError) -> Result<(), OpenError> {
    let found: String = database
        .pragma_query_value(None, "quick_check", |row| row.get(0))
        .map_err(explain)?;
    if found == "ok" {
        return Ok(());
    }
    // It may have several lines, of which the last one says most.
    let place = found.lines().last().unwrap_or_default().to_owned();
    Err(OpenError::Damaged { place })
}

fn explain(file: &Path, error: rusqlite::Error) -> OpenError {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    if matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked)) {
        let folder = file.parent().unwrap_or(file).to_owned();
        return OpenError::InUse { folder };
    }
    let cause = Cause::new(error);
    match cause.kind() {
        Kind::Full => OpenError::Full(Box::new(cause)),
        Kind::Damaged => OpenError::Damaged {
            place: cause.to_string(),
        },
        Kind::Request | Kind::Engine => OpenError::Failed(Box::new(cause)),
    }
}
