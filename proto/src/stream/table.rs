//! The streams of a session, and what their application calls do.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::credit::{RecvCredit, SendCredit};
use super::recv::RecvHalf;
use super::schedule::Schedule;
use super::send::{End, SendHalf, item_charge};
use super::{AcceptedStream, Chunk, StreamOptions};
use crate::config::{MAX_LABEL, SessionConfig};
use crate::error::{OpenError, RecvError, SendError, SendRefusal, UnknownStream};
use crate::event::Event;
use crate::id::{Side, StreamId};
use crate::wire::frame::{Frame, Open, Parameters};
use crate::wire::varint;

/// Every stream, the shared credit, and the account of what the outbox holds.
pub(crate) struct Streams {
    pub(super) side: Side,
    pub(super) limits: Limits,
    /// What the peer grants each stream and how many it takes; unknown before the handshake.
    pub(super) peer: Option<PeerLimits>,
    pub(super) table: BTreeMap<StreamId, Stream>,
    /// The id our next `open` gets.
    next_own: u64,
    /// The lowest id the peer may open next.
    pub(super) next_peer: u64,
    /// Streams of ours, and of the peer's, that use a slot of `max_streams`.
    pub(super) own_slots: u64,
    pub(super) peer_slots: u64,
    /// Streams opened here whose OPEN is not committed.
    pub(super) opening: VecDeque<StreamId>,
    pub(super) to_accept: VecDeque<StreamId>,
    pub(super) send_credit: SendCredit,
    pub(super) recv_credit: RecvCredit,
    pub(super) control: Control,
    pub(super) schedule: Schedule,
    /// Charges of items and OPENs not yet acknowledged.
    pub(super) held: usize,
    /// Items that are queued and not wholly committed.
    pub(super) queued_items: usize,
    closed: bool,
    ended: bool,
    pub(super) events: VecDeque<Event>,
    armed: Armed,
}

pub(super) struct Limits {
    outbox: usize,
    pub(super) stream_window: u64,
    pub(super) max_streams: u64,
    pub(super) fragment: usize,
}

#[derive(Clone, Copy)]
pub(super) struct PeerLimits {
    pub(super) stream_window: u64,
    pub(super) max_streams: u64,
}

/// Control is levels: at most one of each kind per stream waits, at its latest value.
#[derive(Default)]
pub(super) struct Control {
    pub(super) session_credit: bool,
    pub(super) credit: BTreeSet<StreamId>,
    pub(super) reset: BTreeSet<StreamId>,
    pub(super) stop: BTreeMap<StreamId, u64>,
    /// Charge of committed control frames that are not acknowledged.
    pub(super) in_flight: usize,
}

/// What the application found refused and wants to hear of. Armed by its calls, never by polls.
struct Armed {
    accept: bool,
    open: bool,
    /// Room at which a refused write may be tried again.
    room: Option<usize>,
}

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

impl Streams {
    pub(crate) fn new(side: Side, config: &SessionConfig) -> Streams {
        let (own, peer) = match side {
            Side::Client => (1, 2),
            Side::Server => (2, 1),
        };
        Streams {
            side,
            limits: Limits {
                outbox: config.outbox_limit,
                stream_window: config.stream_window,
                max_streams: config.max_streams,
                fragment: config.fragment_size,
            },
            peer: None,
            table: BTreeMap::new(),
            next_own: own,
            next_peer: peer,
            own_slots: 0,
            peer_slots: 0,
            opening: VecDeque::new(),
            to_accept: VecDeque::new(),
            send_credit: SendCredit::default(),
            recv_credit: RecvCredit::new(config.session_window),
            control: Control::default(),
            schedule: Schedule::default(),
            held: 0,
            queued_items: 0,
            closed: false,
            ended: false,
            events: VecDeque::new(),
            armed: Armed { accept: true, open: false, room: None },
        }
    }

