//! The statements of a database, each compiled once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::{Connection, Statement, Transaction, TransactionBehavior};

/// A database and the statements that were needed so far.
pub(super) struct Statements<'d> {
    database: &'d Connection,
    compiled: HashMap<&'static str, Statement<'d>>,
}

impl<'d> Statements<'d> {
    pub(super) fn new(database: &'d Connection) -> Statements<'d> {
        Statements {
            database,
            compiled: HashMap::new(),
        }
    }

    /// The database itself.
    pub(super) fn database(&self) -> &'d Connection {
        self.database
    }

    pub(super) fn get(&mut self, text: &'static str) -> rusqlite::Result<&mut Statement<'d>> {
        match self.compiled.entry(text) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(self.database.prepare(text)?)),
        }
    }

    /// Begins a transaction, which is undone if it is dropped.
    pub(super) fn begin(&self) -> rusqlite::Result<Transaction<'d>> {
        Transaction::new_unchecked(self.database, TransactionBehavior::Immediate)
    }
}
