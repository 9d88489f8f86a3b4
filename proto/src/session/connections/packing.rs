//! Sealed packets out: the commit point. One packet is packed and sealed; its frames get their positions, its
//! timers start, and nothing else is decided.

use alloc::vec::Vec;

use super::active::ActiveConnection;
use super::context::PacketContext;
use crate::limits::REKEY_EVERY;
use crate::reliability::Headroom;
use crate::time::Instant;
use crate::wire::FrameWriter;
use crate::wire::frame::{Data, Frame, Part};
use crate::wire::packet::{PacketType, SEAL_OVERHEAD};

/// Payload that a packet holds at most while nothing is known of the line, and room beyond it. On a slow line it takes long enough; what is
/// owed, and was cut longer, goes in parts.
const UNKNOWN_LINE: usize = 16 << 10;
const SMALL_PACKET_SLACK: usize = 256;
/// The packet that confirms a resume is no longer than this, so that a slow line brings it in time: nobody waits for more.
const CONFIRMATION: usize = 256;
/// A packet with less room than this left is as good as full.
const FULL: usize = 1_024;
/// Room kept free in every packet for a FROM and a REKEY.
pub(super) const CONTROL_ROOM: usize = 32;
/// Header of a PART at its longest: type, stream, total, offset, length.
const PART_HEADER: usize = 1 + 8 + 4 + 4 + 4;

/// One packet that is being packed for `connection`.
pub(crate) struct Packing<'a> {
    pub(crate) connection: &'a mut ActiveConnection,
    /// Whether it is the current one; one that drains only answers and probes.
    pub(crate) is_current: bool,
    pub(crate) session: PacketContext<'a>,
}

