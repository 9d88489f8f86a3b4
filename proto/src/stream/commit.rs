//! What goes out next: control before data, data by priority.

use super::send::{CRUMBS, End, Fragment, LEAST_FRAGMENT};
use super::table::Streams;
use crate::id::StreamId;
use crate::limits::FRAME_CHARGE;
use crate::reliability::{Committed, Headroom};
use crate::wire::frame::Frame;

/// What committed control frames may hold of the outbox beyond what `send` can use. When it is full
/// the next ones stay levels, which cost nothing.
const CONTROL_RESERVE: usize = 64 << 10;
/// Header of a DATA frame at its longest: type, stream, length.
const DATA_HEADER: usize = 1 + 8 + 4;

impl Streams {
    /// Whether [`next_frame`](Self::next_frame) may have something. Cheap; may say yes in vain.
    pub(crate) fn has_frame(&self, headroom: Headroom) -> bool {
        self.peer.is_some()
            && (self.has_control()
                || (!self.opening.is_empty() && self.peer.is_some_and(|peer| self.own_slots < peer.max_streams))
                || (self.schedule.has_turn(headroom) && self.send_credit.left() > FRAME_CHARGE as u64))
    }

    /// Whether [`next_frame`](Self::next_frame) may have something. Cheap; unlike [`has_frame`](Self::has_frame) it never
    /// says no in vain, not even to the bare end of a stream that uses up the credit to its last byte.
    pub(crate) fn may_commit(&self, headroom: Headroom) -> bool {
        let spent = self.send_credit.left() < FRAME_CHARGE as u64;
        self.has_frame(headroom) || (self.peer.is_some() && self.schedule.has_turn(headroom) && !spent)
    }

    fn has_control(&self) -> bool {
        let control = &self.control;
        control.session_credit || !control.credit.is_empty() || !control.reset.is_empty() || !control.stop.is_empty()
    }

    /// The next frame to commit that takes at most `space` encoded bytes and `allowance` of charge. `headroom`: what the line has
    /// left, which is asked of data only.
    /// From here on it is the outbox's.
    pub(crate) fn next_frame(&mut self, space: usize, allowance: usize, headroom: Headroom) -> Option<Committed> {
        self.peer?;
        self.next_control(space, allowance)
            .or_else(|| self.next_open(space, allowance))
            .or_else(|| self.next_data(space, allowance, headroom))
    }

    fn next_control(&mut self, space: usize, allowance: usize) -> Option<Committed> {
        if !self.has_control() {
            return None;
        }
        let (frame, level) = self.control_frame()?;
        let charge = frame.charge();
        let fits = charge - FRAME_CHARGE <= space && charge <= allowance;
        if !fits || self.control.in_flight + charge > CONTROL_RESERVE {
            return None;
        }
        Some(self.commit_level(level, frame))
    }

    /// The frame speaks for that level, which is down from now on.
    pub(super) fn commit_level(&mut self, level: Level, frame: Frame) -> Committed {
        self.control.in_flight += frame.charge();
        let granted = match &frame {
            Frame::Credit { limit, .. } => *limit,
            _ => 0,
        };
        match level {
            Level::SessionCredit => {
                self.control.session_credit = false;
                self.recv_credit.grant(granted);
            }
            Level::Credit(id) => {
                self.control.credit.remove(&id);
                if let Some(stream) = self.table.get_mut(&id) {
                    stream.recv.credit.grant(granted);
                }
            }
            Level::Stop(id) => drop(self.control.stop.remove(&id)),
            Level::Reset(id) => {
                self.control.reset.remove(&id);
                if let Some(stream) = self.table.get_mut(&id) {
                    stream.send.end = End::Committed;
                    stream.send.in_flight += 1;
                }
                self.tidy(id);
            }
        }
        Committed::control(frame)
    }

    /// The first level that is up, at its latest value. Streams whose OPEN is not out wait for it.
    fn control_frame(&self) -> Option<(Frame, Level)> {
        if self.control.session_credit {
            let limit = self.recv_credit.next_grant();
            return Some((Frame::Credit { stream: 0, limit }, Level::SessionCredit));
        }
        let opened = |id: &&StreamId| self.table.get(id).is_some_and(|stream| stream.opened);
        if let Some(id) = self.control.credit.iter().find(opened) {
            let limit = self.table.get(id)?.recv.credit.next_grant();
            return Some((Frame::Credit { stream: id.0, limit }, Level::Credit(*id)));
        }
        for id in self.control.reset.iter().filter(opened) {
            if let Some(End::Resetting { code }) = self.table.get(id).map(|stream| stream.send.end) {
                return Some((Frame::Reset { stream: *id, code }, Level::Reset(*id)));
            }
        }
        let (id, code) = self.control.stop.iter().find(|(id, _)| opened(id))?;
        Some((
            Frame::Stop {
                stream: *id,
                code: *code,
            },
            Level::Stop(*id),
        ))
    }

