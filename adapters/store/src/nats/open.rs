//! Taking over a journal: politely, while its owner lives; and in any case by a message that fences the owner before.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use unbroken_driver::store::{Fence, JournalId, KeptJournal, Opened, StoreError};

use super::chain::{Chain, Last, last};
use super::errors::{damaged, unavailable};
use super::fold::Fold;
use super::head::{Head, Kind};
use super::link::{Link, Place, Published, now};
use super::node::{Answer, Node};
use super::owned::{Span, Tail};
use super::reader::Reader;

/// How often a message of the owner before may come between.
const ATTEMPTS: usize = 16;
/// How long to wait before a node that is not connected is looked for again.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn open(node: &Node, id: &JournalId) -> Result<Opened, StoreError> {
    let _opening = node.opening(id);
    let taken = take(node, id, Some(node.config.handover)).await?;
    let taken = taken.ok_or_else(|| unavailable("its owner does not give it up"))?;
    opened(node, id, taken).await
}

/// The same, if nobody owns it that lives.
pub(super) async fn open_abandoned(node: &Node, id: &JournalId) -> Result<Option<Opened>, StoreError> {
    let _opening = node.opening(id);
    match take(node, id, None).await? {
        Some(taken) => opened(node, id, taken).await.map(Some),
        None => Ok(None),
    }
}

async fn opened(node: &Node, id: &JournalId, (fence, head): (u64, Head)) -> Result<Opened, StoreError> {
    let mut tail = Tail {
        next: Place::behind(fence),
        head,
        spans: Vec::new(),
    };
    let journal = if tail.head.kept.is_none() {
        KeptJournal::default()
    } else {
        load(&node.link, id, &mut tail, &Reading::Fenced).await?
    };
    node.own(id, fence, tail);
    Ok(Opened {
        fence: Fence(fence),
        journal,
    })
}

/// What is kept, whoever owns it.
pub(super) async fn read(node: &Node, id: &JournalId) -> Result<KeptJournal, StoreError> {
    for _ in 0..ATTEMPTS {
        let Some(Last { head, counts, .. }) = last(&node.link, id).await? else {
            return Ok(KeptJournal::default());
        };
        if head.kept.is_none() || head.is_expired(now()) {
            return Ok(KeptJournal::default());
        }
        let mut tail = Tail {
            next: Place::behind(counts),
            head,
            spans: Vec::new(),
        };
        match load(&node.link, id, &mut tail, &Reading::Owned).await {
            // A snapshot has taken the place of what was to be read.
            Err(StoreError::Fenced) => {}
            journal => return journal,
        }
    }
    Err(unavailable("the journal is written by others"))
}

/// Whose journal is read, up to which message.
enum Reading {
    /// Ours, up to our fence, which adds nothing to it.
    Fenced,
    /// Anybody's, up to and with its last message.
    Owned,
}

/// Makes this node the owner, and returns its fence and what is kept. An owner that lives is asked for it, and has that long to answer; or is
/// left alone, so that there is nothing to return.
async fn take(node: &Node, id: &JournalId, handover: Option<Duration>) -> Result<Option<(u64, Head)>, StoreError> {
    let subject = node.link.subject(id);
    let deadline = handover.map(|handover| Instant::now() + handover);
    for _ in 0..ATTEMPTS {
        let found = match deadline {
            Some(deadline) => give_up(node, id, deadline).await?,
            None => last(&node.link, id).await?,
        };
        if deadline.is_none() && is_another_ones(node, found.as_ref()).await? {
            return Ok(None);
        }
        let place = found.as_ref().map_or(Place::behind(0), |last| last.next);
        let head = match found.map(|last| last.head) {
            Some(head) if head.kept.is_some() && !head.is_expired(now()) => Head {
                node: node.name.clone(),
                ..head.with(Kind::Fence)
            },
            _ => Head::empty(&node.name),
        };
        if let Published::At(fence) = node.link.publish(&subject, place, &head, Bytes::new()).await? {
            return Ok(Some((fence, Head { fence, ..head })));
        }
    }
    Err(unavailable("the journal is written by others"))
}

