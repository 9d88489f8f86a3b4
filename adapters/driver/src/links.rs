//! The connections of one session: packets in, packets out, and an end for each.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use unbroken_proto::config::MAX_PACKET;
use unbroken_proto::{Cause, Duration, Epoch, Instant};

use crate::connect_error::cause_of;
use crate::connection::BoxConnection;
use crate::machine::Machine;

/// Packets a connection may read, and write, in one turn.
const TURN: usize = 16;
/// How long a connection that is of no more use may take to say goodbye.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Connections saying goodbye at once; beyond, the oldest is dropped.
const CLOSING: usize = 4;

/// All connections a session has.
#[derive(Default)]
pub(crate) struct Links {
    slots: Vec<Slot>,
    /// A buffer that was not needed, and how large the last packet was.
    spare: Vec<u8>,
    expect: usize,
}

struct Slot {
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

/// What a turn left behind.
#[derive(PartialEq, Eq)]
enum Turn {
    /// Everything was done; the connection will wake us.
    Idle,
    /// The turn is over, there may be more.
    More,
}

impl Links {
    pub(crate) fn add(&mut self, epoch: Epoch, connection: BoxConnection) {
        self.push(Some(epoch), connection, None, None);
    }

    /// A connection that gets no session: one last packet and goodbye.
    pub(crate) fn turn_away(&mut self, now: Instant, connection: BoxConnection, packet: Option<Vec<u8>>) {
        self.push(None, connection, packet.map(Bytes::from), Some(now + CLOSE_LIMIT));
        let surplus = self
            .slots
            .iter()
            .filter(|slot| slot.closing.is_some())
            .count()
            .saturating_sub(CLOSING);
        self.slots
            .iter_mut()
            .filter(|slot| slot.closing.is_some())
            .take(surplus)
            .for_each(|slot| slot.gone = true);
    }

    fn push(&mut self, epoch: Option<Epoch>, connection: BoxConnection, last: Option<Bytes>, closing: Option<Instant>) {
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

    /// When a goodbye has taken too long.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.slots.iter().filter_map(|slot| slot.closing).min()
    }

    /// Feeds the machine what has arrived. True: there may be more at once.
    pub(crate) fn read(&mut self, now: Instant, session: &mut Machine, cx: &mut Context<'_>) -> bool {
        let mut more = false;
        for slot in &mut self.slots {
            more |= slot.read(now, session, cx) == Turn::More;
        }
        self.slots.retain(|slot| !slot.gone);
        more
    }

    /// Asks the machine for packets while the carriers take them, and says goodbye to those
    /// connections it does not want any more. True: there may be more at once.
    pub(crate) fn write(&mut self, now: Instant, session: &mut Machine, cx: &mut Context<'_>) -> bool {
        let mut more = false;
        for slot in &mut self.slots {
            match slot.write(now, session, cx, &mut self.spare, &mut self.expect) {
                Ok(turn) => more |= turn == Turn::More,
                Err(error) => slot.lost(now, session, cause_of(&error)),
            }
        }
        self.slots.retain(|slot| !slot.gone);
        more
    }
}

impl Slot {
    fn lost(&mut self, now: Instant, session: &mut Machine, cause: Cause) {
        self.gone = true;
        if let Some(epoch) = self.epoch {
            session.detach(now, epoch, cause);
        }
    }

    fn read(&mut self, now: Instant, session: &mut Machine, cx: &mut Context<'_>) -> Turn {
        for _ in 0..TURN {
            match self.connection.as_mut().poll_next(cx) {
                Poll::Pending => return Turn::Idle,
                Poll::Ready(Some(Ok(packet))) => {
                    let Some(epoch) = self.epoch else { continue };
                    if session.handle_input(now, epoch, packet).is_err() {
                        self.closing.get_or_insert(now + CLOSE_LIMIT);
                    }
                }
                Poll::Ready(end) => {
                    let cause = end
                        .and_then(Result::err)
                        .map_or(Cause::Network, |error| cause_of(&error));
                    self.lost(now, session, cause);
                    return Turn::Idle;
                }
            }
        }
        Turn::More
    }

    fn write(
        &mut self,
        now: Instant,
        session: &mut Machine,
        cx: &mut Context<'_>,
        spare: &mut Vec<u8>,
        expect: &mut usize,
    ) -> io::Result<Turn> {
        let mut turn = Turn::More;
        for _ in 0..TURN {
            if self.closed || self.connection.as_mut().poll_ready(cx)?.is_pending() {
                turn = Turn::Idle;
                break;
            }
            let Some(packet) = self.last.take().or_else(|| self.pack(now, session, spare, expect)) else {
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
        let unwanted = self.epoch.is_some_and(|epoch| !session.is_wanted(epoch));
        if unwanted && self.closing.is_none() {
            self.closing = Some(now + CLOSE_LIMIT);
            turn = Turn::More;
        }
        self.gone |= self.closing.is_some_and(|limit| limit <= now);
        Ok(turn)
    }

    /// The machine's next packet for this connection, in a buffer about as large as the last one needed.
    fn pack(&self, now: Instant, session: &mut Machine, spare: &mut Vec<u8>, expect: &mut usize) -> Option<Bytes> {
        let mut buffer = std::mem::take(spare);
        buffer.reserve(*expect);
        if !session.poll_transmit(now, self.epoch?, &mut buffer) {
            *spare = buffer;
            return None;
        }
        *expect = (buffer.len() + buffer.len() / 8).min(MAX_PACKET + 1);
        Some(Bytes::from(buffer))
    }
}
