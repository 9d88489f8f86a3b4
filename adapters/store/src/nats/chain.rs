//! Which messages of a subject count.
//!
//! Each message names the one that its writer knew to be the last, and counts if that one does stand before it. So the order in
//! which a server stored them decides by itself, whatever it let in: of two writers that knew the same last message, the one
//! whose message stands first has gone on, and the other's says nothing to anybody.

use unbroken_driver::store::{JournalId, StoreError};

use super::errors::unavailable;
use super::head::Head;
use super::link::{Link, Place};
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
    /// Where the next message comes.
    pub(super) next: Place,
    /// The last message that counts, and its sequence.
    pub(super) head: Head,
    pub(super) counts: u64,
}

fn is_behind() -> StoreError {
    unavailable("a server answered that does not know the latest messages")
}

/// The end of a journal; `None`: there is no message.
pub(super) async fn last(link: &Link, id: &JournalId) -> Result<Option<Last>, StoreError> {
    let subject = link.subject(id);
    let Some((counts, head)) = link.last(&subject).await? else {
        if !link.has_some(&subject).await? {
            return Ok(None);
        }
        let mut end = walk(link, subject).await?.ok_or_else(is_behind)?;
        end.next.is_forgotten = true;
        return Ok(Some(end));
    };
    if link.follows(&subject, head.prev, counts).await? {
        let next = Place::behind(counts);
        return Ok(Some(Last { next, head, counts }));
    }
    // Rare: messages of two writers met.
    match walk(link, subject).await? {
        Some(end) if end.next.behind >= counts => Ok(Some(end)),
        _ => Err(is_behind()),
    }
}

/// Looks at each message of a subject.
async fn walk(link: &Link, subject: String) -> Result<Option<Last>, StoreError> {
    let mut reader = Reader::new(link, subject, false).await?;
    let mut chain = Chain::default();
    let mut end = None;
    while let Some(message) = reader.next().await? {
        let (head, counts) = (message.head()?, message.sequence);
        let next = Place::behind(counts);
        if chain.takes(counts, head) {
            let head = head.clone();
            end = Some(Last { next, head, counts });
        } else if let Some(end) = &mut end {
            end.next = next;
        }
    }
    Ok(end)
}