impl Packing<'_> {
    /// Appends one sealed packet; `false`: there is nothing to say, and `buf` is as it was.
    pub(crate) fn pack(&mut self, buf: &mut Vec<u8>) -> bool {
        if !self.session.ledger.has_kept(self.connection.after) {
            return false;
        }
        let start = buf.len();
        buf.push(PacketType::Sealed.byte());
        let sealed_from = buf.len();
        let mut writer = FrameWriter::new(buf);
        let packed = self.pack_frames(&mut writer);
        let rekey = packed.any && self.connection.keys.sealer.since_rekey() + 1 >= REKEY_EVERY;
        if rekey {
            writer.push(&Frame::Rekey);
        }
        writer.finish();
        // Sealing fails only after 2^64 packets; the connection then says nothing more and times out.
        if !packed.any || self.connection.keys.sealer.seal(buf, sealed_from).is_err() {
            buf.truncate(start);
            if packed.starved {
                self.connection.flight.on_starved();
            }
            return false;
        }
        if rekey {
            self.connection.keys.sealer.rekey();
        }
        if packed.sequenced {
            let bytes = buf.len() - start;
            self.connection.on_packed(self.session.now, bytes, packed.starved);
        }
        true
    }

    fn pack_frames(&mut self, writer: &mut FrameWriter<'_>) -> Packed {
        let mut packed = false;
        if self.is_current {
            self.connection.skip_acknowledged(self.session.ledger.acked());
            packed |= self.pack_once(writer);
        }
        packed |= pack_replies(self.session.now, self.connection, writer);
        if self.is_current {
            packed |= self.pack_ack(writer, packed);
            let sequenced = self.pack_sequenced(writer);
            return Packed {
                any: packed || sequenced.sequenced,
                ..sequenced
            };
        }
        Packed {
            any: packed,
            ..Packed::default()
        }
    }

    /// Frames that are said once a connection.
    fn pack_once(&mut self, writer: &mut FrameWriter<'_>) -> bool {
        let before = writer.len();
        let connection = &mut *self.connection;
        let position = self.session.ledger.stated();
        if core::mem::take(&mut connection.silent) {
            say_from(connection, writer);
        }
        if core::mem::take(&mut connection.resync_due) {
            writer.push(&Frame::Resync { position });
            connection.arriving.asked(position);
        }
        if connection.closed_due && self.session.ledger.is_settled() {
            connection.closed_due = false;
            writer.push(&Frame::Closed { position });
        }
        if let Some((within, alternate)) = connection.go_away.take() {
            writer.push(&Frame::GoAway { within, alternate });
        }
        writer.len() > before
    }

    /// ACK, when it is due or a packet goes anyway; before the data, which never delays it.
    fn pack_ack(&mut self, writer: &mut FrameWriter<'_>, going: bool) -> bool {
        let (connection, ledger) = (&mut *self.connection, &*self.session.ledger);
        let stated = ledger.stated();
        let news = connection.acked_to_peer != Some(stated);
        let goes = going || connection.owes(ledger) || ledger.streams.has_frame(connection.headroom());
        // What is due and not kept yet is said when it is.
        let settled = ledger.is_settled();
        let timely = (connection.acks.due() && (news || settled)) || (news && goes);
        if !timely {
            return false;
        }
        writer.push(&Frame::Ack { position: stated });
        connection.acked_to_peer = Some(stated);
        connection.acks.on_sent();
        if !settled {
            connection.acks.at_once();
        }
        true
    }

    /// Owed frames first, in order; then new ones, which are committed here.
    fn pack_sequenced(&mut self, writer: &mut FrameWriter<'_>) -> Packed {
        let confirms = core::mem::take(&mut self.connection.confirms);
        let mut limit = self.packet_room();
        if confirms {
            limit = limit.min(CONFIRMATION);
        }
        let mut sequenced = false;
        let headroom = self.connection.headroom();
        self.commit_ahead(limit, headroom);
        while let Some(next) = self.next_position(writer, limit, headroom, !sequenced && !confirms) {
            let Some(committed) = self.session.ledger.outbox.get(self.connection.cursor) else {
                break;
            };
            let short = self.session.ledger.streams.short_fragment(&committed.frame);
            sequenced = true;
            if !self.push(writer, next) {
                break;
            }
            if let Some(fragment) = short {
                // Its stream wants short packets.
                limit = limit.min(writer.len().max(fragment + SMALL_PACKET_SLACK));
            }
        }
        Packed {
            any: sequenced,
            sequenced,
            starved: !confirms && self.is_starved(writer.len() + FULL < limit),
        }
    }

    /// Whether there is no more to send than a packet that has room left. Where packets are short all of them have little room.
    fn is_starved(&self, has_room: bool) -> bool {
        let ledger = &*self.session.ledger;
        let owes = self.connection.cursor < ledger.sendable();
        match self.session.longest_packet() < 4 * FULL {
            true => !owes && !ledger.streams.may_commit(Headroom::Open),
            false => !owes && has_room,
        }
    }

    /// Puts the frame at the cursor into the packet, or its next part. False: the rest of it comes first in the next packet.
    fn push(&mut self, writer: &mut FrameWriter<'_>, next: Next) -> bool {
        let connection = &mut *self.connection;
        let Some(committed) = self.session.ledger.outbox.get(connection.cursor) else {
            return false;
        };
        if connection.from_due {
            say_from(connection, writer);
        }
        let (payload, is_whole) = match (next, &committed.frame) {
            (Next::Part { bytes }, Frame::Data(data)) => {
                let (offset, end) = (connection.part_offset, connection.part_offset + bytes);
                writer.push_part(&Part {
                    data: Data {
                        payload: data.payload.slice(offset..end),
                        ..*data
                    },
                    offset: offset as u64,
                    total: data.payload.len() as u64,
                });
                connection.part_offset = end;
                (bytes as u64, end == data.payload.len())
            }
            (_, frame) => {
                writer.push(frame);
                (frame.payload_len(), true)
            }
        };
        let counters = &mut *self.session.counters;
        let is_fresh = matches!(next, Next::Fresh) || self.session.ledger.is_unpacked(connection.cursor);
        if is_fresh {
            counters.stats.payload_sent += payload;
        } else {
            counters.stats.replayed_bytes += payload;
            if connection.cursor < connection.stated_by_peer {
                counters.redundant += payload.max(1);
            }
        }
        if is_whole {
            self.session.ledger.on_packed(connection.cursor);
            connection.cursor += 1;
            connection.part_offset = 0;
            connection.skip_acknowledged(self.session.ledger.acked());
        }
        is_whole
    }

    /// Makes sure that the outbox has a frame at the cursor that fits, or a part of it does; a new one is
    /// committed. `None`: nothing more for this packet. `first`: nothing sequenced is in it, nor has to stay out.
    fn next_position(
        &mut self,
        writer: &FrameWriter<'_>,
        limit: usize,
        headroom: Headroom,
        first: bool,
    ) -> Option<Next> {
        if self.session.closing.peer_closed() {
            // The peer takes nothing more, and CLOSED says all that our own CLOSE would.
            return None;
        }
        let space = limit.saturating_sub(writer.len() + CONTROL_ROOM);
        if let Some(owed) = self.session.ledger.outbox.get(self.connection.cursor) {
            if headroom < Headroom::Open || self.connection.cursor >= self.session.ledger.sendable() {
                return None;
            }
            return match self.connection.part_offset {
                0 if writer.room_for(&owed.frame) <= space => Some(Next::Again),
                // The next packet has room for it.
                0 if owed.frame.encoded_len() + CONTROL_ROOM <= limit => None,
                offset => {
                    let left = usize::try_from(owed.frame.payload_len())
                        .unwrap_or(0)
                        .saturating_sub(offset);
                    let bytes = left.min(space.saturating_sub(PART_HEADER));
                    (first && bytes > 0).then_some(Next::Part { bytes })
                }
            };
        }
        if self.session.ledger.is_exhausted() || self.session.ledger.journal.is_some() {
            return None;
        }
        self.commit_next(space, headroom).then_some(Next::Fresh)
    }

    fn packet_room(&self) -> usize {
        let longest = self.session.longest_packet().saturating_sub(SEAL_OVERHEAD);
        longest.min(match self.connection.flight.packet() {
            None => self.session.config.fragment_size.min(UNKNOWN_LINE) + SMALL_PACKET_SLACK,
            Some(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
        })
    }
}

/// What is at the cursor.
#[derive(Clone, Copy)]
enum Next {
    /// A frame that was committed just now.
    Fresh,
    /// One that was committed before.
    Again,
    /// One that is too long for this packet, or the rest of one: so many bytes of it.
    Part { bytes: usize },
}

/// What was packed.
#[derive(Clone, Copy, Default)]
struct Packed {
    /// Anything.
    any: bool,
    /// Sequenced frames.
    sequenced: bool,
    /// There was room for more.
    starved: bool,
}

fn say_from(connection: &mut ActiveConnection, writer: &mut FrameWriter<'_>) {
    writer.push(&Frame::From {
        position: connection.cursor,
    });
    connection.from_due = false;
}

/// Liveness in and out; allowed on a draining connection too.
fn pack_replies(now: Instant, connection: &mut ActiveConnection, writer: &mut FrameWriter<'_>) -> bool {
    let before = writer.len();
    if let Some(id) = connection.pong.take() {
        writer.push(&Frame::Pong { id });
    }
    if connection.liveness.wants_ping() {
        let id = connection.ping.next_id;
        connection.ping.next_id += 1;
        connection.ping.outstanding = Some((id, now));
        writer.push(&Frame::Ping { id });
        connection.liveness.on_ping_committed(now, connection.rtt.srtt());
    }
    writer.len() > before
}
