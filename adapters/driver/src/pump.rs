//! Moves items between the machine and the queues of its streams. Decides nothing: what the machine
//! refuses waits until it says there is room.

mod entry;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use unbroken_proto::error::{OpenError, SendRefusal};
use unbroken_proto::event::{Fates, StreamFate, Tally, Undelivered};
use unbroken_proto::stream::Chunk;
use unbroken_proto::{Instant, SessionConfig, StreamId};

use entry::{Entry, Fed};

use crate::lock::wake;
use crate::machine::Machine;
use crate::shared::{Accepted, OpenRequest, Opened, Shared};
use crate::stream::{Outgoing, RECV_LIMIT, StreamShared};

/// Accepted streams nobody has taken, at most; the rest waits in the machine.
const ACCEPT_LIMIT: usize = 32;

/// The driver's side of all streams of a session.
pub(crate) struct Pump {
    shared: Arc<Shared>,
    limits: SessionConfig,
    streams: HashMap<StreamId, Entry>,
    /// Streams that may have something to send, each at most once, in turn.
    ready: VecDeque<StreamId>,
    /// The machine said it is full and has not taken it back.
    full: bool,
    /// Streams whose readers have granted no more, until the machine says to try again.
    unread: VecDeque<StreamId>,
    /// Waiting for a stream, in turn.
    opens: VecDeque<OpenRequest>,
    opens_wait: bool,
    /// Chunks on their way to a queue; empty between calls.
    chunks: VecDeque<Chunk>,
}

impl Pump {
    pub(crate) fn new(shared: Arc<Shared>, limits: SessionConfig) -> Pump {
        Pump {
            shared,
            limits,
            streams: HashMap::new(),
            ready: VecDeque::new(),
            full: false,
            unread: VecDeque::new(),
            opens: VecDeque::new(),
            opens_wait: false,
            chunks: VecDeque::new(),
        }
    }

    /// Whether something a half took has not reached the machine.
    pub(crate) fn holds_items(&self) -> bool {
        !self.ready.is_empty() || !self.unread.is_empty()
    }

    fn add(&mut self, id: StreamId, fragment_size: Option<usize>) -> Arc<StreamShared> {
        let fragment_size = fragment_size.unwrap_or(self.limits.fragment_size);
        let limits = SessionConfig {
            fragment_size,
            ..self.limits.clone()
        };
        let shared = Arc::new(StreamShared::new(id, limits.largest_message()));
        let entry = Entry {
            shared: Arc::clone(&shared),
            items: VecDeque::new(),
            batch: 0,
            queued: false,
            send_over: false,
            recv_over: false,
        };
        self.streams.insert(id, entry);
        shared
    }

    fn settle(&mut self, id: StreamId) {
        if self
            .streams
            .get(&id)
            .is_some_and(|entry| entry.send_over && entry.recv_over && !entry.queued)
        {
            self.streams.remove(&id);
        }
    }

    /// A half asked to be looked at.
    pub(crate) fn on_dirty(&mut self, now: Instant, session: &mut Machine, id: StreamId) {
        let Some(entry) = self.streams.get_mut(&id) else { return };
        entry.shared.seen();
        if let Some(code) = entry.shared.send(|queue| queue.reset) {
            let _already_over = session.reset(now, id, code);
            entry.end_sending(SendRefusal::StreamClosed);
        }
        for (message, within) in entry.shared.send(|queue| std::mem::take(&mut queue.watched)) {
            // A stream that is over has its fates; there is nothing to be late.
            let _over = session.watch(now, id, message, within);
        }
        if !entry.queued && !entry.send_over {
            entry.queued = true;
            self.ready.push_back(id);
        }
        let (stop, starved) = entry.shared.recv(|queue| (queue.stop, queue.starved));
        if let Some(code) = stop {
            let _already_over = session.stop(now, id, code);
            entry.recv_over = true;
        }
        let send_over = entry.send_over;
        if starved {
            self.receive(now, session, id, RECV_LIMIT);
        }
        if send_over {
            self.wait_no_more(id);
        }
        self.settle(id);
    }

    /// Gives the machine what it takes, every stream in its turn.
    pub(crate) fn feed(&mut self, now: Instant, session: &mut Machine) {
        for _ in 0..self.ready.len() {
            if self.full {
                return;
            }
            let Some(id) = self.ready.pop_front() else { return };
            let Some(entry) = self.streams.get_mut(&id) else {
                continue;
            };
            match entry.feed(now, session) {
                Fed::Done => entry.queued = false,
                Fed::More => self.ready.push_back(id),
                Fed::Full => {
                    self.full = true;
                    self.ready.push_front(id);
                }
                Fed::Unread => self.unread.push_back(id),
            }
            self.settle(id);
        }
    }

    /// Whether [`feed`](Pump::feed) or [`open`](Pump::open) has more to do at once.
    pub(crate) fn hungry(&self) -> bool {
        !self.full && !self.ready.is_empty() || !self.opens_wait && !self.opens.is_empty()
    }

    pub(crate) fn on_writable(&mut self) {
        self.full = false;
        self.opens_wait = false;
        self.ready.append(&mut self.unread);
    }

    /// A stream that takes no more waits for no reader.
    fn wait_no_more(&mut self, id: StreamId) {
        if let Some(at) = self.unread.iter().position(|waiting| *waiting == id) {
            self.unread.remove(at);
            self.ready.push_back(id);
        }
    }

