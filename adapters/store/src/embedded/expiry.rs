//! The end of journals that nobody removes.

use rusqlite::{Connection, TransactionBehavior};

use super::journals::{delete, now};

/// How many journals are deleted in a transaction, so that nobody waits long behind it.
const AT_ONCE: usize = 64;

/// Deletes journals that have expired, not all of them at once; returns whether there may be more. Writes nothing if there are none.
pub(super) fn expire(database: &mut Connection, now: i64) -> rusqlite::Result<bool> {
    let keys = expired(database, now)?;
    if keys.is_empty() {
        return Ok(false);
    }
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for key in &keys {
        delete(&transaction, *key)?;
    }
    transaction.commit()?;
    Ok(keys.len() == AT_ONCE)
}

/// Deletes all that has expired, and the journals that a process before has opened and never written.
pub(super) fn clean(database: &mut Connection) -> rusqlite::Result<()> {
    while expire(database, now())? {}
    let empty = "DELETE FROM journals WHERE through IS NULL
        AND NOT EXISTS (SELECT 1 FROM records WHERE records.journal = journals.key)";
    database.execute(empty, [])?;
    Ok(())
}

fn expired(database: &Connection, now: i64) -> rusqlite::Result<Vec<i64>> {
    let mut statement = database.prepare_cached("SELECT key FROM journals WHERE expires <= ?1")?;
    let keys = statement.query_map([now], |row| row.get(0))?;
    keys.take(AT_ONCE).collect()
}
