//! Packets out: the commit point. One packet is packed and sealed; its frames get their positions,
//! its timers start, and nothing else is decided.

use alloc::vec::Vec;

use super::connection::{Live, Parting};
use super::links::Slot;
use super::{REKEY_EVERY, Session};
use crate::config::{MAX_PACKET, MAX_REASON};
use crate::id::Epoch;
use crate::reliability::Committed;
use crate::time::Instant;
use crate::wire::FrameWriter;
use crate::wire::frame::Frame;
use crate::wire::packet::{PacketType, SEAL_OVERHEAD};

/// Room in a packet beyond one fragment's payload, before a fast connection may fill it.
const SMALL_PACKET_SLACK: usize = 256;
/// Room kept free in every packet for a FROM and a REKEY.
const CONTROL_ROOM: usize = 32;

impl Session {
    pub(super) fn transmit(&mut self, now: Instant, epoch: Epoch, buf: &mut Vec<u8>) -> bool {
        let packed = match self.links.slot(epoch) {
            Some(Slot::Candidate) => {
                let outgoing = self
                    .links
                    .candidate
                    .as_mut()
                    .and_then(|candidate| candidate.outgoing.take());
                outgoing.is_some_and(|packet| {
                    buf.extend_from_slice(&packet);
                    true
                })
            }
            Some(slot) => {
                let Some(mut taken) = self.links.take(slot) else {
                    return false;
                };
                let packed = self.pack(now, &mut taken.live, slot, buf);
                self.links.put_back(taken);
                packed
            }
            None => self
                .links
                .take_parting(epoch)
                .is_some_and(|parting| say_farewell(*parting, buf)),
        };
        self.stats.packets_sent += u64::from(packed);
        packed
    }

    fn pack(&mut self, now: Instant, live: &mut Live, slot: Slot, buf: &mut Vec<u8>) -> bool {
        let start = buf.len();
        buf.push(PacketType::Sealed.byte());
        let sealed_from = buf.len();
        let mut writer = FrameWriter::new(buf);
        let mut packed = false;
        if slot == Slot::Current {
            self.skip_acknowledged(live);
            packed |= self.pack_once(live, &mut writer);
        }
        packed |= pack_replies(now, live, &mut writer);
        if slot == Slot::Current {
            packed |= self.pack_ack(live, &mut writer, packed);
            packed |= self.pack_sequenced(now, live, &mut writer);
        }
        let rekey = packed && live.keys.sealer.since_rekey() + 1 >= REKEY_EVERY;
        if rekey {
            writer.push(&Frame::Rekey);
        }
        writer.finish();
        if !packed {
            buf.truncate(start);
            return false;
        }
        if live.keys.sealer.seal(buf, sealed_from).is_err() {
            // Unreachable before 2^64 packets; the connection simply says nothing more and times out.
            buf.truncate(start);
            return false;
        }
        if rekey {
            live.keys.sealer.rekey();
        }
        true
    }

    /// What was acknowledged is gone: a cursor below it goes on from there.
    fn skip_acknowledged(&self, live: &mut Live) {
        let acked = self.ledger.acked();
        if let Some((_, resume)) = live.detour.take_if(|(until, _)| live.cursor.max(acked) >= *until) {
            live.from_due = true;
            live.cursor = resume;
        }
        if live.cursor < acked {
            live.cursor = acked;
            live.from_due = true;
        }
    }

    /// Frames that are said once a connection.
    fn pack_once(&mut self, live: &mut Live, writer: &mut FrameWriter<'_>) -> bool {
        let before = writer.len();
        if core::mem::take(&mut live.silent) {
            say_from(live, writer);
        }
        if core::mem::take(&mut live.resync_due) {
            writer.push(&Frame::Resync {
                position: self.ledger.stated(),
            });
        }
        if core::mem::take(&mut live.closed_due) {
            writer.push(&Frame::Closed {
                position: self.ledger.stated(),
            });
        }
        if let Some((within, alternate)) = live.go_away.take() {
            writer.push(&Frame::GoAway { within, alternate });
        }
        writer.len() > before
    }

    /// ACK, when it is due or a packet goes anyway; before the data, which never delays it.
    fn pack_ack(&mut self, live: &mut Live, writer: &mut FrameWriter<'_>, going: bool) -> bool {
        let stated = self.ledger.stated();
        let news = live.acked_to_peer != Some(stated);
        let goes = going || live.cursor < self.ledger.next() || self.ledger.streams.has_frame();
        let timely = live.acks.due() || (news && goes);
        if !timely {
            return false;
        }
        writer.push(&Frame::Ack { position: stated });
        live.acked_to_peer = Some(stated);
        live.acks.on_sent();
        true
    }

