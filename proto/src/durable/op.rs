//! What a durable session did, as its journal has it: operations that, done again in order, lead to the same state.

use alloc::vec::Vec;

use bytes::Bytes;

use super::fields::{
    Malformed, Read, put, put_bytes, put_duration, put_flag, put_frame, put_option, put_parameters, put_secret, take,
    take_array, take_byte, take_bytes, take_duration, take_flag, take_frame, take_len, take_option, take_parameters,
    take_secret,
};
use crate::event::Place;
use crate::id::{SessionId, StreamId};
use crate::security::{PublicKey, ResumptionSecret};
use crate::time::Duration;
use crate::wire::frame::{Frame, Parameters};

/// One operation.
#[derive(Debug)]
pub(crate) enum Op {
    /// The peer's frame at the next position was taken.
    Accepted(Frame),
    /// So many bytes at the front of the stream's queue, or its bare end, became the frame at our next position.
    CommittedData { stream: StreamId, len: usize },
    /// A frame of another kind became that.
    Committed(Frame),
    /// The application opened a stream.
    Opened {
        priority: u8,
        fragment: usize,
        label: Bytes,
    },
    /// It took the next stream that the peer opened.
    Taken,
    /// It queued a message.
    Sent { stream: StreamId, payload: Bytes },
    /// It queued bytes.
    Written { stream: StreamId, payload: Bytes },
    /// It finished its half of a stream.
    Finished(StreamId),
    /// It abandoned its half.
    Reset { stream: StreamId, code: u64 },
    /// It wants no more of the peer's half.
    Stopped { stream: StreamId, code: u64 },
    /// It has dealt with what it read, up to there.
    Consumed { stream: StreamId, place: Place },
    /// It has read the end of the peer's half.
    Over(StreamId),
    /// It closed the session.
    Closing { code: u64, reason: Bytes },
    /// The peer has all of ours below that position.
    Acked(u64),
    /// The session has a name, and a peer.
    Established(Established),
    /// Client: the attach counter that its next RESUME uses, or its next HELLO that is to ask for the session. Server: that of an
    /// authentic newcomer that was sent away.
    Counter(u64),
    /// Client: a connection proved itself, and the secret to resume with is another one.
    Renewed(ResumptionSecret),
    /// Server: a newcomer proved itself with that counter, and is told that secret.
    Candidate {
        counter: u64,
        secret: ResumptionSecret,
        /// It used the secret of the candidate before, so that the older one is over.
        promoted: bool,
    },
    /// Server: the newcomer has its secret, which is the session's now.
    Confirmed,
    /// This end lets the session be detached for so long.
    Lifetime(Duration),
}

/// What the first handshake left.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) id: SessionId,
    pub(crate) secret: ResumptionSecret,
    pub(crate) incarnation: [u8; 8],
    pub(crate) peer_key: PublicKey,
    pub(crate) parameters: Parameters,
    /// How long ago the session began, if that is known.
    pub(crate) age: Option<Duration>,
}

/// The bytes that operations begin with.
mod kind {
    pub(super) const ACCEPTED: u8 = 1;
    pub(super) const COMMITTED_DATA: u8 = 2;
    pub(super) const COMMITTED: u8 = 3;
    pub(super) const OPENED: u8 = 4;
    pub(super) const TAKEN: u8 = 5;
    pub(super) const SENT: u8 = 6;
    pub(super) const WRITTEN: u8 = 7;
    pub(super) const FINISHED: u8 = 8;
    pub(super) const RESET: u8 = 9;
    pub(super) const STOPPED: u8 = 10;
    pub(super) const CONSUMED: u8 = 11;
    pub(super) const OVER: u8 = 12;
    pub(super) const CLOSING: u8 = 13;
    pub(super) const ACKED: u8 = 14;
    pub(super) const ESTABLISHED: u8 = 15;
    pub(super) const COUNTER: u8 = 16;
    pub(super) const RENEWED: u8 = 17;
    pub(super) const CANDIDATE: u8 = 18;
    pub(super) const CONFIRMED: u8 = 19;
    pub(super) const LIFETIME: u8 = 20;
}