    /// The peer's limits are known: frames may be committed.
    pub(crate) fn set_peer(&mut self, parameters: &Parameters) {
        self.peer = Some(PeerLimits {
            stream_window: parameters.stream_window,
            max_streams: parameters.max_streams,
        });
        self.send_credit.raise(parameters.session_window);
        for stream in self.table.values_mut() {
            stream.send.credit.raise(parameters.stream_window);
        }
    }

    /// A new server, which never had any of it, takes the session over: whether what is committed
    /// fits its limits. If not, nothing changed that matters any more.
    pub(crate) fn rebase(&mut self, parameters: &Parameters) -> bool {
        let fits = self.own_slots <= parameters.max_streams
            && self.send_credit.restart(parameters.session_window)
            && self.table.values_mut().all(|stream| stream.send.credit.restart(parameters.stream_window));
        self.set_peer(parameters);
        fits
    }

    pub(crate) fn open(&mut self, options: StreamOptions) -> Result<StreamId, OpenError> {
        if self.closed {
            return Err(OpenError::SessionClosed);
        }
        let fragment = options.fragment_size.unwrap_or(self.limits.fragment);
        if options.label.len() > MAX_LABEL || !(1_000..=64_000).contains(&fragment) {
            return Err(OpenError::Invalid);
        }
        let most = self.peer.map_or(self.limits.max_streams, |peer| peer.max_streams);
        if self.own_slots + self.opening.len() as u64 >= most || self.next_own > varint::MAX {
            self.armed.open = true;
            return Err(OpenError::TooMany);
        }
        let id = StreamId(self.next_own);
        let stream = Stream {
            send: SendHalf::new(fragment, self.peer.map_or(0, |peer| peer.stream_window)),
            recv: RecvHalf::new(self.limits.stream_window),
            priority: options.priority,
            label: options.label,
            opened: false,
            accepted: true,
            slot: false,
        };
        let charge = stream.open_frame(id).charge();
        if self.held + charge > self.limits.outbox {
            self.want_room(charge);
            return Err(OpenError::Full);
        }
        self.held += charge;
        self.next_own += 2;
        self.opening.push_back(id);
        self.table.insert(id, stream);
        Ok(id)
    }

    pub(crate) fn accept(&mut self) -> Option<AcceptedStream> {
        let Some(id) = self.to_accept.pop_front() else {
            self.armed.accept = true;
            return None;
        };
        let stream = self.table.get_mut(&id)?;
        stream.accepted = true;
        let accepted = AcceptedStream { id, label: core::mem::take(&mut stream.label), priority: stream.priority };
        if let End::Resetting { .. } = stream.send.end {
            // The peer's STOP came first; it was only waiting for somebody to have the stream.
            self.control.reset.insert(id);
        }
        Some(accepted)
    }

    pub(crate) fn send(&mut self, stream: StreamId, payload: Bytes) -> Result<(), SendError> {
        let charge = item_charge(payload.len(), self.fragment_of(stream));
        match self.admit(stream, charge) {
            Ok(()) => {
                self.enqueue(stream, payload, true);
                Ok(())
            }
            Err(reason) => Err(SendError { payload, reason }),
        }
    }

    pub(crate) fn write(&mut self, stream: StreamId, data: &mut Bytes) -> Result<usize, SendRefusal> {
        let fragment = self.fragment_of(stream);
        let room = self.limits.outbox.saturating_sub(self.held);
        let mut take = data.len().min(room);
        // Each fragment is charged too; what they are over goes.
        while take > 0 && item_charge(take, fragment) > room {
            take = take.saturating_sub(item_charge(take, fragment) - room);
        }
        let wanted = if take == 0 { item_charge(data.len(), fragment).min(self.limits.outbox / 4) } else { 0 };
        self.admit(stream, wanted.max(item_charge(take, fragment)))?;
        if data.is_empty() {
            return Ok(0);
        }
        let part = data.split_to(take);
        self.enqueue(stream, part, false);
        Ok(take)
    }

