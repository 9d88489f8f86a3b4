//! The streams of a session, and what their application calls do.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use super::credit::{RecvCredit, SendCredit};
use super::halves::Stream;
use super::schedule::Schedule;
use super::send::End;
use super::waiting::Waiting;
use crate::budget::Share;
use crate::config::SessionConfig;
use crate::event::Event;
use crate::id::{Side, StreamId};
use crate::limits::{admitted, waiting};
use crate::wire::frame::Parameters;

/// Every stream, the shared credit, and the account of what the outbox holds.
pub(crate) struct Streams {
    pub(super) side: Side,
    pub(super) limits: Limits,
    /// What the peer grants each stream and how many it takes; unknown before the handshake.
    pub(super) peer: Option<PeerLimits>,
    pub(super) table: BTreeMap<StreamId, Stream>,
    /// The id our next `open` gets.
    pub(super) next_own: u64,
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
    /// What of the budget `recv_credit` has grown by.
    pub(super) share: Share,
    pub(super) control: Control,
    pub(super) schedule: Schedule,
    /// Charges of items and OPENs not yet acknowledged, and of the frames beyond what items were charged for: at no time
    /// less than what the outbox holds and is still to get.
    pub(super) held: usize,
    /// Of these, what is queued on streams beyond what the peer granted them, or without one of its
    /// slots. Bounded apart, so that it cannot starve the streams that move.
    pub(super) held_waiting: Waiting,
    /// Items that are queued and not wholly committed.
    pub(super) queued_items: usize,
    pub(super) closed: bool,
    pub(super) ended: bool,
    /// Whether some stream has had shorter fragments than the session.
    pub(super) has_short: bool,
    pub(super) events: VecDeque<Event>,
    /// What was read stays until the application has dealt with it.
    pub(super) durable: bool,
    /// What the peer does is seen once it is kept.
    pub(super) hides: bool,
    pub(super) armed: Armed,
}

pub(super) struct Limits {
    /// What the application's calls may fill of the outbox.
    pub(super) outbox: usize,
    /// What it holds at most, however finely that is cut.
    pub(super) outbox_whole: usize,
    pub(super) stream_window: u64,
    pub(super) max_stream_window: u64,
    pub(super) session_window: u64,
    pub(super) max_session_window: u64,
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

/// Events about refused calls that the application waits for. Its calls arm them, polls never do.
pub(super) struct Armed {
    pub(super) accept: bool,
    pub(super) open: bool,
    /// Room at which a refused write may be tried again.
    pub(super) room: Option<usize>,
    /// The same for one that would have to wait for the peer's grant.
    pub(super) waiting: Option<usize>,
    /// The same for one on a stream that is not open.
    pub(super) early: Option<usize>,
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
                outbox: admitted(config.outbox_limit),
                outbox_whole: config.outbox_limit,
                stream_window: config.stream_window,
                max_stream_window: config.max_stream_window,
                session_window: config.session_window,
                max_session_window: config.max_session_window,
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
            share: Share::of(config.window_budget.clone()),
            control: Control::default(),
            schedule: Schedule::default(),
            held: 0,
            held_waiting: Waiting::default(),
            queued_items: 0,
            closed: false,
            ended: false,
            has_short: false,
            events: VecDeque::new(),
            durable: config.durable.is_some(),
            hides: config.durable.is_some(),
            armed: Armed {
                accept: true,
                open: false,
                room: None,
                waiting: None,
                early: None,
            },
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
        self.recount_all();
    }

    fn recount_all(&mut self) {
        self.held_waiting = Waiting::default();
        for stream in self.table.values_mut() {
            stream.send.waiting = 0;
            stream.recount(&mut self.held_waiting);
        }
    }

    /// After anything that changes what is queued on a stream, or what the peer grants it.
    pub(super) fn recount(&mut self, id: StreamId) {
        let Some(stream) = self.table.get_mut(&id) else { return };
        stream.recount(&mut self.held_waiting);
    }

    /// A new server, which never had any of it, takes the session over: whether what is committed
    /// fits its limits. If not, nothing changed that matters any more.
    pub(crate) fn rebase(&mut self, parameters: &Parameters) -> bool {
        let fits = self.own_slots <= parameters.max_streams
            && self.send_credit.restart(parameters.session_window)
            && self
                .table
                .values_mut()
                .all(|stream| stream.send.credit.restart(parameters.stream_window));
        self.set_peer(parameters);
        fits
    }

