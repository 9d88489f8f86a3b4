//! Moves items between the machine and the queues of its streams. Decides nothing: what the machine
//! refuses waits until it says there is room.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use unbroken_proto::error::{OpenError, SendError, SendRefusal};
use unbroken_proto::event::{Fates, StreamFate, Tally, Undelivered};
use unbroken_proto::stream::Chunk;
use unbroken_proto::{Instant, Session, SessionConfig, StreamId};

use crate::lock::wake;
use crate::shared::{Accepted, OpenRequest, Opened, Shared};
use crate::stream::{Outgoing, RECV_LIMIT, SEND_LIMIT, StreamShared, chunk_charge};

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
    /// Waiting for a stream, in turn.
    opens: VecDeque<OpenRequest>,
    opens_wait: bool,
    /// Chunks on their way to a queue; empty between calls.
    chunks: VecDeque<Chunk>,
}

/// The driver's side of one stream.
struct Entry {
    shared: Arc<StreamShared>,
    /// Taken out of the half's queue in one go, not yet by the machine.
    items: VecDeque<Outgoing>,
    /// Charges of the batch, given back to the half when all of it is taken.
    batch: usize,
    queued: bool,
    send_over: bool,
    recv_over: bool,
}

enum Fed {
    /// Nothing is left.
    Done,
    /// More came meanwhile.
    More,
    /// The machine is full.
    Full,
}

impl Pump {
    pub(crate) fn new(shared: Arc<Shared>, limits: SessionConfig) -> Pump {
        Pump {
            shared,
            limits,
            streams: HashMap::new(),
            ready: VecDeque::new(),
            full: false,
            opens: VecDeque::new(),
            opens_wait: false,
            chunks: VecDeque::new(),
        }
    }

