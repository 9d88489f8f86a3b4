//! What the applications want to say: streams, and what goes over each of them in either direction. What a message is made of
//! follows from its place, so that nobody has to remember it.

use bytes::Bytes;

use crate::rng::{Rng, mix};

/// How a half ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// It is finished behind the last message.
    Finish,
    /// It is abandoned behind the last message, whether or not that arrived.
    Reset,
    /// It stays open.
    Open,
}

/// One direction of a stream.
#[derive(Clone, Debug)]
pub struct Half {
    seed: u64,
    /// Messages; else bytes.
    pub messages: bool,
    /// How many messages, or bytes.
    pub count: u64,
    longest: u64,
    /// How it ends.
    pub last: Last,
    /// Whoever reads wants no more behind so many messages or bytes.
    pub stop_after: Option<u64>,
}

/// One stream.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its label, as a number.
    pub key: u64,
    /// Which end opens it.
    pub opener: usize,
    /// What each end says on it.
    pub halves: [Half; 2],
}

impl Plan {
    /// Draws one. `closes`: it makes room for the next one.
    pub fn draw(rng: &mut Rng, key: u64, longest: usize, closes: bool) -> Plan {
        let opener = usize::from(rng.chance(400));
        let mut halves = [Half::draw(rng, longest), Half::draw(rng, longest)];
        for half in halves.iter_mut().filter(|half| closes && half.last == Last::Open) {
            half.last = Last::Finish;
        }
        Plan { key, opener, halves }
    }

    /// What names it in the session.
    #[must_use]
    pub fn label(&self) -> Bytes {
        Bytes::copy_from_slice(&self.key.to_be_bytes())
    }

    /// What a label names.
    #[must_use]
    pub fn key_of(label: &[u8]) -> Option<u64> {
        label.try_into().ok().map(u64::from_be_bytes)
    }
}

impl Half {
    fn draw(rng: &mut Rng, longest: usize) -> Half {
        let messages = rng.chance(750);
        let longest = longest as u64;
        let count = if messages {
            rng.scaled(0, (600_000 / longest.max(1)).clamp(4, 80))
        } else {
            rng.scaled(0, 150_000)
        };
        Half {
            seed: rng.number(),
            messages,
            count,
            longest,
            last: match rng.below(10) {
                0..=5 => Last::Finish,
                6 => Last::Reset,
                _ => Last::Open,
            },
            stop_after: rng.chance(80).then(|| rng.below(count + 1)),
        }
    }

    /// How long the message of that number is.
    #[must_use]
    pub fn len(&self, number: u64) -> u64 {
        let mut rng = Rng::new(mix(self.seed ^ mix(number)));
        rng.scaled(0, self.longest)
    }

    /// So many bytes from `offset` on, of the message of that number, or (0) of the bytes.
    #[must_use]
    pub fn bytes(&self, number: u64, offset: u64, len: u64) -> Vec<u8> {
        let base = mix(self.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let first = offset / 8;
        let skip = usize::try_from(offset % 8).unwrap_or(0);
        let wanted = usize::try_from(len).unwrap_or(usize::MAX);
        let mut all = Vec::with_capacity(wanted + 16);
        let mut word = first;
        while all.len() < wanted + skip {
            all.extend_from_slice(&mix(base.wrapping_add(word)).to_le_bytes());
            word += 1;
        }
        all.drain(..skip);
        all.truncate(wanted);
        all
    }
}
