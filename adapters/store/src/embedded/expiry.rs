//! The end of journals that nobody removes.

use super::journals::{delete, now};
use super::statements::Statements;

/// How many journals are deleted in a transaction, so that nobody waits long behind it.
const AT_ONCE: usize = 64;

/// Deletes journals that have expired, not all of them at once; returns whether there may be more. Writes nothing if there are none.
pub(super) fn expire(statements: &mut Statements<'_>, now: i64) -> rusqlite::Result<bool> {
    let keys = expired(statements, now)?;
    if keys.is_empty() {
        return Ok(false);
    }
    let transaction = statements.begin()?;
    for key in &keys {
        delete(statements, *key)?;
    }
    transaction.commit()?;
    Ok(keys.len() == AT_ONCE)
}

/// Deletes all that has expired, and the journals that a process before has opened and never written.
pub(super) fn clean(statements: &mut Statements<'_>) -> rusqlite::Result<()> {
    while expire(statements, now())? {}
    let empty = "DELETE FROM journals WHERE through IS NULL
        AND NOT EXISTS (SELECT 1 FROM records WHERE records.journal = journals.key)";
    statements.get(empty)?.execute([])?;
    Ok(())
}

fn expired(statements: &mut Statements<'_>, now: i64) -> rusqlite::Result<Vec<i64>> {
    let statement = statements.get("SELECT key FROM journals WHERE expires <= ?1")?;
    let keys = statement.query_map([now], |row| row.get(0))?;
    keys.take(AT_ONCE).collect()
}
