//! What the peer's frames do, in order.

use bytes::Bytes;

use super::credit::SendCredit;
use super::halves::Stream;
use super::recv::{Phase, RecvHalf};
use super::send::{End, SendHalf};
use super::table::Streams;
use crate::error::ProtocolError;
use crate::event::Event;
use crate::id::StreamId;
use crate::wire::frame::{Data, Frame, Open};

impl Streams {
    /// An accepted frame, in its turn.
    pub(crate) fn on_frame(&mut self, frame: Frame) -> Result<(), ProtocolError> {
        match frame {
            Frame::Data(data) => self.on_data(data),
            Frame::Open(open) => self.on_open(open),
            Frame::Reset { stream, code } => self.on_reset(stream, code),
            Frame::Stop { stream, code } => self.on_stop(stream, code),
            Frame::Credit { stream: 0, limit } => raise(&mut self.send_credit, limit),
            Frame::Credit { stream, limit } => self.on_credit(StreamId(stream), limit),
            _ => Err(ProtocolError::Misplaced),
        }
    }

    fn on_data(&mut self, data: Data) -> Result<(), ProtocolError> {
        let (id, charge) = (data.stream, data.charge());
        if !self.recv_credit.receive(charge) {
            return Err(ProtocolError::Credit);
        }
        let existed = self.existed(id);
        let Some(stream) = self.table.get_mut(&id) else {
            return Err(if existed {
                ProtocolError::AfterEnd
            } else {
                ProtocolError::BadStream
            });
        };
        if !stream.opened {
            return Err(ProtocolError::BadStream);
        }
        if stream.recv.is_settled() {
            return Err(ProtocolError::AfterEnd);
        }
        if data.payload.len() > stream.recv.fragment {
            return Err(ProtocolError::Fragment);
        }
        if !stream.recv.credit.receive(charge) {
            return Err(ProtocolError::Credit);
        }
        let discarded = stream.recv.push(data, self.hides);
        let settled = stream.is_settled();
        stream.announce_readable(id, &mut self.events);
        self.return_credit(id, discarded);
        if settled {
            self.tidy(id);
        }
        self.offer_slot();
        Ok(())
    }

    fn on_open(&mut self, open: Open) -> Result<(), ProtocolError> {
        let id = open.stream;
        let theirs = id.0 != 0 && id.opener() != self.side;
        if !theirs || id.0 < self.next_peer || self.peer_slots >= self.limits.max_streams {
            return Err(ProtocolError::BadStream);
        }
        self.next_peer = id.0 + 2;
        self.peer_slots += 1;
        // It holds both ways; shorter is allowed.
        let fragment = usize::try_from(open.fragment_size).unwrap_or(usize::MAX);
        let own = fragment.min(self.limits.fragment);
        self.has_short |= own < self.limits.fragment;
        let mut stream = Stream {
            send: SendHalf::new(own, self.peer.map_or(0, |peer| peer.stream_window)),
            recv: RecvHalf::new(self.limits.stream_window, fragment, self.durable),
            priority: open.priority,
            // A slice of it would keep the whole packet in memory.
            label: Bytes::copy_from_slice(&open.label),
            opened: true,
            accepted: false,
            slot: true,
        };
        let shown = !self.hides;
        if let Some(unkept) = stream.recv.unkept_mut().filter(|_| !shown) {
            unkept.opening = true;
        }
        self.table.insert(id, stream);
        self.to_accept.push_back(id);
        if shown {
            self.announce_incoming();
        }
        Ok(())
    }

    fn on_reset(&mut self, id: StreamId, code: u64) -> Result<(), ProtocolError> {
        let existed = self.existed(id);
        let Some(stream) = self.table.get_mut(&id) else {
            return Err(if existed {
                ProtocolError::AfterEnd
            } else {
                ProtocolError::BadStream
            });
        };
        if !stream.opened {
            return Err(ProtocolError::BadStream);
        }
        if stream.recv.is_settled() {
            return Err(ProtocolError::AfterEnd);
        }
        stream.recv.phase = Phase::Reset { code };
        let discarded = stream.recv.discard();
        let hides = self.hides;
        if let Some(unkept) = stream.recv.unkept_mut() {
            unkept.end = hides;
        }
        stream.announce_readable(id, &mut self.events);
        self.control.stop.remove(&id);
        self.return_credit(id, discarded);
        self.tidy(id);
        self.offer_slot();
        Ok(())
    }

    /// The peer wants no more of it: our half is reset, once somebody has the stream.
    fn on_stop(&mut self, id: StreamId, code: u64) -> Result<(), ProtocolError> {
        let Some(stream) = self.table.get_mut(&id) else {
            return self.forgotten(id);
        };
        if !stream.opened {
            return Err(ProtocolError::BadStream);
        }
        let first = stream.send.stopped.is_none();
        let unfinished = matches!(stream.send.end, End::Open | End::Finishing);
        if first && unfinished {
            stream.send.stopped = Some(code);
            match stream.recv.unkept_mut().filter(|_| self.hides) {
                Some(unkept) => unkept.stop = true,
                None => self.events.push_back(Event::Stopped { stream: id, code }),
            }
            self.abandon(id, code);
        }
        Ok(())
    }

    fn on_credit(&mut self, id: StreamId, limit: u64) -> Result<(), ProtocolError> {
        let Some(stream) = self.table.get_mut(&id) else {
            return self.forgotten(id);
        };
        if !stream.opened {
            return Err(ProtocolError::BadStream);
        }
        raise(&mut stream.send.credit, limit)?;
        self.recount(id);
        self.schedule(id);
        self.offer_waiting();
        self.offer_room();
        Ok(())
    }

    /// A late frame about a stream that is over is ignored; one about a stream that never was is a protocol violation.
    fn forgotten(&self, id: StreamId) -> Result<(), ProtocolError> {
        if self.existed(id) {
            Ok(())
        } else {
            Err(ProtocolError::BadStream)
        }
    }

    fn existed(&self, id: StreamId) -> bool {
        if id.0 == 0 {
            return false;
        }
        if id.opener() == self.side {
            id.0 < self.next_own
        } else {
            id.0 < self.next_peer
        }
    }
}

fn raise(credit: &mut SendCredit, limit: u64) -> Result<(), ProtocolError> {
    if limit < credit.limit() {
        return Err(ProtocolError::Credit);
    }
    credit.raise(limit);
    Ok(())
}
