//! Which messages of a subject count.
//!
//! Each message names the one that its writer knew to be the last, and counts if that one does stand before it. So the order in
//! which a server stored them decides by itself, whatever it let in: of two writers that knew the same last message, the one
//! whose message stands first has gone on, and the other's says nothing to anybody.

use unbroken_driver::store::{JournalId, StoreError};

use super::errors::unavailable;
use super::head::Head;
use super::link::Link;
use super::reader::Reader;

/// Tells the messages of a subject that count from the others, in their order.
#[derive(Debug, Default)]
pub(super) struct Chain {
    previous: Option<u64>,
}

impl Chain {
    /// Whether the next message counts. The first one does: those before it were deleted because of one that did.
    pub(super) fn takes(&mut self, sequence: u64, head: &Head) -> bool {
        let previous = self.previous.replace(sequence);
        previous.is_none_or(|previous| previous == head.prev)
    }
}

/// The end of a journal.
#[derive(Clone, Debug)]
pub(super) struct Last {
    /// The sequence of the last message, which the next one must name.
    pub(super) sequence: u64,
    /// The last one that counts, and its sequence.
    pub(super) head: Head,
    pub(super) counts: u64,
}

/// The end of a journal; `None`: there is no message.
pub(super) async fn last(link: &Link, id: &JournalId) -> Result<Option<Last>, StoreError> {
    let subject = link.subject(id);
    let Some((sequence, head)) = link.last(&subject).await? else {
        return Ok(None);
    };
    let counts = sequence;
    if link.follows(&subject, head.prev, sequence).await? {
        return Ok(Some(Last { sequence, head, counts }));
    }
    // Rare: messages of two writers met. Or those before it are deleted, and it is the first.
    let mut reader = Reader::new(link, subject, false).await?;
    let mut chain = Chain::default();
    let mut end = None;
    while let Some(message) = reader.next().await? {
        let head = message.head()?;
        let sequence = message.sequence;
        if chain.takes(sequence, head) {
            let (head, counts) = (head.clone(), sequence);
            end = Some(Last { sequence, head, counts });
        } else if let Some(end) = &mut end {
            end.sequence = sequence;
        }
    }
    match end {
        Some(end) if end.sequence >= sequence => Ok(Some(end)),
        _ => Err(unavailable("a server answered that does not know the latest messages")),
    }
}
