//! All sessions.

use std::path::Path;

use serde::Serialize;

use super::ask::{Answers, ask};
use super::output::{self, document};
use super::table;
use crate::admin::protocol::{Answer, Request, SessionRow};
use crate::failure::Failure;
use crate::options::sessions::List;

/// What `list --json` prints.
#[derive(Debug, Serialize)]
struct Listing {
    sessions: Vec<SessionRow>,
}

/// The list, as it is printed.
pub(super) async fn listing(admin: Option<&Path>, list: &List, json: bool) -> Result<String, Failure> {
    let mut answers = ask(admin, &Request::List { ended: list.ended }).await?;
    let mut sessions = Vec::new();
    while let Some(answer) = answers.next().await? {
        match answer {
            Answer::Session(row) => sessions.push(*row),
            other => return Err(Answers::unexpected(&other)),
        }
    }
    match json {
        true => document(&Listing { sessions }),
        false => Ok(table::of(&sessions, output::colours())),
    }
}
