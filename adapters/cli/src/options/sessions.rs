//! Options of `unbroken sessions`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

/// What is in a document of `list`; those of the other commands hold the same, or less.
const JSON: &str = "\
With --json: {\"sessions\":[…]}, each with
  name                  what the file of authorized keys calls its client's key, or the first 8 digits of that
  id, key               the session's id, and its client's key
  peer                  the address that its client came from last, or null
  state                 connecting, connected, idle (nothing but heartbeats), suspect (the client is silent), detached (the client is
                        away, and may come back), closing, expired (it did not come back) or closed
  ended                 why it is over, or null
  age_ms                how long it has been there, or lasted
  streams               how many are open
  bytes_in, bytes_out   what came from the client, and went to it; nothing is counted twice
  unacknowledged_bytes  what the client has not acknowledged yet, what waits to be sent included
  unread_bytes          what came and was not taken yet
  replayed_bytes        what was sent again over later connections
  swaps                 how often another connection took over
  last_cause            what the last connection that was lost was lost for, or null
  last_lost_ms          how long ago that was, or null
  round_trip_us         the round trip of the present connection, or null";

/// Options of `unbroken sessions`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  unbroken sessions list --watch
  unbroken sessions send --all 'The disk is full; back in an hour.'
  unbroken sessions close alice --reason 'see you tomorrow'

A session is named by what the file of authorized keys calls its client's key, by its id, or by four or more of the first digits of that.
The server has to run here as this user, with `--admin`.")]
pub(crate) struct Sessions {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// The server's admin socket, as its own `--admin` names it [default: unbroken/admin.sock in $XDG_RUNTIME_DIR or the state folder].
    #[arg(long, value_name = "PATH", global = true)]
    pub(crate) admin: Option<PathBuf>,
    /// Ask the daemon of this account that `unbroken ssh` from elsewhere has started.
    #[arg(long, global = true, conflicts_with = "admin")]
    pub(crate) daemon: bool,
    /// Print one JSON document.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What is to be done.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show all sessions.
    List(List),
    /// Show all that is known of one session, and its open streams.
    Show {
        /// Which.
        #[arg(value_name = "NAME|ID")]
        session: String,
    },
    /// Have clients show a message to who runs them.
    Send(Send),
    /// End sessions, behind what was sent in them.
    Close(Close),
    /// Have the server stop: it accepts nobody any more, asks clients to leave, waits for that and ends.
    Drain {
        /// How long clients have to leave (`30s`, `5m`).
        #[arg(long, value_name = "DURATION", value_parser = super::demo::duration, default_value = "10s")]
        within: Duration,
    },
}

/// Options of `unbroken sessions list`.
#[derive(Args)]
#[command(after_help = JSON)]
pub(crate) struct List {
    /// Show them again each second; with --json, as one document in a line.
    #[arg(long)]
    pub(crate) watch: bool,
    /// Also those that ended lately: the last 64.
    #[arg(long)]
    pub(crate) ended: bool,
}

/// Options of `unbroken sessions send`.
#[derive(Args)]
#[command(override_usage = "unbroken sessions send <NAME|ID|--all> [MESSAGE]")]
pub(crate) struct Send {
    /// To which session, unless to all; then the message, or it is read from standard input.
    #[arg(value_name = "NAME|ID, MESSAGE", num_args = 0..=2)]
    pub(crate) words: Vec<String>,
    /// To all sessions.
    #[arg(long)]
    pub(crate) all: bool,
}

/// Options of `unbroken sessions close`.
#[derive(Args)]
pub(crate) struct Close {
    /// Which session.
    #[arg(value_name = "NAME|ID", required_unless_present = "all", conflicts_with = "all")]
    pub(crate) session: Option<String>,
    /// All sessions.
    #[arg(long)]
    pub(crate) all: bool,
    /// What clients are told.
    #[arg(long, value_name = "TEXT", default_value = "by its owner's wish")]
    pub(crate) reason: String,
}
