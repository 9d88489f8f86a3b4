//! A ledger: a client issues transfers between accounts, a server applies them, each exactly once, although both are killed all the time.
//!
//! `cargo run -p unbroken-store --example ledger` starts both, kills either with SIGKILL again and again, and audits the books at the end
//! (`demo --seed N --kills N`). By hand, in three terminals, with Ctrl-C or `kill -9` wherever you like:
//!
//! ```console
//! cargo run -p unbroken-store --example ledger server
//! cargo run -p unbroken-store --example ledger client --transfers 1000
//! cargo run -p unbroken-store --example ledger audit
//! ```
//!
//! Read `server.rs` and `client.rs` first. Both keep two things on the disk: the session, which `unbroken_store::Embedded` sees to, and their own
//! SQLite database, where each message's effect and its place are written in one transaction.

mod audit;
mod bank;
mod client;
mod common;
mod demo;
mod marks;
mod orders;
mod server;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};
use common::Failure;
use demo::{End, Plan};

/// Transfers between accounts, each exactly once, whoever is killed when.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// Where both ends keep what they have [a folder of the system's for temporary files; that of a demo is deleted if all went well]
    #[arg(long, global = true)]
    folder: Option<PathBuf>,
}

#[derive(Subcommand)]
enum What {
    /// Start both ends, kill either again and again, then audit: this is what is done if nothing is said
    Demo {
        /// Which kills there are [any]
        #[arg(long)]
        seed: Option<u64>,
        /// How many
        #[arg(long, default_value_t = 20)]
        kills: u32,
    },
    /// Keep the accounts, apply transfers and answer them
    Server {
        #[arg(long, default_value = "127.0.0.1:7171")]
        address: SocketAddr,
    },
    /// Issue transfers, and wait for the answers
    Client {
        #[arg(long, default_value = "127.0.0.1:7171")]
        address: SocketAddr,
        /// How many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(i64).range(0..=1_000_000))]
        transfers: i64,
    },
    /// Look at both databases, while neither end runs
    Audit,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ledger: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let given = arguments.folder;
    let folder = given
        .clone()
        .unwrap_or_else(|| std::env::temp_dir().join("unbroken-ledger"));
    let runtime = tokio::runtime::Runtime::new()?;
    match arguments.what {
        None => demo(given, None, 20),
        Some(What::Demo { seed, kills }) => demo(given, seed, kills),
        Some(What::Server { address }) => runtime.block_on(server::run(&folder.join("server"), address)),
        Some(What::Client { address, transfers }) => {
            runtime.block_on(client::run(&folder.join("client"), address, transfers))
        }
        Some(What::Audit) => {
            println!("{}", audit::audit(&folder.join("server"), &folder.join("client"))?);
            Ok(())
        }
    }
}

fn demo(folder: Option<PathBuf>, seed: Option<u64>, kills: u32) -> Result<(), Failure> {
    let keep = folder.is_some();
    let name = format!("unbroken-ledger-{}", std::process::id());
    let plan = Plan {
        folder: folder.unwrap_or_else(|| std::env::temp_dir().join(name)),
        kills,
        seed: seed.unwrap_or_else(|| u64::from(std::process::id())),
    };
    let audit = demo::run(&plan, |end, folder, address| {
        let mut command = Command::new(std::env::current_exe()?);
        let above = folder.parent().ok_or("a folder in no folder")?;
        command.arg(end.name()).arg("--folder").arg(above);
        command.arg("--address").arg(address.to_string());
        if let End::Client(more) = end {
            command.arg("--transfers").arg(more.to_string());
        }
        Ok(command)
    })?;
    println!("{audit}");
    if !keep {
        std::fs::remove_dir_all(&plan.folder)?;
    }
    Ok(())
}
