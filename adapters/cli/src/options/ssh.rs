//! Options of `unbroken ssh`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::ports::Ports;
use super::shell::Terminal;

/// Options of `unbroken ssh`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  unbroken ssh me@host
  unbroken ssh host --name build make -j8
  unbroken ssh host --attach build
  unbroken ssh --install host
  unbroken ssh -N -L 5432:localhost:5432 host

Each connection is an ssh of its own, with your configuration, keys, agent and jump hosts. On the far side a daemon of
yours holds the terminals, starts when it is needed, and ends when it holds none; nothing listens on a network.

The program goes on while there is no connection, and after `~d` at the beginning of a line, or when this command is
killed; --attach leads to it again, also from elsewhere. `~?` lists what else can be typed.

What this command has to say while a program has the whole screen is shown over its last lines for some seconds, and
said again when the program gives the screen back.

A command whose standard input is no terminal here has pipes there, unless it has a name; it ends with this command, or
with its session where this command is killed.

The exit code is the program's, 128 and the signal's number if a signal ended it; 255 if it is not known.")]
pub(crate) struct Ssh {
    /// Where to, as ssh takes it: `[USER@]HOST`, or a name of your ssh configuration.
    #[arg(value_name = "[USER@]HOST", value_parser = host)]
    pub(crate) host: String,
    /// Copy this program to the host first, as `~/.local/bin/unbroken`; it has to be of the same platform.
    #[arg(long)]
    pub(crate) install: bool,
    /// The ssh to run.
    #[arg(long, value_name = "PROGRAM", default_value = "ssh")]
    pub(crate) ssh: OsString,
    /// ssh's option of that name; may be given several times.
    #[arg(short, value_name = "OPTION")]
    pub(crate) o: Vec<String>,
    /// ssh's option of that name.
    #[arg(short, value_name = "PORT")]
    pub(crate) p: Option<u16>,
    /// ssh's option of that name; may be given several times.
    #[arg(short, value_name = "IDENTITY FILE")]
    pub(crate) i: Vec<OsString>,
    /// ssh's option of that name.
    #[arg(short = 'F', value_name = "CONFIGURATION FILE")]
    pub(crate) f: Option<OsString>,
    /// ssh's option of that name.
    #[arg(short = 'J', value_name = "JUMP HOSTS")]
    pub(crate) j: Option<OsString>,
    /// Say what happens to the connections.
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Write all that the session is told and says into this file, as JSON lines. It is a secret: the session's keys and all that is sent stand in it.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// No terminal: forward ports, until Ctrl-C.
    #[arg(short = 'N', conflicts_with_all = ["attach", "name", "list", "record", "command"])]
    pub(crate) no_terminal: bool,
    #[command(flatten)]
    pub(crate) ports: Ports,
    #[command(flatten)]
    pub(crate) terminal: Terminal,
}

/// What begins with a dash would be an option of ssh's.
fn host(text: &str) -> Result<String, String> {
    match text {
        "" => Err("expected a host".into()),
        text if text.starts_with('-') => Err("a host does not begin with a dash".into()),
        text => Ok(text.to_owned()),
    }
}

impl Ssh {
    /// The options that are ssh's.
    pub(crate) fn passed_on(&self) -> Vec<OsString> {
        let port = self.p.map(|port| port.to_string().into());
        let options = self.o.iter().map(|option| ("-o", option.clone().into()));
        let identities = self.i.iter().map(|file| ("-i", file.clone()));
        let others = [("-p", port), ("-F", self.f.clone()), ("-J", self.j.clone())];
        let others = others.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let all = options.chain(identities).chain(others);
        all.flat_map(|(name, value)| [OsString::from(name), value]).collect()
    }
}
