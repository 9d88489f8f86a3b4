//! One direction of one stream: what its writer wrote and what its reader has seen.

use bytes::Bytes;
use unbroken_proto::event::Tally as Count;
use unbroken_proto::stream::Chunk;

use super::{Verdict, content};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Half {
    key: u64,
    /// Messages, or a stream of bytes.
    pub messages: bool,
    /// Bytes the writer's machine accepted.
    pub accepted: u64,
    /// Where each accepted message ends.
    pub ends: Vec<u64>,
    /// The writer half-closed.
    pub finished: bool,
    /// The writer abandoned it (or its machine did, when the reader asked).
    pub reset: Option<u64>,
    /// The reader asked to stop.
    pub stopped: Option<u64>,
    /// Bytes read.
    pub read: u64,
    /// Whole messages read.
    pub read_messages: u64,
    /// The reader saw the end.
    pub end_seen: bool,
    /// The reader saw the reset.
    pub reset_seen: bool,
    /// What the writer was told can at most arrive.
    cap: Option<Count>,
}

impl Half {
    /// A half whose content follows from `key`.
    #[must_use]
    pub fn new(key: u64) -> Half {
        Half {
            key,
            messages: key & 1 == 0,
            ..Half::default()
        }
    }

    /// The next `len` bytes to write.
    #[must_use]
    pub fn payload(&self, len: usize) -> Bytes {
        content::fill(self.key, self.accepted, len)
    }

    /// The machine took a message of `len` bytes.
    pub fn sent(&mut self, len: usize) {
        self.accepted += len as u64;
        self.ends.push(self.accepted);
    }

    /// The machine took `len` bytes.
    pub fn wrote(&mut self, len: usize) {
        self.accepted += len as u64;
    }

    /// The writer begins again behind `taken`, which is all that is left of what it wrote.
    pub fn rewind(&mut self, taken: Count) {
        if self.messages {
            let left = usize::try_from(taken.messages).unwrap_or(usize::MAX);
            self.ends.truncate(left);
            self.accepted = self.ends.last().copied().unwrap_or(0);
        } else {
            self.accepted = self.accepted.min(taken.bytes);
        }
    }

    /// What the writer's machine accepted.
    #[must_use]
    pub fn accepted(&self) -> Count {
        self.count(self.accepted, self.ends.len() as u64)
    }

    /// What the reader has.
    #[must_use]
    pub fn has(&self) -> Count {
        self.count(self.read, self.read_messages)
    }

    fn count(&self, bytes: u64, messages: u64) -> Count {
        if self.messages {
            Count { messages, bytes: 0 }
        } else {
            Count { messages: 0, bytes }
        }
    }

    /// Whether either end gave up on it, so that what was written need not arrive.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.reset.is_some() || self.stopped.is_some()
    }

    /// Whether the reader has everything there is to have.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        if self.is_abandoned() {
            return true;
        }
        self.read == self.accepted && self.read_messages == self.ends.len() as u64 && (!self.finished || self.end_seen)
    }

    /// The writer was told that no more than `cap` will ever arrive.
    ///
    /// # Errors
    /// When more has.
    pub fn limit(&mut self, cap: Count) -> Verdict {
        self.cap = Some(cap);
        self.check_cap()
    }

    fn check_cap(&self) -> Verdict {
        let Some(cap) = self.cap else { return Ok(()) };
        let has = self.has();
        if has.messages > cap.messages || has.bytes > cap.bytes {
            return Err(format!("{has:?} arrived, the sender was told that {cap:?} is the most"));
        }
        Ok(())
    }

    /// The reader was handed `chunk`.
    ///
    /// # Errors
    /// When it is not exactly what comes next.
    pub fn read(&mut self, chunk: &Chunk) -> Verdict {
        if self.end_seen {
            return Err("a chunk after the end".to_owned());
        }
        match chunk {
            Chunk::End => self.read_end(),
            Chunk::Data { payload, message_end } => self.read_data(payload, *message_end),
        }
    }

    fn read_end(&mut self) -> Verdict {
        self.end_seen = true;
        if !self.finished {
            return Err("an end that nobody wrote".to_owned());
        }
        if self.reset.is_none() && (self.read != self.accepted || self.read_messages != self.ends.len() as u64) {
            return Err(format!("a clean end after {} of {} bytes", self.read, self.accepted));
        }
        Ok(())
    }

    fn read_data(&mut self, payload: &Bytes, message_end: bool) -> Verdict {
        let after = self.read + payload.len() as u64;
        if after > self.accepted {
            return Err(format!("{after} bytes read, {} written", self.accepted));
        }
        if !content::matches(self.key, self.read, payload) {
            return Err(format!("wrong bytes at {}..{after}", self.read));
        }
        self.read = after;
        if !self.messages {
            return if message_end {
                Err("a message end in a byte stream".to_owned())
            } else {
                self.check_cap()
            };
        }
        let index = usize::try_from(self.read_messages).unwrap_or(usize::MAX);
        let Some(end) = self.ends.get(index).copied() else {
            return Err("more messages read than written".to_owned());
        };
        if after > end || (message_end && after != end) || (!message_end && after == end) {
            return Err(format!(
                "message {index} ends at {end}, read to {after}, message_end {message_end}"
            ));
        }
        self.read_messages += u64::from(message_end);
        self.check_cap()
    }

    /// Checks that `payload` is what was written as item `index` from the end-relative offset.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_returned(&self, payloads: &[Bytes]) -> Verdict {
        if self.messages {
            let first = self.ends.len().saturating_sub(payloads.len());
            for (index, payload) in payloads.iter().enumerate() {
                let number = first + index;
                let start = number
                    .checked_sub(1)
                    .and_then(|before| self.ends.get(before))
                    .copied()
                    .unwrap_or(0);
                let len = self.ends.get(number).copied().unwrap_or(start) - start;
                if payload.len() as u64 != len || !content::matches(self.key, start, payload) {
                    return Err(format!(
                        "message {number} came back changed ({} of {len} bytes)",
                        payload.len()
                    ));
                }
            }
            return Ok(());
        }
        let total: u64 = payloads.iter().map(|payload| payload.len() as u64).sum();
        let mut at = self
            .accepted
            .checked_sub(total)
            .ok_or("more bytes came back than were written")?;
        for payload in payloads {
            if !content::matches(self.key, at, payload) {
                return Err(format!("bytes at {at} came back changed"));
            }
            at += payload.len() as u64;
        }
        Ok(())
    }
}