    /// OPENs go out at the next commit, with or without data, as far as the peer has slots.
    fn next_open(&mut self, space: usize, allowance: usize) -> Option<Committed> {
        let id = *self.opening.front()?;
        if self.own_slots >= self.peer?.max_streams {
            return None;
        }
        let frame = self.table.get(&id)?.open_frame(id);
        let charge = frame.charge();
        if charge - FRAME_CHARGE > space || charge > allowance {
            return None;
        }
        Some(self.commit_open(id, frame))
    }

    /// The stream at the front of those that are to be opened begins at the peer with that frame.
    pub(super) fn commit_open(&mut self, id: StreamId, frame: Frame) -> Committed {
        let charge = frame.charge();
        self.opening.pop_front();
        self.own_slots += 1;
        if let Some(stream) = self.table.get_mut(&id) {
            stream.set_opened(&mut self.held_waiting);
            stream.slot = true;
            stream.send.in_flight += 1;
        }
        self.schedule(id);
        Committed {
            release: charge,
            ..Committed::control(frame)
        }
    }

    fn next_data(&mut self, space: usize, allowance: usize, headroom: Headroom) -> Option<Committed> {
        let room = space.checked_sub(DATA_HEADER)?;
        loop {
            if !self.schedule.has_turn(headroom) {
                return None;
            }
            let (priority, id) = self.schedule.front()?;
            let session = usize::try_from(self.send_credit.left()).unwrap_or(usize::MAX);
            let Some(stream) = self
                .table
                .get_mut(&id)
                .filter(|s| s.send.has_work() && s.send.has_credit())
            else {
                self.unschedule_front(priority, id);
                continue;
            };
            let own = usize::try_from(stream.send.credit.left()).unwrap_or(usize::MAX);
            let charge_limit = session.min(own).min(allowance).checked_sub(FRAME_CHARGE)?;
            let waiting = stream.send.front_len();
            if charge_limit < waiting.min(LEAST_FRAGMENT) && stream.send.in_flight >= CRUMBS {
                return None;
            }
            if room < waiting.min(LEAST_FRAGMENT).min(charge_limit) {
                return None;
            }
            let spare = self.limits.outbox_whole.saturating_sub(self.held);
            let queued = stream.send.queued();
            let Fragment { committed, uncharged } = stream.send.next_fragment(id, room.min(charge_limit), spare)?;
            let charge = committed.frame.charge();
            // A turn is no longer than a packet, whose size follows the line.
            let quantum = stream.send.fragment.min(room);
            self.queued_items -= queued - stream.send.queued();
            self.held += uncharged;
            self.send_credit.spend(charge);
            stream.recount(&mut self.held_waiting);
            if stream.send.has_work() && stream.send.has_credit() {
                self.schedule.spent(priority, charge, quantum);
            } else {
                stream.send.scheduled = false;
                self.schedule.pop(priority);
            }
            if stream.is_settled() {
                self.tidy(id);
            }
            return Some(committed);
        }
    }

    /// The stream at the front has nothing more to send, or no credit.
    fn unschedule_front(&mut self, priority: u8, id: StreamId) {
        self.schedule.pop(priority);
        if let Some(stream) = self.table.get_mut(&id) {
            stream.send.scheduled = false;
        }
    }

    /// The longest fragment of the frame's stream, if that is shorter than others are.
    pub(crate) fn short_fragment(&self, frame: &Frame) -> Option<usize> {
        let Frame::Data(data) = frame else { return None };
        let stream = self.has_short.then(|| self.table.get(&data.stream)).flatten();
        stream
            .map(|stream| stream.send.fragment)
            .filter(|fragment| *fragment < self.limits.fragment)
    }

    /// The peer holds the frame now.
    pub(crate) fn on_acked(&mut self, committed: &Committed) {
        let (id, control) = match &committed.frame {
            Frame::Data(data) => (data.stream, false),
            Frame::Open(open) => (open.stream, false),
            Frame::Reset { stream, .. } => (*stream, true),
            Frame::Stop { .. } | Frame::Credit { .. } => {
                self.control.in_flight -= committed.frame.charge();
                return;
            }
            _ => return,
        };
        if control {
            self.control.in_flight -= committed.frame.charge();
        }
        self.held -= committed.release;
        if let Some(stream) = self.table.get_mut(&id) {
            self.held -= stream.send.on_acked();
            stream.send.delivered.add(committed);
            stream.schedule(id, &mut self.schedule);
            if stream.is_settled() {
                self.tidy(id);
            }
        }
        if matches!(committed.frame, Frame::Open(_)) {
            self.offer_waiting();
        }
        self.offer_room();
        self.offer_slot();
    }
}

/// Which level a control frame speaks for.
#[derive(Clone, Copy)]
pub(super) enum Level {
    SessionCredit,
    Credit(StreamId),
    Reset(StreamId),
    Stop(StreamId),
}
