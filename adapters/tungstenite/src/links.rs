//! The connections of one session: packets in, packets out, and an end for each.

use std::io;

use unbroken_proto::{Cause, Duration, Epoch, Instant, Session};

use crate::connection::Connection;
use crate::failure::{cause_of, is_blocked};

/// Packets a connection may read, and write, in one turn.
const TURN: usize = 16;
/// How long a connection that is of no more use may take to say goodbye.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Connections without a session saying goodbye at once; beyond, the oldest is dropped.
const CLOSING: usize = 64;

/// All connections a session has; or those that get none, and only take their leave.
pub(crate) struct Links<C> {
    slots: Vec<Slot<C>>,
}

struct Slot<C> {
    /// None: it never got a session, and only carries a last packet.
    epoch: Option<Epoch>,
    connection: C,
    last: Option<Vec<u8>>,
    flushed: bool,
    /// Of no more use; gone by then at the latest.
    closing: Option<Instant>,
    closed: bool,
    gone: bool,
}

/// What a turn left behind.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Everything was done; the sockets will tell.
    Idle,
    /// The turn is over, there may be more.
    More,
}

impl Turn {
    pub(crate) fn or(self, other: Turn) -> Turn {
        match self {
            Turn::More => Turn::More,
            Turn::Idle => other,
        }
    }
}

impl<C: Connection> Links<C> {
    pub(crate) fn new() -> Links<C> {
        Links { slots: Vec::new() }
    }

    pub(crate) fn add(&mut self, epoch: Epoch, connection: C) {
        self.push(Some(epoch), connection, None, None);
    }

    /// A connection that gets no session: one last packet and goodbye.
    pub(crate) fn turn_away(&mut self, now: Instant, connection: C, packet: Option<Vec<u8>>) {
        self.push(None, connection, packet, Some(now + CLOSE_LIMIT));
        if let Some(surplus) = self.slots.len().checked_sub(CLOSING) {
            self.slots.drain(..surplus);
        }
    }

    fn push(&mut self, epoch: Option<Epoch>, connection: C, last: Option<Vec<u8>>, closing: Option<Instant>) {
        self.slots.push(Slot {
            epoch,
            connection,
            last,
            flushed: true,
            closing,
            closed: false,
            gone: false,
        });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &C> {
        self.slots.iter().map(|slot| &slot.connection)
    }

    /// When a goodbye has taken too long.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.slots.iter().filter_map(|slot| slot.closing).min()
    }

    /// Feeds the machine what has arrived.
    pub(crate) fn read(&mut self, now: Instant, mut session: Option<&mut Session>) -> Turn {
        let mut turn = Turn::Idle;
        for slot in &mut self.slots {
            turn = turn.or(slot.read(now, session.as_deref_mut()));
        }
        self.slots.retain(|slot| !slot.gone);
        turn
    }

    /// Asks the machine for packets while the connections take them, and says goodbye to those it does not want
    /// any more.
    pub(crate) fn write(&mut self, now: Instant, mut session: Option<&mut Session>) -> Turn {
        let mut turn = Turn::Idle;
        for slot in &mut self.slots {
            match slot.write(now, session.as_deref_mut()) {
                Ok(more) => turn = turn.or(more),
                Err(error) => slot.lost(now, session.as_deref_mut(), cause_of(&error)),
            }
        }
        self.slots.retain(|slot| !slot.gone);
        turn
    }
}

/// Done, or to be done later.
fn unless_blocked(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if is_blocked(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

impl<C: Connection> Slot<C> {
    fn lost(&mut self, now: Instant, session: Option<&mut Session>, cause: Cause) {
        self.gone = true;
        if let (Some(epoch), Some(session)) = (self.epoch, session) {
            session.detach(now, epoch, cause);
        }
    }

    fn read(&mut self, now: Instant, mut session: Option<&mut Session>) -> Turn {
        for _ in 0..TURN {
            let cause = match self.connection.read() {
                Ok(Some(packet)) => {
                    let (Some(epoch), Some(session)) = (self.epoch, session.as_deref_mut()) else {
                        continue;
                    };
                    if session.handle_input(now, epoch, packet).is_err() {
                        self.closing.get_or_insert(now + CLOSE_LIMIT);
                    }
                    continue;
                }
                Err(error) if is_blocked(&error) => return Turn::Idle,
                Ok(None) => Cause::Network,
                Err(error) => cause_of(&error),
            };
            self.lost(now, session, cause);
            return Turn::Idle;
        }
        Turn::More
    }

    fn write(&mut self, now: Instant, mut session: Option<&mut Session>) -> io::Result<Turn> {
        let mut turn = Turn::More;
        for _ in 0..TURN {
            if self.closed {
                turn = Turn::Idle;
                break;
            }
            if !self.connection.is_ready() {
                // Room may be had by writing; if not, the socket tells when there is some.
                self.flushed = unless_blocked(self.connection.flush())?;
                if !self.connection.is_ready() {
                    turn = Turn::Idle;
                    break;
                }
            }
            let Some(packet) = self.last.take().or_else(|| self.pack(now, session.as_deref_mut())) else {
                turn = Turn::Idle;
                break;
            };
            self.connection.send(packet)?;
            self.flushed = false;
        }
        if !self.closed && (!self.flushed || self.connection.wants_write()) {
            self.flushed = unless_blocked(self.connection.flush())?;
        }
        if turn == Turn::Idle && self.closing.is_some() && self.flushed && !self.closed {
            self.closed = unless_blocked(self.connection.close())?;
        }
        let wanted = |epoch| session.as_deref().is_some_and(|session| session.is_wanted(epoch));
        if self.closing.is_none() && self.epoch.is_some_and(|epoch| !wanted(epoch)) {
            self.closing = Some(now + CLOSE_LIMIT);
            turn = Turn::More;
        }
        self.gone |= self.closing.is_some_and(|limit| limit <= now);
        Ok(turn)
    }

    /// The machine's next packet for this connection.
    fn pack(&self, now: Instant, session: Option<&mut Session>) -> Option<Vec<u8>> {
        let (epoch, session) = (self.epoch?, session?);
        let mut packet = Vec::new();
        session.poll_transmit(now, epoch, &mut packet).then_some(packet)
    }
}
