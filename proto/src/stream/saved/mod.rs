//! Streams in a snapshot: what of them outlives the process.

mod halves;
mod list;

use alloc::vec::Vec;

use bytes::Bytes;

pub use self::list::RestoredStream;
use crate::durable::fields::{
    Malformed, Read, put, put_bytes, put_flag, put_len, take, take_byte, take_bytes, take_flag, take_len,
};
use crate::durable::op::take_stream;
use crate::reliability::Outbox;
use crate::stream::credit::SendCredit;
use crate::stream::halves::Stream;
use crate::stream::recv::RecvHalf;
use crate::stream::send::SendHalf;
use crate::stream::table::Streams;
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
            let mut stream = Stream::load(rest, self.limits.stream_window)?;
            if !self.durable {
                // What is read is gone, as it is where nothing is kept.
                stream.recv.unconsumed = None;
            }
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
