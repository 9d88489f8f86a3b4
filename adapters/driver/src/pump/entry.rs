//! One stream, between its queues and the machine.

use std::collections::VecDeque;
use std::sync::Arc;

use unbroken_proto::Instant;
use unbroken_proto::error::{SendError, SendRefusal};
use unbroken_proto::stream::Chunk;

use crate::lock::wake;
use crate::machine::Machine;
use crate::stream::{Outgoing, SEND_LIMIT, StreamShared, chunk_charge};

/// The driver's side of one stream.
pub(super) struct Entry {
    pub(super) shared: Arc<StreamShared>,
    /// Taken out of the half's queue in one go, not yet by the machine.
    pub(super) items: VecDeque<Outgoing>,
    /// Charges of the batch, given back to the half when all of it is taken.
    pub(super) batch: usize,
    pub(super) queued: bool,
    pub(super) send_over: bool,
    pub(super) recv_over: bool,
}

pub(super) enum Fed {
    /// Nothing is left.
    Done,
    /// More came meanwhile.
    More,
    /// The machine is full.
    Full,
    /// This stream's reader has granted no more; the machine takes from others.
    Unread,
}

impl Entry {
    /// True if something is left in the machine although the half's queue is empty.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        session: &mut Machine,
        limit: usize,
        chunks: &mut VecDeque<Chunk>,
    ) -> bool {
        let before = self.shared.recv(|queue| queue.held);
        let (mut charge, mut drained, mut failure) = (0, false, None);
        while before + charge < limit && !drained && !self.recv_over {
            match session.recv(now, self.shared.id) {
                Ok(Some(chunk)) => {
                    charge += chunk_charge(&chunk);
                    self.recv_over = chunk == Chunk::End;
                    chunks.push_back(chunk);
                }
                Ok(None) => drained = true,
                Err(error) => {
                    failure = Some(error);
                    self.recv_over = true;
                }
            }
        }
        let more = !drained && !self.recv_over;
        let (waker, again) = self.shared.recv(|queue| {
            queue.held += charge;
            queue.chunks.append(chunks);
            queue.failure = failure;
            queue.starved = more && !queue.chunks.is_empty();
            let news = !queue.chunks.is_empty() || failure.is_some();
            (
                if news { queue.waker.take() } else { None },
                more && queue.chunks.is_empty(),
            )
        });
        wake(waker);
        again
    }

    /// One batch.
    pub(super) fn feed(&mut self, now: Instant, session: &mut Machine) -> Fed {
        if self.items.is_empty() {
            self.take();
        }
        while let Some(item) = self.items.pop_front() {
            let refused = match item {
                Outgoing::Message(payload) => session
                    .send(now, self.shared.id, payload)
                    .err()
                    .map(|SendError { payload, reason }| (Outgoing::Message(payload), reason)),
                Outgoing::Bytes(payload) => self.write(now, session, payload),
                Outgoing::Gathered(payload) => self.write(now, session, payload.freeze()),
            };
            if let Some((item, reason)) = refused {
                self.items.push_front(item);
                match reason {
                    SendRefusal::Full => return Fed::Full,
                    SendRefusal::Unread => return Fed::Unread,
                    _ => {}
                }
                self.refused(now, session, reason);
                return Fed::Done;
            }
        }
        self.taken(now, session)
    }

    pub(super) fn write(
        &self,
        now: Instant,
        session: &mut Machine,
        mut payload: bytes::Bytes,
    ) -> Option<(Outgoing, SendRefusal)> {
        while !payload.is_empty() {
            if let Err(reason) = session.write(now, self.shared.id, &mut payload) {
                return Some((Outgoing::Bytes(payload), reason));
            }
        }
        None
    }

    pub(super) fn take(&mut self) {
        let (items, batch) = (&mut self.items, &mut self.batch);
        self.shared.send(|queue| {
            std::mem::swap(items, &mut queue.items);
            *batch = queue.held;
        });
    }

    /// The machine took the batch: makes room for the half, and passes on how the stream ends.
    pub(super) fn taken(&mut self, now: Instant, session: &mut Machine) -> Fed {
        let batch = std::mem::take(&mut self.batch);
        let (more, finish, waker) = self.shared.send(|queue| {
            queue.held = queue.held.saturating_sub(batch);
            let waker = if queue.held < SEND_LIMIT {
                queue.waker.take()
            } else {
                None
            };
            (!queue.items.is_empty(), queue.finish, waker)
        });
        wake(waker);
        if more {
            return Fed::More;
        }
        if finish && !self.send_over {
            let _already_over = session.finish(now, self.shared.id);
            self.send_over = true;
        }
        Fed::Done
    }

    /// The machine takes nothing more. If the session is over for sending, what is left is handed
    /// back at its end; if only the stream is, it is dropped with it.
    pub(super) fn refused(&mut self, now: Instant, session: &mut Machine, reason: SendRefusal) {
        if reason == SendRefusal::SessionClosed {
            self.shared.refuse(reason);
        } else {
            let _already_over = session.reset(now, self.shared.id, 0);
            self.end_sending(reason);
        }
    }

    pub(super) fn end_sending(&mut self, reason: SendRefusal) {
        self.items.clear();
        self.shared.send(|queue| queue.items.clear());
        self.shared.refuse(reason);
        self.send_over = true;
    }
}
