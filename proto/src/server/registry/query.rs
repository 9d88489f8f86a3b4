//! What a host asks of the registry about sessions it holds, and what it wants of them.

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

use super::routing::Registry;
use crate::accept::SessionCommand;
use crate::error::CodeTooLarge;
use crate::id::SessionId;
use crate::limits::{MAX_LABEL, MAX_LABELS};
use crate::server::info::{EndedSession, Select, SessionInfo, SessionStatus, Snapshot};
use crate::time::Instant;

impl Registry {
    /// The established sessions, in the order of their ids.
    pub fn sessions(&self) -> impl Iterator<Item = SessionInfo> + '_ {
        self.sessions.list()
    }

    /// What is known of one session, established or not.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<SessionInfo> {
        self.sessions.info(id)
    }

    /// The sessions that `select` means, in the order of their ids. Costs what it finds, not what
    /// there is.
    #[must_use]
    pub fn find(&self, select: Select<'_>) -> Vec<SessionId> {
        self.sessions.ids(select)
    }

    /// Writes a label of the host's own on a session, to find it by: up to 255 bytes, up to 16 a
    /// session. `false`: it is not held, or the label is too long or one too many.
    pub fn label(&mut self, now: Instant, session: SessionId, label: &[u8]) -> bool {
        self.handle_timeout(now);
        label.len() <= MAX_LABEL && self.sessions.label(session, label, MAX_LABELS)
    }

    /// Takes a label off again.
    pub fn unlabel(&mut self, now: Instant, session: SessionId, label: &[u8]) {
        self.handle_timeout(now);
        self.sessions.unlabel(session, label);
    }

    /// Commands something of the sessions that `select` means; returns of how many. As the registry owns
    /// none of them, the command waits until [`poll_command`](Self::poll_command) hands it out. A newer command
    /// of the same kind replaces an older one that still waits.
    ///
    /// ```
    /// # use unbroken_proto::error::CodeTooLarge;
    /// # use unbroken_proto::server::{Registry, Select, SessionCommand};
    /// # use unbroken_proto::{Instant, Session, SessionId};
    /// # use std::collections::HashMap;
    /// type Owned = HashMap<SessionId, Session>;
    /// fn close_all(registry: &mut Registry, now: Instant, owned: &mut Owned) -> Result<usize, CodeTooLarge> {
    ///     let close = SessionCommand::Close { code: 3, reason: "maintenance".into() };
    ///     let commanded = registry.command(now, Select::All, &close)?;
    ///     while let Some((id, command)) = registry.poll_command() {
    ///         if let Some(session) = owned.get_mut(&id) {
    ///             session.handle_command(now, command)?;
    ///         }
    ///     }
    ///     Ok(commanded)
    /// }
    /// ```
    ///
    /// # Errors
    /// The code of a close is larger than [`MAX_CODE`](crate::config::MAX_CODE); nobody is commanded anything.
    pub fn command(
        &mut self,
        now: Instant,
        select: Select<'_>,
        command: &SessionCommand,
    ) -> Result<usize, CodeTooLarge> {
        self.handle_timeout(now);
        self.command_all(&self.sessions.ids(select), command)
    }

    /// The same for the established sessions that `wanted` picks. Looks at all of them.
    ///
    /// # Errors
    /// As [`command`](Self::command).
    pub fn command_where(
        &mut self,
        now: Instant,
        wanted: impl Fn(&SessionInfo) -> bool,
        command: &SessionCommand,
    ) -> Result<usize, CodeTooLarge> {
        self.handle_timeout(now);
        let picked: Vec<SessionId> = self.sessions().filter(wanted).map(|info| info.id).collect();
        self.command_all(&picked, command)
    }

    fn command_all(&mut self, ids: &[SessionId], command: &SessionCommand) -> Result<usize, CodeTooLarge> {
        command.check()?;
        ids.iter().for_each(|id| self.commands.put(*id, command.clone()));
        Ok(ids.len())
    }

    /// The next command to pass on to a session's owner, for [`Session::handle_command`](crate::Session::handle_command). Ask
    /// until `None` after any call that takes `now`; what is not asked for waits, and goes when its
    /// session does.
    pub fn poll_command(&mut self) -> Option<(SessionId, SessionCommand)> {
        self.commands.poll()
    }

    /// The next session that is over. Each session that [`admit`](Self::admit) made is handed out here
    /// exactly once, whichever way it ended, so this is the place to release what the host keeps for
    /// one. Ask until `None` after any call that takes `now`: what is not asked for waits, and uses
    /// room of [`max_sessions`](crate::ServerConfig::max_sessions).
    pub fn poll_ended(&mut self) -> Option<EndedSession> {
        self.sessions.poll_ended()
    }

    /// The registry in numbers, for a monitoring page. Costs the same however many sessions there are.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let (silent, handshakes) = self.pending.waiting();
        let (ended_waiting, ended) = self.sessions.ended();
        Snapshot {
            connecting: self.sessions.counts(SessionStatus::Connecting),
            connected: self.sessions.attached(),
            idle: self.sessions.counts(SessionStatus::Idle),
            suspect: self.sessions.counts(SessionStatus::Suspect),
            detached: self.sessions.counts(SessionStatus::Detached),
            detached_bytes: self.sessions.detached_bytes(),
            tombstones: self.tombstones.len(),
            silent,
            handshakes,
            ordered: self.commands.len(),
            ended_waiting,
            admitted: self.admitted,
            ended,
            refused: self.refused,
        }
    }

    /// How many sessions are held, provisional ones included; at most
    /// [`max_sessions`](crate::ServerConfig::max_sessions).
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// How many tombstones are kept; at most [`max_tombstones`](crate::ServerConfig::max_tombstones).
    #[must_use]
    pub fn tombstone_count(&self) -> usize {
        self.tombstones.len()
    }
}
