//! What the application hands over and takes.

use alloc::vec::Vec;

use bytes::Bytes;

use super::state::Channel;
use crate::ssm::PayloadType;
use crate::ssm::event::{Chunk, Event};

impl Channel {
    /// Hands over as much of `bytes` as there is room for, each piece of it counting for some bytes more; how much that is. [`Event::Writable`] tells when there is room again.
    pub(crate) fn write(&mut self, payload_type: PayloadType, bytes: &Bytes) -> usize {
        if self.is_over {
            return 0;
        }
        let room = self.config.send_buffer.saturating_sub(self.queue.charge());
        let taken = room.min(bytes.len());
        if taken > 0 {
            self.queue.push(payload_type, bytes.slice(..taken));
        }
        self.wants_writable |= taken < bytes.len();
        taken
    }

    /// Says what `write` appends: something that is not the application's stream, and small.
    pub(crate) fn say(&mut self, payload_type: PayloadType, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.is_over {
            self.queue.push(payload_type, payload(write));
        }
    }

    /// As [`say`](Self::say), in the place of what was said last, if that was of the same type and has not gone.
    pub(crate) fn say_instead(&mut self, payload_type: PayloadType, write: impl FnOnce(&mut Vec<u8>)) {
        self.queue.replace_last(payload_type);
        self.say(payload_type, write);
    }

    /// As [`say`](Self::say), of a part of the handshake, which waits for nothing.
    pub(crate) fn say_first(&mut self, payload_type: PayloadType, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.is_over {
            self.urgent.push_back((payload_type, payload(write)));
        }
    }

    /// What came next. [`Event::Readable`] tells when there is something again.
    pub(crate) fn read(&mut self) -> Option<Chunk> {
        let chunk = self.unread.pop_front();
        match &chunk {
            Some(chunk) => self.unread_bytes -= bytes(chunk),
            None => self.wants_readable = true,
        }
        chunk
    }

    /// Whether the host should read: otherwise whoever sends has to wait.
    pub(crate) fn wants_input(&self) -> bool {
        self.unread_bytes < self.config.receive_buffer / 2
    }

    /// Whether more may be kept for the application.
    pub(crate) fn has_room_to_read(&self) -> bool {
        self.unread_bytes < self.config.receive_buffer
    }

    /// Keeps this for the application.
    pub(crate) fn deliver(&mut self, chunk: Chunk) {
        self.unread_bytes += bytes(&chunk);
        self.unread.push_back(chunk);
        if core::mem::take(&mut self.wants_readable) {
            self.push_event(Event::Readable);
        }
    }

    /// Tells of room, if that is waited for.
    pub(super) fn tell_writable(&mut self) {
        if self.wants_writable && self.queue.charge() <= self.config.send_buffer / 2 {
            self.wants_writable = false;
            self.push_event(Event::Writable);
        }
    }
}

fn payload(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut payload = Vec::new();
    write(&mut payload);
    Bytes::from(payload)
}

/// What a chunk counts for, so that a great many small ones have a bound, too.
fn bytes(chunk: &Chunk) -> usize {
    let payload = match chunk {
        Chunk::Output(bytes) | Chunk::StdErr(bytes) => bytes.len(),
        Chunk::ExitCode(_) | Chunk::Size(_) | Chunk::Flag(_) => 0,
    };
    payload + 64
}
