//! The `unbroken` command.

mod cutter;
mod data;
mod demo;
mod failure;
mod options;
mod summary;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// Sessions that outlive their connections.
#[derive(Parser)]
#[command(name = "unbroken", version, arg_required_else_help = false)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Send a file through a real connection that is cut again and again, and get it back intact.
    Demo(options::Demo),
}

fn main() -> ExitCode {
    let Arguments {
        command: Command::Demo(demo),
    } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.exit_code() == 0 => error.exit(),
        Err(error) => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            eprintln!("unbroken: {} (try --help)", line.trim_start_matches("error: "));
            return ExitCode::from(2);
        }
    };
    let (message, code) = match demo::run(demo) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => return ExitCode::from(1),
        Err(Failure::Broken(message)) => (message, 1),
        Err(Failure::Unable(message)) => (message, 2),
    };
    eprintln!("unbroken: {message}");
    ExitCode::from(code)
}
