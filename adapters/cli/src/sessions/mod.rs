//! `unbroken sessions`: shows the sessions of a server that runs here, and tells, closes and drains them.

mod ask;
mod detail;
mod list;
mod output;
mod table;
mod watch;

use std::io::Read;
use std::path::Path;

use serde::Serialize;

use self::ask::{Answers, ask};
use self::output::{document, print};
use crate::admin::protocol::{Answer, Remains, Request, SessionRow, StreamRow, Told, Whom};
use crate::daemon::place::Place;
use crate::failure::Failure;
use crate::notes;
use crate::options::sessions::{Command, Send, Sessions};

/// What `show --json` prints.
#[derive(Debug, Serialize)]
struct Shown {
    session: SessionRow,
    streams: Vec<StreamRow>,
}

/// What `send --json` and `close --json` print.
#[derive(Debug, Serialize)]
struct AllTold {
    told: Vec<Told>,
}

/// What `drain --json` prints.
#[derive(Debug, Serialize)]
struct Drained {
    drained: Remains,
}

pub(crate) async fn run(options: Sessions) -> Result<(), Failure> {
    let admin = match options.daemon {
        true => Some(Place::new()?.admin()),
        false => options.admin,
    };
    let (admin, json) = (admin.as_deref(), options.json);
    match options.command {
        Command::List(list) if list.watch => watch::run(admin, &list, json).await,
        Command::List(list) => print(&list::listing(admin, &list, json).await?).map(drop),
        Command::Show { session } => show(admin, session, json).await,
        Command::Send(words) => {
            let (to, message) = to_whom(words)?;
            tell(admin, Request::Send { to, message }, json).await
        }
        Command::Close(close) => {
            let to = close.session.map_or(Whom::All, Whom::Session);
            let reason = close.reason;
            tell(admin, Request::Close { to, reason }, json).await
        }
        Command::Drain { within } => drain(admin, within, json).await,
    }
}

async fn show(admin: Option<&Path>, session: String, json: bool) -> Result<(), Failure> {
    let mut answers = ask(admin, &Request::Show { session }).await?;
    let session = match answers.next().await? {
        Some(Answer::Session(row)) => *row,
        Some(other) => return Err(Answers::unexpected(&other)),
        None => return Err(Failure::Broken("the server said nothing of the session".into())),
    };
    let mut streams = Vec::new();
    while let Some(answer) = answers.next().await? {
        match answer {
            Answer::Stream(row) => streams.push(row),
            other => return Err(Answers::unexpected(&other)),
        }
    }
    let text = match json {
        true => document(&Shown { session, streams })?,
        false => detail::of(&session, &streams),
    };
    print(&text).map(drop)
}

/// Has sessions told something, or closed.
async fn tell(admin: Option<&Path>, request: Request, json: bool) -> Result<(), Failure> {
    let mut answers = ask(admin, &request).await?;
    let mut told = Vec::new();
    while let Some(answer) = answers.next().await? {
        match answer {
            Answer::Told(one) => told.push(one),
            other => return Err(Answers::unexpected(&other)),
        }
    }
    let text = match (json, &request) {
        (true, _) => document(&AllTold { told })?,
        (false, Request::Close { .. }) => detail::of_told("closing", &told),
        (false, _) => detail::of_told("sent to", &told),
    };
    print(&text).map(drop)
}

async fn drain(admin: Option<&Path>, within: std::time::Duration, json: bool) -> Result<(), Failure> {
    let within_ms = u64::try_from(within.as_millis()).unwrap_or(u64::MAX);
    let mut answers = ask(admin, &Request::Drain { within_ms }).await?;
    let mut last = None;
    while let Some(answer) = answers.next().await? {
        match answer {
            Answer::Draining(remains) if !json => {
                if !print(&detail::of_drain(&remains))? {
                    return Ok(());
                }
            }
            Answer::Draining(_) => {}
            Answer::Drained(remains) => last = Some(remains),
            other => return Err(Answers::unexpected(&other)),
        }
    }
    let drained = last.ok_or_else(|| Failure::Broken("the server said nothing of its drain".into()))?;
    let text = match json {
        true => document(&Drained { drained })?,
        false => detail::of_drained(&drained),
    };
    print(&text).map(drop)
}

/// The sessions that were named, and the message, which is read from standard input if it was not.
fn to_whom(send: Send) -> Result<(Whom, String), Failure> {
    let mut words = send.words.into_iter();
    let to = match send.all {
        true => Whom::All,
        false => {
            let missing = || Failure::Unable("which session? NAME, ID or --all (try --help)".into());
            Whom::Session(words.next().ok_or_else(missing)?)
        }
    };
    let message = match (words.next(), words.next()) {
        (Some(message), None) => message,
        (None, _) => read_message()?,
        (Some(_), Some(_)) => return Err(Failure::Unable("--all goes without a session's name".into())),
    };
    Ok((to, message.trim_end().to_owned()))
}

fn read_message() -> Result<String, Failure> {
    let mut message = String::new();
    // One byte more than may be: the server refuses it.
    let limit = u64::try_from(notes::LONGEST).map_or(u64::MAX, |limit| limit + 1);
    let mut input = std::io::stdin().lock().take(limit);
    input
        .read_to_string(&mut message)
        .map_err(Failure::unable("cannot read a message from standard input"))?;
    Ok(message)
}