/// Whether another node owns the journal, and lives.
async fn is_another_ones(node: &Node, found: Option<&Last>) -> Result<bool, StoreError> {
    match found.map(|last| &last.head) {
        Some(head) if head.is_owned() && !head.is_expired(now()) && head.node != node.name => {
            node.is_alive(&head.node).await
        }
        _ => Ok(false),
    }
}

/// Waits until the journal may be taken over, and returns its last message.
async fn give_up(node: &Node, id: &JournalId, deadline: Instant) -> Result<Option<Last>, StoreError> {
    loop {
        let found = last(&node.link, id).await?;
        let Some(Last { next, head, .. }) = &found else {
            return Ok(None);
        };
        if !is_another_ones(node, found.as_ref()).await? {
            return Ok(found);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        match node.ask(&head.node, id, head.fence, left).await {
            Answer::GivenUp => {
                // An owner that says it is none, and has written nothing since, does not know the journal any more.
                let again = last(&node.link, id).await?;
                if again.as_ref().is_none_or(|again| again.next == *next) {
                    return Ok(again);
                }
            }
            Answer::Nobody => tokio::time::sleep(PAUSE.min(left)).await,
            Answer::Nothing => {}
        }
        if Instant::now() >= deadline {
            // What may have come at the last moment.
            let again = last(&node.link, id).await?;
            let is_given_up = again.as_ref().is_none_or(|again| !again.head.is_owned());
            if is_given_up || !node.is_alive(&head.node).await? {
                return Ok(again);
            }
            return Err(unavailable(format!(
                "its owner, the node {}, does not give it up",
                head.node
            )));
        }
    }
}

/// Reads the journal up to that message, and notes where its records are. [`StoreError::Fenced`]: the message is not there any more.
async fn load(link: &Link, id: &JournalId, tail: &mut Tail, reading: &Reading) -> Result<KeptJournal, StoreError> {
    let subject = link.subject(id);
    let deadline = Instant::now() + link.timeout;
    let mut reader = Reader::new(link, subject.clone(), false).await?;
    let mut fold = Fold::default();
    let mut chain = Chain::default();
    let mut start = None;
    loop {
        let Some(message) = reader.next().await? else {
            // A server that is behind the others reads for us.
            if Instant::now() >= deadline {
                return Err(unavailable("the last messages of the journal do not come"));
            }
            tokio::time::sleep(PAUSE).await;
            reader.look_again();
            continue;
        };
        if message.sequence > tail.next.behind {
            return Err(StoreError::Fenced);
        }
        let head = message.head()?;
        // That the last one counts is known.
        if message.sequence < tail.next.behind && !chain.takes(message.sequence, head) {
            continue;
        }
        // Where the message begins: with itself, or its first part.
        if head.kind == Kind::Part && (head.parts == 0 || start.is_none()) {
            start = Some(message.sequence);
        } else if head.kind != Kind::Part {
            let start = start.take().unwrap_or(message.sequence);
            if let (Kind::Records, Some(through)) = (head.kind, head.kept) {
                tail.spans.push(Span { start, through });
            }
        }
        let is_last = message.sequence == tail.next.behind;
        if !is_last || matches!(reading, Reading::Owned) {
            let taken = fold.take(message.sequence, head, message.body.clone());
            taken.map_err(|what| damaged(format!("{subject}: {what}")))?;
        }
        if is_last {
            break;
        }
    }
    let base = tail.head.base;
    tail.spans.retain(|span| base.is_none_or(|base| span.through > base));
    let (snapshot, records) = fold
        .finish(&tail.head)
        .map_err(|what| damaged(format!("{subject}: {what}")))?;
    let at = tail.head.at;
    Ok(KeptJournal {
        snapshot,
        records,
        written_ago: (at > 0).then(|| Duration::from_millis(now().saturating_sub(at))),
    })
}
