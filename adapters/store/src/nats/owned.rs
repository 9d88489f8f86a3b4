//! A journal that this node owns: what is written is fenced by the sequence of the message that it must follow.
//!
//! Owners and records stand in one subject, and a server stores a message only behind the one that its writer knows to be the
//! last. So nothing of an owner is stored once there is another one, however late it comes; and a message whose answer was lost
//! is stored at most once, since the message itself is in the way of its repetition.

use std::sync::{Mutex, PoisonError};

use async_nats::Subject;
use bytes::Bytes;
use unbroken_driver::store::{JournalId, Snapshot, StoreError};

use super::chain::{Last, last};
use super::errors::{failed, unavailable};
use super::frames;
use super::head::{Head, Kind};
use super::link::{Link, Place, Published, now};
use super::room::Room;

/// How often a message is tried that others come before. Each of them was this owner's own, so one is the rule.
const ATTEMPTS: usize = 8;

/// Where records are in the stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    /// The sequence of the first message that has some of them, or of one before it.
    pub(super) start: u64,
    /// The number of the last of them.
    pub(super) through: u64,
}

/// The end of a journal, as its owner knows it.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    /// Where the next message comes.
    pub(super) next: Place,
    pub(super) head: Head,
    /// Where the records behind the snapshot are, in order.
    pub(super) spans: Vec<Span>,
}

#[derive(Debug)]
pub(super) struct Owned {
    pub(super) id: JournalId,
    pub(super) fence: u64,
    subject: String,
    tail: tokio::sync::Mutex<Tail>,
    /// Where to tell nodes that it is given up.
    waiting: Mutex<Vec<Subject>>,
}

fn too_many() -> StoreError {
    unavailable("messages of this owner come before each other")
}

impl Owned {
    pub(super) fn new(link: &Link, id: &JournalId, fence: u64, tail: Tail) -> Owned {
        Owned {
            id: id.clone(),
            fence,
            subject: link.subject(id),
            tail: tokio::sync::Mutex::new(tail),
            waiting: Mutex::default(),
        }
    }

