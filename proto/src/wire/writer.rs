//! Frames into a packet.

use alloc::vec::Vec;

use crate::id::StreamId;
use crate::limits::{MAX_LABEL, MAX_REASON};
use crate::wire::frame::{Data, End, Frame, MAX_ALTERNATE, Open, Part};
use crate::wire::{cursor, handshake, kind, varint};

/// Appends the frames of one packet to a buffer, in the shortest form there is.
///
/// A DATA or PART frame leaves out its stream when it is that of the last DATA, PART or OPEN in the packet, and its
/// length when it is the packet's last frame. To know the latter the writer holds the newest one back
/// (a clone of its [`Bytes`](bytes::Bytes), not of the bytes) until the next frame or
/// [`finish`](FrameWriter::finish); so a payload is copied once, into the buffer.
///
/// Values beyond the limits of [`frame`](crate::wire::frame) are the caller's mistake and come out as
/// the limit: integers saturate, byte strings are cut.
#[derive(Debug)]
#[must_use = "the last DATA or PART frame is written by finish()"]
pub struct FrameWriter<'a> {
    buf: &'a mut Vec<u8>,
    start: usize,
    /// The stream of the last DATA, PART or OPEN, the held one included.
    last: Option<StreamId>,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    data: Data,
    /// Of a PART: how long its frame's payload is, and where this one's lies.
    part: Option<(u64, u64)>,
    flags: u8,
}

impl Held {
    fn header_len(&self) -> usize {
        let stream = match self.flags & kind::DATA_SAME_STREAM {
            0 => varint::len(self.data.stream.0),
            _ => 0,
        };
        let part = self
            .part
            .map_or(0, |(total, offset)| varint::len(total) + varint::len(offset));
        1 + stream + part
    }
}

impl<'a> FrameWriter<'a> {
    /// Writes behind what `buf` already holds.
    pub fn new(buf: &'a mut Vec<u8>) -> FrameWriter<'a> {
        let start = buf.len();
        FrameWriter {
            buf,
            start,
            last: None,
            held: None,
        }
    }

    /// Adds one frame. That it fits the packet is the caller's care: see [`len`](FrameWriter::len) and
    /// [`room_for`](FrameWriter::room_for).
    pub fn push(&mut self, frame: &Frame) {
        match frame {
            Frame::Data(data) => return self.push_data(data),
            Frame::Part(part) => return self.push_part(part),
            _ => self.release(),
        }
        put_control(self.buf, frame);
        if let Frame::Open(open) = frame {
            self.last = Some(open.stream);
        }
    }

    /// Adds one DATA frame.
    pub fn push_data(&mut self, data: &Data) {
        self.hold(data, kind::DATA, None);
    }

    /// Adds one PART frame.
    pub fn push_part(&mut self, part: &Part) {
        self.hold(&part.data, kind::PART, Some((part.total, part.offset)));
    }

    fn hold(&mut self, data: &Data, kind: u8, part: Option<(u64, u64)>) {
        self.release();
        let flags = kind | self.flags(data);
        self.last = Some(data.stream);
        self.held = Some(Held {
            data: data.clone(),
            part,
            flags,
        });
    }

    /// Bytes taken so far, if another frame follows; one to four fewer if none does.
    #[must_use]
    pub fn len(&self) -> usize {
        let held = self.held.as_ref().map_or(0, |held| {
            let payload = held.data.payload.len();
            held.header_len() + varint::len(cursor::len_u64(payload)) + payload
        });
        self.buf.len() - self.start + held
    }

    /// Whether no frame was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_none() && self.buf.len() == self.start
    }

    /// By how much `frame`, added now, would raise [`len`](FrameWriter::len).
    #[must_use]
    pub fn room_for(&self, frame: &Frame) -> usize {
        match frame {
            Frame::Data(data) | Frame::Part(Part { data, .. }) if self.last == Some(data.stream) => {
                frame.encoded_len() - varint::len(data.stream.0)
            }
            _ => frame.encoded_len(),
        }
    }