    fn fragment_of(&self, stream: StreamId) -> usize {
        self.table.get(&stream).map_or(self.limits.fragment, |stream| stream.send.fragment)
    }

    /// Whether the half is open and the outbox has room for `charge`.
    fn admit(&mut self, stream: StreamId, charge: usize) -> Result<(), SendRefusal> {
        if self.closed {
            return Err(SendRefusal::SessionClosed);
        }
        let half = &self.table.get(&stream).filter(|s| s.accepted).ok_or(SendRefusal::UnknownStream)?.send;
        if let Some(code) = half.stopped {
            return Err(SendRefusal::Stopped(code));
        }
        if half.end != End::Open {
            return Err(SendRefusal::StreamClosed);
        }
        if charge > self.limits.outbox {
            return Err(SendRefusal::TooLarge);
        }
        if self.held + charge > self.limits.outbox && cfg!(not(planted = "outbox_unbounded")) {
            self.want_room(charge);
            return Err(SendRefusal::Full);
        }
        Ok(())
    }

    fn enqueue(&mut self, id: StreamId, payload: Bytes, message: bool) {
        if let Some(stream) = self.table.get_mut(&id) {
            self.held += stream.send.push(payload, message);
            self.queued_items += 1;
            self.schedule(id);
        }
    }

    pub(crate) fn recv(&mut self, id: StreamId) -> Result<Option<Chunk>, RecvError> {
        let ended = self.ended;
        let stream = self.table.get_mut(&id).filter(|s| s.accepted).ok_or(RecvError::UnknownStream)?;
        let Some((chunk, charge)) = stream.recv.pop()? else {
            return if ended { Err(RecvError::SessionEnded) } else { Ok(None) };
        };
        self.return_credit(id, charge);
        self.tidy(id);
        Ok(Some(chunk))
    }

    pub(crate) fn finish(&mut self, id: StreamId) -> Result<(), UnknownStream> {
        let stream = self.own_half(id)?;
        if stream.send.end == End::Open {
            stream.send.end = End::Finishing;
            self.schedule(id);
        }
        Ok(())
    }

    pub(crate) fn reset(&mut self, id: StreamId, code: u64) -> Result<(), UnknownStream> {
        let stream = self.own_half(id)?;
        if matches!(stream.send.end, End::Open | End::Finishing) {
            self.abandon(id, code.min(varint::MAX));
        }
        Ok(())
    }

    pub(crate) fn stop(&mut self, id: StreamId, code: u64) -> Result<(), UnknownStream> {
        let stream = self.own_half(id)?;
        if stream.recv.over {
            return Err(UnknownStream(id));
        }
        if stream.recv.stopped {
            return Ok(());
        }
        stream.recv.stopped = true;
        let discarded = stream.recv.discard();
        if !stream.recv.is_settled() {
            self.control.stop.insert(id, code.min(varint::MAX));
        }
        self.return_credit(id, discarded);
        self.tidy(id);
        Ok(())
    }

    fn own_half(&mut self, id: StreamId) -> Result<&mut Stream, UnknownStream> {
        self.table.get_mut(&id).filter(|s| s.accepted && !self.ended).ok_or(UnknownStream(id))
    }

    /// RESET: what is queued is dropped.
    pub(super) fn abandon(&mut self, id: StreamId, code: u64) {
        let Some(stream) = self.table.get_mut(&id) else { return };
        let before = stream.send.queued();
        self.held -= stream.send.clear();
        self.queued_items -= before;
        stream.send.end = End::Resetting { code };
        stream.send.was_reset = true;
        if core::mem::take(&mut stream.send.scheduled) {
            self.schedule.remove(stream.priority, id);
        }
        if stream.accepted {
            self.control.reset.insert(id);
        }
        self.offer_room();
    }

