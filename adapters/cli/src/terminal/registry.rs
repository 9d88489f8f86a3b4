//! Whose terminals there are, by their names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use unbroken_tokio::proto::security::PublicKey;

use super::held::Terminal;
use super::messages::{Action, Answer, Listed, Request};
use super::pty;

/// What became of a program that ended while nobody was attached can be asked for so long.
const KEPT: Duration = Duration::from_secs(600);
/// So many terminals a client may have.
const MOST: usize = 100;
const LONGEST_NAME: usize = 64;

/// Whose a terminal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Owner {
    /// That of the client with this key.
    Key(PublicKey),
    /// That of the account in which the server runs: whoever reaches it is let in.
    Account,
}

/// All terminals of a server.
#[derive(Clone)]
pub(crate) struct Terminals(Arc<Mutex<Held>>);

type Held = HashMap<(Owner, String), Arc<Terminal>>;

impl Terminals {
    pub(crate) fn new() -> Terminals {
        Terminals(Arc::default())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The terminal that is asked for, a new one or not; or the answer, where there is nothing to show.
    pub(super) fn find(&self, owner: &Owner, request: &Request) -> Result<Arc<Terminal>, Answer> {
        let (name, command) = match &request.action {
            // It is nobody's terminal.
            Action::Run { .. } => return Err(Answer::Unknown),
            Action::List => return Err(Answer::Terminals(self.list(owner))),
            Action::Attach { name } => return self.named(owner, name),
            Action::End { name } => {
                self.named(owner, name)?.hang_up();
                return Err(Answer::Ending);
            }
            Action::Start { name, command } => (name, command),
        };
        let mut held = self.held();
        if held.keys().filter(|(whose, _)| whose == owner).count() >= MOST {
            return Err(Answer::TooMany);
        }
        let is_taken = |name: &str| held.contains_key(&(*owner, name.to_owned()));
        let name = match name {
            Some(name) if !is_name(name) => return Err(Answer::BadName),
            Some(name) if is_taken(name) => return Err(Answer::NameTaken),
            Some(name) => name.clone(),
            // One of the first numbers is free.
            None => (1_u32..)
                .map(|number| number.to_string())
                .find(|name| !is_taken(name))
                .unwrap_or_default(),
        };
        let program = pty::start(&name, command.as_deref(), request);
        let program = program.map_err(|error| Answer::Failed(error.to_string()))?;
        let terminal = Terminal::new(name.clone(), command.clone(), request.size.bounded(), program);
        held.insert((*owner, name.clone()), Arc::clone(&terminal));
        drop(held);
        tokio::spawn(self.clone().forget_in_time(*owner, Arc::clone(&terminal)));
        Ok(terminal)
    }

    fn named(&self, owner: &Owner, name: &str) -> Result<Arc<Terminal>, Answer> {
        let held = self.held().get(&(*owner, name.to_owned())).cloned();
        held.ok_or(Answer::Unknown)
    }

    /// Whoever was not attached when the program ended has a while to hear of it.
    async fn forget_in_time(self, owner: Owner, terminal: Arc<Terminal>) {
        terminal.exited().await;
        tokio::time::sleep(KEPT).await;
        self.forget(&owner, &terminal);
    }

    pub(super) fn forget(&self, owner: &Owner, terminal: &Arc<Terminal>) {
        terminal.close();
        let mut held = self.held();
        let key = (*owner, terminal.name.clone());
        if held.get(&key).is_some_and(|there| Arc::ptr_eq(there, terminal)) {
            held.remove(&key);
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.held().len()
    }

    fn list(&self, owner: &Owner) -> Vec<Listed> {
        let held = self.held();
        let own = held.iter().filter(|((whose, _), _)| whose == owner);
        let mut listed: Vec<Listed> = own.map(|(_, terminal)| terminal.listed()).collect();
        listed.sort_by(|one, other| other.age.cmp(&one.age).then_with(|| one.name.cmp(&other.name)));
        listed
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_plain)
}