    /// The session closes: nothing more is admitted.
    pub(crate) fn close_for_sending(&mut self) {
        self.closed = true;
    }

    /// The session is over: nothing more arrives either. What is here can still be read.
    pub(crate) fn end(&mut self) {
        self.closed = true;
        self.ended = true;
        self.settle_share();
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

    /// What the peer may have been granted at most over all streams: the window may have begun larger than it may grow.
    pub(crate) fn most_granted(&self) -> u64 {
        self.limits.max_session_window.max(self.recv_credit.bound())
    }

    /// Whether nothing waits to be committed but control.
    pub(crate) fn queue_empty(&self) -> bool {
        self.queued_items == 0
            && self.opening.is_empty()
            && self.control.reset.is_empty()
            && self.table.values().all(|stream| stream.send.end != End::Finishing)
    }

    /// Lets the scheduler know of a stream that has something to send and credit for it.
    pub(super) fn schedule(&mut self, id: StreamId) {
        if let Some(stream) = self.table.get_mut(&id) {
            stream.schedule(id, &mut self.schedule);
        }
    }

    pub(super) fn want_room(&mut self, charge: usize) {
        lower(&mut self.armed.room, charge);
    }

    /// The same for room to wait in.
    pub(super) fn want_waiting_room(&mut self, charge: usize, opened: bool) {
        match opened {
            true => lower(&mut self.armed.waiting, charge),
            false => lower(&mut self.armed.early, charge),
        }
    }

    /// What may still be queued beyond the peer's grants.
    pub(super) fn waiting_room(&self, opened: bool) -> usize {
        self.held_waiting.room(waiting(self.limits.outbox), opened)
    }

    /// Queues the event for room that the application was refused for want of.
    pub(super) fn offer_room(&mut self) {
        let room = self.limits.outbox.saturating_sub(self.held);
        let waiting = match self.held_waiting.readers {
            0 => room,
            _ => self.waiting_room(true),
        };
        let early = self.waiting_room(false);
        let moves = self.armed.room.take_if(|wanted| room >= *wanted).is_some();
        let waits = self.armed.waiting.take_if(|wanted| waiting >= *wanted).is_some();
        let early = self.armed.early.take_if(|wanted| early >= *wanted).is_some();
        if moves || waits || early {
            self.events.push_back(Event::Writable);
        }
    }

    /// A stream's peer granted something, or has the stream now: who was refused because it would have waited
    /// may wait for less, or not at all.
    pub(super) fn offer_waiting(&mut self) {
        let waits = self.armed.waiting.take().is_some();
        if self.armed.early.take().is_some() || waits {
            self.events.push_back(Event::Writable);
        }
    }

    /// Whether one more stream may be opened.
    pub(super) fn has_slot(&self) -> bool {
        let most = self.peer.map_or(self.limits.max_streams, |peer| peer.max_streams);
        self.own_slots + (self.opening.len() as u64) < most
    }

    /// Queues the event for a slot that the application was refused for want of. A commit does not, as it tells
    /// nobody anything: what a commit frees is offered with its acknowledgement.
    pub(super) fn offer_slot(&mut self) {
        if self.armed.open && self.has_slot() {
            self.armed.open = false;
            self.events.push_back(Event::StreamsAvailable);
        }
    }

    pub(super) fn announce_incoming(&mut self) {
        if core::mem::take(&mut self.armed.accept) {
            self.events.push_back(Event::Incoming);
        }
    }

    /// Frees the slot of a stream that is settled, and forgets one that is over.
    pub(super) fn tidy(&mut self, id: StreamId) {
        let Some(stream) = self.table.get_mut(&id).filter(|stream| stream.is_settled()) else {
            return;
        };
        if core::mem::take(&mut stream.slot) {
            if id.opener() == self.side {
                self.own_slots -= 1;
            } else {
                self.peer_slots -= 1;
            }
        }
        if stream.accepted && stream.send.is_over() && stream.recv.is_over() {
            self.table.remove(&id);
            self.control.credit.remove(&id);
            self.control.stop.remove(&id);
        }
    }
}

/// The least of what is wanted is told of first.
fn lower(armed: &mut Option<usize>, charge: usize) {
    *armed = Some(armed.map_or(charge, |before| before.min(charge)));
}
