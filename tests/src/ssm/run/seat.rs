//! An end in its place: with its connection, and its application.

use unbroken_proto::{Duration, Instant};

use crate::ssm::gateway::{End, Gateway, Socket};
use crate::ssm::peer::{Message, Peer};
use crate::ssm::source::Source;

/// One end.
#[derive(Debug)]
pub(super) struct Seat<'a, P> {
    end: End,
    pub(super) peer: &'a mut P,
    pub(super) source: Source,
    pub(super) taken: usize,
    pub(super) delivered: Vec<u8>,
    /// When it dialled.
    pub(super) dials: Vec<Instant>,
    socket: Option<Socket>,
    /// When its dial comes to an end.
    dials_until: Option<Instant>,
}

/// What a round came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    /// Something happened.
    pub(super) busy: bool,
    /// Bytes were taken or delivered.
    pub(super) moved: bool,
}

impl<'a, P: Peer> Seat<'a, P> {
    pub(super) fn new(end: End, peer: &'a mut P, source: Source) -> Self {
        Seat {
            end,
            peer,
            source,
            taken: 0,
            delivered: Vec::new(),
            dials: Vec::new(),
            socket: None,
            dials_until: None,
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.socket.is_some()
    }

    pub(super) fn has_sent_all(&self) -> bool {
        self.taken >= self.source.bytes().len()
    }

    pub(super) fn handle_message(&mut self, now: Instant, socket: Socket, message: &Message) {
        if self.socket == Some(socket) {
            self.peer.handle_input(now, message.clone());
        }
    }

    pub(super) fn handle_closed(&mut self, now: Instant, socket: Socket) {
        if self.socket == Some(socket) {
            self.socket = None;
            self.peer.disconnected(now);
        }
    }

    pub(super) fn round(&mut self, now: Instant, dial: Duration, gateway: &mut Gateway) -> Round {
        let mut round = Round {
            busy: self.dial(now, dial, gateway),
            moved: false,
        };
        if self.peer.poll_timeout().is_some_and(|at| at <= now) {
            self.peer.handle_timeout(now);
            round.busy = true;
        }
        let offered = self.source.offered(now, self.taken);
        if !offered.is_empty() {
            let taken = self.peer.write(now, offered);
            self.taken += taken;
            round.moved |= taken > 0;
        }
        while let Some(message) = self.peer.poll_transmit(now) {
            round.busy = true;
            if let Some(socket) = self.socket {
                gateway.handle_input(now, socket, message);
            }
        }
        while let Some(call) = self.peer.poll_call() {
            round.busy = true;
            gateway.handle_call(now, call);
        }
        let read = self.peer.read(now);
        round.moved |= !read.is_empty();
        self.delivered.extend_from_slice(&read);
        if self.peer.ended().is_some()
            && let Some(socket) = self.socket.take()
        {
            gateway.handle_closed(now, socket);
            round.busy = true;
        }
        round.busy |= round.moved;
        round
    }

    /// Dials, or ends a dial.
    fn dial(&mut self, now: Instant, takes: Duration, gateway: &mut Gateway) -> bool {
        if let Some(until) = self.dials_until {
            if now < until {
                return false;
            }
            self.dials_until = None;
            match gateway.dial(now, self.end) {
                Ok(socket) => {
                    self.socket = Some(socket);
                    self.peer.connected(now);
                }
                Err(error) => self.peer.dial_failed(now, error),
            }
            return true;
        }
        if self.peer.wants_connection().is_none_or(|at| now < at) {
            return false;
        }
        // It has given up the connection that it may have.
        if let Some(socket) = self.socket.take() {
            gateway.handle_closed(now, socket);
            self.peer.disconnected(now);
        }
        self.dials.push(now);
        self.dials_until = Some(now + takes);
        true
    }

    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        // What it does not take now it takes when its time comes, or after something has happened.
        let more = self.source.next(now);
        let times = [self.dial_at(), self.peer.poll_timeout(), more];
        times.into_iter().flatten().min()
    }

    fn dial_at(&self) -> Option<Instant> {
        self.dials_until.or_else(|| self.peer.wants_connection())
    }
}
