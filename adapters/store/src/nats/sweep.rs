//! Which journals there are, and the end of those that may be deleted.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use unbroken_driver::store::{JournalId, StoreError};

use super::chain::{Last, last};
use super::head::{Head, Kind};
use super::link::{Published, now};
use super::node::Node;
use super::reader::Reader;

/// How long a journal's last message stays that says that it is removed, in milliseconds: longer than any message is on its way
/// among servers.
const LINGER: u64 = 60_000;

/// The journals of which something is kept.
pub(super) async fn list(node: &Node) -> Result<Vec<JournalId>, StoreError> {
    let mut ids = Vec::new();
    let mut has_garbage = false;
    scan(node, |id, head| {
        let is_kept = head.kept.is_some() && !head.is_expired(now());
        if is_kept {
            ids.push(id);
        } else if head.kept.is_some() {
            has_garbage = true;
        }
    })
    .await?;
    if has_garbage {
        node.garbage.notify_one();
    }
    Ok(ids)
}

/// Those of sessions that are not over and that no living node owns, this one included.
pub(super) async fn abandoned(node: &Node) -> Result<Vec<JournalId>, StoreError> {
    let mut kept = Vec::new();
    scan(node, |id, head| {
        if head.kept.is_some() && head.expires.is_none() {
            kept.push((id, head.clone()));
        }
    })
    .await?;
    let mut living = HashMap::new();
    let mut abandoned = Vec::new();
    for (id, head) in kept {
        // One that this node could not read when it opened it is nobody's.
        let is_lost = head.node == node.name && !node.has(&id);
        if is_lost || !is_alive(node, &head, &mut living).await? {
            abandoned.push(id);
        }
    }
    Ok(abandoned)
}

/// Shows the last message of each journal that has one. What is no journal is left alone: whoever opens it hears of it.
async fn scan(node: &Node, mut each: impl FnMut(JournalId, &Head)) -> Result<(), StoreError> {
    let mut reader = Reader::new(&node.link, format!("{}.j.*", node.link.name), true).await?;
    while let Some(message) = reader.next().await? {
        if let (Some(id), Ok(head)) = (node.link.journal(&message.subject), &message.head) {
            each(id, head);
        }
    }
    Ok(())
}

/// Deletes what may be deleted, now and then.
pub(super) async fn sweep(node: Arc<Node>, jitter: f64) {
    loop {
        // Nodes that were started together do not all look at once.
        let time = node.config.sweep.mul_f64(0.75 + jitter / 2.0);
        let _ = tokio::time::timeout(time, node.garbage.notified()).await;
        // What fails now is found again.
        let _ = sweep_once(&node).await;
    }
}

async fn sweep_once(node: &Node) -> Result<(), StoreError> {
    let mut garbage = Vec::new();
    scan(node, |id, head| {
        if head.is_expired(now()) || head.kept.is_none() {
            garbage.push(id);
        }
    })
    .await?;
    let mut living = HashMap::new();
    for id in garbage {
        let Some(Last { next, head, .. }) = last(&node.link, &id).await? else {
            continue;
        };
        let subject = node.link.subject(&id);
        if head.kind == Kind::Removed {
            if head.at.saturating_add(LINGER) < now() {
                node.link.purge(&subject, next.behind.saturating_add(1)).await?;
            }
            continue;
        }
        // Somebody has opened it, and is about to write; or what is kept has changed.
        if !head.is_expired(now()) && (head.kept.is_some() || is_alive(node, &head, &mut living).await?) {
            continue;
        }
        let end = Head {
            fence: head.fence,
            ..Head::removed(&node.name, now())
        };
        if let Published::At(sequence) = node.link.publish(&subject, next, &end, Bytes::new()).await? {
            node.link.purge(&subject, sequence).await?;
        }
    }
    Ok(())
}

/// Whether the owner lives, if there is one.
async fn is_alive(node: &Node, head: &Head, known: &mut HashMap<String, bool>) -> Result<bool, StoreError> {
    if !head.is_owned() {
        return Ok(false);
    }
    if let Some(is_alive) = known.get(&head.node) {
        return Ok(*is_alive);
    }
    if head.node == node.name {
        return Ok(true);
    }
    let is_alive = node.is_alive(&head.node).await?;
    known.insert(head.node.clone(), is_alive);
    Ok(is_alive)
}
