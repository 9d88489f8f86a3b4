//! The server's database: accounts, and the transfers that were applied to them.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use unbroken_tokio::proto::event::Place;

use crate::common::{ACCOUNTS, AT_FIRST, Answer, Failure, Transfer, database};
use crate::marks::{self, Source};

pub(crate) const FILE: &str = "bank.sqlite";

/// That a number occurs once is not demanded here: the audit looks for one that was applied twice, and nothing should hide it.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS accounts (name TEXT PRIMARY KEY, cents INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS transfers
        (entry INTEGER PRIMARY KEY, session TEXT, stream INTEGER, number INTEGER, source TEXT, target TEXT, cents INTEGER, done INTEGER);";

pub(crate) struct Bank(Connection);

impl Bank {
    pub(crate) fn open(folder: &Path) -> Result<Bank, Failure> {
        let bank = database(&folder.join(FILE), &format!("{TABLES} {}", marks::TABLE))?;
        for name in ACCOUNTS {
            bank.execute("INSERT OR IGNORE INTO accounts VALUES (?1, ?2)", (name, AT_FIRST))?;
        }
        Ok(Bank(bank))
    }

    pub(crate) fn mark(&self, source: &Source) -> Result<Place, Failure> {
        marks::read(&self.0, source)
    }

    /// One transaction: the money, the entry from which the answer can be said again, and the mark. Whoever is killed before the end of it has
    /// done nothing, and is handed the message again; whoever is killed behind it has the mark.
    pub(crate) fn apply(&mut self, source: &Source, transfer: &Transfer, place: Place) -> Result<Answer, Failure> {
        let change = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let balance = |name: &str| {
            let select = "SELECT cents FROM accounts WHERE name = ?1";
            change.query_row(select, [name], |row| row.get::<_, i64>(0)).optional()
        };
        let is_there = balance(&transfer.to)?.is_some();
        let is_covered = balance(&transfer.from)?.is_some_and(|cents| cents >= transfer.cents);
        let is_done = is_there && is_covered && transfer.cents > 0;
        if is_done {
            let add = "UPDATE accounts SET cents = cents + ?2 WHERE name = ?1";
            change.execute(add, (&transfer.from, -transfer.cents))?;
            change.execute(add, (&transfer.to, transfer.cents))?;
        }
        let Transfer {
            number,
            from,
            to,
            cents,
        } = transfer;
        change.execute(
            "INSERT INTO transfers VALUES (NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (&source.session, source.stream, number, from, to, cents, is_done),
        )?;
        marks::write(&change, source, place)?;
        change.commit()?;
        Ok(Answer {
            number: *number,
            is_done,
        })
    }

    /// The answers on that stream but for the first ones, in the order of the transfers.
    pub(crate) fn answers(&self, source: &Source, first: i64) -> Result<Vec<Answer>, Failure> {
        let mut select = self.0.prepare(
            "SELECT number, done FROM transfers WHERE session = ?1 AND stream = ?2 ORDER BY entry LIMIT -1 OFFSET ?3",
        )?;
        let rows = select.query_map((&source.session, source.stream, first), |row| {
            Ok(Answer {
                number: row.get(0)?,
                is_done: row.get(1)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What is on the accounts.
    pub(crate) fn accounts(&self) -> Result<Vec<(String, i64)>, Failure> {
        let mut select = self.0.prepare("SELECT name, cents FROM accounts ORDER BY name")?;
        let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What was applied, in that order, and whether it was done.
    pub(crate) fn transfers(&self) -> Result<Vec<(Transfer, bool)>, Failure> {
        let mut select = self
            .0
            .prepare("SELECT number, source, target, cents, done FROM transfers ORDER BY entry")?;
        let rows = select.query_map([], |row| {
            let transfer = Transfer {
                number: row.get(0)?,
                from: row.get(1)?,
                to: row.get(2)?,
                cents: row.get(3)?,
            };
            Ok((transfer, row.get(4)?))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
