//! A record, done again.

use std::io::{self, BufRead};

use bytes::Bytes;
use thiserror::Error;
use unbroken_proto::config::Seed;
use unbroken_proto::durable::RestoreError;
use unbroken_proto::error::ConfigError;
use unbroken_proto::{ClientConfig, Duration, Instant, Session};

use crate::calls::Done;
use crate::plain::Plain;
use crate::tape::{Begin, FORMAT, Line, OLDEST, Restored};

/// Why a record could not be replayed to its end.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The record cannot be read.
    #[error("cannot read the trace")]
    Io(#[from] io::Error),
    /// A line is not one of a trace.
    #[error("line {line}: {error}")]
    Malformed {
        /// Which, from 1.
        line: u64,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// The record is of another format, has no beginning, or is not a dialling session's.
    #[error("not a trace that begins with a dialling session's start, in format 2 or 3")]
    Start,
    /// What the session was restored from does not open, or is not that of such a session: the configuration is not the one it had.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A call whose arguments are not written down.
    #[error("line {line}: {method} cannot be replayed")]
    NotReplayable {
        /// Which line, from 1.
        line: u64,
        /// The method.
        method: String,
    },
    /// The machine did something else this time. The configuration, or the machine, is not the same.
    #[error("line {line}: {found} instead of {expected}")]
    Diverged {
        /// Which line, from 1.
        line: u64,
        /// What it did then.
        expected: String,
        /// What it does now.
        found: String,
    },
}

/// Makes the session of the record anew, with the `config` it had, and does every call again. Returns how many. A durable session
/// takes the storage key it had, too: its records are compared, and what it was restored from is opened.
///
/// # Errors
/// The first line that cannot be read or does not come to the same.
pub fn replay(config: ClientConfig, record: impl BufRead) -> Result<u64, ReplayError> {
    let mut lines = (1..).zip(record.lines());
    let (_, first) = lines.next().ok_or(ReplayError::Start)?;
    let Begin { start } = serde_json::from_str(&first?).map_err(|_| ReplayError::Start)?;
    let seed = start.seed.and_then(|seed| <[u8; 32]>::try_from(seed.0).ok());
    let is_known = (OLDEST..=FORMAT).contains(&start.format);
    let seed = seed.filter(|_| is_known).ok_or(ReplayError::Start)?;
    let mut session = begin(config, Seed(seed), Instant::from_nanos(start.at), start.restored)?;
    let mut done = 0;
    for (line, text) in lines {
        let text = text?;
        let parsed: Line = serde_json::from_str(&text).map_err(|error| ReplayError::Malformed { line, error })?;
        again(&mut session, parsed, line)?;
        done += 1;
    }
    Ok(done)
}

fn begin(config: ClientConfig, seed: Seed, now: Instant, restored: Option<Restored>) -> Result<Session, ReplayError> {
    let Some(Restored { journal, away }) = restored else {
        return Ok(Session::connect(config, seed, now)?);
    };
    let journal: Vec<Bytes> = journal.into_iter().map(Plain::read).collect();
    let away = away.map(Duration::from_nanos);
    Ok(Session::restore(config, &journal, away, seed, now)?)
}

fn again(session: &mut Session, parsed: Line, line: u64) -> Result<(), ReplayError> {
    let Line { at, call, out } = parsed;
    let method = match &call {
        crate::calls::Call::Unrecorded { method } => method.clone(),
        _ => String::new(),
    };
    let Some(done) = call.perform(session, Instant::from_nanos(at)) else {
        return Err(ReplayError::NotReplayable { line, method });
    };
    let (expected, found) = match done {
        Done::Said(said) => (out.unwrap_or_default(), said),
        Done::Packed { packed, before } if packed == before => return Ok(()),
        Done::Packed { packed, before } => (format!("{before:02x?}"), format!("{packed:02x?}")),
    };
    if expected == found {
        return Ok(());
    }
    Err(ReplayError::Diverged { line, expected, found })
}
