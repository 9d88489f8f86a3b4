//! What must be true at the handles: who wrote and read what, how sessions ended, what each end was told about it.

mod conversation;
pub(crate) mod endings;
mod fates;
mod half;

use std::collections::BTreeMap;

use unbroken_proto::SessionId;

pub use conversation::{Conversation, Instance, Party};
pub use half::{Seen, Verdict, Written, content};

/// All conversations of a schedule.
#[derive(Debug, Default)]
pub struct Oracle {
    /// By number.
    pub conversations: Vec<Conversation>,
    sessions: BTreeMap<SessionId, (usize, usize)>,
    /// What the collectors of ended sessions got, and from which server.
    pub collected: Vec<(u64, SessionId)>,
}

impl Oracle {
    /// A client begins.
    pub fn begin(&mut self, key: u64) -> usize {
        let number = self.conversations.len();
        self.conversations.push(Conversation::new(number, key));
        number
    }

    /// A server was handed a session of that conversation; returns the number of its end.
    ///
    /// # Errors
    /// The client cannot have two.
    pub fn established(&mut self, number: usize, server: u64, id: SessionId) -> Result<usize, String> {
        if let Some(known) = self.sessions.get(&id) {
            return Err(format!("session {id} was handed out twice: {known:?}, then {number}"));
        }
        let conversation = self
            .conversations
            .get_mut(number)
            .ok_or("a session that no client began")?;
        let instance = conversation.established(server, id)?;
        self.sessions.insert(id, (number, instance));
        Ok(instance)
    }

    /// The server's end of a session.
    #[must_use]
    pub fn instance_of(&self, id: SessionId) -> Option<(usize, usize)> {
        self.sessions.get(&id).copied()
    }

    /// Everything that has to be true once all is over.
    ///
    /// # Errors
    /// What is not.
    pub fn check(&self) -> Verdict {
        for conversation in &self.conversations {
            conversation
                .check()
                .map_err(|what| format!("conversation {}: {what}", conversation.number))?;
        }
        self.check_collected()
    }

    fn check_collected(&self) -> Verdict {
        let mut seen = BTreeMap::new();
        for (server, id) in &self.collected {
            if seen.insert(id, server).is_some() {
                return Err(format!("session {id} was handed out for clean-up twice"));
            }
        }
        for conversation in &self.conversations {
            for instance in conversation.instances.iter().filter(|instance| !instance.server_died) {
                if !seen.contains_key(&instance.id) {
                    return Err(format!(
                        "session {} was never handed out for clean-up: {:?}",
                        instance.id, instance.done
                    ));
                }
            }
        }
        Ok(())
    }
}
