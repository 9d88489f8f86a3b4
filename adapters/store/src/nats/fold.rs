//! What is kept of a journal, made of its messages in their order.
//!
//! A journal begins with its first message, or with any other one if a server has deleted those before, which a snapshot has
//! made needless. A snapshot whose garbage is still there takes the place of it.

use bytes::{Bytes, BytesMut};

use super::frames;
use super::head::{Head, Kind};

#[derive(Debug, Default)]
pub(super) struct Fold {
    snapshot: Option<(u64, Bytes)>,
    /// With their numbers, which have no gap.
    records: Vec<(u64, Bytes)>,
    /// The number of the record that must come next, if anything came.
    next: Option<u64>,
    /// Parts whose end has not come.
    parts: Vec<Bytes>,
    /// The latest fence.
    fence: u64,
}

/// What there is.
pub(super) type Kept = (Option<(u64, Bytes)>, Vec<Bytes>);

impl Fold {
    /// Takes the next message; in words, what is wrong with it.
    pub(super) fn take(&mut self, sequence: u64, head: &Head, body: Bytes) -> Result<(), String> {
        if head.fence < self.fence {
            return Err(format!(
                "message {sequence} was written under the fence {}, behind {}",
                head.fence, self.fence
            ));
        }
        self.fence = head.fence;
        match head.kind {
            Kind::Part => self.part(head, body),
            Kind::Records => self.records(sequence, head, body)?,
            Kind::Snapshot => self.snapshot(sequence, head, body)?,
            Kind::Fence | Kind::Released | Kind::Removed => {
                self.parts.clear();
                // Who takes over what may be deleted begins anew.
                if head.kept.is_none() {
                    *self = Fold {
                        fence: self.fence,
                        ..Fold::default()
                    };
                }
            }
        }
        Ok(())
    }

    fn part(&mut self, head: &Head, body: Bytes) {
        if head.parts == 0 {
            self.parts.clear();
        }
        // One that does not follow those before is left of a call that failed: its end, if it came, would not find as many.
        if u64::try_from(self.parts.len()) == Ok(head.parts) {
            self.parts.push(body);
        }
    }

    /// The body with all that came before it in parts.
    fn whole(&mut self, sequence: u64, head: &Head, body: Bytes) -> Result<Bytes, String> {
        let parts = std::mem::take(&mut self.parts);
        if head.parts == 0 {
            return Ok(body);
        }
        if u64::try_from(parts.len()) != Ok(head.parts) {
            return Err(format!(
                "of the {} parts before message {sequence}, {} are there",
                head.parts,
                parts.len()
            ));
        }
        let mut whole = BytesMut::new();
        for part in parts.iter().chain([&body]) {
            whole.extend_from_slice(part);
        }
        Ok(whole.freeze())
    }

    fn records(&mut self, sequence: u64, head: &Head, body: Bytes) -> Result<(), String> {
        let body = self.whole(sequence, head, body)?;
        let records = frames::split(body, head.count);
        let records = records.ok_or_else(|| format!("message {sequence} does not have its {} records", head.count))?;
        let next = head.kept.and_then(|kept| kept.checked_add(1));
        let first = next
            .and_then(|next| next.checked_sub(head.count))
            .filter(|first| *first > 0);
        let (Some(next), Some(first)) = (next, first) else {
            return Err(format!("the records of message {sequence} have no numbers"));
        };
        if self.next.is_some_and(|expected| expected != first) {
            return Err(format!(
                "message {sequence} begins with record {first}, which does not follow"
            ));
        }
        self.records.extend((first..).zip(records));
        self.next = Some(next);
        Ok(())
    }

    fn snapshot(&mut self, sequence: u64, head: &Head, body: Bytes) -> Result<(), String> {
        let body = self.whole(sequence, head, body)?;
        let through = head
            .base
            .ok_or_else(|| format!("the snapshot in message {sequence} has no number"))?;
        let before = self.snapshot.as_ref().map_or(0, |(through, _)| *through);
        if through < before {
            return Err(format!(
                "the snapshot in message {sequence} stands before the one it follows"
            ));
        }
        let behind = through.saturating_add(1);
        self.records.retain(|(number, _)| *number > through);
        self.next = Some(self.next.map_or(behind, |next| next.max(behind)));
        self.snapshot = Some((through, body));
        Ok(())
    }

    /// What there is, if it is all that the last message says there is.
    pub(super) fn finish(self, last: &Head) -> Result<Kept, String> {
        let kept = self.next.map(|next| next.saturating_sub(1));
        let base = self.snapshot.as_ref().map(|(through, _)| *through);
        if kept != last.kept || base != last.base {
            return Err(format!(
                "of the records up to {:?} and the snapshot {:?}, those up to {kept:?} and {base:?} are there",
                last.kept, last.base
            ));
        }
        let first = base.map_or(1, |base| base.saturating_add(1));
        if self.records.first().is_some_and(|(number, _)| *number != first) {
            return Err(format!("record {first} is missing"));
        }
        Ok((
            self.snapshot,
            self.records.into_iter().map(|(_, record)| record).collect(),
        ))
    }
}

#[cfg(test)]
mod tests;
