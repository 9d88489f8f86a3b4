//! Packets in.

use bytes::{Buf, Bytes, BytesMut};

use super::connection::Live;
use super::ending::Finish;
use super::ledger::Arrival;
use super::links::{Slot, Taken};
use super::{REKEY_EVERY, Session};
use crate::config::MAX_PACKET;
use crate::error::{ConnectionError, ProtocolError};
use crate::event::{EndReason, Event};
use crate::id::Epoch;
use crate::reconnect::Cause;
use crate::security::Keys;
use crate::stream::copy_if_small;
use crate::time::{Duration, Instant};
use crate::wire;
use crate::wire::frame::{EndCode, Frame};
use crate::wire::packet::PacketType;

/// What a connection that failed with `error` died of.
pub(super) fn cause_of(error: &ConnectionError) -> Cause {
    match error {
        ConnectionError::Handshake | ConnectionError::Untrusted => Cause::Authentication,
        ConnectionError::Refused => Cause::Refused,
        ConnectionError::TooLarge
        | ConnectionError::UnexpectedPacket
        | ConnectionError::Forged
        | ConnectionError::Protocol(_)
        | ConnectionError::KeyExhausted => Cause::Protocol,
    }
}

/// What one packet amounted to.
#[derive(Default)]
struct Tally {
    sequenced_bytes: usize,
    urgent: bool,
    rekey: bool,
    finish: Option<Finish>,
}

impl Session {
    pub(super) fn on_packet(&mut self, now: Instant, epoch: Epoch, packet: BytesMut) -> Result<(), ConnectionError> {
        match self.links.slot(epoch) {
            None => Ok(()),
            Some(Slot::Candidate) => self.on_candidate_packet(now, epoch, packet),
            Some(slot) => {
                let Some(taken) = self.links.take(slot) else {
                    return Ok(());
                };
                self.on_sealed(now, taken, packet)
            }
        }
    }

    /// A packet on a connection that carries the session, or drains.
    fn on_sealed(&mut self, now: Instant, mut taken: Taken, mut packet: BytesMut) -> Result<(), ConnectionError> {
        match open(&mut taken.live.keys, &mut packet) {
            Ok(()) => self.on_frames(now, taken, packet),
            Err(error) => {
                self.links.put_back(taken);
                Err(error)
            }
        }
    }

    /// The plaintext of one authentic packet.
    pub(super) fn on_frames(
        &mut self,
        now: Instant,
        mut taken: Taken,
        plaintext: BytesMut,
    ) -> Result<(), ConnectionError> {
        self.stats.packets_received += 1;
        let current = taken.is_current();
        let live = &mut *taken.live;
        let mut tally = Tally::default();
        let mut result = Ok(());
        let packet_len = plaintext.len();
        for frame in wire::frames(plaintext.freeze()) {
            result = frame.and_then(|mut frame| {
                if let Frame::Data(data) = &mut frame {
                    copy_if_small(data, packet_len);
                }
                self.on_frame(now, live, current, frame, &mut tally)
            });
            if result.is_err() || tally.finish.is_some() {
                break;
            }
        }
        if tally.rekey {
            live.keys.opener.rekey();
        } else if live.keys.opener.since_rekey() >= REKEY_EVERY && tally.finish.is_none() {
            result = result.and(Err(ProtocolError::RekeyOverdue));
        }
        let waiting = live.cursor > self.ledger.acked();
        live.liveness.on_input(now, waiting);
        if tally.sequenced_bytes > 0 {
            live.busy_at = now;
        }
        if tally.sequenced_bytes > 0 || tally.urgent {
            // What arrives on a draining connection is acknowledged on the current one.
            let acks = if current {
                Some(&mut live.acks)
            } else {
                self.links.current.as_mut().map(|live| &mut live.acks)
            };
            if let Some(acks) = acks {
                acks.on_packet(now, tally.sequenced_bytes);
                if tally.urgent {
                    acks.at_once();
                }
            }
        }
        if current && self.links.draining.is_none() {
            live.resync_if_missing(self.ledger.expected());
        }
        self.links.put_back(taken);
        if let Err(error) = result {
            self.break_off(now, error);
            return Err(error.into());
        }
        if let Some(finish) = tally.finish {
            self.conclude(now, finish);
        }
        Ok(())
    }

    /// An authentic peer broke the protocol: resuming would only repeat it.
    fn break_off(&mut self, now: Instant, error: ProtocolError) {
        let code = if error == ProtocolError::StateLost {
            EndCode::StateLost
        } else {
            EndCode::ProtocolError
        };
        let reason = if error == ProtocolError::StateLost {
            EndReason::StateLost
        } else {
            EndReason::ProtocolError
        };
        self.conclude(
            now,
            Finish {
                reason,
                say: Some(code),
                peer_position: None,
            },
        );
    }

