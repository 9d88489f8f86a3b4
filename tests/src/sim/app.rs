//! An application: writes, reads, half-closes, by its own rhythm.

use std::collections::BTreeMap;

use bytes::Bytes;
use unbroken_proto::error::{OpenError, RecvError, SendRefusal};
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::{Event, Session, Side, StreamId};

use super::env::{Conversation, Env};
use super::options::Work;

/// One end's application.
#[derive(Debug)]
pub struct App {
    side: Side,
    work: Work,
    to_open: u64,
    streams: BTreeMap<StreamId, Use>,
    blocked: bool,
    crowded: bool,
    incoming: bool,
    /// Nothing is read before this.
    pub paused_until: u64,
}

#[derive(Clone, Debug, Default)]
struct Use {
    to_write: u64,
    finishes: bool,
    write_over: bool,
    read_over: bool,
    readable: bool,
}

impl App {
    /// One that has all its work before it.
    #[must_use]
    pub fn new(side: Side, work: Work) -> App {
        App {
            side,
            work,
            to_open: work.streams,
            streams: BTreeMap::new(),
            blocked: false,
            crowded: false,
            incoming: true,
            paused_until: 0,
        }
    }

    /// Takes note of an event. True: the application wants a turn.
    pub fn on_event(&mut self, event: &Event) -> bool {
        match event {
            Event::Incoming => self.incoming = true,
            Event::Readable(stream) => {
                if let Some(used) = self.streams.get_mut(stream) {
                    used.readable = true;
                }
            }
            Event::Writable => self.blocked = false,
            Event::StreamsAvailable => self.crowded = false,
            _ => return false,
        }
        true
    }

