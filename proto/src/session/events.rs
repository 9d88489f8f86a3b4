//! Events that wait to be asked for.

use alloc::collections::VecDeque;

use super::overdue::Overdue;
use crate::durable::{Journal, Mark, News};
use crate::event::{Closer, EndReason, Ended, Event};
use crate::stream::Streams;
use crate::time::Instant;
use crate::trace;

/// Events of one kind kept for a host that does not ask; beyond it the oldest goes.
const MAX_UNASKED_EVENTS: usize = 64;

/// What the host is to be told, in order. The end comes last.
#[derive(Default)]
pub(crate) struct Events {
    queue: VecDeque<Event>,
    ended: Option<alloc::boxed::Box<Ended>>,
    /// What has to be kept before that is told.
    after: Mark,
    /// When which message is overdue.
    pub(crate) overdue: Overdue,
}

impl Events {
    pub(crate) fn poll(&mut self) -> Option<Event> {
        let event = self.queue.pop_front();
        if matches!(event, Some(Event::Overdue { .. })) {
            self.overdue.on_asked();
        }
        event
    }

    /// The last one, once what it waits for is kept and all before was told.
    pub(crate) fn poll_end(&mut self, journal: Option<&Journal>) -> Option<Event> {
        if journal.is_some_and(|journal| journal.holds_news() || !journal.has_kept(self.after)) {
            return None;
        }
        self.ended.take().map(|ended| Event::Ended(*ended))
    }

    /// What the streams have to tell; their calls arm it, so that it cannot pile up.
    pub(crate) fn collect(&mut self, streams: &mut Streams) {
        while let Some(event) = streams.poll_event() {
            self.queue.push_back(event);
        }
    }

    /// The peer closes the session. In a durable one that is told once it is kept.
    pub(crate) fn peer_closes(&mut self, journal: Option<&mut Journal>) {
        if !journal.is_some_and(|journal| journal.withhold(News::Closing)) {
            self.push(Event::Closing { by: Closer::Peer });
        }
    }

    pub(crate) fn push(&mut self, event: Event) {
        trace::event(&event);
        let kind = unasked(&event);
        let crowd = self.queue.iter().filter(|e| unasked(e) == kind).count();
        if kind.is_some() && crowd >= MAX_UNASKED_EVENTS {
            let oldest = self.queue.iter().position(|e| unasked(e) == kind);
            oldest.and_then(|oldest| self.queue.remove(oldest));
        }
        self.queue.push_back(event);
    }

    /// The session is over: no message is overdue any more.
    pub(crate) fn end(&mut self, ended: Ended, after: Mark) {
        self.overdue.clear();
        self.ended = Some(ended.into());
        self.after = after;
    }

    /// Another process had gone on with the session before it ended here. If that was not told yet, it was never true.
    pub(crate) fn supersede(&mut self) {
        if let Some(ended) = &mut self.ended {
            ended.reason = EndReason::Superseded;
            ended.fates.know_less();
        }
    }

    /// Tells of the messages that are overdue by now.
    pub(crate) fn tell_overdue(&mut self, now: Instant, streams: &Streams) {
        while let Some((stream, message)) = self.overdue.pop(now) {
            if streams.is_delivered(stream, message) {
                continue;
            }
            if self.overdue.is_full() {
                self.forget_delivered(streams);
            }
            self.overdue.on_told();
            self.queue.push_back(Event::Overdue { stream, message });
        }
    }

    /// Of the overdue messages that nobody has asked about, those that arrived after all are no news.
    fn forget_delivered(&mut self, streams: &Streams) {
        let mut told = 0;
        self.queue.retain(|event| match event {
            Event::Overdue { stream, message } => {
                let kept = !streams.is_delivered(*stream, *message);
                told += usize::from(kept);
                kept
            }
            _ => true,
        });
        self.overdue.retold(told);
    }
}

/// Events that come without being armed, and so could pile up: which pile.
fn unasked(event: &Event) -> Option<u8> {
    match event {
        Event::Attached { .. } | Event::Detached { .. } | Event::GoAway { .. } => Some(0),
        Event::Reconnect(_) => Some(1),
        Event::Probed { .. } => Some(3),
        Event::PacketLimit { .. } => Some(4),
        Event::Health(_) | Event::ReconnectPaused | Event::ReconnectResumed => Some(2),
        _ => None,
    }
}
