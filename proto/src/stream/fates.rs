//! What became of everything that was sent.

use alloc::collections::BTreeMap;

use super::table::Streams;
use crate::event::{Fates, StreamFate, Tally, Undelivered};
use crate::id::StreamId;
use crate::reliability::{Committed, Outbox};
use crate::wire::frame::Frame;

/// What becomes of what was never committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queued {
    /// It was not delivered, and is the application's again.
    HandedBack,
    /// The session may go on elsewhere, with all of it.
    Kept,
}

impl Tally {
    /// Counts a committed DATA frame: a message where it ends, a byte stream by its bytes.
    pub(super) fn add(&mut self, committed: &Committed) {
        let Frame::Data(data) = &committed.frame else { return };
        if committed.message {
            self.messages += u64::from(data.message_end);
        } else {
            self.bytes += data.payload.len() as u64;
        }
    }
}

impl Tally {
    fn add_queued(&mut self, queued: &Undelivered) {
        match queued.message {
            true => self.messages += 1,
            false => self.bytes += queued.payload.len() as u64,
        }
    }
}

impl Fates {
    /// What is not known to be delivered may be, since another process went on with the session.
    pub(crate) fn know_less(&mut self) {
        for fate in &mut self.streams {
            for undelivered in core::mem::take(&mut fate.not_delivered) {
                fate.unknown.add_queued(&undelivered);
            }
        }
    }
}

impl Streams {
    /// Empties the outbox and every queue. `peer_position`: all below it arrived and nothing else ever
    /// will; unknown when `None`.
    pub(crate) fn fates(&mut self, outbox: &mut Outbox, peer_position: Option<u64>, queued: Queued) -> Fates {
        let mut fates: BTreeMap<StreamId, StreamFate> = self
            .table
            .iter()
            .filter(|(_, stream)| !stream.send.is_over())
            .map(|(id, stream)| {
                (
                    *id,
                    StreamFate {
                        delivered: stream.send.delivered,
                        ..StreamFate::of(*id)
                    },
                )
            })
            .collect();
        loop {
            let position = outbox.base();
            let Some(committed) = outbox.pop() else { break };
            let Frame::Data(data) = &committed.frame else { continue };
            let fate = fates.entry(data.stream).or_insert_with(|| StreamFate::of(data.stream));
            match peer_position {
                Some(end) if position < end => fate.delivered.add(&committed),
                Some(_) => fate.not_delivered.extend(handed_back(committed)),
                None => fate.unknown.add(&committed),
            }
        }
        for (id, stream) in &mut self.table {
            if let Some(fate) = fates.get_mut(id) {
                for undelivered in stream.send.take_queued() {
                    match queued {
                        Queued::Kept => fate.unknown.add_queued(&undelivered),
                        Queued::HandedBack => fate.not_delivered.push(undelivered),
                    }
                }
            }
        }
        self.held = 0;
        self.held_waiting = Default::default();
        self.queued_items = 0;
        self.control.in_flight = 0;
        let streams = fates.into_values().filter(|fate| !fate.is_empty()).collect();
        Fates {
            streams,
            is_incomplete: false,
        }
    }
}

impl StreamFate {
    fn of(stream: StreamId) -> StreamFate {
        StreamFate {
            stream,
            delivered: Tally::default(),
            unknown: Tally::default(),
            not_delivered: alloc::vec![],
        }
    }

    fn is_empty(&self) -> bool {
        self.delivered.is_zero() && self.unknown.is_zero() && self.not_delivered.is_empty()
    }
}

/// A frame that never arrived: a message whole, where it ends; a byte stream's bytes as they are.
fn handed_back(committed: Committed) -> Option<Undelivered> {
    let Frame::Data(data) = committed.frame else {
        return None;
    };
    if committed.message {
        let payload = committed.whole.map_or(data.payload, |whole| *whole);
        return data.message_end.then_some(Undelivered { payload, message: true });
    }
    (!data.payload.is_empty()).then_some(Undelivered {
        payload: data.payload,
        message: false,
    })
}