    /// Owed frames first, in order; then new ones, which are committed here.
    fn pack_sequenced(&mut self, now: Instant, live: &mut Live, writer: &mut FrameWriter<'_>) -> bool {
        let limit = self.packet_room(live);
        let first = live.cursor;
        while let Some(fresh) = self.next_position(now, live, writer, limit, live.cursor == first) {
            let Some(committed) = self.ledger.outbox.get(live.cursor) else {
                break;
            };
            if live.from_due {
                say_from(live, writer);
            }
            writer.push(&committed.frame);
            let payload = committed.frame.payload_len();
            if fresh {
                self.stats.payload_sent += payload;
            } else {
                self.stats.replayed_bytes += payload;
                if live.cursor < live.stated_by_peer {
                    self.redundant += payload.max(1);
                }
            }
            live.cursor += 1;
            self.skip_acknowledged(live);
        }
        let packed = live.cursor != first;
        if packed {
            live.liveness.on_data_committed(now);
            live.rate.on_committed(now);
            live.busy_at = now;
            live.unacked_since.get_or_insert(now);
            if live.timed.is_none() {
                live.timed = Some((live.cursor - 1, now));
            }
        }
        packed
    }

    /// Makes sure that the outbox has a frame at the cursor that fits. `Some(true)`: a new one was
    /// committed. `None`: nothing more for this packet.
    fn next_position(
        &mut self,
        now: Instant,
        live: &mut Live,
        writer: &FrameWriter<'_>,
        limit: usize,
        first: bool,
    ) -> Option<bool> {
        if self.closing.peer_closed() {
            // The peer takes nothing more, and CLOSED says all that our own CLOSE would.
            return None;
        }
        let space = limit.saturating_sub(writer.len() + CONTROL_ROOM);
        if let Some(owed) = self.ledger.outbox.get(live.cursor) {
            let hard = MAX_PACKET - SEAL_OVERHEAD - CONTROL_ROOM;
            let fits = writer.room_for(&owed.frame) <= space;
            let alone = first && writer.len() + writer.room_for(&owed.frame) <= hard;
            return (fits || alone).then_some(false);
        }
        if self.ledger.is_exhausted() {
            return None;
        }
        let allowance = self.swap_allowance(live);
        let committed = match self.close_frame(now) {
            Some(_) if space < MAX_REASON + CONTROL_ROOM && !first => return None,
            Some(close) => Some(Frame::Close(close))
                .filter(|close| close.charge() <= allowance)
                .map(Committed::control)?,
            None if self.closing.has_committed() => return None,
            None => self.ledger.streams.next_frame(space, allowance)?,
        };
        let closes = matches!(committed.frame, Frame::Close(_));
        let position = self.ledger.outbox.commit(committed);
        if closes {
            live.closed_due |= self.on_close_committed(now, position);
        }
        Some(true)
    }

    /// While a planned swap is unsettled: what may still be committed so that the peer's inbox holds it.
    fn swap_allowance(&self, live: &Live) -> usize {
        if !live.swap.planned || self.ledger.acked() >= live.swap.own_from {
            return usize::MAX;
        }
        let theirs = self.peer.as_ref().map_or(0, |peer| peer.parameters.inbox_limit);
        let limit = usize::try_from(theirs).unwrap_or(usize::MAX).max(MAX_PACKET);
        limit.saturating_sub(self.ledger.outbox.bytes())
    }

    fn packet_room(&self, live: &Live) -> usize {
        let theirs = self.peer.as_ref().map_or(u64::MAX, |peer| peer.parameters.packet_limit);
        let full = usize::try_from(theirs).unwrap_or(MAX_PACKET).min(MAX_PACKET) - SEAL_OVERHEAD;
        if live.rate.is_fast() {
            full
        } else {
            full.min(self.config.fragment_size + SMALL_PACKET_SLACK)
        }
    }
}

fn say_from(live: &mut Live, writer: &mut FrameWriter<'_>) {
    writer.push(&Frame::From { position: live.cursor });
    live.from_due = false;
}

/// Liveness in and out; allowed on a draining connection too.
fn pack_replies(now: Instant, live: &mut Live, writer: &mut FrameWriter<'_>) -> bool {
    let before = writer.len();
    if let Some(id) = live.pong.take() {
        writer.push(&Frame::Pong { id });
    }
    if live.liveness.wants_ping() {
        let id = live.ping.next_id;
        live.ping.next_id += 1;
        live.ping.outstanding = Some((id, now));
        writer.push(&Frame::Ping { id });
        live.liveness.on_ping_committed(now, live.rtt.srtt());
    }
    writer.len() > before
}

fn say_farewell(mut parting: Parting, buf: &mut Vec<u8>) -> bool {
    let start = buf.len();
    buf.push(PacketType::Sealed.byte());
    let sealed_from = buf.len();
    let mut writer = FrameWriter::new(buf);
    parting.frames.iter().for_each(|frame| writer.push(frame));
    writer.finish();
    let sealed = parting.keys.sealer.seal(buf, sealed_from).is_ok();
    if !sealed {
        buf.truncate(start);
    }
    sealed
}
