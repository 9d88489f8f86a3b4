//! The client's database: the transfers that it issued, and the answers to them.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use unbroken_tokio::proto::event::Place;

use crate::common::{Answer, Failure, Transfer, database};
use crate::marks::{self, Source};

pub(crate) const FILE: &str = "orders.sqlite";

/// Answers have no unique number, so that the audit sees one that came twice.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS session (id TEXT);
    CREATE TABLE IF NOT EXISTS transfers (number INTEGER PRIMARY KEY, source TEXT, target TEXT, cents INTEGER);
    CREATE TABLE IF NOT EXISTS answers (entry INTEGER PRIMARY KEY, number INTEGER, done INTEGER);";

pub(crate) struct Orders(Connection);

impl Orders {
    pub(crate) fn open(folder: &Path) -> Result<Orders, Failure> {
        let orders = database(&folder.join(FILE), &format!("{TABLES} {}", marks::TABLE))?;
        Ok(Orders(orders))
    }

    /// These orders go through one session: of another one, nobody could say which of them it has taken already.
    pub(crate) fn belong_to(&self, source: &Source) -> Result<(), Failure> {
        let known = self
            .0
            .query_row("SELECT id FROM session", [], |row| row.get::<_, String>(0));
        match known.optional()? {
            None => self.0.execute("INSERT INTO session VALUES (?1)", [&source.session])?,
            Some(session) if session == source.session => 0,
            Some(session) => return Err(format!("the session of these orders, {session}, is over").into()),
        };
        Ok(())
    }

    pub(crate) fn mark(&self, source: &Source) -> Result<Place, Failure> {
        marks::read(&self.0, source)
    }

    pub(crate) fn issue(&self, transfer: &Transfer) -> Result<(), Failure> {
        let Transfer {
            number,
            from,
            to,
            cents,
        } = transfer;
        self.0.execute(
            "INSERT INTO transfers VALUES (?1, ?2, ?3, ?4)",
            (number, from, to, cents),
        )?;
        Ok(())
    }

    /// One transaction, as at the bank: what the answer says, and the mark.
    pub(crate) fn answered(&mut self, source: &Source, answer: Answer, place: Place) -> Result<(), Failure> {
        let change = self.0.transaction_with_behavior(TransactionBehavior::Immediate)?;
        change.execute(
            "INSERT INTO answers VALUES (NULL, ?1, ?2)",
            (answer.number, answer.is_done),
        )?;
        marks::write(&change, source, place)?;
        change.commit()?;
        Ok(())
    }

    /// The transfers that were issued, from that number on.
    pub(crate) fn transfers(&self, first: i64) -> Result<Vec<Transfer>, Failure> {
        let mut select = self
            .0
            .prepare("SELECT number, source, target, cents FROM transfers WHERE number >= ?1 ORDER BY number")?;
        let rows = select.query_map([first], |row| {
            Ok(Transfer {
                number: row.get(0)?,
                from: row.get(1)?,
                to: row.get(2)?,
                cents: row.get(3)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The answers, in the order in which they came.
    pub(crate) fn answers(&self) -> Result<Vec<Answer>, Failure> {
        let mut select = self.0.prepare("SELECT number, done FROM answers ORDER BY entry")?;
        let rows = select.query_map([], |row| {
            Ok(Answer {
                number: row.get(0)?,
                is_done: row.get(1)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
