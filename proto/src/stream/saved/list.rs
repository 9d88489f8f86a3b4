//! What an application asks for when its session was restored.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::event::{Place, Tally};
use crate::id::StreamId;
use crate::stream::send::End;
use crate::stream::table::Streams;

/// A stream that was there when its session was restored: an application finds its own again by this.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RestoredStream {
    /// Its id.
    pub id: StreamId,
    /// Streams of a lower number go first.
    pub priority: u8,
    /// What whoever opened it said that it is for.
    pub label: Bytes,
    /// What the session took of this end to be sent: who knows what it wanted to send goes on behind that.
    pub taken: Tally,
    /// Up to where what the peer sent was dealt with: what follows is handed out again.
    pub consumed: Place,
    /// Whether more may be sent on it.
    pub is_sending: bool,
}

impl Streams {
    /// The streams that the application has, by id.
    pub(crate) fn list(&self) -> Vec<RestoredStream> {
        let accepted = self.table.iter().filter(|(_, stream)| stream.accepted);
        let restored = accepted.map(|(id, stream)| RestoredStream {
            id: *id,
            priority: stream.priority,
            label: stream.label.clone(),
            taken: Tally {
                messages: stream.send.messages,
                bytes: stream.send.bytes,
            },
            consumed: self.places(*id).map_or(Place::default(), |(_, consumed)| consumed),
            is_sending: !self.closed && stream.send.end == End::Open,
        });
        restored.collect()
    }
}
