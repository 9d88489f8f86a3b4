//! One stream: its two halves, and what they share.

use alloc::collections::VecDeque;

use bytes::Bytes;

use super::recv::RecvHalf;
use super::schedule::Schedule;
use super::send::{End, SendHalf};
use super::waiting::Waiting;
use crate::event::Event;
use crate::id::StreamId;
use crate::wire::frame::{Frame, Open};

pub(crate) struct Stream {
    pub(super) send: SendHalf,
    pub(super) recv: RecvHalf,
    pub(super) priority: u8,
    pub(super) label: Bytes,
    /// Ours: OPEN is committed. The peer's: always.
    pub(super) opened: bool,
    /// The peer's: the application has it. Ours: always.
    pub(super) accepted: bool,
    /// It uses a slot of `max_streams`.
    pub(super) slot: bool,
}

impl Stream {
    /// Whether each half has its end. Only then has `Streams::tidy` anything to do.
    pub(super) fn is_settled(&self) -> bool {
        self.send.end == End::Committed && self.recv.is_settled()
    }

    /// Tells the reader that waits, if there is something for it.
    pub(super) fn announce_readable(&mut self, id: StreamId, events: &mut VecDeque<Event>) {
        if self.recv.armed && self.recv.is_readable() {
            self.recv.armed = false;
            events.push_back(Event::Readable(id));
        }
    }

    /// After anything that changes what is queued, or what the peer grants.
    pub(super) fn recount(&mut self, waiting: &mut Waiting) {
        let part = waiting.part(self.opened);
        let now = self.send.held_up(self.opened, 0);
        let before = core::mem::replace(&mut self.send.waiting, now);
        *part = *part + now - before;
    }

    /// It has a slot.
    pub(super) fn set_opened(&mut self, waiting: &mut Waiting) {
        waiting.slots -= core::mem::take(&mut self.send.waiting);
        self.opened = true;
        self.recount(waiting);
    }

    /// Lets the scheduler know, if there is something to send and credit for it.
    pub(super) fn schedule(&mut self, id: StreamId, schedule: &mut Schedule) {
        let send = &mut self.send;
        if self.opened && !send.scheduled && send.has_work() && send.has_credit() {
            send.scheduled = true;
            schedule.push(self.priority, id);
        }
    }

    pub(super) fn open_frame(&self, id: StreamId) -> Frame {
        Frame::Open(Open {
            stream: id,
            priority: self.priority,
            fragment_size: self.send.fragment as u64,
            label: self.label.clone(),
        })
    }
}