    pub(crate) fn on_streams_available(&mut self) {
        self.opens_wait = false;
    }

    pub(crate) fn request(&mut self, request: OpenRequest) {
        self.opens.push_back(request);
    }

    /// Opens what was asked for, in turn, as far as the machine lets it.
    pub(crate) fn open(&mut self, now: Instant, session: &mut Machine) {
        self.opens.retain(|request| !request.answer.is_canceled());
        while !self.opens_wait {
            let Some(request) = self.opens.pop_front() else { return };
            let answer = match session.open(now, request.options.clone()) {
                Ok(id) => Ok(Opened::new(
                    self.add(id, request.options.fragment_size),
                    Arc::clone(&self.shared),
                )),
                Err(OpenError::TooMany | OpenError::Full) => {
                    self.opens_wait = true;
                    self.opens.push_front(request);
                    return;
                }
                Err(error) => Err(error),
            };
            let opened = answer.as_ref().ok().and_then(Opened::id);
            let _nobody_waits = request.answer.send(answer);
            if let Some(id) = opened {
                self.receive(now, session, id, RECV_LIMIT);
            }
        }
    }

    /// Takes streams the peer opened, as long as somebody takes them from us.
    pub(crate) fn accept(&mut self, now: Instant, session: &mut Machine) {
        self.accept_up_to(ACCEPT_LIMIT, now, session);
    }

    fn accept_up_to(&mut self, limit: usize, now: Instant, session: &mut Machine) {
        while self.shared.look(|view| view.accepted.len()) < limit {
            let Some(accepted) = session.accept(now) else { return };
            let stream = self.add(accepted.id, None);
            self.receive(now, session, accepted.id, RECV_LIMIT);
            let (label, priority) = (accepted.label, accepted.priority);
            self.shared.show(|view| {
                view.accepted.push_back(Accepted {
                    stream,
                    label,
                    priority,
                })
            });
        }
    }

    /// Moves what the machine holds for a stream to its half, up to `limit`.
    pub(crate) fn receive(&mut self, now: Instant, session: &mut Machine, id: StreamId, limit: usize) {
        let Some(entry) = self.streams.get_mut(&id) else { return };
        // Again if the half emptied its queue just before we would tell it that there is more.
        while !entry.recv_over && entry.receive(now, session, limit, &mut self.chunks) {}
        self.settle(id);
    }

    pub(crate) fn on_stopped(&mut self, id: StreamId, code: u64) {
        if let Some(entry) = self.streams.get_mut(&id) {
            entry.end_sending(SendRefusal::Stopped(code));
            self.wait_no_more(id);
        }
    }

    /// The application is closing: halves take nothing more; what they took is still given on.
    pub(crate) fn refuse_more(&mut self) {
        for entry in self.streams.values() {
            entry.shared.refuse(SendRefusal::SessionClosed);
        }
        self.opens.clear();
    }

    /// The session is over: gives the halves what can still be read, tells them, and adds to `fates`
    /// what the machine never got.
    pub(crate) fn end(&mut self, now: Instant, session: &mut Machine, fates: &mut Fates) {
        // The peer knows them delivered, and the machine goes with its driver.
        self.accept_up_to(usize::MAX, now, session);
        let ids: Vec<StreamId> = self.streams.keys().copied().collect();
        for id in ids {
            self.receive(now, session, id, usize::MAX);
        }
        self.finish_off(fates);
    }

    /// As [`end`](Pump::end), without asking the machine for anything.
    pub(crate) fn finish_off(&mut self, fates: &mut Fates) {
        self.opens.clear();
        self.ready.clear();
        self.unread.clear();
        for (id, mut entry) in self.streams.drain() {
            entry.shared.refuse(SendRefusal::SessionClosed);
            wake(entry.shared.recv(|queue| {
                if !entry.recv_over {
                    queue.failure = Some(unbroken_proto::error::RecvError::SessionEnded);
                }
                queue.waker.take()
            }));
            if !entry.send_over {
                entry.shared.send(|queue| entry.items.append(&mut queue.items));
                hand_back(fates, id, entry.items);
            }
        }
    }
}

/// What the machine never got was not delivered, behind what it knows about.
fn hand_back(fates: &mut Fates, stream: StreamId, items: VecDeque<Outgoing>) {
    let undelivered = items.into_iter().map(|item| match item {
        Outgoing::Message(payload) => Undelivered { payload, message: true },
        Outgoing::Bytes(payload) => Undelivered {
            payload,
            message: false,
        },
        Outgoing::Gathered(payload) => Undelivered {
            payload: payload.freeze(),
            message: false,
        },
    });
    let mut undelivered = undelivered.peekable();
    if undelivered.peek().is_none() {
        return;
    }
    let at = fates
        .streams
        .iter()
        .position(|fate| fate.stream >= stream)
        .unwrap_or(fates.streams.len());
    if fates.streams.get(at).is_none_or(|fate| fate.stream != stream) {
        let (delivered, unknown) = (Tally::default(), Tally::default());
        fates.streams.insert(
            at,
            StreamFate {
                stream,
                delivered,
                unknown,
                not_delivered: Vec::new(),
            },
        );
    }
    if let Some(fate) = fates.streams.get_mut(at) {
        fate.not_delivered.extend(undelivered);
    }
}
