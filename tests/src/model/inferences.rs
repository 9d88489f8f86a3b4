//! Conclusions, compared with the truth at the moment they are drawn. Each has a name in its message.

use unbroken_proto::SessionId;
use unbroken_proto::event::{EndReason, Ended};
use unbroken_proto::wire::frame::Verdict as Told;

use super::Verdict;
use super::truth::{Glance, Record, Said, Truth};

/// What a registry has of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is held.
    Session,
    /// Its tombstone.
    Tombstone,
    /// Nothing.
    Nothing,
}

impl Record {
    /// Nothing happens any more that a conclusion drawn before excludes.
    pub(super) fn still_as_concluded(&self, id: SessionId) -> Verdict {
        if self.abandoned && self.expected != [0; 2] {
            return Err(format!(
                "oracle begins again: {id} took something over after its client began again: {self:?}"
            ));
        }
        if let Some(position) = self.told_final.filter(|position| self.stated > *position) {
            return Err(format!(
                "oracle Expired: {id} took something over beyond its final position {position}: {self:?}"
            ));
        }
        if self.over.is_some() && !self.confirmed && self.expected != [0; 2] {
            return Err(format!(
                "oracle provisional: {id} was dropped as never confirmed: {self:?}"
            ));
        }
        Ok(())
    }
}

impl Truth {
    /// The registry says `told` of the session `id` now; `kept` is what it has of any.
    ///
    /// # Errors
    /// It is not true.
    pub fn verdict(&mut self, now: u64, id: SessionId, told: &Told, kept: impl Fn(SessionId) -> Kept) -> Verdict {
        let Some(record) = self.records.get_mut(&id) else {
            return Err(format!("oracle verdict: nobody ever made {id}"));
        };
        let untrue = |oracle: &str, record: &Record| Err(format!("oracle {oracle}: {told:?} of {id}, {record:?}"));
        match told {
            Told::Expired { position } | Told::Closed { position, .. } | Told::Replaced { position } => {
                let right = record.confirmed && record.over.is_some() && record.stated == *position;
                record.told_final = Some(*position);
                if right { Ok(()) } else { untrue("Expired", record) }
            }
            Told::Unknown { reach } => {
                if record.over.is_none() || kept(id) != Kept::Nothing {
                    return untrue("Unknown", record);
                }
                self.check_reach(now, *reach, kept)
            }
            // No client here has a copy, no secret gets lost, and the owner answers for those it holds.
            Told::Superseded => untrue("Superseded", record),
            _ => untrue("verdict", record),
        }
    }

    /// Every confirmed session that ended within the last `reach` ms left a tombstone that is kept.
    fn check_reach(&self, now: u64, reach: u64, kept: impl Fn(SessionId) -> Kept) -> Verdict {
        let of_this = |record: &&Record| record.generation == self.generation && record.confirmed;
        for (id, record) in self.records.iter().filter(|(_, record)| of_this(record)) {
            let Some(over) = record.over else {
                if kept(*id) != Kept::Session {
                    return Err(format!("oracle Unknown: {id} lives and is not held: {record:?}"));
                }
                continue;
            };
            if kept(*id) == Kept::Nothing && now - over < reach.saturating_mul(1_000_000) {
                return Err(format!(
                    "oracle reach: {reach} ms, yet {id} ended {} ms ago without a tombstone: {record:?}",
                    (now - over) / 1_000_000
                ));
            }
        }
        Ok(())
    }

    /// The owner of `id` answers `Resumed` on `conn`, at `position`.
    ///
    /// # Errors
    /// It is over, or that is not its position.
    pub fn resumed(&mut self, conn: u64, id: SessionId, position: u64) -> Verdict {
        self.said.insert(conn, Said::Resumed { id, position });
        match self.records.get(&id) {
            Some(record) if record.over.is_none() && !record.abandoned && record.stated == position => Ok(()),
            record => Err(format!("oracle Resumed: at {position} of {id}, {record:?}")),
        }
    }

    /// The client was `before`, read something on `conn`, and is `after` now.
    ///
    /// # Errors
    /// What it concluded is not so.
    pub fn concluded(&mut self, conn: u64, before: &Glance, after: &Glance) -> Verdict {
        let said = self.said.get(&conn).cloned();
        if after.ended && !before.ended {
            let verdict = match said {
                Some(Said::Verdict(verdict)) => Some(verdict),
                Some(Said::Made { verdict, .. }) => verdict,
                _ => None,
            };
            let is_over = matches!(
                verdict,
                Some(Told::Expired { .. } | Told::Closed { .. } | Told::Replaced { .. })
            );
            let expired = is_over && after.attaches == before.attaches;
            self.finals.extend(after.id.filter(|_| expired));
            return Ok(());
        }
        if after.attaches > before.attaches {
            let right = match said {
                Some(Said::Made { id, .. }) => after.id == Some(id),
                Some(Said::Resumed { id, position }) => after.id == Some(id) && after.seen.acked >= position,
                _ => false,
            };
            if !right {
                return Err(format!(
                    "oracle Resumed: the server said {said:?}, the client is {after:?}"
                ));
            }
        }
        match after.id.filter(|_| after.id != before.id) {
            Some(new) => self.begun(before, new),
            None => Ok(()),
        }
    }

    /// The client goes on in the session `new` with all that it had, as if there had been none before.
    fn begun(&mut self, before: &Glance, new: SessionId) -> Verdict {
        let Some(conv) = self.records.get(&new).map(|record| record.conv) else {
            return Err(format!("oracle begins again: nobody made {new}"));
        };
        let others = self
            .records
            .iter_mut()
            .filter(|(id, record)| record.conv == conv && **id != new);
        for (id, record) in others {
            // One that had sent nothing has nothing to lose; else its peer can never have heard of it.
            let sent_nothing = record.abandoned || before.id == Some(*id) && before.seen.next == 0;
            record.abandoned = true;
            if record.expected != [0; 2] || record.confirmed && !sent_nothing {
                return Err(format!(
                    "oracle begins again: instead of {id} goes {new}, {record:?}, the client was {before:?}"
                ));
            }
        }
        Ok(())
    }

    /// The client of `id` ended so.
    ///
    /// # Errors
    /// It believes that a copy of it went on, or it leaves something unknown although it was told the final position.
    pub fn check_end(&self, id: Option<SessionId>, ended: &Ended) -> Verdict {
        let unknown = ended.fates.streams.iter().any(|fate| !fate.unknown.is_zero());
        let checked = self.check_end_as(id, &ended.reason, unknown);
        checked.map_err(|wrong| format!("{wrong}, {ended:?}"))
    }

    pub(super) fn check_end_as(&self, id: Option<SessionId>, reason: &EndReason, unknown: bool) -> Verdict {
        if *reason == EndReason::Superseded {
            let record = id.and_then(|id| self.records.get(&id));
            return Err(format!("oracle Superseded: there is no copy of {id:?}, {record:?}"));
        }
        if unknown && id.is_some_and(|id| self.finals.contains(&id)) {
            return Err("oracle Expired: the final position was told, yet something is unknown".to_owned());
        }
        Ok(())
    }
}
