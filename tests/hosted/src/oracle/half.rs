//! One direction of one stream: what its writer's handle took, and what its reader's handle gave.

use bytes::Bytes;
use unbroken_driver::RecvError;
use unbroken_tests::rng::mix;

/// What is right, or what is wrong.
pub type Verdict = Result<(), String>;

/// The writer's side.
#[derive(Clone, Debug, Default)]
pub struct Written {
    key: u64,
    /// Messages, or bytes.
    pub messages: bool,
    /// Bytes that the half took.
    pub taken: u64,
    /// Where each message ends.
    pub ends: Vec<u64>,
    /// How far the call under way may have got: what it gave the session shows before it is ready.
    pub offered: u64,
    /// The last message was kept by a sink for a while: if the stream broke off, it may have been nobody's.
    pub kept: bool,
    /// It was half-closed.
    pub finished: bool,
    /// It was abandoned, with this code.
    pub reset: Option<u64>,
}

/// The reader's side.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Bytes read.
    pub bytes: u64,
    /// Whole messages read.
    pub messages: u64,
    /// The end was seen.
    pub end: bool,
    /// The reader was told why it reads no more.
    pub failure: Option<RecvError>,
    /// The reader asked the writer to stop, or nobody holds the stream any more.
    pub given_up: bool,
}

/// The `length` bytes at `offset` of what follows from `key`.
#[must_use]
pub fn content(key: u64, offset: u64, length: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(length + 8);
    let first = offset / 8;
    let skip = usize::try_from(offset % 8).unwrap_or(0);
    let mut word = first;
    while bytes.len() < length + skip {
        bytes.extend_from_slice(&mix(key.wrapping_add(word)).to_le_bytes());
        word += 1;
    }
    Bytes::from(bytes).slice(skip..skip + length)
}

impl Written {
    /// A half whose content follows from `key`.
    #[must_use]
    pub fn new(key: u64, messages: bool) -> Written {
        Written {
            key,
            messages,
            ..Written::default()
        }
    }

    /// What to write next.
    #[must_use]
    pub fn next(&self, length: usize) -> Bytes {
        content(self.key, self.taken, length)
    }

    /// The half took a message.
    pub fn sent(&mut self, length: usize) {
        self.taken += length as u64;
        self.ends.push(self.taken);
        self.kept = false;
    }

    /// The half took bytes.
    pub fn wrote(&mut self, length: usize) {
        self.taken += length as u64;
    }

    /// In the unit that fates count in.
    #[must_use]
    pub fn count(&self) -> u64 {
        if self.messages {
            self.ends.len() as u64
        } else {
            self.taken
        }
    }

    /// Where message `number` (from 0) begins.
    #[must_use]
    pub fn begin(&self, number: usize) -> u64 {
        number
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .copied()
            .unwrap_or(0)
    }

    fn is(&self, offset: u64, bytes: &[u8]) -> bool {
        content(self.key, offset, bytes.len()) == bytes
    }

    /// Checks what came back undelivered: the last of what was taken.
    ///
    /// # Errors
    /// It is something else.
    pub fn check_returned(&self, payloads: &[Bytes]) -> Verdict {
        if self.messages {
            let first = self
                .ends
                .len()
                .checked_sub(payloads.len())
                .ok_or("more messages came back than were sent")?;
            for (number, payload) in (first..).zip(payloads) {
                let (from, to) = (self.begin(number), self.ends[number]);
                if payload.len() as u64 != to - from || !self.is(from, payload) {
                    return Err(format!("message {number} came back changed ({} bytes)", payload.len()));
                }
            }
            return Ok(());
        }
        let total: u64 = payloads.iter().map(|payload| payload.len() as u64).sum();
        let mut at = self
            .taken
            .checked_sub(total)
            .ok_or("more bytes came back than were written")?;
        for payload in payloads {
            if !self.is(at, payload) {
                return Err(format!("the bytes at {at} came back changed"));
            }
            at += payload.len() as u64;
        }
        Ok(())
    }
}

impl Seen {
    /// In the unit that fates count in.
    #[must_use]
    pub fn count(&self, written: &Written) -> u64 {
        if written.messages { self.messages } else { self.bytes }
    }

    fn begin(&self) -> Verdict {
        match (self.end, self.failure) {
            (false, None) => Ok(()),
            over => Err(format!("something was read after the end {over:?}")),
        }
    }

