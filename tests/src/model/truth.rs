//! What sessions really are, seen from both ends and the registry at once. What one end concludes from silence, or from
//! a third party's memory, is compared with this; see [`inferences`](super::inferences) for the conclusions.

use std::collections::{BTreeMap, BTreeSet};

use unbroken_proto::session::{Inspection, SessionState};
use unbroken_proto::wire::frame::Verdict as Told;
use unbroken_proto::{Session, SessionId, Side};

use super::Verdict;

/// Every session that a server ever made, as it really is.
#[derive(Clone, Debug, Default)]
pub struct Truth {
    pub(super) records: BTreeMap<SessionId, Record>,
    /// What the server answered on a connection, by its number.
    pub(super) said: BTreeMap<u64, Said>,
    /// The sessions whose clients were told the final position.
    pub(super) finals: BTreeSet<SessionId>,
    /// How often the registry started with nothing.
    pub(super) generation: u64,
}

/// One session, both its ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    /// The conversation that its client named.
    pub(super) conv: usize,
    /// Of the registry that made it.
    pub(super) generation: u64,
    /// Its owner has read a sealed packet of the client's.
    pub(super) confirmed: bool,
    /// What each end (0 client, 1 server) has taken over.
    pub(super) expected: [u64; 2],
    /// The position that its owner states.
    pub(super) stated: u64,
    /// When its owner ended, or died.
    pub(super) over: Option<u64>,
    /// The final position, once a verdict named it.
    pub(super) told_final: Option<u64>,
    /// Its client began again without it.
    pub(super) abandoned: bool,
}

/// What a server answered on one connection.
#[derive(Clone, Debug)]
pub(super) enum Said {
    /// FINAL of a new session, and perhaps a word about the one before.
    Made { id: SessionId, verdict: Option<Told> },
    /// RESUMED, or the verdict `Resumed`.
    Resumed { id: SessionId, position: u64 },
    /// A word about the session before, and no new one.
    Verdict(Told),
}

/// An end of a session before or after an input.
#[derive(Clone, Copy, Debug)]
pub struct Glance {
    pub(super) id: Option<SessionId>,
    pub(super) attaches: u64,
    pub(super) ended: bool,
    pub(super) seen: Inspection,
}

impl Glance {
    /// Looks.
    #[must_use]
    pub fn of(session: &Session) -> Glance {
        Glance {
            id: session.id(),
            attaches: session.stats().attaches,
            ended: session.state() == SessionState::Ended,
            seen: session.inspect(),
        }
    }

    /// It begins again: a session it had goes on under another name. Whether anything of it was ever sent.
    #[must_use]
    pub fn begins_again(&self, after: &Glance) -> Option<bool> {
        (self.id.is_some() && self.id != after.id).then_some(self.seen.next > 0)
    }

    /// How often it had attached.
    #[must_use]
    pub fn attaches(&self) -> u64 {
        self.attaches
    }
}

impl Truth {
    /// A registry made a session, and FINAL says so on `conn`.
    pub fn made(&mut self, conn: u64, conv: usize, id: SessionId, verdict: Option<Told>) {
        let generation = self.generation;
        self.records.insert(
            id,
            Record {
                conv,
                generation,
                ..Record::default()
            },
        );
        self.said.insert(conn, Said::Made { id, verdict });
    }

    /// FINAL says on `conn` what became of the session before, and offers none.
    pub fn told(&mut self, conn: u64, verdict: Told) {
        self.said.insert(conn, Said::Verdict(verdict));
    }

    /// The registry starts again with nothing.
    pub fn restarted(&mut self) {
        self.generation += 1;
    }

    /// The owner of `id` is gone without a word.
    pub fn killed(&mut self, now: u64, id: SessionId) {
        if let Some(record) = self.records.get_mut(&id) {
            record.over.get_or_insert(now);
        }
    }

    /// One end, as it is now.
    ///
    /// # Errors
    /// It contradicts what the other end is, or what was concluded about it before.
    pub fn see(&mut self, now: u64, session: &Session) -> Verdict {
        self.see_as(now, session.side(), Glance::of(session))
    }

    pub(super) fn see_as(&mut self, now: u64, side: Side, now_is: Glance) -> Verdict {
        let Some((id, record)) = now_is
            .id
            .and_then(|id| self.records.get_mut(&id).map(|record| (id, record)))
        else {
            return Ok(());
        };
        let us = usize::from(side == Side::Server);
        let taken = &mut record.expected;
        taken[us] = taken[us].max(now_is.seen.expected);
        // At its end the outbox is emptied.
        if !now_is.ended && now_is.seen.acked > taken[1 - us] {
            return Err(format!(
                "oracle acknowledged: {:?} of {id} believes that {} arrived, the peer took over {}",
                side,
                now_is.seen.acked,
                taken[1 - us]
            ));
        }
        if side == Side::Server {
            record.stated = now_is.seen.stated;
            record.confirmed |= now_is.attaches > 0;
            if now_is.ended {
                record.over.get_or_insert(now);
            }
        }
        record.still_as_concluded(id)
    }
}
