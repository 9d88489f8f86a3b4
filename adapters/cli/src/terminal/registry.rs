//! Whose terminals there are, by their names.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use unbroken_tokio::proto::security::PublicKey;

use super::held::Terminal;
use super::messages::{Action, Answer, Listed, Request, Size};
use super::pty;
use super::screen::Screen;

/// What became of a program that ended while nobody was attached can be asked for so long.
const KEPT: Duration = Duration::from_secs(600);
/// So many terminals a client may have.
const MOST: usize = 100;
/// So many characters all terminals of a client may take memory for, some 512 MiB: as much as a hundred have of 150 columns.
const MOST_CELLS: usize = 16 << 20;
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
        let (size, mut held) = (request.size.bounded(), self.held());
        let is_full = owned(&held, owner).count() >= MOST;
        if is_full || cells(&held, owner) + Screen::cells_of_new(size) > MOST_CELLS {
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
        let terminal = Terminal::new(name.clone(), command.clone(), size, program);
        held.insert((*owner, name.clone()), Arc::clone(&terminal));
        drop(held);
        tokio::spawn(self.clone().forget_in_time(*owner, Arc::clone(&terminal)));
        Ok(terminal)
    }

    /// Gives the terminal this size, if there is room for it.
    pub(super) fn resize(&self, owner: &Owner, terminal: &Terminal, size: Size) {
        let (size, held) = (size.bounded(), self.held());
        let others = cells(&held, owner).saturating_sub(terminal.cells(None));
        if others + terminal.cells(Some(size)) <= MOST_CELLS {
            terminal.resize(size);
        }
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
        let mut listed: Vec<Listed> = owned(&held, owner).map(|terminal| terminal.listed()).collect();
        listed.sort_by(|one, other| other.age.cmp(&one.age).then_with(|| one.name.cmp(&other.name)));
        listed
    }
}

fn owned<'a>(held: &'a Held, owner: &Owner) -> impl Iterator<Item = &'a Arc<Terminal>> {
    let own = held.iter().filter(move |((whose, _), _)| whose == owner);
    own.map(|(_, terminal)| terminal)
}

/// What the terminals of one take memory for.
fn cells(held: &Held, owner: &Owner) -> usize {
    owned(held, owner).map(|terminal| terminal.cells(None)).sum()
}

fn is_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_plain)
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    fn start(terminals: &Terminals, size: Size) -> Result<Arc<Terminal>, Answer> {
        let request = Request {
            action: Action::Start {
                name: None,
                command: Some("sleep 600".into()),
            },
            size,
            term: "dumb".into(),
            locale: Vec::new(),
        };
        terminals.find(&Owner::Account, &request)
    }

    #[tokio::test]
    async fn the_memory_of_terminals_is_bounded() {
        let (small, large) = (
            Size::USUAL,
            Size {
                columns: 1_000,
                rows: 262,
            },
        );
        let terminals = Terminals::new();
        let mut held = Vec::new();
        let refused = loop {
            match start(&terminals, large) {
                Ok(terminal) => held.push(terminal),
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused, Answer::TooMany);
        assert!(cells(&terminals.held(), &Owner::Account) <= MOST_CELLS);
        assert!((8..MOST).contains(&held.len()), "{}", held.len());
        held.pop().map(|last| terminals.forget(&Owner::Account, &last)).unwrap();
        let last = start(&terminals, small).unwrap();
        let another = start(&terminals, small).unwrap();
        terminals.resize(&Owner::Account, &last, large);
        terminals.resize(&Owner::Account, &another, large);
        let wide = |terminal: &Terminal| terminal.cells(None) > 10 * Screen::cells_of_new(small);
        assert!(!(wide(&last) && wide(&another)), "there is room for one more");
        terminals.resize(&Owner::Account, &another, Size { columns: 81, rows: 25 });
        assert_eq!(
            another.cells(None),
            Screen::cells_of_new(Size { columns: 81, rows: 25 })
        );
        held.extend([last, another]);
        held.iter().for_each(|terminal| terminal.hang_up());
    }
}