    fn on_frame(
        &mut self,
        now: Instant,
        live: &mut Live,
        current: bool,
        frame: Frame,
        tally: &mut Tally,
    ) -> Result<(), ProtocolError> {
        match frame {
            Frame::Data(_)
            | Frame::Open(_)
            | Frame::Reset { .. }
            | Frame::Stop { .. }
            | Frame::Credit { .. }
            | Frame::Close(_) => self.on_sequenced(now, live, current, frame, tally),
            Frame::Ack { position } => self.on_ack(now, live, current, position),
            Frame::From { position } => self.on_from(live, current, position),
            Frame::Resync { position } => self.on_resync(now, live, current, position),
            Frame::Ping { id } => {
                live.pong = Some(id);
                Ok(())
            }
            Frame::Pong { id } => {
                if let Some((_, sent)) = live.ping.outstanding.take_if(|(expected, _)| *expected == id) {
                    live.rtt.sample(now.saturating_since(sent));
                }
                Ok(())
            }
            Frame::GoAway { within, alternate } => {
                let alternate = Bytes::copy_from_slice(&alternate);
                self.want_migration(Cause::ServerAsked, alternate.clone());
                self.push_event(Event::GoAway {
                    within: Duration::from_millis(within),
                    alternate,
                });
                Ok(())
            }
            Frame::Rekey => {
                tally.rekey = true;
                Ok(())
            }
            Frame::Closed { position } => {
                tally.finish = Some(self.on_closed(position)?);
                Ok(())
            }
            Frame::End(end) => {
                tally.finish = Some(self.on_end(&end));
                Ok(())
            }
            Frame::Final(_) => Err(ProtocolError::Misplaced),
        }
    }

    fn on_sequenced(
        &mut self,
        now: Instant,
        live: &mut Live,
        current: bool,
        frame: Frame,
        tally: &mut Tally,
    ) -> Result<(), ProtocolError> {
        let position = live.arriving.ok_or(ProtocolError::Misplaced)?;
        live.arriving = Some(position + 1);
        let (charge, payload) = (frame.charge(), frame.payload_len());
        let gap_open = current && live.swap.gap_open(self.ledger.expected());
        let (arrival, close) = self.ledger.arrive(position, frame, gap_open)?;
        tally.sequenced_bytes += charge;
        match arrival {
            Arrival::Duplicate => {
                self.stats.duplicate_frames += 1;
                tally.urgent = true;
            }
            Arrival::Ahead => {
                self.stats.payload_received += payload;
                tally.urgent = true;
            }
            Arrival::InOrder => self.stats.payload_received += payload,
        }
        if let Some(close) = close {
            tally.urgent = true;
            self.on_close(now, close);
            live.closed_due = true;
        }
        Ok(())
    }

    /// FROM: where this connection's sequenced frames go on.
    fn on_from(&mut self, live: &mut Live, current: bool, position: u64) -> Result<(), ProtocolError> {
        let expected = self.ledger.expected();
        let first = current && live.swap.peer_from.is_none();
        if first {
            live.swap.peer_from = Some(position);
        }
        let gap_open = current && live.swap.gap_open(expected);
        if position > expected && !gap_open {
            return Err(ProtocolError::StateLost);
        }
        live.arriving = Some(position);
        Ok(())
    }

    fn on_resync(&mut self, now: Instant, live: &mut Live, current: bool, position: u64) -> Result<(), ProtocolError> {
        let until = live.swap.own_from;
        if !current || !live.swap.planned || live.resync_answered || position >= until {
            return Err(ProtocolError::Misplaced);
        }
        if position < self.ledger.acked() {
            return Err(ProtocolError::StateLost);
        }
        self.acknowledge(now, live, position);
        live.resync_answered = true;
        live.detour = Some((until, live.cursor));
        live.cursor = position;
        live.from_due = true;
        Ok(())
    }

    fn on_ack(&mut self, now: Instant, live: &mut Live, current: bool, position: u64) -> Result<(), ProtocolError> {
        if position > self.ledger.next() {
            return Err(ProtocolError::BadAck);
        }
        live.swap.ack_seen |= current;
        self.acknowledge(now, live, position);
        Ok(())
    }

    fn acknowledge(&mut self, now: Instant, live: &mut Live, position: u64) {
        live.stated_by_peer = live.stated_by_peer.max(position);
        if position <= self.ledger.acked() {
            return;
        }
        let freed = self.ledger.acknowledge(position);
        live.progress = true;
        self.patience.on_progress();
        self.replays = 0;
        live.unacked_since = (self.ledger.acked() < live.cursor).then_some(now);
        live.rate.on_acked(now, freed, self.ledger.acked() >= live.cursor);
        if let Some((_, sent)) = live.timed.take_if(|(timed, _)| *timed < position) {
            live.rtt.sample(now.saturating_since(sent));
        }
    }
}

fn open(keys: &mut Keys, packet: &mut BytesMut) -> Result<(), ConnectionError> {
    if packet.len() > MAX_PACKET {
        return Err(ConnectionError::TooLarge);
    }
    if PacketType::of(packet)? != PacketType::Sealed {
        return Err(ConnectionError::UnexpectedPacket);
    }
    packet.advance(1);
    keys.opener.open(packet).map_err(|_| ConnectionError::Forged)
}
