//! The connections of one session: packets in, packets out, and an end for each.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use unbroken_proto::config::MAX_PACKET;
use unbroken_proto::{Cause, Duration, Epoch, Instant};

use crate::connect_error::cause_of;
use crate::connection::BoxConnection;
use crate::state::Shared;

/// Packets a connection may read, and write, in one turn.
const TURN: usize = 16;
/// Bytes read in one turn before their readers get one: on another core they work while more is read.
const READ_TURN: usize = 60_000;
/// How long a connection that is of no more use may take to close.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Connections being closed at once; beyond, the oldest is dropped.
const CLOSING: usize = 4;

/// All connections a session has.
#[derive(Default)]
pub(crate) struct Connections {
    active: Vec<ActiveConnection>,
    buffer: Buffer,
}

struct ActiveConnection {
    /// None: it never got one, and only carries a last packet.
    epoch: Option<Epoch>,
    connection: BoxConnection,
    last: Option<Bytes>,
    flushed: bool,
    /// Of no more use; gone by then at the latest.
    closing: Option<Instant>,
    closed: bool,
    gone: bool,
}

/// What packets are packed into.
#[derive(Default)]
struct Buffer {
    /// One that was not needed.
    spare: Vec<u8>,
    /// How large the last packet was.
    expect: usize,
}

/// What a turn left behind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Turn {
    /// Everything was done; the connection will wake us.
    Idle,
    /// The turn is over, there may be more.
    More,
    /// The same, and other tasks have much to do now.
    Yield,
}

impl Connections {
    pub(crate) fn add(&mut self, epoch: Epoch, connection: BoxConnection) {
        self.push(ActiveConnection::new(Some(epoch), connection, None, None));
    }

    /// A connection that gets no session: one last packet, and it is closed.
    pub(crate) fn reject(&mut self, now: Instant, connection: BoxConnection, packet: Option<Vec<u8>>) {
        let (last, closing) = (packet.map(Bytes::from), Some(now + CLOSE_LIMIT));
        self.push(ActiveConnection::new(None, connection, last, closing));
    }

    /// A peer that comes again and again, and reads no goodbye, has no more than some that close.
    fn push(&mut self, active: ActiveConnection) {
        self.active.push(active);
        let closing = self.active.iter().filter(|active| active.closing.is_some()).count();
        let mut surplus = closing.saturating_sub(CLOSING);
        self.active.retain(|active| {
            let drop = active.closing.is_some() && surplus > 0;
            surplus -= usize::from(drop);
            !drop
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// When closing a connection has taken too long.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.active.iter().filter_map(|active| active.closing).min()
    }

    /// Feeds the machine what has arrived.
    pub(crate) fn read(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Turn {
        let turns = self.active.iter_mut().map(|active| active.read(shared, cx));
        let longest = turns.max().unwrap_or(Turn::Idle);
        self.active.retain(|active| !active.gone);
        longest
    }

    /// Asks the machine for packets while the carriers take them, and closes those connections that it does not want
    /// any more.
    pub(crate) fn write(&mut self, now: Instant, shared: &Shared, cx: &mut Context<'_>) -> Turn {
        let mut next = Turn::Idle;
        for active in &mut self.active {
            match active.write(now, shared, cx, &mut self.buffer) {
                Ok(turn) => next = next.max(turn),
                Err(error) => active.lost(shared, cause_of(&error)),
            }
        }
        self.active.retain(|active| !active.gone);
        next
    }
}

impl ActiveConnection {
    fn new(
        epoch: Option<Epoch>,
        connection: BoxConnection,
        last: Option<Bytes>,
        closing: Option<Instant>,
    ) -> ActiveConnection {
        ActiveConnection {
            epoch,
            connection,
            last,
            flushed: true,
            closing,
            closed: false,
            gone: false,
        }
    }

    fn lost(&mut self, shared: &Shared, cause: Cause) {
        self.gone = true;
        if let Some(epoch) = self.epoch {
            shared.call_untimed(|state, now| state.machine.detach(now, epoch, cause));
        }
    }

    fn read(&mut self, shared: &Shared, cx: &mut Context<'_>) -> Turn {
        let mut read = 0;
        for _ in 0..TURN {
            match self.connection.as_mut().poll_next(cx) {
                Poll::Pending => {
                    self.read_partly(shared);
                    return Turn::Idle;
                }
                Poll::Ready(Some(Ok(packet))) => {
                    let Some(epoch) = self.epoch else { continue };
                    read += packet.len();
                    shared.call_untimed(|state, now| {
                        if state.machine.handle_input(now, epoch, packet).is_err() {
                            self.closing.get_or_insert(now + CLOSE_LIMIT);
                        }
                    });
                    if read >= READ_TURN {
                        return Turn::Yield;
                    }
                }
                Poll::Ready(end) => {
                    let error = end.and_then(Result::err);
                    self.lost(shared, error.map_or(Cause::Network, |error| cause_of(&error)));
                    return Turn::Idle;
                }
            }
        }
        Turn::More
    }

    /// Tells the machine of bytes that came of a packet that is not whole yet.
    fn read_partly(&mut self, shared: &Shared) {
        let bytes = self.connection.as_mut().take_partial();
        if let Some(epoch) = self.epoch.filter(|_| bytes > 0) {
            shared.call_untimed(|state, now| state.machine.handle_partial(now, epoch, bytes));
        }
    }

    fn write(&mut self, now: Instant, shared: &Shared, cx: &mut Context<'_>, buffer: &mut Buffer) -> io::Result<Turn> {
        let mut turn = Turn::More;
        for _ in 0..TURN {
            if self.closed || self.connection.as_mut().poll_ready(cx)?.is_pending() {
                turn = Turn::Idle;
                break;
            }
            let Some(packet) = self.last.take().or_else(|| buffer.pack(shared, self.epoch?)) else {
                turn = Turn::Idle;
                if self.closing.is_some() && self.flushed {
                    self.closed = self.connection.as_mut().poll_close(cx)?.is_ready();
                }
                break;
            };
            self.connection.as_mut().start_send(packet)?;
            self.flushed = false;
        }
        if !self.flushed {
            self.flushed = self.connection.as_mut().poll_flush(cx)?.is_ready();
        }
        let wanted = |epoch| shared.read(|state| state.machine.is_wanted(epoch));
        if self.closing.is_none() && self.epoch.is_some_and(|epoch| !wanted(epoch)) {
            self.closing = Some(now + CLOSE_LIMIT);
            turn = Turn::More;
        }
        self.gone |= self.closing.is_some_and(|limit| limit <= now);
        Ok(turn)
    }
}

impl Buffer {
    /// The machine's next packet for a connection, in a buffer about as large as the last one needed.
    fn pack(&mut self, shared: &Shared, epoch: Epoch) -> Option<Bytes> {
        let mut buffer = std::mem::take(&mut self.spare);
        buffer.reserve(self.expect);
        if !shared.call_untimed(|state, now| state.machine.poll_transmit(now, epoch, &mut buffer)) {
            self.spare = buffer;
            return None;
        }
        self.expect = (buffer.len() + buffer.len() / 8).min(MAX_PACKET + 1);
        Some(Bytes::from(buffer))
    }
}
