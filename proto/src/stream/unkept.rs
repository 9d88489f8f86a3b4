//! Durable sessions: what the peer did, and the application does not see until that is kept. It takes effect at once, so that the
//! state is that of the journal.

use super::table::Streams;
use crate::durable::News;
use crate::event::Event;
use crate::id::StreamId;

impl Streams {
    /// What is kept now, the application sees.
    pub(crate) fn show(&mut self, news: News) {
        let (News::Opened(id) | News::Data { stream: id, .. } | News::Stopped(id)) = news else {
            return;
        };
        // A stream that is over has nothing to show any more.
        let Some(stream) = self.table.get_mut(&id) else { return };
        let Some(unconsumed) = stream.recv.unconsumed.as_deref_mut() else {
            return;
        };
        let unkept = &mut unconsumed.unkept;
        match news {
            News::Opened(_) => {
                unkept.opening = false;
                self.announce_incoming();
            }
            News::Data { chunk, end, .. } => {
                // What was discarded meanwhile is not counted any more.
                unkept.chunks = unkept.chunks.saturating_sub(usize::from(chunk));
                unkept.end &= !end;
                stream.announce_readable(id, &mut self.events);
            }
            News::Stopped(_) => {
                let is_news = core::mem::take(&mut unkept.stop);
                if let Some(code) = stream.send.stopped.filter(|_| is_news) {
                    self.events.push_back(Event::Stopped { stream: id, code });
                    self.offer_waiting();
                }
            }
            News::Closing => {}
        }
    }

    /// Whether the peer wants no more of it, and nobody sees that yet.
    pub(crate) fn is_stop_hidden(&self, id: StreamId) -> bool {
        self.table.get(&id).is_some_and(|stream| stream.recv.unkept().stop)
    }

    /// Nothing more is kept, or nobody wants to see it: the rest is never seen.
    pub(crate) fn forget_unkept(&mut self) {
        let streams = &self.table;
        self.to_accept
            .retain(|id| streams.get(id).is_some_and(|stream| !stream.recv.unkept().opening));
        let dropped = self.table.values_mut().map(|stream| stream.recv.forget_unkept());
        let dropped = dropped.sum();
        self.recv_credit.consume(dropped);
    }
}