    /// The session closes: nothing more is admitted.
    pub(crate) fn close_for_sending(&mut self) {
        self.closed = true;
    }

    /// The session is over: nothing more arrives either. What is here can still be read.
    pub(crate) fn end(&mut self) {
        self.closed = true;
        self.ended = true;
        for (id, stream) in &mut self.table {
            if core::mem::take(&mut stream.recv.armed) && stream.accepted {
                self.events.push_back(Event::Readable(*id));
            }
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Charges of everything queued or unacknowledged.
    pub(crate) fn outbox_bytes(&self) -> usize {
        self.held + self.control.in_flight
    }

    /// Charges of everything received and unread.
    pub(crate) fn unread_bytes(&self) -> usize {
        usize::try_from(self.recv_credit.held()).unwrap_or(usize::MAX)
    }

    /// Whether nothing waits to be committed but control.
    pub(crate) fn queue_empty(&self) -> bool {
        self.queued_items == 0 && self.schedule.is_empty() && self.opening.is_empty()
    }

    /// Lets the scheduler know of a stream that has something to send and credit for it.
    pub(super) fn schedule(&mut self, id: StreamId) {
        let Some(stream) = self.table.get_mut(&id) else { return };
        let send = &mut stream.send;
        if stream.opened && !send.scheduled && send.has_work() && send.has_credit() {
            send.scheduled = true;
            self.schedule.push(stream.priority, id);
        }
    }

    /// `charge` was read or discarded: grant it anew when that is worth a frame.
    pub(super) fn return_credit(&mut self, id: StreamId, charge: u64) {
        if cfg!(planted = "no_credit_back") {
            return;
        }
        self.recv_credit.consume(charge);
        self.control.session_credit |= self.recv_credit.is_worth_granting();
        if let Some(stream) = self.table.get(&id) {
            let more = !stream.recv.is_settled() && !stream.recv.stopped;
            if more && stream.recv.credit.is_worth_granting() {
                self.control.credit.insert(id);
            }
        }
    }

    fn want_room(&mut self, charge: usize) {
        self.armed.room = Some(self.armed.room.map_or(charge, |room| room.min(charge)));
    }

    /// Tells the application of room it was refused for want of.
    pub(super) fn offer_room(&mut self) {
        let room = self.limits.outbox.saturating_sub(self.held);
        if self.armed.room.take_if(|wanted| room >= *wanted).is_some() {
            self.events.push_back(Event::Writable);
        }
    }

    /// Tells the application of a slot it was refused for want of.
    pub(super) fn offer_slot(&mut self) {
        if core::mem::take(&mut self.armed.open) {
            self.events.push_back(Event::StreamsAvailable);
        }
    }

    pub(super) fn announce_incoming(&mut self) {
        if core::mem::take(&mut self.armed.accept) {
            self.events.push_back(Event::Incoming);
        }
    }

    pub(super) fn next_own(&self) -> u64 {
        self.next_own
    }

    /// Frees the slot of a stream that is settled, and forgets one that is over.
    pub(super) fn tidy(&mut self, id: StreamId) {
        let Some(stream) = self.table.get_mut(&id) else { return };
        let settled = stream.send.end == End::Committed && stream.recv.is_settled();
        if settled && core::mem::take(&mut stream.slot) {
            if id.opener() == self.side {
                self.own_slots -= 1;
                self.offer_slot();
            } else {
                self.peer_slots -= 1;
            }
        }
        let Some(stream) = self.table.get(&id) else { return };
        if stream.accepted && stream.send.is_over() && stream.recv.is_over() {
            self.table.remove(&id);
            self.control.credit.remove(&id);
            self.control.stop.remove(&id);
        }
    }
}

impl Stream {
    pub(super) fn open_frame(&self, id: StreamId) -> Frame {
        Frame::Open(Open {
            stream: id,
            priority: self.priority,
            fragment_size: self.send.fragment as u64,
            label: self.label.clone(),
        })
    }
}
