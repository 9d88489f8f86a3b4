//! What is done about a request, and answered.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::AsyncWrite;
use tokio::time::{sleep, timeout};
use unbroken_tokio::proto::server::{LagPolicy, Select, SessionCommand};

use super::directory::Entry;
use super::host::Admin;
use super::lines;
use super::protocol::{Answer, Kind, Problem, Remains, Request, Told, Whom};
use crate::notes;
use crate::target::Purpose;

/// No reason for a close is longer, in bytes: what the protocol carries.
const LONGEST_REASON: usize = 1_024;
/// How long one line may take to be read.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a drain is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// No drain takes longer.
const LONGEST_DRAIN: Duration = Duration::from_secs(86_400);

/// Why there are no more answers.
#[derive(Debug)]
pub(super) enum Stopped {
    Problem(Problem),
    /// Whoever asked does not listen.
    Gone,
}

impl From<Problem> for Stopped {
    fn from(problem: Problem) -> Stopped {
        Stopped::Problem(problem)
    }
}

impl From<io::Error> for Stopped {
    fn from(_: io::Error) -> Stopped {
        Stopped::Gone
    }
}

/// Says one line to somebody who reads.
pub(super) async fn say(to: &mut (impl AsyncWrite + Unpin), answer: &Answer) -> io::Result<()> {
    let late = |_| Err(io::ErrorKind::TimedOut.into());
    timeout(PATIENCE, lines::write(to, answer)).await.unwrap_or_else(late)
}

/// Does what is asked, and says what comes of it, all but the last word.
pub(super) async fn answer(admin: &Admin, request: Request, to: &mut (impl AsyncWrite + Unpin)) -> Result<(), Stopped> {
    match request {
        Request::List { ended } => {
            let over = if ended { admin.directory.ended() } else { Vec::new() };
            for row in over {
                say(to, &Answer::Session(Box::new(row))).await?;
            }
            for entry in admin.directory.entries() {
                say(to, &Answer::Session(Box::new(entry.row()))).await?;
            }
        }
        Request::Show { session } => {
            let entry = admin.directory.find(&session)?;
            say(to, &Answer::Session(Box::new(entry.row()))).await?;
            for row in entry.streams() {
                say(to, &Answer::Stream(row)).await?;
            }
        }
        Request::Send { to: whom, message } => {
            for told in send(admin, &whom, message)? {
                say(to, &Answer::Told(told)).await?;
            }
        }
        Request::Close { to: whom, reason } => {
            for told in close(admin, &whom, reason)? {
                say(to, &Answer::Told(told)).await?;
            }
        }
        Request::Drain { within_ms } => drain(admin, Duration::from_millis(within_ms), to).await?,
    }
    Ok(())
}

fn picked(admin: &Admin, whom: &Whom) -> Result<Vec<Arc<Entry>>, Problem> {
    match whom {
        Whom::All => Ok(admin.directory.entries()),
        Whom::Session(wanted) => admin.directory.find(wanted).map(|entry| vec![entry]),
    }
}

fn told(entry: &Entry, taken: bool) -> Told {
    Told {
        name: entry.name().to_owned(),
        id: entry.id().to_string(),
        taken,
    }
}

/// Has the clients show a note, each over a stream of its own that is ahead of what else waits.
fn send(admin: &Admin, whom: &Whom, message: String) -> Result<Vec<Told>, Problem> {
    if message.trim().is_empty() {
        return Err(Problem::new(Kind::BadRequest, "there is nothing to say"));
    }
    if message.len() > notes::LONGEST {
        let message = format!("a message has {} bytes at most", notes::LONGEST);
        return Err(Problem::new(Kind::TooLong, message));
    }
    let entries = picked(admin, whom)?;
    let options = Purpose::Note.options().with_priority(0);
    let broadcaster = admin.server.broadcaster(options, usize::MAX, LagPolicy::Skip);
    let message = Bytes::from(message);
    let sent = entries.iter().map(|entry| {
        let outcome = broadcaster.send(Select::Session(entry.id()), message.clone());
        told(entry, outcome.queued > 0)
    });
    Ok(sent.collect())
}

fn close(admin: &Admin, whom: &Whom, reason: String) -> Result<Vec<Told>, Problem> {
    if reason.len() > LONGEST_REASON {
        let message = format!("a reason has {LONGEST_REASON} bytes at most");
        return Err(Problem::new(Kind::TooLong, message));
    }
    let entries = picked(admin, whom)?;
    let command = SessionCommand::Close {
        code: 0,
        reason: Bytes::from(reason),
    };
    let closed = entries.iter().map(|entry| {
        let count = admin.server.command(Select::Session(entry.id()), &command);
        told(entry, count.is_ok_and(|count| count > 0))
    });
    Ok(closed.collect())
}

/// Asks the host to drain, unless it does already, and says how that goes on.
async fn drain(admin: &Admin, within: Duration, to: &mut (impl AsyncWrite + Unpin)) -> Result<(), Stopped> {
    admin.drain.send_if_modified(|asked| {
        let is_first = asked.is_none();
        asked.get_or_insert(within.min(LONGEST_DRAIN));
        is_first
    });
    let mut said = None;
    loop {
        let status = admin.server.registry(|registry, now| {
            let status = registry.draining()?;
            let remains = Remains {
                connected: status.connected,
                detached: status.detached,
                unasked: status.unasked,
                remaining_ms: u64::try_from(status.until.saturating_since(now).as_millis()).unwrap_or(u64::MAX),
            };
            Some((remains, status.is_over(now)))
        });
        match status {
            Some((remains, true)) => {
                say(to, &Answer::Drained(remains)).await?;
                return Ok(());
            }
            Some((remains, false)) => {
                let counts = (remains.connected, remains.detached, remains.unasked);
                if said.replace(counts) != Some(counts) {
                    say(to, &Answer::Draining(remains)).await?;
                }
            }
            // The host is about to begin.
            None => {}
        }
        sleep(LOOK).await;
    }
}
