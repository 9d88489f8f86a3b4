//! A journal read back: its newest snapshot, and the operations behind it. What was cut off while it was written is left out;
//! what is damaged before that is an error.

use alloc::vec::Vec;

use bytes::{Buf, Bytes};
use thiserror::Error;

use super::record::{Header, Parsed};
use crate::security::{AtRest, JournalSeal};
use crate::time::Instant;

/// How many records are tried, behind one that is damaged, to learn whether it was the last.
const MOST_TRIED: usize = 4_096;

/// Why a session cannot be restored from what was kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// Nothing whole was ever kept: there is no session to go on with, and none was promised.
    #[error("nothing is kept of the session")]
    Empty,
    /// What is kept does not open: it was sealed under another key, or its first record is damaged.
    #[error("the journal does not open: another key, or its first record is damaged")]
    Sealed,
    /// It is protected in another way than the configuration says.
    #[error("the journal is not protected as it should be")]
    Protection,
    /// A record is damaged, or missing, that was known to be kept.
    #[error("record {number} is damaged, at byte {offset} of piece {piece} of the journal")]
    Damaged {
        /// The number of the record.
        number: u64,
        /// Which piece of the journal, counted from 0.
        piece: usize,
        /// Where in the piece it begins.
        offset: usize,
    },
    /// A record opens, and does not follow from those before: it was written by another version, or there is a fault in this one.
    #[error("record {number} cannot be followed")]
    Inconsistent {
        /// The number of the record.
        number: u64,
    },
    /// It is the journal of the other end of a session, or of a session that the configuration does not fit.
    #[error("the journal is that of another side of a session")]
    Side,
    /// The registry holds the session already, or knows that it is over.
    #[error("the session is held already, or over")]
    Held,
    /// The session is over, and what is kept is [what is left of it](crate::Session::remains): nobody goes on with it, and its client is
    /// told how it ended.
    #[error("the session is over")]
    Over,
    /// The configuration does not say that sessions are durable, or is out of range.
    #[error("the configuration is not one for this session")]
    Config,
}

/// What a record had.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) number: u64,
    /// When it was written, by the clock of the process that did.
    pub(crate) at: Instant,
    pub(crate) bytes: Bytes,
}

/// A journal as far as it is whole.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) name: [u8; 16],
    pub(crate) snapshot: Content,
    pub(crate) records: Vec<Content>,
}

impl Restored {
    /// The number of its last record.
    pub(crate) fn last(&self) -> &Content {
        self.records.last().unwrap_or(&self.snapshot)
    }
}

/// Reads the pieces of a journal, in order. A piece holds whole records, but for the last of all, and for what is damaged.
pub(crate) fn read(at_rest: &AtRest, pieces: &[Bytes]) -> Result<Restored, RestoreError> {
    let mut reading = Reading {
        at_rest,
        found: None,
        seal: None,
        run: [0; 16],
    };
    let mut at = (0, 0);
    while let Some(piece) = pieces.get(at.0) {
        let rest = piece.get(at.1..).unwrap_or_default();
        if rest.is_empty() {
            at = (at.0 + 1, 0);
            continue;
        }
        match reading.next(rest)? {
            Some(len) => at.1 += len,
            None => match reading.look_behind(pieces, at)? {
                Some(snapshot) => at = snapshot,
                None => break,
            },
        }
    }
    reading.found.ok_or(RestoreError::Empty)
}

struct Reading<'a> {
    at_rest: &'a AtRest,
    found: Option<Restored>,
    /// Of the journal, once its first snapshot is read.
    seal: Option<JournalSeal>,
    /// Whose records follow the last snapshot.
    run: [u8; 16],
}