impl Op {
    /// Appends it.
    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        match self {
            Op::Accepted(frame) => accepted(buf, frame),
            Op::CommittedData { stream, len } => committed_data(buf, *stream, *len),
            Op::Committed(frame) => {
                buf.push(kind::COMMITTED);
                put_frame(buf, frame);
            }
            Op::Opened {
                priority,
                fragment,
                label,
            } => {
                buf.extend_from_slice(&[kind::OPENED, *priority]);
                put(buf, *fragment as u64);
                put_bytes(buf, label);
            }
            Op::Taken => buf.push(kind::TAKEN),
            Op::Sent { stream, payload } => on_stream(buf, kind::SENT, *stream, payload),
            Op::Written { stream, payload } => on_stream(buf, kind::WRITTEN, *stream, payload),
            Op::Finished(stream) => numbers(buf, kind::FINISHED, &[stream.0]),
            Op::Reset { stream, code } => numbers(buf, kind::RESET, &[stream.0, *code]),
            Op::Stopped { stream, code } => numbers(buf, kind::STOPPED, &[stream.0, *code]),
            Op::Consumed { stream, place } => {
                numbers(buf, kind::CONSUMED, &[stream.0, place.messages, place.bytes]);
            }
            Op::Over(stream) => numbers(buf, kind::OVER, &[stream.0]),
            Op::Closing { code, reason } => {
                numbers(buf, kind::CLOSING, &[*code]);
                put_bytes(buf, reason);
            }
            Op::Acked(position) => numbers(buf, kind::ACKED, &[*position]),
            Op::Established(established) => {
                buf.push(kind::ESTABLISHED);
                established.write(buf);
            }
            Op::Counter(counter) => numbers(buf, kind::COUNTER, &[*counter]),
            Op::Renewed(secret) => {
                buf.push(kind::RENEWED);
                put_secret(buf, secret);
            }
            Op::Candidate {
                counter,
                secret,
                promoted,
            } => {
                numbers(buf, kind::CANDIDATE, &[*counter]);
                put_secret(buf, secret);
                put_flag(buf, *promoted);
            }
            Op::Confirmed => buf.push(kind::CONFIRMED),
            Op::Lifetime(lifetime) => {
                buf.push(kind::LIFETIME);
                put_duration(buf, *lifetime);
            }
        }
    }

    /// Takes one off the front.
    pub(crate) fn read(rest: &mut Bytes) -> Read<Op> {
        Ok(match take_byte(rest)? {
            kind::ACCEPTED => Op::Accepted(take_frame(rest)?),
            kind::COMMITTED_DATA => Op::CommittedData {
                stream: take_stream(rest)?,
                len: take_len(rest)?,
            },
            kind::COMMITTED => Op::Committed(take_frame(rest)?),
            kind::OPENED => Op::Opened {
                priority: take_byte(rest)?,
                fragment: take_len(rest)?,
                label: take_bytes(rest)?,
            },
            kind::TAKEN => Op::Taken,
            kind::SENT => Op::Sent {
                stream: take_stream(rest)?,
                payload: take_bytes(rest)?,
            },
            kind::WRITTEN => Op::Written {
                stream: take_stream(rest)?,
                payload: take_bytes(rest)?,
            },
            kind::FINISHED => Op::Finished(take_stream(rest)?),
            kind::RESET => Op::Reset {
                stream: take_stream(rest)?,
                code: take(rest)?,
            },
            kind::STOPPED => Op::Stopped {
                stream: take_stream(rest)?,
                code: take(rest)?,
            },
            kind::CONSUMED => Op::Consumed {
                stream: take_stream(rest)?,
                place: Place {
                    messages: take(rest)?,
                    bytes: take(rest)?,
                },
            },
            kind::OVER => Op::Over(take_stream(rest)?),
            kind::CLOSING => Op::Closing {
                code: take(rest)?,
                reason: take_bytes(rest)?,
            },
            kind::ACKED => Op::Acked(take(rest)?),
            kind::ESTABLISHED => Op::Established(Established::read(rest)?),
            kind::COUNTER => Op::Counter(take(rest)?),
            kind::RENEWED => Op::Renewed(take_secret(rest)?),
            kind::CANDIDATE => Op::Candidate {
                counter: take(rest)?,
                secret: take_secret(rest)?,
                promoted: take_flag(rest)?,
            },
            kind::CONFIRMED => Op::Confirmed,
            kind::LIFETIME => Op::Lifetime(take_duration(rest)?),
            _ => return Err(Malformed),
        })
    }
}

impl Established {
    pub(crate) fn write(&self, buf: &mut Vec<u8>) {
        buf.extend_from_slice(&self.id.0);
        put_secret(buf, &self.secret);
        buf.extend_from_slice(&self.incarnation);
        buf.extend_from_slice(&self.peer_key.0);
        put_parameters(buf, &self.parameters);
        put_option(buf, self.age, put_duration);
    }

    pub(crate) fn read(rest: &mut Bytes) -> Read<Established> {
        Ok(Established {
            id: SessionId(take_array(rest)?),
            secret: take_secret(rest)?,
            incarnation: take_array(rest)?,
            peer_key: PublicKey(take_array(rest)?),
            parameters: take_parameters(rest)?,
            age: take_option(rest, take_duration)?,
        })
    }
}

/// [`Op::Accepted`], of a frame that goes on elsewhere.
pub(crate) fn accepted(buf: &mut Vec<u8>, frame: &Frame) {
    buf.push(kind::ACCEPTED);
    put_frame(buf, frame);
}

/// [`Op::CommittedData`].
pub(crate) fn committed_data(buf: &mut Vec<u8>, stream: StreamId, len: usize) {
    numbers(buf, kind::COMMITTED_DATA, &[stream.0, len as u64]);
}

fn numbers(buf: &mut Vec<u8>, kind: u8, values: &[u64]) {
    buf.push(kind);
    values.iter().for_each(|value| put(buf, *value));
}

fn on_stream(buf: &mut Vec<u8>, kind: u8, stream: StreamId, payload: &[u8]) {
    numbers(buf, kind, &[stream.0]);
    put_bytes(buf, payload);
}

pub(crate) fn take_stream(rest: &mut Bytes) -> Read<StreamId> {
    match take(rest)? {
        0 => Err(Malformed),
        id => Ok(StreamId(id)),
    }
}
