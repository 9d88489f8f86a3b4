//! What the engine's errors mean to those who use the store.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::ErrorCode;
use unbroken_driver::store::StoreError;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it open, or this one has.
    #[error("the store in {} is in use", folder.display())]
    InUse {
        /// The folder of the store.
        folder: PathBuf,
    },
    /// The database in the folder is not a store of durable sessions, or one that a later version has made.
    #[error(
        "the database is another program's, or a later version's (application {application:#x}, version {version})"
    )]
    Unknown {
        /// SQLite's `application_id` of it.
        application: i32,
        /// SQLite's `user_version` of it.
        version: i32,
    },
    /// The database is not what was written.
    #[error("the store is damaged: {place}")]
    Damaged {
        /// Where, in words.
        place: String,
    },
    /// There is no room to make or to open it.
    #[error("the store is full")]
    Full(#[source] Box<dyn Error + Send + Sync>),
    /// The folder cannot be made or read, or no thread can be started.
    #[error("the folder of the store cannot be used")]
    Io(#[from] io::Error),
    /// The engine failed.
    #[error("the store failed")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}

/// An error of the engine, which all who waited for the same commit are told.
#[derive(Clone)]
pub(super) struct Cause(Arc<rusqlite::Error>);

impl Cause {
    pub(super) fn new(error: rusqlite::Error) -> Cause {
        Cause(Arc::new(error))
    }

    pub(super) fn kind(&self) -> Kind {
        Kind::of(&self.0)
    }

    /// What a call is told that failed by it.
    pub(super) fn to_store_error(&self) -> StoreError {
        match self.kind() {
            Kind::Full => StoreError::Full(Box::new(self.clone())),
            Kind::Damaged => StoreError::Damaged {
                place: self.to_string(),
            },
            Kind::Request | Kind::Engine => StoreError::Failed(Box::new(self.clone())),
        }
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for Cause {}

/// Whom an error of the engine concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No room: those that need none go on.
    Full,
    /// What was read is not what was written: those that do not read it go on.
    Damaged,
    /// This request alone, which is more than the engine can do.
    Request,
    /// Everyone: what is on the disk is not known any more.
    Engine,
}

impl Kind {
    pub(super) fn of(error: &rusqlite::Error) -> Kind {
        match error {
            rusqlite::Error::SqliteFailure(failure, _) => match failure.code {
                ErrorCode::DiskFull => Kind::Full,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Kind::Damaged,
                ErrorCode::TooBig => Kind::Request,
                _ => Kind::Engine,
            },
            // A value that no statement of ours has written.
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::QueryReturnedNoRows => Kind::Damaged,
            _ => Kind::Engine,
        }
    }
}

/// The thread that writes is gone.
#[derive(Debug, thiserror::Error)]
#[error("the thread that writes the store has ended")]
struct Ended;

/// What is said when the writer has ended, which it does without being asked to only by a defect.
pub(super) fn ended() -> StoreError {
    StoreError::Failed(Box::new(Ended))
}

/// A record has a number that the engine cannot count to.
#[derive(Debug, thiserror::Error)]
#[error("records are numbered up to {}", i64::MAX)]
struct TooFar;

pub(super) fn too_far() -> StoreError {
    StoreError::Failed(Box::new(TooFar))
}