    /// Whether something a half took has not reached the machine.
    pub(crate) fn holds_items(&self) -> bool {
        !self.ready.is_empty()
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
    pub(crate) fn on_dirty(&mut self, now: Instant, session: &mut Session, id: StreamId) {
        let Some(entry) = self.streams.get_mut(&id) else { return };
        entry.shared.seen();
        if let Some(code) = entry.shared.send(|queue| queue.reset) {
            let _already_over = session.reset(now, id, code);
            entry.end_sending(SendRefusal::StreamClosed);
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
        if starved {
            self.receive(now, session, id, RECV_LIMIT);
        }
        self.settle(id);
    }

    /// Gives the machine what it takes, every stream in its turn.
    pub(crate) fn feed(&mut self, now: Instant, session: &mut Session) {
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
    }

    pub(crate) fn on_streams_available(&mut self) {
        self.opens_wait = false;
    }

    pub(crate) fn request(&mut self, request: OpenRequest) {
        self.opens.push_back(request);
    }

    /// Opens what was asked for, in turn, as far as the machine lets it.
    pub(crate) fn open(&mut self, now: Instant, session: &mut Session) {
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
    pub(crate) fn accept(&mut self, now: Instant, session: &mut Session) {
        while self.shared.look(|view| view.accepted.len()) < ACCEPT_LIMIT {
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
    pub(crate) fn receive(&mut self, now: Instant, session: &mut Session, id: StreamId, limit: usize) {
        let Some(entry) = self.streams.get_mut(&id) else { return };
        // Again if the half emptied its queue just before we would tell it that there is more.
        while !entry.recv_over && entry.receive(now, session, limit, &mut self.chunks) {}
        self.settle(id);
    }

    pub(crate) fn on_stopped(&mut self, id: StreamId, code: u64) {
        if let Some(entry) = self.streams.get_mut(&id) {
            entry.end_sending(SendRefusal::Stopped(code));
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
    pub(crate) fn end(&mut self, now: Instant, session: &mut Session, fates: &mut Fates) {
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

impl Entry {
    /// True if something is left in the machine although the half's queue is empty.
    fn receive(&mut self, now: Instant, session: &mut Session, limit: usize, chunks: &mut VecDeque<Chunk>) -> bool {
        let before = self.shared.recv(|queue| queue.held);
        let (mut charge, mut drained, mut failure) = (0, false, None);
        while before + charge < limit && !drained && !self.recv_over {
            match session.recv(now, self.shared.id) {
                Ok(Some(chunk)) => {
                    charge += chunk_charge(&chunk);
                    self.recv_over = chunk == Chunk::End;
                    chunks.push_back(chunk);
                }
                Ok(None) => drained = true,
                Err(error) => {
                    failure = Some(error);
                    self.recv_over = true;
                }
            }
        }
        let more = !drained && !self.recv_over;
        let (waker, again) = self.shared.recv(|queue| {
            queue.held += charge;
            queue.chunks.append(chunks);
            queue.failure = failure;
            queue.starved = more && !queue.chunks.is_empty();
            let news = !queue.chunks.is_empty() || failure.is_some();
            (
                if news { queue.waker.take() } else { None },
                more && queue.chunks.is_empty(),
            )
        });
        wake(waker);
        again
    }

    /// One batch.
    fn feed(&mut self, now: Instant, session: &mut Session) -> Fed {
        if self.items.is_empty() {
            self.take();
        }
        while let Some(item) = self.items.pop_front() {
            let refused = match item {
                Outgoing::Message(payload) => session
                    .send(now, self.shared.id, payload)
                    .err()
                    .map(|SendError { payload, reason }| (Outgoing::Message(payload), reason)),
                Outgoing::Bytes(payload) => self.write(now, session, payload),
                Outgoing::Gathered(payload) => self.write(now, session, payload.freeze()),
            };
            if let Some((item, reason)) = refused {
                self.items.push_front(item);
                if reason == SendRefusal::Full {
                    return Fed::Full;
                }
                self.refused(now, session, reason);
                return Fed::Done;
            }
        }
        self.taken(now, session)
    }

    fn write(&self, now: Instant, session: &mut Session, mut payload: bytes::Bytes) -> Option<(Outgoing, SendRefusal)> {
        while !payload.is_empty() {
            if let Err(reason) = session.write(now, self.shared.id, &mut payload) {
                return Some((Outgoing::Bytes(payload), reason));
            }
        }
        None
    }

    fn take(&mut self) {
        let (items, batch) = (&mut self.items, &mut self.batch);
        self.shared.send(|queue| {
            std::mem::swap(items, &mut queue.items);
            *batch = queue.held;
        });
    }

    /// The machine took the batch: makes room for the half, and passes on how the stream ends.
    fn taken(&mut self, now: Instant, session: &mut Session) -> Fed {
        let batch = std::mem::take(&mut self.batch);
        let (more, finish, waker) = self.shared.send(|queue| {
            queue.held = queue.held.saturating_sub(batch);
            let waker = if queue.held < SEND_LIMIT {
                queue.waker.take()
            } else {
                None
            };
            (!queue.items.is_empty(), queue.finish, waker)
        });
        wake(waker);
        if more {
            return Fed::More;
        }
        if finish && !self.send_over {
            let _already_over = session.finish(now, self.shared.id);
            self.send_over = true;
        }
        Fed::Done
    }

    /// The machine takes nothing more. If the session is over for sending, what is left is handed
    /// back at its end; if only the stream is, it is dropped with it.
    fn refused(&mut self, now: Instant, session: &mut Session, reason: SendRefusal) {
        if reason == SendRefusal::SessionClosed {
            self.shared.refuse(reason);
        } else {
            let _already_over = session.reset(now, self.shared.id, 0);
            self.end_sending(reason);
        }
    }

    fn end_sending(&mut self, reason: SendRefusal) {
        self.items.clear();
        self.shared.send(|queue| queue.items.clear());
        self.shared.refuse(reason);
        self.send_over = true;
    }
}
