//! The disk of one end of one session: a journal as a host keeps it, and beside it what its application keeps.

use bytes::Bytes;
use unbroken_proto::durable::Record;

use super::app::Base;
use crate::rng::Rng;

/// A write that was begun.
#[derive(Clone, Debug)]
pub struct Writing {
    /// What is written.
    pub record: Record,
    /// Of which process.
    pub life: u64,
    /// Which write it is.
    pub number: u64,
}

/// What a disk holds now, or held once.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Whole records, in order: a snapshot, and those behind it.
    pub records: Vec<Record>,
    /// What is behind them of writes that were cut off.
    pub tail: Vec<Bytes>,
    /// What the application keeps.
    pub base: Base,
    /// When it was last written.
    pub at: u64,
}

impl Image {
    /// As it is handed to whoever restores from it.
    #[must_use]
    pub fn pieces(&self) -> Vec<Bytes> {
        let whole = self.records.iter().map(|record| record.bytes.clone());
        whole.chain(self.tail.iter().cloned()).collect()
    }

    /// Whether a session can be restored from it.
    #[must_use]
    pub fn has_snapshot(&self) -> bool {
        !self.records.is_empty()
    }

    fn take(&mut self, record: Record) {
        if record.is_snapshot {
            self.records.clear();
        }
        self.tail.clear();
        self.records.push(record);
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    /// What is on it.
    pub image: Image,
    /// What is being written.
    pub writing: Option<Writing>,
    /// Nothing is answered before this.
    pub stalled_until: u64,
    /// Writes fail until this, and are said again.
    pub full_until: u64,
    /// It has failed for good.
    pub failed: bool,
    /// Which process may write.
    pub owner: u64,
    /// Images of before.
    pub past: Vec<Image>,
    writes: u64,
}

impl Disk {
    /// A write begins; returns its number.
    pub fn begin(&mut self, life: u64, record: Record) -> u64 {
        self.writes += 1;
        self.writing = Some(Writing {
            record,
            life,
            number: self.writes,
        });
        self.writes
    }

    /// The write of that number is done, and stays so.
    pub fn finish(&mut self, now: u64, number: u64) -> Option<Writing> {
        let writing = self.writing.take_if(|writing| writing.number == number)?;
        self.image.take(writing.record.clone());
        self.image.at = now;
        Some(writing)
    }

    /// The process died while something was written: what of it is there is a matter of luck. Returns what that was.
    pub fn tear(&mut self, rng: &mut Rng, now: u64) -> &'static str {
        let Some(Writing { record, .. }) = self.writing.take() else {
            return "nothing was written";
        };
        let len = record.bytes.len() as u64;
        match rng.below(5) {
            0 => "nothing of it",
            1 => {
                self.image.at = now;
                self.image.take(record);
                "all of it"
            }
            2 => {
                let cut = usize::try_from(rng.below(len)).unwrap_or(0);
                self.image.tail.push(record.bytes.slice(..cut));
                "a part of it"
            }
            3 if record.is_snapshot => {
                // Behind what was there, which is not removed yet.
                self.image.tail.push(record.bytes);
                "a snapshot behind what it stands for"
            }
            _ => {
                self.image.tail.push(torn(rng, &record.bytes));
                "it is torn"
            }
        }
    }

    /// Remembers how it is.
    pub fn remember(&mut self) {
        if self.past.len() < 12 && self.image.has_snapshot() {
            self.past.push(self.image.clone());
        }
    }
}

fn torn(rng: &mut Rng, bytes: &Bytes) -> Bytes {
    let mut torn = bytes.to_vec();
    let len = torn.len() as u64;
    let from = rng.below(len);
    let to = (from + rng.scaled(1, len)).min(len);
    let flip = u8::try_from(rng.between(1, 255)).unwrap_or(1);
    let zero = rng.chance(500);
    let range = usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0);
    let mut changed = false;
    for byte in torn.get_mut(range).unwrap_or_default() {
        let before = *byte;
        *byte = if zero { 0 } else { *byte ^ flip };
        changed |= before != *byte;
    }
    if !changed && let Some(byte) = torn.first_mut() {
        *byte ^= flip;
    }
    torn.into()
}