    /// A whole message was read.
    ///
    /// # Errors
    /// It is not the next one.
    pub fn message(&mut self, written: &Written, payload: &[u8]) -> Verdict {
        self.begin()?;
        let number = usize::try_from(self.messages).unwrap_or(usize::MAX);
        let Some(end) = written.ends.get(number).copied() else {
            return Err(format!(
                "message {number} was read, {} were written",
                written.ends.len()
            ));
        };
        let from = self.bytes;
        if from + payload.len() as u64 != end || !written.is(from, payload) {
            return Err(format!(
                "message {number} is not the one of {from}..{end}: {} bytes",
                payload.len()
            ));
        }
        self.messages += 1;
        self.bytes = end;
        Ok(())
    }

    /// Bytes were read; in a stream of messages one ends behind them, or not.
    ///
    /// # Errors
    /// They are not the next ones.
    pub fn chunk(&mut self, written: &Written, payload: &[u8], message_end: bool) -> Verdict {
        self.begin()?;
        let (from, to) = (self.bytes, self.bytes + payload.len() as u64);
        if to > written.taken.max(written.offered) || !written.is(from, payload) {
            return Err(format!(
                "the bytes {from}..{to} are wrong, {} were written",
                written.taken
            ));
        }
        self.bytes = to;
        if !written.messages {
            return if message_end {
                Err("a message ends in a stream of bytes".to_owned())
            } else {
                Ok(())
            };
        }
        let number = usize::try_from(self.messages).unwrap_or(usize::MAX);
        let end = written.ends.get(number).copied().unwrap_or(u64::MAX);
        if to > end || message_end != (to == end) {
            return Err(format!("message {number} ends at {end}, not {message_end} at {to}"));
        }
        self.messages += u64::from(message_end);
        Ok(())
    }

    /// The end was read.
    ///
    /// # Errors
    /// It is not there yet.
    pub fn end(&mut self, written: &Written) -> Verdict {
        self.begin()?;
        self.end = true;
        if !written.finished && !self.given_up || written.reset.is_some() {
            return Err(format!("an end that nobody wrote: {written:?}"));
        }
        let all = self.bytes == written.taken && self.messages == written.ends.len() as u64;
        let part = self.given_up && self.bytes >= written.taken && self.bytes <= written.offered;
        match all || part {
            true => Ok(()),
            false => Err(format!("a clean end after {} of {} bytes", self.bytes, written.taken)),
        }
    }

    /// Reading failed. A session's end is checked where that is known.
    ///
    /// # Errors
    /// Nothing justifies it.
    pub fn failed(&mut self, written: &Written, failure: RecvError) -> Verdict {
        self.begin()?;
        self.failure = Some(failure);
        match failure {
            RecvError::SessionEnded => Ok(()),
            RecvError::Reset(code) if written.reset == Some(code) => Ok(()),
            // The writer's end answers our own wish to stop; or nobody writes.
            RecvError::Reset(_) if self.given_up => Ok(()),
            other => Err(format!("{other:?}, of {written:?}, by {self:?}")),
        }
    }

    /// Whether everything there is to have was read.
    #[must_use]
    pub fn is_complete(&self, written: &Written) -> bool {
        self.bytes == written.taken && self.messages == written.ends.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_stretch_is_found_at_its_offset() {
        let whole = content(7, 0, 200);
        for from in 0..120usize {
            assert_eq!(content(7, from as u64, 33), whole.slice(from..from + 33));
        }
    }

    #[test]
    fn a_message_cut_short_doubled_or_left_out_is_noticed() {
        let mut written = Written::new(1, true);
        written.sent(10);
        written.sent(20);
        let all = content(1, 0, 30);
        assert!(Seen::default().message(&written, &all[..10]).is_ok());
        assert!(Seen::default().message(&written, &all[..9]).is_err());
        assert!(Seen::default().message(&written, &all[10..]).is_err());
        let mut seen = Seen::default();
        seen.message(&written, &all[..10]).expect("because it is the first");
        assert!(seen.clone().message(&written, &all[..10]).is_err());
        assert!(seen.clone().end(&written).is_err());
        assert!(seen.message(&written, &all[10..]).is_ok());
        assert!(seen.message(&written, &[]).is_err());
    }
}
