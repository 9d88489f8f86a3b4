//! The record: lines, and the writer they go to.

use std::fmt::Debug;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use unbroken_proto::config::Seed;
use unbroken_proto::{Instant, Side};

use crate::calls::Call;
use crate::plain::Binary;

/// The version of the lines. The one before had no durable sessions, and is read as well.
pub(crate) const FORMAT: u32 = 3;
pub(crate) const OLDEST: u32 = 2;

#[derive(Serialize, Deserialize)]
pub(crate) struct Begin {
    pub(crate) start: Start,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) format: u32,
    pub(crate) side: String,
    /// The accepting side's is its registry's.
    pub(crate) seed: Option<Binary>,
    pub(crate) at: u64,
    /// What the session was restored from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restored: Option<Restored>,
}

/// A journal as it was kept, sealed if it was.
#[derive(Serialize, Deserialize)]
pub(crate) struct Restored {
    pub(crate) journal: Vec<Binary>,
    /// How long the session was away, if that was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) away: Option<u64>,
}

/// One call and what came of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) at: u64,
    #[serde(flatten)]
    pub(crate) call: Call,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) out: Option<String>,
}

/// Where the record goes.
pub(crate) struct Tape {
    writer: Box<dyn Write + Send>,
    error: Option<io::Error>,
}

impl Tape {
    pub(crate) fn begin(
        writer: Box<dyn Write + Send>,
        side: Side,
        seed: Option<&Seed>,
        restored: Option<Restored>,
        now: Instant,
    ) -> Tape {
        let mut tape = Tape { writer, error: None };
        tape.write(&Begin {
            start: Start {
                format: FORMAT,
                side: format!("{side:?}"),
                seed: seed.map(|seed| Binary(seed.0.to_vec())),
                at: now.as_nanos(),
                restored,
            },
        });
        tape
    }

    pub(crate) fn note(&mut self, now: Instant, call: Call, out: Option<&dyn Debug>) {
        self.write(&Line {
            at: now.as_nanos(),
            call,
            out: out.map(|out| format!("{out:?}")),
        });
    }

    fn write(&mut self, line: &impl Serialize) {
        if self.error.is_some() {
            return;
        }
        let mut text = match serde_json::to_vec(line) {
            Ok(text) => text,
            Err(error) => return self.error = Some(error.into()),
        };
        text.push(b'\n');
        self.error = self.writer.write_all(&text).err();
    }

    pub(crate) fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    pub(crate) fn flush(&mut self) {
        if self.error.is_none() {
            self.error = self.writer.flush().err();
        }
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        self.flush();
    }
}
