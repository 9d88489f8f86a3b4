//! The list, again and again.

use std::path::Path;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::list::listing;
use super::output;
use crate::failure::Failure;
use crate::options::sessions::List;
use crate::signals::Signals;

/// To the upper left corner, and nothing behind it.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Shows the list each second until the command is to end, or nobody reads it any more.
pub(super) async fn run(admin: Option<&Path>, list: &List, json: bool) -> Result<(), Failure> {
    let mut end = Signals::new()?;
    tokio::select! {
        shown = show(admin, list, json) => shown,
        () = end.end() => Ok(()),
    }
}

async fn show(admin: Option<&Path>, list: &List, json: bool) -> Result<(), Failure> {
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut was_there = false;
    loop {
        seconds.tick().await;
        let text = listing(admin, list, json).await.map_err(|failure| match failure {
            Failure::Unable(_) if was_there => Failure::Broken("the server is gone".into()),
            failure => failure,
        })?;
        was_there = true;
        let text = match !json && output::is_terminal() {
            true => format!("{CLEAR}{text}"),
            false => text,
        };
        if !output::print(&text)? {
            return Ok(());
        }
    }
}
