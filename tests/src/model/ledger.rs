//! All streams of one conversation, seen from outside.

use std::collections::BTreeMap;

use bytes::Bytes;
use unbroken_proto::error::RecvError;
use unbroken_proto::stream::{AcceptedStream, Chunk, StreamOptions};
use unbroken_proto::{Side, StreamId};

use super::{Half, Verdict};
use crate::rng::mix;

/// What one client session and the server session that answers it have written to each other.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    key: u64,
    pub(super) halves: BTreeMap<(StreamId, bool), Half>,
    opened: BTreeMap<StreamId, (Bytes, u8)>,
    accepted: BTreeMap<bool, StreamId>,
}

/// Map keys need an order; `Side` has none.
pub(super) fn is_client(side: Side) -> bool {
    side == Side::Client
}

/// The other end.
#[must_use]
pub(crate) fn other(side: Side) -> Side {
    if side == Side::Client {
        Side::Server
    } else {
        Side::Client
    }
}

impl Ledger {
    /// Nothing written yet; contents follow from `key`.
    #[must_use]
    pub fn new(key: u64) -> Ledger {
        Ledger {
            key,
            ..Ledger::default()
        }
    }

    /// One direction of a stream.
    pub fn half(&mut self, stream: StreamId, writer: Side) -> &mut Half {
        let key = mix(self.key ^ mix(stream.0 * 2 + u64::from(is_client(writer))));
        self.halves
            .entry((stream, is_client(writer)))
            .or_insert_with(|| Half::new(key))
    }

    /// All halves written by `writer`.
    pub fn written_by(&self, writer: Side) -> impl Iterator<Item = (StreamId, &Half)> {
        let wanted = is_client(writer);
        self.halves
            .iter()
            .filter(move |((_, client), _)| *client == wanted)
            .map(|((id, _), half)| (*id, half))
    }

    /// `stream` was opened by the side its number says.
    pub fn opened(&mut self, stream: StreamId, options: &StreamOptions) {
        self.opened.insert(stream, (options.label.clone(), options.priority));
        let _ = self.half(stream, Side::Client);
        let _ = self.half(stream, Side::Server);
    }

    /// `by` was handed a stream.
    ///
    /// # Errors
    /// When the peer did not open it, opened it otherwise, or it was handed out before.
    pub fn accepted(&mut self, by: Side, stream: &AcceptedStream) -> Verdict {
        if stream.id.opener() == by {
            return Err(format!("{by:?} accepted {:?}, its own", stream.id));
        }
        let last = self.accepted.insert(is_client(by), stream.id);
        if last.is_some_and(|last| last >= stream.id) {
            return Err(format!("{:?} accepted after {last:?}", stream.id));
        }
        match self.opened.get(&stream.id) {
            Some((label, priority)) if *label == stream.label && *priority == stream.priority => Ok(()),
            known => Err(format!("accepted {stream:?}, opened as {known:?}")),
        }
    }

    /// `reader` was handed a chunk.
    ///
    /// # Errors
    /// When it is not what the other side wrote next.
    pub fn read(&mut self, reader: Side, stream: StreamId, chunk: &Chunk) -> Verdict {
        let half = self.half(stream, other(reader));
        half.read(chunk)
            .map_err(|what| format!("{reader:?} reads {stream:?}: {what}"))
    }

    /// `reader` was told why nothing more can be read.
    ///
    /// # Errors
    /// When that is not the truth.
    pub fn read_error(&mut self, reader: Side, stream: StreamId, error: &RecvError) -> Verdict {
        let half = self.half(stream, other(reader));
        match error {
            RecvError::Reset(code) if half.reset == Some(*code) => half.reset_seen = true,
            RecvError::Reset(code) if half.reset.is_none() && half.stopped == Some(*code) => half.reset_seen = true,
            RecvError::UnknownStream if half.end_seen || half.reset_seen || half.stopped.is_some() => {}
            RecvError::SessionEnded => {}
            other => return Err(format!("{reader:?} reads {stream:?}: {other:?}, model {half:?}")),
        }
        Ok(())
    }

    /// Whether everything written has been read, both ways.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.halves.values().all(Half::is_settled)
    }

    /// The first half that is not settled.
    #[must_use]
    pub fn unsettled(&self) -> Option<(StreamId, Side, &Half)> {
        let ((id, client), half) = self.halves.iter().find(|(_, half)| !half.is_settled())?;
        Some((*id, if *client { Side::Client } else { Side::Server }, half))
    }

    /// Whole messages and bytes that were read, all streams together.
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        self.halves
            .values()
            .fold((0, 0), |(m, b), half| (m + half.read_messages, b + half.read))
    }

    /// The server's end of this conversation is a fresh one: the machine says nothing had reached the
    /// one before.
    ///
    /// # Errors
    /// When something had.
    pub fn restart_server(&mut self) -> Verdict {
        for ((id, client), half) in &self.halves {
            if half.read > 0 || half.read_messages > 0 || half.end_seen {
                let writer = if *client { "client" } else { "server" };
                return Err(format!(
                    "a fresh server session, yet {id:?} of the {writer} had been read: {half:?}"
                ));
            }
        }
        self.accepted.clear();
        let stopped: BTreeMap<StreamId, Option<u64>> = self
            .halves
            .iter()
            .filter(|((_, client), _)| !client)
            .map(|((id, _), half)| (*id, half.stopped))
            .collect();
        self.halves
            .retain(|(id, client), _| *client && id.opener() == Side::Client);
        let ids: Vec<StreamId> = self.halves.keys().map(|(id, _)| *id).collect();
        self.opened.retain(|id, _| id.opener() == Side::Client);
        for id in ids {
            // What the client asked before still stands.
            self.half(id, Side::Server).stopped = stopped.get(&id).copied().flatten();
        }
        Ok(())
    }
}
