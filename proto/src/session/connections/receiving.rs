//! Sealed packets in: what each frame does to its connection and to the session's account.

use bytes::{Buf, Bytes, BytesMut};

use super::active::ActiveConnection;
use super::context::PacketContext;
use crate::error::{ConnectionError, ProtocolError, Violation};
use crate::event::Event;
use crate::limits::{FRAME_CHARGE, MAX_PACKET, REKEY_EVERY};
use crate::security::Keys;
use crate::session::closing::{Finish, Stated};
use crate::session::ledger::Arrival;
use crate::stream::copy_if_small;
use crate::time::Duration;
use crate::wire;
use crate::wire::frame::{Frame, Part};
use crate::wire::packet::{PacketType, SEAL_OVERHEAD};

/// One packet that came in on `connection`.
pub(crate) struct Receiving<'a> {
    pub(crate) connection: &'a mut ActiveConnection,
    pub(crate) is_current: bool,
    /// The current connection, if this packet came on the one that drains in its favour: what arrives on a draining
    /// connection is acknowledged on the current one.
    pub(crate) successor: Option<&'a mut ActiveConnection>,
    /// Whether an older connection is still draining.
    pub(crate) draining: bool,
    pub(crate) session: PacketContext<'a>,
}

/// What one packet asks of the session.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// How the session ends, if this packet ends it.
    pub(crate) finish: Option<Finish>,
    /// The peer asks that this connection be left for that place (empty: the same).
    pub(crate) go_away: Option<Bytes>,
    /// The probe that the host asked for was answered.
    pub(crate) answered: bool,
}

/// What the frames of one packet amounted to.
#[derive(Default)]
struct Tally {
    sequenced_bytes: usize,
    urgent: bool,
    rekey: bool,
    received: Received,
}

/// Checks and decrypts one packet in place; what is left of it are its frames.
pub(crate) fn open(keys: &mut Keys, packet: &mut BytesMut) -> Result<(), ConnectionError> {
    if packet.len() > MAX_PACKET {
        return Err(ConnectionError::TooLarge);
    }
    if PacketType::of(packet)? != PacketType::Sealed {
        return Err(ConnectionError::UnexpectedPacket);
    }
    packet.advance(1);
    keys.opener.open(packet).map_err(|_| ConnectionError::Forged)
}

