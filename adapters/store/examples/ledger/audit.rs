//! Whether both databases say the same, and the sums are right.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use crate::bank::{self, Bank};
use crate::common::{ACCOUNTS, AT_FIRST, Failure, Transfer};
use crate::orders::{self, Orders};

/// What was found to be right.
pub(crate) struct Audit {
    accounts: Vec<(String, i64)>,
    pub(crate) done: usize,
    pub(crate) refused: usize,
    /// Issued, and not answered yet.
    pub(crate) on_their_way: usize,
}

/// Reads both databases: of processes that are killed or done, as what is written in between looks wrong.
///
/// # Errors
/// Anything that is not as it should be.
pub(crate) fn audit(server: &Path, client: &Path) -> Result<Audit, Failure> {
    for file in [server.join(bank::FILE), client.join(orders::FILE)] {
        if !file.exists() {
            return Err(format!("there is no {}: nobody has done anything here yet", file.display()).into());
        }
    }
    let (bank, orders) = (Bank::open(server)?, Orders::open(client)?);
    let (issued, answers) = (orders.transfers(0)?, orders.answers()?);
    let (applied, accounts) = (bank.transfers()?, bank.accounts()?);

    // Each once and in order: the one of number n is the one at place n, on both sides.
    for (number, (transfer, _)) in applied.iter().enumerate() {
        let expected = issued.get(number);
        if expected != Some(transfer) {
            let expected = expected.map_or("none".to_owned(), Transfer::to_string);
            return Err(format!("applied: {transfer}, in the place of {expected}").into());
        }
    }
    for (number, answer) in answers.iter().enumerate() {
        let Some((transfer, is_done)) = applied.get(number) else {
            return Err(format!("answered, and not applied: {}", answer.number).into());
        };
        if (answer.number, answer.is_done) != (transfer.number, *is_done) {
            return Err(format!("answered: {answer}; applied: {transfer}, done: {is_done}").into());
        }
    }

    // The accounts are what comes of the transfers, and no cent came or went.
    let mut sums: BTreeMap<&str, i64> = ACCOUNTS.iter().map(|name| (*name, AT_FIRST)).collect();
    for (transfer, _) in applied.iter().filter(|(_, is_done)| *is_done) {
        *sums.entry(&transfer.from).or_default() -= transfer.cents;
        *sums.entry(&transfer.to).or_default() += transfer.cents;
    }
    for (name, cents) in &accounts {
        let sum = sums.get(&**name).copied().unwrap_or_default();
        if *cents != sum {
            return Err(format!("{name} has {cents}, and by the transfers {sum}").into());
        }
    }
    let (total, at_first) = (total(&accounts), ACCOUNTS.len() as i64 * AT_FIRST);
    if total != at_first {
        return Err(format!("there are {total} cents, and there were {at_first}").into());
    }
    let done = applied.iter().filter(|(_, is_done)| *is_done).count();
    Ok(Audit {
        done,
        refused: applied.len() - done,
        on_their_way: issued.len() - answers.len(),
        accounts,
    })
}

fn total(accounts: &[(String, i64)]) -> i64 {
    accounts.iter().map(|(_, cents)| cents).sum()
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, cents) in &self.accounts {
            writeln!(f, "{name:<8}{cents:>8}")?;
        }
        writeln!(f, "{:<8}{:>8}, as at the beginning", "sum", total(&self.accounts))?;
        let (done, refused) = (self.done, self.refused);
        write!(
            f,
            "{done} transfers done, {refused} refused, {} not answered yet; none twice, none lost, both sides agree",
            self.on_their_way
        )
    }
}
