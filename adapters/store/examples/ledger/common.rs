//! What both ends agree upon, and what of it goes over the wire.

use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use rusqlite::Connection;
use unbroken_tokio::proto::security::{AtRest, SharedSecret};

pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How many cents are on each account at the beginning.
pub(crate) const AT_FIRST: i64 = 10_000;
pub(crate) const ACCOUNTS: [&str; 5] = ["ada", "bert", "cleo", "dora", "emil"];

/// Who knows this is let in. Yours comes from where your program keeps its secrets, and so does the key below.
pub(crate) fn secret() -> Result<SharedSecret, Failure> {
    Ok(SharedSecret::from_key(b"ledger", [42; 32])?)
}

/// What is kept of a session is sealed with this.
pub(crate) fn at_rest() -> AtRest {
    AtRest::sealed([43; 32])
}

/// A database of the application, which has nothing to do with the one that the sessions are kept in.
pub(crate) fn database(path: &Path, tables: &str) -> Result<Connection, Failure> {
    let database = Connection::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    // Who audits reads while others write.
    database.busy_timeout(Duration::from_secs(30))?;
    // A transaction that is through is on the disk.
    database.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    database.execute_batch(&format!("BEGIN IMMEDIATE; {tables} COMMIT;"))?;
    Ok(database)
}

/// The client's message of that number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Transfer {
    pub(crate) number: i64,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) cents: i64,
}

impl Transfer {
    /// Some transfer or other, the same one for the same number.
    pub(crate) fn some(number: i64) -> Transfer {
        let mut random = Random(number.cast_unsigned());
        let mut account = || ACCOUNTS[random.below(ACCOUNTS.len())].to_owned();
        let (from, to) = (account(), account());
        let cents = 1 + random.below(8_000) as i64;
        Transfer {
            number,
            from,
            to,
            cents,
        }
    }
}

impl fmt::Display for Transfer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.number, self.from, self.to, self.cents)
    }
}

impl FromStr for Transfer {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Transfer, Failure> {
        let [number, from, to, cents] = words(text)?;
        Ok(Transfer {
            number: number.parse()?,
            from: from.to_owned(),
            to: to.to_owned(),
            cents: cents.parse()?,
        })
    }
}

/// The server's answer to the transfer of that number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) number: i64,
    /// Or there was not enough on the account.
    pub(crate) is_done: bool,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, if self.is_done { "done" } else { "refused" })
    }
}

impl FromStr for Answer {
    type Err = Failure;

    fn from_str(text: &str) -> Result<Answer, Failure> {
        let [number, outcome] = words(text)?;
        let is_done = match outcome {
            "done" => true,
            "refused" => false,
            _ => return Err(format!("neither done nor refused: {text}").into()),
        };
        Ok(Answer {
            number: number.parse()?,
            is_done,
        })
    }
}

fn words<const N: usize>(text: &str) -> Result<[&str; N], Failure> {
    let words: Vec<&str> = text.split(' ').collect();
    words.try_into().map_err(|_| format!("not {N} words: {text}").into())
}

/// Numbers without any order (SplitMix64), the same ones for the same seed.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) % limit as u64) as usize
    }
}
