//! The two halves of a stream in a snapshot.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use crate::durable::fields::{
    Malformed, Read, put, put_bytes, put_flag, put_len, put_option, take, take_byte, take_bytes, take_flag, take_len,
    take_option,
};
use crate::event::{Place, Tally};
use crate::stream::credit::{RecvCredit, SendCredit};
use crate::stream::recv::{Phase, RecvHalf, Unconsumed};
use crate::stream::send::{End, Item, SendHalf, item_charge};

impl SendHalf {
    pub(super) fn save(&self, buf: &mut Vec<u8>) {
        put_len(buf, self.fragment);
        self.credit.save(buf);
        match self.end {
            End::Open => buf.push(0),
            End::Finishing => buf.push(1),
            End::Resetting { code } => {
                buf.push(2);
                put(buf, code);
            }
            End::Committed => buf.push(3),
        }
        for number in [self.delivered.messages, self.delivered.bytes, self.messages, self.bytes] {
            put(buf, number);
        }
        put_len(buf, self.stranded);
        put_option(buf, self.stopped, put);
        put_flag(buf, self.was_reset);
        self.save_queue(buf);
    }

    pub(super) fn load(rest: &mut Bytes) -> Read<SendHalf> {
        let fragment = take_fragment(rest)?;
        let mut half = SendHalf::new(fragment, 0);
        half.credit = SendCredit::load(rest)?;
        half.end = match take_byte(rest)? {
            0 => End::Open,
            1 => End::Finishing,
            2 => End::Resetting { code: take(rest)? },
            3 => End::Committed,
            _ => return Err(Malformed),
        };
        half.delivered = Tally {
            messages: take(rest)?,
            bytes: take(rest)?,
        };
        half.messages = take(rest)?;
        half.bytes = take(rest)?;
        half.stranded = take_len(rest)?;
        half.stopped = take_option(rest, take)?;
        half.was_reset = take_flag(rest)?;
        half.load_queue(rest)?;
        Ok(half)
    }

    /// What of the account is held by what waits here, and by what was abandoned with a part of it under way.
    pub(super) fn held_by_queue(&self) -> usize {
        self.stranded + self.queue.iter().map(|item| item.charge).sum::<usize>()
    }

    /// What waits, for a snapshot.
    fn save_queue(&self, buf: &mut Vec<u8>) {
        put_flag(buf, self.gathered.is_some());
        put_len(buf, self.queue.len());
        for (index, item) in self.queue.iter().enumerate() {
            put_flag(buf, item.message);
            put_flag(buf, item.started);
            put_len(buf, item.charge);
            let is_last = index + 1 == self.queue.len();
            let rest = match &self.gathered {
                Some(gathered) if is_last => &gathered[..],
                _ => &item.rest[..],
            };
            put_len(buf, rest.len());
            // The rest is the end of the whole.
            put_bytes(buf, item.whole.as_ref().map_or(rest, |whole| &whole[..]));
        }
    }

    fn load_queue(&mut self, bytes: &mut Bytes) -> Read<()> {
        let gathers = take_flag(bytes)?;
        for _ in 0..take_len(bytes)? {
            let (message, started) = (take_flag(bytes)?, take_flag(bytes)?);
            let (charge, len) = (take_len(bytes)?, take_len(bytes)?);
            let whole = take_bytes(bytes)?;
            let rest = whole.slice(whole.len().checked_sub(len).ok_or(Malformed)?..);
            self.queued_charge += item_charge(len, self.fragment);
            self.queue.push_back(Item {
                whole: (rest.len() < whole.len()).then(|| Box::new(whole)),
                rest,
                message,
                charge,
                started,
            });
        }
        if let Some(last) = self.queue.back_mut().filter(|_| gathers) {
            self.gathered = Some(BytesMut::from(&last.rest[..]));
            last.rest = Bytes::new();
        }
        Ok(())
    }
}

impl RecvHalf {
    pub(super) fn save(&self, buf: &mut Vec<u8>) {
        put_len(buf, self.fragment);
        self.credit.save(buf);
        match self.phase {
            Phase::Open => buf.push(0),
            Phase::Ended => buf.push(1),
            Phase::Reset { code } => {
                buf.push(2);
                put(buf, code);
            }
        }
        put_flag(buf, self.stopped);
        let unconsumed = self.unconsumed.as_deref();
        put_flag(buf, unconsumed.is_some_and(|unconsumed| unconsumed.noted));
        let front = unconsumed.map_or(Place::default(), |unconsumed| unconsumed.front);
        put_place(buf, front);
        put_place(buf, unconsumed.map_or(front, |unconsumed| unconsumed.arrived));
        put_len(buf, self.queue.len());
        for (payload, message_end) in &self.queue {
            put_flag(buf, *message_end);
            put_bytes(buf, payload);
        }
    }

    pub(super) fn load(rest: &mut Bytes, window: u64) -> Read<RecvHalf> {
        let mut half = RecvHalf::new(window, take_fragment(rest)?, true);
        half.credit.load(rest)?;
        half.phase = match take_byte(rest)? {
            0 => Phase::Open,
            1 => Phase::Ended,
            2 => Phase::Reset { code: take(rest)? },
            _ => return Err(Malformed),
        };
        half.stopped = take_flag(rest)?;
        let noted = take_flag(rest)?;
        // Who stopped it was not told of its end, and may stop it again.
        half.over = noted && !half.stopped;
        let mut unconsumed = Unconsumed::new(take_place(rest)?);
        unconsumed.noted = noted;
        let arrived = take_place(rest)?;
        let mut queued = unconsumed.front;
        for _ in 0..take_len(rest)? {
            let message_end = take_flag(rest)?;
            let payload = take_bytes(rest)?;
            queued = queued.behind(payload.len(), message_end);
            half.queue.push_back((payload, message_end));
        }
        // One that was exported and not durable did not count.
        unconsumed.arrived = arrived.max(queued);
        half.unconsumed = Some(Box::new(unconsumed));
        Ok(half)
    }
}

impl SendCredit {
    pub(super) fn save(self, buf: &mut Vec<u8>) {
        put(buf, self.limit());
        put(buf, self.used());
    }

    pub(super) fn load(rest: &mut Bytes) -> Read<SendCredit> {
        let (limit, used) = (take(rest)?, take(rest)?);
        SendCredit::restored(limit, used).ok_or(Malformed)
    }
}

impl RecvCredit {
    pub(super) fn save(self, buf: &mut Vec<u8>) {
        let (granted, received, consumed) = self.accounts();
        for number in [granted, received, consumed] {
            put(buf, number);
        }
    }

    /// The window stays what the configuration says.
    pub(super) fn load(&mut self, rest: &mut Bytes) -> Read<()> {
        let accounts = (take(rest)?, take(rest)?, take(rest)?);
        self.restore(accounts).ok_or(Malformed)
    }
}

fn take_fragment(rest: &mut Bytes) -> Read<usize> {
    Some(take_len(rest)?).filter(|fragment| *fragment > 0).ok_or(Malformed)
}

fn put_place(buf: &mut Vec<u8>, place: Place) {
    put(buf, place.messages);
    put(buf, place.bytes);
}

fn take_place(rest: &mut Bytes) -> Read<Place> {
    Ok(Place {
        messages: take(rest)?,
        bytes: take(rest)?,
    })
}
