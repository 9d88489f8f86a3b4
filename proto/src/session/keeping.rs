//! Durable sessions: what the host is to keep, and what it says of that.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::machine::Session;
use crate::durable::{Mark, News, Positions, Record, Registered};
use crate::event::{Closer, EndReason, Event};
use crate::id::{Side, StreamId};
use crate::stream::RestoredStream;
use crate::time::Instant;

/// Why what a session has to keep is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreFailure {
    /// It cannot be kept, now or later.
    Failed,
    /// Another process has taken the session over, and goes on with it.
    Superseded,
    /// This process gave the session up, so that another one can take it over.
    Released,
}

impl Session {
    /// What is to be kept next, if anything is: to be asked for after every call and every packet, and when what was asked for before is
    /// kept. Whatever became due meanwhile is in it, so that there is one record for each write, however many messages there
    /// were. `None` for a session that is not [durable](crate::SessionConfig::durable).
    ///
    /// Until [`handle_persisted`](Self::handle_persisted) says that it is kept the session withholds what would become a lie if it were lost: an
    /// acknowledgement of what was received since, a frame that was committed since, an answer or a confirmation that promises
    /// to know a secret, a RESUME (or a HELLO that is to ask for the session) with a new counter, and its last words. Nor does the
    /// application see what was received since: it would act upon it. The rest goes on.
    pub fn poll_record(&mut self) -> Option<Record> {
        let positions = self.positions();
        let now = self.latest.at(Instant::ZERO);
        let is_ended = self.is_ended();
        let journal = self.ledger.journal.as_ref().filter(|journal| journal.is_due())?;
        // What is left of a session that is over is no state to begin with.
        if journal.wants_snapshot() && !is_ended {
            return self.snapshot();
        }
        let journal = self.ledger.journal.as_mut().filter(|journal| journal.has_snapshot())?;
        Some(journal.record(now, positions))
    }

    /// Whether [`poll_record`](Self::poll_record) has something. Cheap.
    #[must_use]
    pub fn wants_record(&self) -> bool {
        let journal = self.ledger.journal.as_ref();
        journal.is_some_and(|journal| journal.is_due() && (journal.has_snapshot() || !self.is_ended()))
    }

    /// The whole session as one record, in the place of what [`poll_record`](Self::poll_record) would give next. `None`: the session is
    /// not durable, or over.
    pub fn snapshot(&mut self) -> Option<Record> {
        if self.is_ended() || self.ledger.journal.is_none() {
            return None;
        }
        let positions = self.positions();
        let now = self.latest.at(Instant::ZERO);
        let mut state = Vec::new();
        self.save(now, &mut state);
        let journal = self.ledger.journal.as_mut()?;
        Some(journal.snapshot(now, positions, &state))
    }

    /// The records up to that number are kept, and stay so whatever happens: what waited for that may go out. Numbers that were not
    /// given out yet mean nothing.
    pub fn handle_persisted(&mut self, now: Instant, through: u64) {
        let _span = self.span.enter();
        let now = self.latest.advance(now);
        let journal = self.ledger.journal.as_mut();
        if journal.is_some_and(|journal| journal.on_kept(through)) {
            self.tell_news();
            if self.is_ended() {
                self.reporting.set_due();
            }
        }
        self.settle(now);
    }

    /// What is kept now, the application sees.
    fn tell_news(&mut self) {
        while let Some(news) = self.ledger.journal.as_mut().and_then(|journal| journal.next_news()) {
            match news {
                News::Closing => self.events.push(Event::Closing { by: Closer::Peer }),
                news => self.ledger.streams.show(news),
            }
        }
    }

    /// What is not kept by now is never seen.
    pub(super) fn forget_news(&mut self) {
        if let Some(journal) = &mut self.ledger.journal {
            journal.forget_news();
            self.ledger.streams.forget_unkept();
        }
    }

    /// What is to be kept is not. The session ends here, and says nothing to its peer, who may go on with it where what is kept
    /// is restored: as [`StorageFailed`](EndReason::StorageFailed), [`Superseded`](EndReason::Superseded) or [`Moved`](EndReason::Moved). Of one that is
    /// over already nothing final is said from then on, if that is not kept, or was never its to say.
    pub fn handle_store_failed(&mut self, now: Instant, failure: StoreFailure) {
        let _span = self.span.enter();
        let now = self.latest.advance(now);
        if !self.is_durable() {
            return;
        }
        let reason = match failure {
            StoreFailure::Failed => EndReason::StorageFailed,
            StoreFailure::Superseded => EndReason::Superseded,
            StoreFailure::Released => EndReason::Moved,
        };
        self.connections.forget_parting();
        if self.is_ended() && failure == StoreFailure::Superseded {
            self.events.supersede();
        }
        if self.is_ended() && (failure == StoreFailure::Superseded || !self.has_persisted(self.mark())) {
            // What is kept is a session that is not over.
            self.reporting.goes_on_elsewhere();
        }
        self.end(now, reason, None);
        if self.ledger.journal.as_ref().is_some_and(|journal| journal.holds_news()) {
            self.forget_news();
            self.ledger.streams.end();
        }
        if let Some(journal) = &mut self.ledger.journal {
            journal.give_up();
        }
        self.reporting.set_due();
        self.settle(now);
    }

    /// Whether something is kept of the session.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        let journal = self.ledger.journal.as_ref();
        journal.is_some_and(|journal| !journal.is_given_up())
    }

    /// What names all that was done so far: once [`has_persisted`](Self::has_persisted) says so of it, a restart loses nothing of
    /// that.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.ledger.mark()
    }

    /// Whether all is kept that was done up to `mark`. Of a session that is not durable there is nothing to keep.
    #[must_use]
    pub fn has_persisted(&self, mark: Mark) -> bool {
        let journal = self.ledger.journal.as_ref();
        journal.is_none_or(|journal| journal.has_persisted(mark))
    }

    /// The streams that the application has, with what was taken and dealt with of each: what it asks after a restart.
    ///
    /// A stream of which both halves are over is forgotten, and looks like one that was never opened. Who would open it again therefore
    /// notes on its own that it is open, once [`has_persisted`](Self::has_persisted) says so of the mark behind `open`, and neither stops it nor reads
    /// on from it before that. (What can be read of it, the peer said after that was kept.)
    #[must_use]
    pub fn streams(&self) -> Vec<RestoredStream> {
        self.ledger.streams.list()
    }

    /// Whether the peer wants no more of that stream, which the application does not see yet.
    pub(crate) fn is_stop_hidden(&self, stream: StreamId) -> bool {
        self.ledger.streams.is_stop_hidden(stream)
    }

    /// As what the registry knows it is kept with it.
    pub(crate) fn register(&mut self, registered: Option<Registered>) {
        if let Some(journal) = &mut self.ledger.journal {
            journal.registered = registered.map(Box::new);
        }
    }

    /// As what the registry knew it that let it in.
    pub(crate) fn registered(&self) -> Registered {
        let journal = self.ledger.journal.as_ref();
        let registered = journal.and_then(|journal| journal.registered.as_deref());
        registered.cloned().unwrap_or_default()
    }

    pub(super) fn positions(&self) -> Positions {
        Positions {
            expected: self.ledger.standing(),
            next: self.ledger.next(),
        }
    }

    /// Which end this is, as a snapshot has it.
    pub(super) fn side_byte(side: Side) -> u8 {
        match side {
            Side::Client => 0,
            Side::Server => 1,
        }
    }
}
