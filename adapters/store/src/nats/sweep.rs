//! Which journals there are, and the end of those that may be deleted.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use unbroken_driver::store::{JournalId, StoreError};

use super::head::{Head, Kind};
use super::link::{Published, now};
use super::node::Node;
use super::reader::Reader;

/// The journals of which something is kept.
pub(super) async fn list(node: &Node) -> Result<Vec<JournalId>, StoreError> {
    let mut ids = Vec::new();
    let mut has_garbage = false;
    scan(node, |id, _, head| {
        let is_kept = head.kept.is_some() && !head.is_expired(now());
        if is_kept {
            ids.push(id);
        } else if !head.is_owned() || head.kept.is_some() {
            has_garbage = true;
        }
    })
    .await?;
    if has_garbage {
        node.garbage.notify_one();
    }
    Ok(ids)
}

/// Shows the last message of each journal that has one. What is no journal is left alone: whoever opens it hears of it.
async fn scan(node: &Node, mut each: impl FnMut(JournalId, u64, &Head)) -> Result<(), StoreError> {
    let mut reader = Reader::new(&node.link, format!("{}.j.*", node.link.name), true).await?;
    while let Some(message) = reader.next().await? {
        if let (Some(id), Ok(head)) = (node.link.journal(&message.subject), &message.head) {
            each(id, message.sequence, head);
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
    scan(node, |id, last, head| {
        if head.is_expired(now()) || head.kept.is_none() {
            garbage.push((id, last, head.clone()));
        }
    })
    .await?;
    let mut living = HashMap::new();
    for (id, last, head) in garbage {
        // Somebody has opened it, and is about to write.
        if head.is_owned() && head.kept.is_none() {
            let is_alive = match living.get(&head.node) {
                Some(is_alive) => *is_alive,
                None => head.node == node.name || node.is_alive(&head.node).await?,
            };
            living.insert(head.node.clone(), is_alive);
            if is_alive {
                continue;
            }
        }
        remove(node, &id, last, &head).await?;
    }
    Ok(())
}

/// Deletes a journal whose last message is that one still.
async fn remove(node: &Node, id: &JournalId, last: u64, head: &Head) -> Result<(), StoreError> {
    let subject = node.link.subject(id);
    let mut last = last;
    if head.kind != Kind::Removed {
        let end = Head {
            kind: Kind::Removed,
            fence: head.fence,
            ..Head::empty(&node.name)
        };
        match node.link.publish(&subject, last, &end, Bytes::new(), true).await? {
            Published::At(sequence) => last = sequence,
            Published::Late => return Ok(()),
        }
    }
    node.link.purge(&subject, last.saturating_add(1)).await
}
