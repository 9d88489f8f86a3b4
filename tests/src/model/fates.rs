//! Whether what a session says at its end about what it sent is true.

use bytes::Bytes;
use unbroken_proto::Side;
use unbroken_proto::event::{EndReason, Ended, StreamFate, Tally as Count};

use super::ledger::{Ledger, is_client};
use super::{Half, Verdict};

impl Ledger {
    /// Checks the fates `writer` was told. Everything the peer's machine holds must have been read out
    /// before, as far as it could be.
    ///
    /// # Errors
    /// The first promise broken.
    pub fn check_fates(&mut self, writer: Side, ended: &Ended) -> Verdict {
        let complete = matches!(ended.reason, EndReason::Closed { .. });
        let client = is_client(writer);
        let mut listed = Vec::new();
        for fate in &ended.fates.streams {
            if listed.contains(&fate.stream) {
                return Err(format!("{:?} has two fates", fate.stream));
            }
            listed.push(fate.stream);
            let Some(half) = self.halves.get_mut(&(fate.stream, client)) else {
                return Err(format!("a fate for {:?}, which never was", fate.stream));
            };
            check(half, fate, complete).map_err(|what| format!("fates of {writer:?} on {:?}: {what}", fate.stream))?;
        }
        for ((id, of), half) in &mut self.halves {
            if *of != client || listed.contains(id) || half.is_abandoned() {
                continue;
            }
            if half.has() != half.accepted() {
                return Err(format!(
                    "fates of {writer:?} do not list {id:?}, of which {:?} of {:?} arrived",
                    half.has(),
                    half.accepted()
                ));
            }
        }
        Ok(())
    }
}

fn check(half: &mut Half, fate: &StreamFate, complete: bool) -> Verdict {
    let accepted = half.accepted();
    let has = half.has();
    if fate.delivered.messages > accepted.messages || fate.delivered.bytes > accepted.bytes {
        return Err(format!("{:?} delivered of {accepted:?}", fate.delivered));
    }
    if half.is_abandoned() {
        return Ok(());
    }
    if complete && !fate.unknown.is_zero() {
        return Err(format!("a completed close leaves {:?} unknown", fate.unknown));
    }
    if fate.not_delivered.iter().any(|back| back.message != half.messages) {
        return Err("messages and bytes mixed up".to_owned());
    }
    let payloads: Vec<Bytes> = fate.not_delivered.iter().map(|back| back.payload.clone()).collect();
    let bytes = payloads.iter().map(|payload| payload.len() as u64).sum();
    let back = if half.messages {
        Count {
            messages: payloads.len() as u64,
            bytes: 0,
        }
    } else {
        Count { messages: 0, bytes }
    };
    let sum = Count {
        messages: fate.delivered.messages + fate.unknown.messages + back.messages,
        bytes: fate.delivered.bytes + fate.unknown.bytes + back.bytes,
    };
    if sum != accepted {
        return Err(format!("{fate:?} does not add up to {accepted:?}"));
    }
    if fate.delivered.messages > has.messages || fate.delivered.bytes > has.bytes {
        return Err(format!(
            "{:?} said to be delivered, the peer has {has:?}",
            fate.delivered
        ));
    }
    half.check_returned(&payloads)?;
    half.limit(Count {
        messages: accepted.messages - back.messages,
        bytes: accepted.bytes - back.bytes,
    })
}