    /// Writes what was held back: the packet's frames are complete.
    pub fn finish(mut self) {
        if let Some(held) = self.held.take() {
            self.put_header(&held, kind::DATA_LENGTH_OMITTED);
            self.buf.extend_from_slice(&held.data.payload);
        }
    }

    /// Another frame follows the held one.
    fn release(&mut self) {
        if let Some(held) = self.held.take() {
            self.put_header(&held, 0);
            varint::write(self.buf, cursor::len_u64(held.data.payload.len()));
            self.buf.extend_from_slice(&held.data.payload);
        }
    }

    fn put_header(&mut self, held: &Held, more: u8) {
        self.buf.push(held.flags | more);
        if held.flags & kind::DATA_SAME_STREAM == 0 {
            varint::write(self.buf, held.data.stream.0);
        }
        if let Some((total, offset)) = held.part {
            varint::write(self.buf, total);
            varint::write(self.buf, offset);
        }
    }

    fn flags(&self, data: &Data) -> u8 {
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        flag(data.message_end, kind::DATA_MESSAGE_END)
            | flag(data.stream_end, kind::DATA_STREAM_END)
            | flag(self.last == Some(data.stream), kind::DATA_SAME_STREAM)
    }
}

/// Any frame but DATA and PART.
fn put_control(buf: &mut Vec<u8>, frame: &Frame) {
    match frame {
        Frame::Data(_) | Frame::Part(_) => {}
        Frame::Open(open) => put_open(buf, open),
        Frame::Reset { stream, code } => put_integers(buf, kind::RESET, &[stream.0, *code]),
        Frame::Stop { stream, code } => put_integers(buf, kind::STOP, &[stream.0, *code]),
        Frame::Credit { stream, limit } => put_integers(buf, kind::CREDIT, &[*stream, *limit]),
        Frame::Close(close) => {
            put_integers(buf, kind::CLOSE, &[close.code]);
            cursor::put_bytes(buf, &close.reason, MAX_REASON);
            varint::write(buf, close.position);
        }
        Frame::Closed { position } => put_integers(buf, kind::CLOSED, &[*position]),
        Frame::End(end) => put_end(buf, end),
        Frame::Ack { position } => put_integers(buf, kind::ACK, &[*position]),
        Frame::From { position } => put_integers(buf, kind::FROM, &[*position]),
        Frame::Resync { position } => put_integers(buf, kind::RESYNC, &[*position]),
        Frame::Ping { id } => put_integers(buf, kind::PING, &[*id]),
        Frame::Pong { id } => put_integers(buf, kind::PONG, &[*id]),
        Frame::GoAway { within, alternate } => {
            put_integers(buf, kind::GOAWAY, &[*within]);
            cursor::put_bytes(buf, alternate, MAX_ALTERNATE);
        }
        Frame::Rekey => buf.push(kind::REKEY),
        Frame::Final(final_) => {
            buf.push(kind::FINAL);
            handshake::put_final(buf, final_);
        }
    }
}

fn put_integers(buf: &mut Vec<u8>, kind: u8, values: &[u64]) {
    buf.push(kind);
    for value in values {
        varint::write(buf, *value);
    }
}

fn put_open(buf: &mut Vec<u8>, open: &Open) {
    put_integers(buf, kind::OPEN, &[open.stream.0]);
    buf.push(open.priority);
    varint::write(buf, open.fragment_size);
    cursor::put_bytes(buf, &open.label, MAX_LABEL);
}

fn put_end(buf: &mut Vec<u8>, end: &End) {
    buf.extend_from_slice(&[kind::END, end.code.byte()]);
    cursor::put_bytes(buf, &end.reason, MAX_REASON);
    for optional in [end.position, end.after] {
        match optional {
            None => buf.push(0),
            Some(value) => put_integers(buf, 1, &[value]),
        }
    }
    cursor::put_bytes(buf, &end.alternate, MAX_ALTERNATE);
}

#[cfg(test)]
mod tests;
