//! The `unbroken` command.

mod admin;
mod client;
mod connect;
mod demo;
mod doctor;
mod failure;
mod forward;
mod identity;
mod listener;
mod notes;
mod options;
mod outward;
mod pump;
mod serve;
mod sessions;
mod signals;
mod target;
mod text;
mod tls;
mod unix;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
}

fn main() -> ExitCode {
    let Arguments { command } = match Arguments::try_parse() {
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
        Command::Serve(options) => block_on(serve::run(options))?,
        Command::Connect(options) => block_on(connect::run(options))?,
        Command::Forward(options) => block_on(forward::run(options))?,
        Command::Doctor(options) => block_on(doctor::run(options))?,
        Command::Sessions(options) => block_on(sessions::run(options))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a command to its end. What it left behind is not waited for: a read of the terminal cannot be stopped.
fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::unable("cannot start"))?;
    let result = runtime.block_on(command);
    runtime.shutdown_background();
    result
}
