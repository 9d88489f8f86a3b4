//! The `unbroken` command.

// First, since the others use its macros.
#[macro_use]
mod said;

mod admin;
mod client;
mod config;
mod connect;
mod console;
mod daemon;
mod demo;
mod doctor;
mod failure;
mod forward;
mod identity;
mod listener;
mod manual;
mod notes;
mod options;
mod output;
mod outward;
mod pump;
mod serve;
mod sessions;
mod shell;
mod signals;
mod socket;
mod ssh;
#[cfg(feature = "ssm")]
mod ssm;
mod stdio;
mod target;
mod terminal;
mod text;
mod tls;
mod trace;
mod unix;

use std::ffi::OsString;
#[cfg(feature = "ssm")]
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use failure::Failure;

/// Sessions that outlive their connections.
#[derive(Parser)]
#[command(name = "unbroken", version, arg_required_else_help = false, after_help = options::EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Accept sessions, and connect their streams to what is allowed.
    Serve(options::endpoints::Serve),
    /// Connect standard input and output to a target behind a server: a ProxyCommand for ssh.
    Connect(options::endpoints::Connect),
    /// Forward ports through a session.
    Forward(options::ports::Forward),
    /// A terminal on the server's machine, which goes on when connections break and when you leave.
    Shell(options::shell::Shell),
    /// A terminal on a host that ssh leads to, which goes on when connections break and when you leave.
    Ssh(options::ssh::Ssh),
    /// What `unbroken ssh` runs on the far side: connect standard input and output to the daemon there.
    #[command(hide = true)]
    Attach,
    /// What `unbroken attach` starts: hold the sessions of this account, as long as there are any.
    #[command(hide = true)]
    Daemon,
    /// Sessions of AWS Session Manager, which go on when connections break.
    #[cfg(feature = "ssm")]
    Ssm(options::ssm::Ssm),
    /// Try what works on the way to a server, step by step.
    Doctor(options::endpoints::Doctor),
    /// See the sessions of a server that runs here, and tell, close or drain them.
    Sessions(options::sessions::Sessions),
    /// Make a key, or a shared secret.
    Keygen(options::keys::Keygen),
    /// Print the public half of a key.
    Id(options::keys::Id),
    /// Send a file through a real connection that is cut again and again, and get it back intact.
    Demo(options::demo::Demo),
    /// Print a script that completes this command's arguments in a shell.
    Completions(options::manual::Completions),
    /// Print the manual page, or write those of all commands.
    Man(options::manual::Man),
}

fn main() -> ExitCode {
    let Arguments { command } = match Arguments::try_parse_from(arguments()) {
        Ok(arguments) => arguments,
        Err(error) if error.exit_code() == 0 => error.exit(),
        Err(error) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            eprintln!("unbroken: {} (try --help)", line.trim_start_matches("error: "));
            return ExitCode::from(2);
        }
    };
    match run(command) {
        Ok(code) => code,
        Err(failure) => {
            failure.report();
            failure.exit_code()
        }
    }
}

/// What this was called with. Under the name of Session Manager's plugin it is that.
fn arguments() -> Vec<OsString> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    #[cfg(feature = "ssm")]
    if arguments
        .first()
        .is_some_and(|name| Path::new(name).file_stem().is_some_and(|name| name == ssm::PLUGIN))
    {
        let as_plugin = ["unbroken", "ssm", "plugin", "--"].map(OsString::from);
        return as_plugin.into_iter().chain(arguments.into_iter().skip(1)).collect();
    }
    arguments
}

fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Demo(options) => {
            return Ok(match demo::run(options)? {
                true => ExitCode::SUCCESS,
                false => ExitCode::from(1),
            });
        }
        Command::Keygen(options) => identity::keygen(&options)?,
        Command::Id(options) => identity::id(&options)?,
        Command::Completions(options) => manual::completions(Arguments::command(), &options)?,
        Command::Man(options) => manual::man(Arguments::command(), &options)?,
        Command::Serve(options) => block_on_half(serve::run(options))?,
        Command::Connect(options) => block_on_this_thread(connect::run(options))?,
        Command::Forward(options) => block_on(forward::run(options))?,
        Command::Shell(options) => return block_on(shell::run(options)),
        Command::Ssh(options) => return block_on(ssh::run(options)),
        #[cfg(feature = "ssm")]
        Command::Ssm(options) => return block_on(ssm::run(options)),
        Command::Attach => block_on(daemon::reach::run())?,
        Command::Daemon => block_on_half(daemon::run())?,
        Command::Doctor(options) => block_on(doctor::run(options))?,
        Command::Sessions(options) => block_on(sessions::run(options))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// As [`block_on`], for a command that does one thing after the other: what goes from task to task wakes no other thread.
fn block_on_this_thread<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    block_on_runtime(&mut tokio::runtime::Builder::new_current_thread(), command)
}

/// As [`block_on`], for a server on whose machine others work for its clients, too: it takes half of the processors.
fn block_on_half<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    block_on_runtime(builder.worker_threads(processors.div_ceil(2)), command)
}

fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    block_on_runtime(&mut tokio::runtime::Builder::new_multi_thread(), command)
}

/// Runs a command to its end. What it left behind is not waited for: a read of the terminal cannot be stopped.
fn block_on_runtime<T>(
    builder: &mut tokio::runtime::Builder,
    command: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let runtime = builder.enable_all().build();
    let runtime = runtime.map_err(Failure::unable("cannot start"))?;
    let result = runtime.block_on(command);
    runtime.shutdown_background();
    result
}
