//! Options of what leads to a terminal.

use std::path::PathBuf;

use clap::Args;

use super::endpoints::Client;

/// Options of `unbroken shell`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  unbroken shell wss://gateway.example/unbroken
  unbroken shell wss://gateway.example/unbroken --name build make -j8
  unbroken shell wss://gateway.example/unbroken --attach build

The program goes on while there is no connection, and after `~d` at the beginning of a line, or when this command is
killed; --attach leads to it again, also from elsewhere, and shows what it printed meanwhile, up to 1,000 lines above
the screen. `~?` lists what else can be typed.

What this command has to say while a program has the whole screen is shown over its last lines for some seconds, and
said again when the program gives the screen back.

A command whose standard input is no terminal here has pipes there, unless it has a name; it ends with this command, or
with its session where this command is killed.

The exit code is the program's, 128 and the signal's number if a signal ended it; 255 if it is not known.")]
pub(crate) struct Shell {
    /// The server: `ws://HOST[:PORT][/PATH]`, `wss://`, `tcp://HOST:PORT` or `tls://HOST:PORT`.
    #[arg(value_name = "URL")]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) terminal: Terminal,
    #[command(flatten)]
    pub(crate) client: Client,
}

/// Which terminal.
#[derive(Args, Default)]
pub(crate) struct Terminal {
    /// Attach the terminal of this name; whoever is attached to it is no more.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["name", "command"])]
    pub(crate) attach: Option<String>,
    /// What the new terminal is called: letters, digits, dots, dashes and underscores [default: a number].
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// List the terminals that can be attached.
    #[arg(long, conflicts_with_all = ["attach", "name", "command", "record"])]
    pub(crate) list: bool,
    /// Write what the terminal shows to a new file, as an asciicast.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// What to run, as a line for the shell there, instead of a shell.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}
