//! Marks: up to where the application has dealt with a stream. They stand in the database of what it made of the messages, and are written in
//! the same transaction, so that there is never one without the other.
//!
//! A mark has to stay for as long as the session may hand out again what lies before it: until the session's own `consumed` is persisted. Here there
//! is one row for each stream, which is only ever replaced, and there are no more streams than sessions.

use rusqlite::{Connection, OptionalExtension};
use unbroken_tokio::proto::event::Place;
use unbroken_tokio::proto::{SessionId, StreamId};

use crate::common::Failure;

pub(crate) const TABLE: &str = "CREATE TABLE IF NOT EXISTS marks
    (session TEXT, stream INTEGER, messages INTEGER, bytes INTEGER, PRIMARY KEY (session, stream));";

/// A stream of a session.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// In hexadecimal digits.
    pub(crate) session: String,
    pub(crate) stream: i64,
}

impl Source {
    pub(crate) fn new(session: SessionId, stream: StreamId) -> Source {
        Source {
            session: session.to_string(),
            stream: stream.0.cast_signed(),
        }
    }
}

/// The beginning, if there is no mark yet.
pub(crate) fn read(database: &Connection, source: &Source) -> Result<Place, Failure> {
    let found = database.query_row(
        "SELECT messages, bytes FROM marks WHERE session = ?1 AND stream = ?2",
        (&source.session, source.stream),
        |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
    );
    let (messages, bytes) = found.optional()?.unwrap_or_default();
    Ok(Place {
        messages: messages.cast_unsigned(),
        bytes: bytes.cast_unsigned(),
    })
}

/// To be called within the transaction of what was made of the message before `place`.
pub(crate) fn write(database: &Connection, source: &Source, place: Place) -> Result<(), Failure> {
    database.execute(
        "INSERT OR REPLACE INTO marks VALUES (?1, ?2, ?3, ?4)",
        (
            &source.session,
            source.stream,
            place.messages.cast_signed(),
            place.bytes.cast_signed(),
        ),
    )?;
    Ok(())
}