impl Receiving<'_> {
    /// The plaintext of one authentic packet.
    ///
    /// # Errors
    /// The peer broke the protocol; what its frames did before that stands.
    pub(crate) fn receive(&mut self, plaintext: BytesMut) -> Result<Received, Violation> {
        self.session.counters.stats.packets_received += 1;
        self.connection.notice_stall(self.session.now);
        let mut tally = Tally::default();
        let packet_len = plaintext.len();
        let mut result = self.judge_length(packet_len + SEAL_OVERHEAD);
        let mut frames = wire::frames(plaintext.freeze());
        while result.is_ok() {
            let place = frames.upcoming();
            let taken = match frames.next() {
                None => break,
                Some(Err(rule)) => Err(rule),
                Some(Ok(mut frame)) => {
                    if let Frame::Data(data) = &mut frame {
                        copy_if_small(data, packet_len);
                    }
                    self.on_frame(frame, &mut tally)
                }
            };
            result = taken.map_err(|rule| Violation { place, rule });
            if tally.received.finish.is_some() {
                break;
            }
        }
        if tally.rekey {
            self.connection.keys.opener.rekey();
        } else if self.connection.keys.opener.since_rekey() >= REKEY_EVERY && tally.received.finish.is_none() {
            result = result.and(Err(Violation {
                place: "packet",
                rule: ProtocolError::RekeyOverdue,
            }));
        }
        self.take_note(&tally);
        result.map(|()| tally.received)
    }

    fn judge_length(&self, packet: usize) -> Result<(), Violation> {
        let place = "packet";
        let rule = ProtocolError::PacketLimit;
        let fits = packet <= self.session.config.packet_limit;
        fits.then_some(()).ok_or(Violation { place, rule })
    }

    /// Notes what the packet shows: that the peer is alive, that there is traffic, and what is to be acknowledged.
    fn take_note(&mut self, tally: &Tally) {
        let (now, is_current) = (self.session.now, self.is_current);
        let connection = &mut *self.connection;
        let waiting = connection.packed_until() > self.session.ledger.acked();
        connection.liveness.on_input(now, waiting);
        if tally.sequenced_bytes > 0 {
            connection.busy_at = now;
        }
        if tally.sequenced_bytes > 0 || tally.urgent {
            let (acks, srtt) = match &mut self.successor {
                Some(successor) => (&mut successor.acks, successor.rtt.srtt()),
                None => (&mut connection.acks, connection.rtt.srtt()),
            };
            acks.on_packet(now, tally.sequenced_bytes, srtt);
            if tally.urgent {
                acks.at_once();
            }
        }
        if is_current && !self.draining {
            connection.resync_if_missing(self.session.ledger.expected());
        }
    }

    fn on_frame(&mut self, frame: Frame, tally: &mut Tally) -> Result<(), ProtocolError> {
        match frame {
            Frame::Data(_)
            | Frame::Open(_)
            | Frame::Reset { .. }
            | Frame::Stop { .. }
            | Frame::Credit { .. }
            | Frame::Close(_) => return self.on_sequenced(frame, tally),
            Frame::Part(part) => return self.on_part(part, tally),
            Frame::Ack { position } => return self.on_ack(position),
            Frame::From { position } => return self.on_from(position),
            Frame::Resync { position } => return self.on_resync(position),
            Frame::Ping { id } => self.connection.pong = Some(id),
            Frame::Pong { id } => tally.received.answered |= self.on_pong(id),
            Frame::GoAway { within, alternate } => {
                let alternate = Bytes::copy_from_slice(&alternate);
                tally.received.go_away = Some(alternate.clone());
                self.session.events.push(Event::GoAway {
                    within: Duration::from_millis(within),
                    alternate,
                });
            }
            Frame::Rekey => tally.rekey = true,
            Frame::Closed { position } => {
                let finish = self.session.closing.on_closed(position, self.session.ledger)?;
                tally.received.finish = Some(finish);
            }
            Frame::End(end) => tally.received.finish = Some(self.session.closing.on_end(&end, self.session.ledger)),
            Frame::Final(_) => return Err(ProtocolError::Misplaced),
        }
        Ok(())
    }

    /// A frame that comes in parts arrives with the last of them.
    fn on_part(&mut self, part: Part, tally: &mut Tally) -> Result<(), ProtocolError> {
        if !self.connection.arriving.has_begun() {
            return Err(ProtocolError::Misplaced);
        }
        tally.sequenced_bytes += FRAME_CHARGE;
        match self.connection.assembly.add(part)? {
            Some(whole) => self.on_sequenced(Frame::Data(whole), tally),
            None => Ok(()),
        }
    }

    fn on_sequenced(&mut self, frame: Frame, tally: &mut Tally) -> Result<(), ProtocolError> {
        if self.connection.assembly.is_begun() {
            return Err(ProtocolError::Part);
        }
        let position = self.connection.arriving.take()?;
        if let Frame::Close(close) = &frame {
            self.judge(Stated::Present, close.position)?;
        }
        let charge = frame.charge();
        let gap_open = self.gap_open();
        let (arrival, close) = self.session.ledger.arrive(position, frame, gap_open)?;
        tally.sequenced_bytes += charge;
        let stats = &mut self.session.counters.stats;
        match arrival {
            Arrival::Duplicate => {
                stats.duplicate_frames += 1;
                tally.urgent = true;
            }
            Arrival::Ahead => tally.urgent = true,
            Arrival::InOrder { payload } => stats.payload_received += payload,
        }
        if let Some(close) = close {
            tally.urgent = true;
            self.session.on_peer_close(close);
            self.connection.closed_due = true;
            if let Some(successor) = &mut self.successor {
                successor.closed_due = true;
            }
        }
        Ok(())
    }

    /// Whether frames ahead of their turn are legal here.
    fn gap_open(&self) -> bool {
        self.is_current && self.connection.swap.gap_open(self.session.ledger.expected())
    }

    /// FROM: where this connection's sequenced frames go on.
    fn on_from(&mut self, position: u64) -> Result<(), ProtocolError> {
        self.connection.assembly.abandon();
        if self.is_current {
            self.connection.swap.peer_from.get_or_insert(position);
        }
        let gap = self.connection.swap.peer_from.filter(|_| self.gap_open());
        let expected = self.session.ledger.expected();
        self.connection.arriving.on_from(position, expected, gap)
    }

    fn on_resync(&mut self, position: u64) -> Result<(), ProtocolError> {
        let is_current = self.is_current;
        let connection = &mut *self.connection;
        let until = connection.swap.own_from;
        if !is_current || !connection.swap.planned || connection.resync_answered || position >= until {
            return Err(ProtocolError::Misplaced);
        }
        self.judge(Stated::Present, position)?;
        self.acknowledge(position);
        let connection = &mut *self.connection;
        connection.resync_answered = true;
        connection.flight.on_held_up();
        connection.detour = Some((until, connection.cursor));
        connection.go_on_from(position);
        Ok(())
    }

    fn on_ack(&mut self, position: u64) -> Result<(), ProtocolError> {
        self.judge(Stated::Acknowledged, position)?;
        self.connection.swap.ack_seen |= self.is_current;
        self.acknowledge(position);
        Ok(())
    }

    /// Judges a position that the peer states.
    fn judge(&self, stated: Stated, position: u64) -> Result<(), ProtocolError> {
        self.session.closing.judge(stated, position, self.session.ledger)
    }

    /// Whether it answers the probe that the host asked for.
    fn on_pong(&mut self, id: u64) -> bool {
        let outstanding = &mut self.connection.ping.outstanding;
        let Some((_, sent)) = outstanding.take_if(|(expected, _)| *expected == id) else {
            return false;
        };
        let now = self.session.now;
        self.connection.sample_rtt(now, now.saturating_since(sent));
        self.connection.liveness.on_answered()
    }

    fn acknowledge(&mut self, position: u64) {
        let connection = &mut *self.connection;
        connection.stated_by_peer = connection.stated_by_peer.max(position);
        if position <= self.session.ledger.acked() {
            return;
        }
        self.session.ledger.acknowledge(position);
        self.session.patience.on_progress();
        if let Some(bytes) = connection.on_acked(self.session.now, position) {
            self.session.path_limit.on_carried(self.session.now, bytes);
        }
        if let Some(successor) = &mut self.successor {
            successor.flight.on_acked(self.session.now, position);
        }
    }
}
