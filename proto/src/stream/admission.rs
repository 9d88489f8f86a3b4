//! What the outbox admits. These calls come once a message, so that they look their stream up once.

use bytes::{Buf, Bytes};

use super::halves::Stream;
use super::send::{End, SendHalf, item_charge};
use super::table::Streams;
use super::waiting::Waiting;
use crate::error::{SendError, SendRefusal};
use crate::id::StreamId;
use crate::limits::waiting;

/// What decides whether the outbox takes more.
#[derive(Clone, Copy)]
struct Room {
    limit: usize,
    held: usize,
    /// Of it, what waits.
    waiting: Waiting,
    closed: bool,
}

impl Streams {
    pub(crate) fn send(&mut self, id: StreamId, payload: Bytes) -> Result<(), SendError> {
        let room = self.room();
        let stream = self.table.get_mut(&id);
        let fragment = stream.as_ref().map_or(self.limits.fragment, |s| s.send.fragment);
        let charge = item_charge(payload.len(), fragment);
        match room.judge(stream.as_deref(), charge) {
            Ok(()) => {
                self.enqueue(id, |half| half.push(payload, true));
                Ok(())
            }
            Err(reason) => {
                self.arm(id, reason, charge);
                Err(SendError { payload, reason })
            }
        }
    }

    pub(crate) fn write(&mut self, id: StreamId, data: &mut impl Buf) -> Result<usize, SendRefusal> {
        let room = self.room();
        let stream = self.table.get(&id);
        let fragment = stream.map_or(self.limits.fragment, |s| s.send.fragment);
        let granted = stream.map_or(0, |s| s.send.within_grant(s.opened));
        let most = room.limit.saturating_sub(room.held);
        let most = most.min(granted.saturating_add(room.for_waiting(stream.is_some_and(|s| s.opened))));
        let mut take = data.remaining().min(most);
        // Each fragment is charged too; what they are over goes.
        while take > 0 && item_charge(take, fragment) > most {
            take = take.saturating_sub(item_charge(take, fragment) - most);
        }
        let charge = match take {
            0 => item_charge(data.remaining(), fragment).min(room.limit / 4),
            _ => item_charge(take, fragment),
        };
        if let Err(refusal) = room.judge(stream, charge) {
            self.arm(id, refusal, charge);
            return Err(refusal);
        }
        if take > 0 {
            self.enqueue(id, |half| half.push_bytes(data, take));
        }
        Ok(take)
    }

    /// Whether the half is open and the outbox has room for `charge`.
    #[cfg(test)]
    pub(super) fn judge(&self, id: StreamId, charge: usize) -> Result<(), SendRefusal> {
        self.room().judge(self.table.get(&id), charge)
    }

    fn room(&self) -> Room {
        Room {
            limit: self.limits.outbox,
            held: self.held,
            waiting: self.held_waiting,
            closed: self.closed,
        }
    }

    /// Arms what tells that a refused half may try again.
    fn arm(&mut self, id: StreamId, refusal: SendRefusal, charge: usize) {
        match refusal {
            SendRefusal::Unread => {
                let stream = self.table.get(&id);
                let opened = stream.is_some_and(|stream| stream.opened);
                let is_full = self.held_waiting.total() + charge > self.limits.outbox;
                if is_full && !self.is_stop_hidden(id) {
                    // There is none before what waits has gone, whoever it waits for.
                    self.want_room(charge);
                } else {
                    let beyond = stream.map_or(0, |stream| beyond_grant(stream, charge));
                    self.want_waiting_room(beyond, opened);
                }
            }
            SendRefusal::Full => self.want_room(charge),
            _ => {}
        }
    }

    pub(super) fn enqueue(&mut self, id: StreamId, push: impl FnOnce(&mut SendHalf) -> usize) {
        if let Some(stream) = self.table.get_mut(&id) {
            let before = stream.send.queued();
            self.held += push(&mut stream.send);
            self.queued_items += stream.send.queued() - before;
            stream.recount(&mut self.held_waiting);
            stream.schedule(id, &mut self.schedule);
        }
    }
}

impl Room {
    fn judge(self, stream: Option<&Stream>, charge: usize) -> Result<(), SendRefusal> {
        if self.closed {
            return Err(SendRefusal::SessionClosed);
        }
        let stream = stream.filter(|s| s.accepted).ok_or(SendRefusal::UnknownStream)?;
        if let Some(code) = stream.send.stopped {
            return Err(match stream.recv.unkept().stop {
                // Why is said once that is kept.
                true => SendRefusal::Unread,
                false => SendRefusal::Stopped(code),
            });
        }
        if stream.send.end != End::Open {
            return Err(SendRefusal::StreamClosed);
        }
        if charge > self.limit {
            return Err(SendRefusal::TooLarge);
        }
        // A message larger than this room has to be let in some time: when nothing else waits for readers. What waits for a slot may wait
        // for this very stream.
        let alone = stream.opened && self.waiting.readers == 0;
        let waits = beyond_grant(stream, charge) > self.for_waiting(stream.opened);
        if waits && !alone {
            return Err(SendRefusal::Unread);
        }
        // What waits leaves no room for it, however much is acknowledged: nobody else has to wait for that.
        if self.waiting.total() + charge > self.limit {
            return Err(SendRefusal::Unread);
        }
        if self.held + charge > self.limit {
            return Err(SendRefusal::Full);
        }
        Ok(())
    }

    /// What may still be queued beyond the peer's grants.
    fn for_waiting(self, opened: bool) -> usize {
        self.waiting.room(waiting(self.limit), opened)
    }
}

/// Of `charge` more on the stream, what would wait for its reader.
fn beyond_grant(stream: &Stream, charge: usize) -> usize {
    stream.send.held_up(stream.opened, charge) - stream.send.waiting
}
