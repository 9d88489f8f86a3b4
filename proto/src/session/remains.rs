//! What is kept of a session that is over, in the place of its journal: what its client is told that comes late, whichever process it
//! comes to.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use super::machine::Session;
use crate::accept::{Over, Tombstone};
use crate::config::SessionConfig;
use crate::durable::fields::{
    Malformed, Read, put, put_bytes, put_flag, put_len, put_verifier, take, take_array, take_byte, take_bytes,
    take_flag, take_len, take_verifier,
};
use crate::durable::{Record, RestoreError, read};
use crate::id::{SessionId, Side};
use crate::security::PublicKey;
use crate::time::Instant;

/// What stands in a snapshot where one that can be gone on with says whose end it is of.
pub(super) const OVER: u8 = 2;

/// A session has a secret, and may have that of a newcomer beside it.
const MOST_VERIFIERS: usize = 2;

/// A tombstone, and whose.
#[derive(Debug)]
pub(crate) struct Remains {
    pub(crate) client: PublicKey,
    pub(crate) tombstone: Tombstone,
}

impl Session {
    /// What is to be kept of a session that is over, in the place of all records before, so that its client may come late and to another process
    /// and still learns what became of it: a snapshot that [`Registry::restore`](crate::server::Registry::restore) takes for
    /// [`RestoreError::Over`]. It is needed as long as a [tombstone](crate::ServerConfig::tombstone_lifetime). To be asked for once the session
    /// has said that it is over, and all that it had to keep before is [kept](Self::wants_record). `None`: it is not so far, or nothing is to be kept, since
    /// nobody may ask, or another process goes on with the session.
    pub fn remains(&mut self) -> Option<Record> {
        let is_over = self.side == Side::Server && self.is_ended() && self.is_durable();
        let tombstone = self
            .tombstone()
            .filter(|tombstone| is_over && !tombstone.is_elsewhere())?;
        let client = self.peer_key()?;
        let (now, positions) = (self.latest.at(Instant::ZERO), self.positions());
        let mut state = Vec::new();
        Remains { client, tombstone }.save(&mut state);
        let journal = self.ledger.journal.as_mut()?;
        Some(journal.snapshot(now, positions, &state))
    }
}

impl Remains {
    /// What is left of the session that is kept as `journal`, if it is over.
    pub(crate) fn read(config: &SessionConfig, journal: &[Bytes]) -> Result<Remains, RestoreError> {
        let at_rest = config.durable.as_ref().ok_or(RestoreError::Config)?;
        let restored = read(at_rest, journal)?;
        let (number, mut state) = (restored.last().number, restored.snapshot.bytes.clone());
        let read = Remains::load(&mut state).ok();
        let whole = read.filter(|_| state.is_empty() && restored.records.is_empty());
        whole.ok_or(RestoreError::Inconsistent { number })
    }

    pub(super) fn save(&self, buf: &mut Vec<u8>) {
        let tombstone = &self.tombstone;
        buf.push(OVER);
        buf.extend_from_slice(&tombstone.id.0);
        buf.extend_from_slice(&self.client.0);
        put(buf, tombstone.position);
        put_flag(buf, tombstone.is_final);
        put(buf, *tombstone.believable.start());
        put(buf, *tombstone.believable.end());
        put(buf, tombstone.counter);
        put_len(buf, tombstone.verifiers.len());
        tombstone
            .verifiers
            .iter()
            .for_each(|verifier| put_verifier(buf, verifier));
        match tombstone.over.as_deref() {
            Some(Over::Closed { code, reason }) => {
                buf.push(1);
                put(buf, *code);
                put_bytes(buf, reason);
            }
            Some(Over::Replaced) => buf.push(2),
            None | Some(Over::Elsewhere) => buf.push(0),
        }
    }

    pub(super) fn load(rest: &mut Bytes) -> Read<Remains> {
        if take_byte(rest)? != OVER {
            return Err(Malformed);
        }
        let id = SessionId(take_array(rest)?);
        let client = PublicKey(take_array(rest)?);
        let (position, is_final) = (take(rest)?, take_flag(rest)?);
        let believable = take(rest)?..=take(rest)?;
        let counter = take(rest)?;
        let verifiers = match take_len(rest)? {
            len @ ..=MOST_VERIFIERS => (0..len).map(|_| take_verifier(rest)).collect::<Read<_>>()?,
            _ => return Err(Malformed),
        };
        let over = match take_byte(rest)? {
            0 => None,
            1 => Some(Over::Closed {
                code: take(rest)?,
                reason: Bytes::copy_from_slice(&take_bytes(rest)?),
            }),
            2 => Some(Over::Replaced),
            _ => return Err(Malformed),
        };
        let tombstone = Tombstone {
            id,
            position,
            over: over.map(Box::new),
            is_final,
            believable,
            counter,
            verifiers,
        };
        Ok(Remains { client, tombstone })
    }
}