    /// Notes who waits for it to be given up; `false`: there are too many.
    pub(super) fn wait(&self, reply: Subject) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = waiting.len() < 64;
        if has_room {
            waiting.push(reply);
        }
        has_room
    }

    /// Who waits for it.
    pub(super) fn take_waiting(&self) -> Vec<Subject> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) async fn append(
        &self,
        link: &Link,
        room: &Room,
        first: u64,
        records: &[Bytes],
    ) -> Result<(), StoreError> {
        let mut tail = self.tail.lock().await;
        let mut is_sure = false;
        for _ in 0..ATTEMPTS {
            let kept = self.kept(&tail)?;
            let is_gap = first > kept.saturating_add(1);
            let known = usize::try_from(kept.saturating_add(1).saturating_sub(first)).unwrap_or(usize::MAX);
            let new = records.get(known..).unwrap_or_default();
            if is_gap || new.is_empty() {
                // Whoever is the owner no longer must hear that first.
                if is_sure {
                    return if is_gap {
                        Err(StoreError::Gap { first, kept })
                    } else {
                        Ok(())
                    };
                }
                self.catch_up(link, &mut tail).await?;
                is_sure = true;
                continue;
            }
            let body = frames::join(new).ok_or_else(|| failed("a record has less than 4 GiB"))?;
            let size = body.len();
            self.find_room(link, room, size).await?;
            let count = u64::try_from(new.len()).unwrap_or(u64::MAX);
            let through = kept
                .checked_add(count)
                .ok_or_else(|| failed("no number is left for a record"))?;
            let head = Head {
                kept: Some(through),
                at: now(),
                count,
                ..tail.head.with(Kind::Records)
            };
            if let Some(start) = self.put(link, &mut tail, head, body).await? {
                tail.spans.push(Span { start, through });
                room.fill(size);
                return Ok(());
            }
            self.catch_up(link, &mut tail).await?;
            is_sure = true;
        }
        Err(too_many())
    }

    pub(super) async fn replace(&self, link: &Link, snapshot: &Snapshot) -> Result<(), StoreError> {
        let through = snapshot.through;
        let mut tail = self.tail.lock().await;
        let mut is_sure = false;
        for _ in 0..ATTEMPTS {
            let kept = self.kept(&tail)?.max(through);
            if tail.head.base.is_some_and(|base| through < base) {
                // It comes too late: the records between are gone.
                if is_sure {
                    return Ok(());
                }
                self.catch_up(link, &mut tail).await?;
                is_sure = true;
                continue;
            }
            let at = now();
            let keep_for = snapshot
                .keep_for
                .map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
            let head = Head {
                kept: Some(kept),
                base: Some(through),
                at,
                expires: keep_for.map(|time| at.saturating_add(time)),
                ..tail.head.with(Kind::Snapshot)
            };
            let stays = tail
                .spans
                .iter()
                .find(|span| span.through > through)
                .map(|span| span.start);
            if let Some(start) = self.put(link, &mut tail, head, snapshot.bytes.clone()).await? {
                tail.spans.retain(|span| span.through > through);
                // Garbage that stays for now goes with the next snapshot.
                let _ = link.purge(&self.subject, stays.unwrap_or(start)).await;
                return Ok(());
            }
            self.catch_up(link, &mut tail).await?;
            is_sure = true;
        }
        Err(too_many())
    }

    /// Gives it up, and leaves what is kept unless it is to be removed.
    pub(super) async fn end(&self, link: &Link, is_removed: bool) -> Result<(), StoreError> {
        let mut tail = self.tail.lock().await;
        for _ in 0..ATTEMPTS {
            let is_removed = is_removed || tail.head.kept.is_none() || tail.head.is_expired(now());
            let head = if is_removed {
                Head {
                    fence: self.fence,
                    ..Head::removed(&tail.head.node, now())
                }
            } else {
                tail.head.with(Kind::Released)
            };
            if let Published::At(sequence) = link.publish(&self.subject, tail.next, &head, Bytes::new()).await? {
                if is_removed {
                    // The message itself stays for a while, as something that what comes too late does not follow.
                    let _ = link.purge(&self.subject, sequence).await;
                }
                return Ok(());
            }
            let found = last(link, &self.id).await?;
            // It is deleted, or this was said before, and the answer was lost.
            let Some(end) = &found else { return Ok(()) };
            let is_over = end.head.fence == self.fence && !end.head.is_owned();
            if is_over && (!is_removed || end.head.kind == Kind::Removed) {
                return Ok(());
            }
            self.catch_up_to(&mut tail, found, is_over)?;
        }
        Err(too_many())
    }

    /// The number of the last record, while the journal is there at all.
    fn kept(&self, tail: &Tail) -> Result<u64, StoreError> {
        if tail.head.is_expired(now()) {
            return Err(StoreError::Fenced);
        }
        Ok(tail.head.kept.unwrap_or(0))
    }

    /// Refuses what would take the room that is kept for what makes room.
    async fn find_room(&self, link: &Link, room: &Room, size: usize) -> Result<(), StoreError> {
        if room.has(size) {
            return Ok(());
        }
        // Others may have made room since the server was last asked.
        if let Some(info) = link.info().await? {
            room.learn(&info);
        }
        if room.has(size) {
            return Ok(());
        }
        Err(StoreError::Full(
            "the stream has as many bytes as appends may fill".into(),
        ))
    }

    /// Writes a message, in parts if it must be, and returns the sequence of the first of them; `None`: others came before.
    async fn put(&self, link: &Link, tail: &mut Tail, head: Head, body: Bytes) -> Result<Option<u64>, StoreError> {
        let (parts, end) = frames::pieces(body, link.largest());
        let mut stored: Vec<u64> = Vec::new();
        let whole = Head {
            parts: u64::try_from(parts.len()).unwrap_or(u64::MAX),
            ..head
        };
        let heads = (0..whole.parts).map(|parts| Head {
            parts,
            ..tail.head.with(Kind::Part)
        });
        let mut next = tail.next;
        for (head, piece) in heads.chain([whole.clone()]).zip(parts.into_iter().chain([end])) {
            match link.publish(&self.subject, next, &head, piece).await {
                Ok(Published::At(sequence)) => next = Place::behind(sequence),
                Ok(Published::Late) => return Ok(None),
                Err(full @ StoreError::Full(_)) => {
                    // The room that its beginning took is given back, but for the last part: of a subject whose last message
                    // was deleted, a server of 2.9 says that it has none.
                    stored.pop();
                    for sequence in stored {
                        let _ = link.delete(sequence).await;
                    }
                    return Err(full);
                }
                Err(error) => return Err(error),
            }
            stored.push(next.behind);
        }
        tail.next = next;
        tail.head = whole;
        Ok(stored.first().copied())
    }

    /// Learns what the last message is, which is not the one that was thought to be.
    async fn catch_up(&self, link: &Link, tail: &mut Tail) -> Result<(), StoreError> {
        self.catch_up_to(tail, last(link, &self.id).await?, false)
    }

    fn catch_up_to(&self, tail: &mut Tail, found: Option<Last>, may_be_released: bool) -> Result<(), StoreError> {
        let Some(Last { next, head, counts }) = found else {
            return Err(StoreError::Fenced);
        };
        if head.fence > self.fence || (head.fence == self.fence && !head.is_owned() && !may_be_released) {
            return Err(StoreError::Fenced);
        }
        if head.fence < self.fence {
            return Err(unavailable("a server answered that does not know the latest messages"));
        }
        let through = head.kept.unwrap_or(0);
        if next.behind < tail.next.behind {
            // The servers have lost something. Where the rest is, is not known: nothing of it may be deleted.
            tail.spans = vec![Span { start: 1, through }];
        } else if through > tail.head.kept.unwrap_or(0) {
            // Where the parts of a message begin is not known.
            let start = if head.parts == 0 { counts } else { 1 };
            tail.spans.push(Span { start, through });
        }
        if let Some(base) = head.base {
            tail.spans.retain(|span| span.through > base);
        }
        tail.next = next;
        tail.head = head;
        Ok(())
    }
}