impl Reading<'_> {
    /// Takes the record at the front, if it is whole and the next one; returns its length.
    fn next(&mut self, rest: &[u8]) -> Result<Option<usize>, RestoreError> {
        let Parsed::Whole(header) = Header::parse(rest) else {
            return Ok(None);
        };
        if header.kind.is_sealed != self.at_rest.is_sealed() {
            // The first record decides; a later one with another first byte is damaged.
            return if self.found.is_some() {
                Ok(None)
            } else {
                Err(RestoreError::Protection)
            };
        }
        let last = self.found.as_ref().map(|found| found.last().number);
        let follows = match last {
            None => header.kind.is_snapshot,
            // A snapshot stands for all before it, whatever became of that.
            Some(last) => header.kind.is_snapshot || (header.number == last + 1 && header.run == self.run),
        };
        if last.is_some_and(|last| header.number <= last) {
            // What a snapshot stands for and was not deleted yet.
            return Ok(self.open(&header, rest).map(|(_, len)| len));
        }
        let Some((content, len)) = follows.then(|| self.open(&header, rest)).flatten() else {
            return Ok(None);
        };
        self.take(&header, content)?;
        Ok(Some(len))
    }

    /// The content of a record, under the key of its journal.
    fn open(&self, header: &Header, rest: &[u8]) -> Option<(Bytes, usize)> {
        match (&self.seal, &header.journal) {
            (Some(seal), None) => header.open(seal, rest),
            (Some(seal), Some(journal)) if self.name() == Some(journal) => header.open(seal, rest),
            (None, Some(journal)) => header.open(&self.at_rest.journal(journal), rest),
            _ => None,
        }
    }

    fn name(&self) -> Option<&[u8; 16]> {
        self.found.as_ref().map(|found| &found.name)
    }

    fn take(&mut self, header: &Header, mut bytes: Bytes) -> Result<(), RestoreError> {
        let number = header.number;
        let at = bytes.first_chunk().copied().map(u64::from_be_bytes);
        let at = Instant::from_nanos(at.ok_or(RestoreError::Inconsistent { number })?);
        bytes.advance(8);
        let content = Content { number, at, bytes };
        match (header.journal, &mut self.found) {
            (Some(name), _) => {
                self.seal.get_or_insert_with(|| self.at_rest.journal(&name));
                self.run = header.run;
                let records = Vec::new();
                let snapshot = content;
                self.found = Some(Restored {
                    name,
                    snapshot,
                    records,
                });
            }
            (None, Some(found)) => found.records.push(content),
            (None, None) => {}
        }
        Ok(())
    }

    /// What is at `(piece, offset)` is not the next record. It may be what was being written when the process died: then nothing
    /// behind it was written by one that knew it to be kept, or a whole snapshot is. Returns where that is.
    fn look_behind(
        &self,
        pieces: &[Bytes],
        (piece, offset): (usize, usize),
    ) -> Result<Option<(usize, usize)>, RestoreError> {
        let here = pieces.get(piece).and_then(|bytes| bytes.get(offset..));
        let Some(found) = &self.found else {
            let cut = here.is_some_and(|rest| matches!(Header::parse(rest), Parsed::Cut));
            return Err(if cut { RestoreError::Empty } else { RestoreError::Sealed });
        };
        let number = found.last().number + 1;
        let (mut tried, mut is_damaged) = (0, false);
        for (index, bytes) in pieces.iter().enumerate().skip(piece) {
            let from = if index == piece { offset } else { 0 };
            for (at, rest) in (from..bytes.len()).filter_map(|at| Some((at, bytes.get(at..)?))) {
                let Parsed::Whole(header) = Header::parse(rest) else {
                    continue;
                };
                let knew = header.kept >= number && header.number > number;
                let stands_for_it = header.kind.is_snapshot && header.number >= number;
                if !(knew || stands_for_it) || tried > MOST_TRIED {
                    continue;
                }
                tried += 1;
                if self.open(&header, rest).is_some() {
                    if stands_for_it {
                        return Ok(Some((index, at)));
                    }
                    is_damaged = true;
                }
            }
        }
        match is_damaged || tried > MOST_TRIED {
            true => Err(RestoreError::Damaged { number, piece, offset }),
            false => Ok(None),
        }
    }
}
