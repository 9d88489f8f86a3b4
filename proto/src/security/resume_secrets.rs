//! Under which secrets a session takes a RESUME, where whoever reads first packets can see it.

use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use zeroize::Zeroizing;

use super::secrets::ResumptionSecret;
use super::suite::Suite;

/// The one or two resumption secrets of a session, written by the session and read by the registry.
///
/// They are shared, and not reported, so that the registry is never behind: a secret stands here before the answer leaves
/// from which the client has it. There is no lock, since `core` has none. None is needed: a place that is read while it is
/// written opens nothing, and only a secret that no client has yet, or may use any more, is written or wiped.
#[derive(Default)]
pub(crate) struct ResumeSecrets([Place; 2]);

#[derive(Default)]
struct Place {
    /// Its byte on the wire; 0: the place is empty.
    suite: AtomicU8,
    key: [AtomicU32; 8],
}

impl ResumeSecrets {
    /// These are the secrets from now on. One that stands here already stays where it is.
    pub(crate) fn publish(&self, secrets: [Option<&ResumptionSecret>; 2]) {
        let present = self.read();
        let is_present = |secret: &ResumptionSecret| present.iter().flatten().any(|known| known.is(secret));
        let is_wanted = |known: &ResumptionSecret| secrets.iter().flatten().any(|secret| secret.is(known));
        let mut missing = secrets.iter().flatten().filter(|secret| !is_present(secret));
        for (place, known) in self.0.iter().zip(&present) {
            if known.as_ref().is_none_or(|known| !is_wanted(known)) {
                place.write(missing.next().copied());
            }
        }
    }

    pub(crate) fn read(&self) -> [Option<ResumptionSecret>; 2] {
        self.0.each_ref().map(Place::read)
    }
}

impl Drop for ResumeSecrets {
    fn drop(&mut self) {
        self.publish([None, None]);
    }
}

impl Place {
    fn write(&self, secret: Option<&ResumptionSecret>) {
        self.suite.store(0, Ordering::Release);
        let words = secret.map_or(&[0; 32], ResumptionSecret::key).as_chunks().0;
        for (word, bytes) in self.key.iter().zip(words) {
            word.store(u32::from_ne_bytes(*bytes), Ordering::Release);
        }
        let suite = secret.map_or(0, |secret| secret.suite().byte());
        self.suite.store(suite, Ordering::Release);
    }

    fn read(&self) -> Option<ResumptionSecret> {
        let suite = Suite::from_byte(self.suite.load(Ordering::Acquire))?;
        let mut key = Zeroizing::new([0; 32]);
        for (bytes, word) in key.as_chunks_mut().0.iter_mut().zip(&self.key) {
            *bytes = word.load(Ordering::Acquire).to_ne_bytes();
        }
        Some(ResumptionSecret::new(suite, key))
    }
}

impl core::fmt::Debug for ResumeSecrets {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("ResumeSecrets(..)")
    }
}

#[cfg(test)]
mod tests;