    /// Whether nothing is left to write.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.to_open == 0 && self.streams.values().all(|used| used.write_over)
    }

    /// Whether it waits for a stream to be free before it can go on.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.crowded || self.is_written()
    }

    /// One turn.
    pub fn turn(&mut self, session: &mut Session, env: &mut Env, conv: &mut Conversation) {
        self.accept(session, env, conv);
        self.open(session, env, conv);
        let ids: Vec<StreamId> = self.streams.keys().copied().collect();
        for id in &ids {
            self.write(*id, session, env, conv);
        }
        if env.now < self.paused_until && !env.healed {
            return;
        }
        let reads = if env.healed { 1_000 } else { self.work.reads };
        for id in &ids {
            let attempt = !self.work.by_events || self.streams.get(id).is_some_and(|used| used.readable);
            if attempt {
                self.read(*id, reads, session, env, conv);
            }
        }
    }

    /// Until the application next wants a turn, in nanoseconds.
    pub fn pause(&self, env: &mut Env) -> u64 {
        let idle = if self.is_written() { 100_000_000 } else { 5_000_000 };
        let pause = if env.healed {
            self.work.pause.clamp(1_000_000, idle).max(idle / 5)
        } else {
            self.work.pause.max(idle / 5)
        };
        pause / 2 + env.rng.below(pause + 1)
    }

    fn accept(&mut self, session: &mut Session, env: &mut Env, conv: &mut Conversation) {
        if self.work.by_events && !self.incoming {
            return;
        }
        self.incoming = false;
        while let Some(stream) = session.accept(env.instant()) {
            env.trace.note(stream.id.0);
            env.demand(conv.ledger.accepted(self.side, &stream));
            let to_write = if self.work.answers { self.work.messages } else { 0 };
            self.begin(stream.id, to_write, env);
            env.tally.hit("app: stream accepted");
        }
    }

    fn begin(&mut self, stream: StreamId, to_write: u64, env: &mut Env) {
        let finishes = env.rng.chance(self.work.finishes);
        self.streams.insert(
            stream,
            Use {
                to_write,
                finishes,
                readable: true,
                ..Use::default()
            },
        );
    }

    fn open(&mut self, session: &mut Session, env: &mut Env, conv: &mut Conversation) {
        // See bugs: streams opened before the peer's limit is known may hold the outbox for ever.
        let early = self.side == Side::Client && session.id().is_none();
        if early && env.options.server.max_streams < self.work.streams {
            return;
        }
        while self.to_open > 0 && !(self.work.by_events && (self.crowded || self.blocked)) {
            let options = StreamOptions::default()
                .with_label(Bytes::from(vec![b'l'; usize::try_from(env.rng.below(20)).unwrap_or(0)]))
                .with_priority(*env.rng.pick(&[128, 0, 255]))
                .with_fragment_size(*env.rng.pick(&[None, Some(1_000), Some(64_000)]));
            match session.open(env.instant(), options.clone()) {
                Ok(id) => {
                    self.to_open -= 1;
                    conv.ledger.opened(id, &options);
                    self.begin(id, self.work.messages, env);
                    env.tally.hit("app: stream opened");
                }
                Err(OpenError::SessionClosed) => {
                    self.to_open = 0;
                    return;
                }
                Err(error) => {
                    self.crowded |= error == OpenError::TooMany;
                    self.blocked |= error == OpenError::Full;
                    env.tally.hit(if error == OpenError::Full {
                        "app: open full"
                    } else {
                        "app: too many streams"
                    });
                    return;
                }
            }
        }
    }

    fn write(&mut self, id: StreamId, session: &mut Session, env: &mut Env, conv: &mut Conversation) {
        let mut burst = self.work.burst;
        loop {
            let Some(used) = self.streams.get_mut(&id) else { return };
            if used.write_over || self.blocked && self.work.by_events {
                return;
            }
            if used.to_write == 0 {
                if used.finishes || env.healed {
                    used.write_over = true;
                    if session.stream(id).finish(env.instant()).is_ok() {
                        conv.ledger.half(id, self.side).finished = true;
                        env.tally.hit("app: half-close");
                    }
                }
                return;
            }
            if burst == 0 {
                return;
            }
            burst -= 1;
            match put(id, self.side, self.work.size, session, env, conv) {
                Ok(()) => used.to_write -= 1,
                Err(SendRefusal::Full | SendRefusal::Unread) => {
                    self.blocked = true;
                    env.tally.hit("app: outbox full");
                    return;
                }
                Err(SendRefusal::TooLarge) => env.tally.hit("app: message too large"),
                Err(refusal) => {
                    if let SendRefusal::Stopped(code) = refusal {
                        let half = conv.ledger.half(id, self.side);
                        if half.stopped != Some(code) {
                            env.fail(&format!("{id:?} stopped with {code}, nobody asked: {half:?}"));
                        }
                    }
                    used.write_over = true;
                    return;
                }
            }
        }
    }

    fn read(&mut self, id: StreamId, most: u64, session: &mut Session, env: &mut Env, conv: &mut Conversation) {
        let Some(used) = self.streams.get_mut(&id) else { return };
        for _ in 0..most {
            if used.read_over {
                return;
            }
            match session.stream(id).recv(env.instant()) {
                Ok(Some(chunk)) => {
                    env.trace.note(id.0);
                    env.demand(conv.ledger.read(self.side, id, &chunk));
                    used.read_over |= chunk == unbroken_proto::stream::Chunk::End;
                }
                Ok(None) => {
                    used.readable = false;
                    return;
                }
                Err(error) => {
                    env.tally.hit(match error {
                        RecvError::Reset(_) => "app: read a reset",
                        RecvError::SessionEnded => "app: read a session's end",
                        RecvError::UnknownStream => "app: read a stream that is gone",
                        _ => "app: read another error",
                    });
                    env.demand(conv.ledger.read_error(self.side, id, &error));
                    used.read_over = true;
                }
            }
        }
    }

    /// Reads everything the machine holds, so that the oracle knows what arrived.
    pub fn drain(&mut self, session: &mut Session, env: &mut Env, conv: &mut Conversation) {
        self.incoming = true;
        self.accept(session, env, conv);
        let ids: Vec<StreamId> = self.streams.keys().copied().collect();
        for id in ids {
            self.read(id, u64::MAX, session, env, conv);
        }
    }

    /// Abandons a stream, or asks the peer to, at a moment of somebody else's choosing.
    pub fn give_up_one(&mut self, reset: bool, session: &mut Session, env: &mut Env, conv: &mut Conversation) {
        let ids: Vec<StreamId> = self.streams.keys().copied().collect();
        if ids.is_empty() {
            return;
        }
        let id = *env.rng.pick(&ids);
        let code = env.rng.between(1, 9);
        let Some(used) = self.streams.get_mut(&id) else { return };
        if reset && session.stream(id).reset(env.instant(), code).is_ok() {
            used.write_over = true;
            conv.ledger.half(id, self.side).reset.get_or_insert(code);
            env.tally.hit("app: reset");
        }
        if !reset && session.stream(id).stop(env.instant(), code).is_ok() {
            used.read_over = true;
            let peer = if self.side == Side::Client {
                Side::Server
            } else {
                Side::Client
            };
            conv.ledger.half(id, peer).stopped.get_or_insert(code);
            env.tally.hit("app: stop");
        }
    }
}

fn put(
    id: StreamId,
    side: Side,
    most: u64,
    session: &mut Session,
    env: &mut Env,
    conv: &mut Conversation,
) -> Result<(), SendRefusal> {
    let size = usize::try_from(env.rng.scaled(0, most)).unwrap_or(0);
    let half = conv.ledger.half(id, side);
    let payload = half.payload(size);
    if half.messages {
        let copy = payload.clone();
        return match session.stream(id).send(env.instant(), payload) {
            Ok(()) => {
                half.sent(size);
                Ok(())
            }
            Err(refused) if refused.payload != copy => env.fail("a refused payload came back changed"),
            Err(refused) => Err(refused.reason),
        };
    }
    let mut rest = if payload.is_empty() { half.payload(1) } else { payload };
    let before = rest.len();
    let taken = session.stream(id).write(env.instant(), &mut rest)?;
    if taken == 0 || taken + rest.len() != before {
        env.fail(&format!("write took {taken} of {before} and left {}", rest.len()));
    }
    half.wrote(taken);
    Ok(())
}
