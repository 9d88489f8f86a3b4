//! Streams in a snapshot: what of them outlives the process.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use super::credit::{RecvCredit, SendCredit};
use super::halves::Stream;
use super::recv::{Phase, RecvHalf, Unconsumed};
use super::send::{End, SendHalf};
use super::table::Streams;
use crate::durable::fields::{
    Malformed, Read, put, put_bytes, put_flag, put_len, put_option, take, take_byte, take_bytes, take_flag, take_len,
    take_option,
};
use crate::durable::op::take_stream;
use crate::event::{Place, Tally};
use crate::id::StreamId;
use crate::reliability::Outbox;
use crate::wire::frame::Frame;

impl Streams {
    pub(crate) fn save(&self, buf: &mut Vec<u8>) {
        for number in [self.next_own, self.next_peer, self.own_slots, self.peer_slots] {
            put(buf, number);
        }
        self.send_credit.save(buf);
        self.recv_credit.save(buf);
        put_flag(buf, self.closed);
        put_len(buf, self.table.len());
        for (id, stream) in &self.table {
            put(buf, id.0);
            stream.save(buf);
        }
        for list in [&self.opening, &self.to_accept] {
            put_len(buf, list.len());
            list.iter().for_each(|id| put(buf, id.0));
        }
        put_len(buf, self.control.stop.len());
        for (id, code) in &self.control.stop {
            put(buf, id.0);
            put(buf, *code);
        }
        put_len(buf, self.control.reset.len());
        self.control.reset.iter().for_each(|id| put(buf, id.0));
    }

    /// Reads into fresh streams what was saved. `outbox`: what goes with it.
    pub(crate) fn load(&mut self, rest: &mut Bytes, outbox: &Outbox) -> Read<()> {
        self.next_own = take(rest)?;
        self.next_peer = take(rest)?;
        self.own_slots = take(rest)?;
        self.peer_slots = take(rest)?;
        self.send_credit = SendCredit::load(rest)?;
        self.recv_credit.load(rest)?;
        self.closed = take_flag(rest)?;
        for _ in 0..take_len(rest)? {
            let id = take_stream(rest)?;
            let stream = Stream::load(rest, self.limits.stream_window)?;
            self.has_short |= stream.send.fragment < self.limits.fragment;
            self.table.insert(id, stream);
        }
        for list in [&mut self.opening, &mut self.to_accept] {
            for _ in 0..take_len(rest)? {
                list.push_back(take_stream(rest)?);
            }
        }
        for _ in 0..take_len(rest)? {
            let id = take_stream(rest)?;
            self.control.stop.insert(id, take(rest)?);
        }
        for _ in 0..take_len(rest)? {
            self.control.reset.insert(take_stream(rest)?);
        }
        self.recount_held(outbox)
    }

    /// Accounts follow from what is there.
    fn recount_held(&mut self, outbox: &Outbox) -> Read<()> {
        let positions = outbox.base()..outbox.next();
        for committed in positions.filter_map(|position| outbox.get(position)) {
            self.held += committed.release;
            let id = match &committed.frame {
                Frame::Data(data) => data.stream,
                Frame::Open(open) => open.stream,
                Frame::Reset { stream, .. } => {
                    self.control.in_flight += committed.frame.charge();
                    *stream
                }
                Frame::Stop { .. } | Frame::Credit { .. } => {
                    self.control.in_flight += committed.frame.charge();
                    continue;
                }
                _ => continue,
            };
            let stream = self.table.get_mut(&id).ok_or(Malformed)?;
            stream.send.in_flight += 1;
        }
        for id in &self.opening {
            let stream = self.table.get(id).ok_or(Malformed)?;
            self.held += stream.open_frame(*id).charge();
        }
        for stream in self.table.values_mut() {
            self.queued_items += stream.send.queued();
            self.held += stream.send.held_by_queue();
            stream.recount(&mut self.held_waiting);
        }
        Ok(())
    }
}

impl Stream {
    fn save(&self, buf: &mut Vec<u8>) {
        buf.push(self.priority);
        put_bytes(buf, &self.label);
        for flag in [self.opened, self.accepted, self.slot] {
            put_flag(buf, flag);
        }
        self.send.save(buf);
        self.recv.save(buf);
    }

    fn load(rest: &mut Bytes, window: u64) -> Read<Stream> {
        Ok(Stream {
            priority: take_byte(rest)?,
            label: Bytes::copy_from_slice(&take_bytes(rest)?),
            opened: take_flag(rest)?,
            accepted: take_flag(rest)?,
            slot: take_flag(rest)?,
            send: SendHalf::load(rest)?,
            recv: RecvHalf::load(rest, window)?,
        })
    }
}

impl SendHalf {
    fn save(&self, buf: &mut Vec<u8>) {
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

    fn load(rest: &mut Bytes) -> Read<SendHalf> {
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
}

impl RecvHalf {
    fn save(&self, buf: &mut Vec<u8>) {
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
        put_option(buf, unconsumed.and_then(|unconsumed| unconsumed.skip), put_place);
        put_len(buf, self.queue.len());
        for (payload, message_end) in &self.queue {
            put_flag(buf, *message_end);
            put_bytes(buf, payload);
        }
    }

    fn load(rest: &mut Bytes, window: u64) -> Read<RecvHalf> {
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
        unconsumed.skip = take_option(rest, take_place)?;
        half.unconsumed = Some(Box::new(unconsumed));
        for _ in 0..take_len(rest)? {
            let message_end = take_flag(rest)?;
            let payload = take_bytes(rest)?;
            half.queue.push_back((payload, message_end));
        }
        Ok(half)
    }
}

impl SendCredit {
    fn save(self, buf: &mut Vec<u8>) {
        put(buf, self.limit());
        put(buf, self.used());
    }

    fn load(rest: &mut Bytes) -> Read<SendCredit> {
        let (limit, used) = (take(rest)?, take(rest)?);
        SendCredit::restored(limit, used).ok_or(Malformed)
    }
}

impl RecvCredit {
    fn save(self, buf: &mut Vec<u8>) {
        let (granted, received, consumed) = self.accounts();
        for number in [granted, received, consumed] {
            put(buf, number);
        }
    }

    /// The window stays what the configuration says.
    fn load(&mut self, rest: &mut Bytes) -> Read<()> {
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

/// A stream that was there when its session was restored: an application finds its own again by this.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoredStream {
    /// Its id.
    pub id: StreamId,
    /// What whoever opened it said that it is for.
    pub label: Bytes,
    /// What the session took of this end to be sent: who knows what it wanted to send goes on behind that.
    pub taken: Tally,
    /// Up to where what the peer sent was dealt with: what follows is handed out again.
    pub consumed: Place,
    /// Whether more may be sent on it.
    pub is_sending: bool,
}

impl Streams {
    /// The streams that the application has, by id.
    pub(crate) fn list(&self) -> Vec<RestoredStream> {
        let accepted = self.table.iter().filter(|(_, stream)| stream.accepted);
        let restored = accepted.map(|(id, stream)| RestoredStream {
            id: *id,
            label: stream.label.clone(),
            taken: Tally {
                messages: stream.send.messages,
                bytes: stream.send.bytes,
            },
            consumed: self.places(*id).map_or(Place::default(), |(_, consumed)| consumed),
            is_sending: !self.closed && stream.send.end == End::Open,
        });
        restored.collect()
    }
}
