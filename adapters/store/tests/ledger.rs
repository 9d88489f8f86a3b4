//! The example `ledger`, whose ends are killed at any moment: `UNBROKEN_KILLS` says how often (8 times unless said), `UNBROKEN_SEED` when.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../examples/ledger/audit.rs"]
mod audit;
#[path = "../examples/ledger/bank.rs"]
mod bank;
#[path = "../examples/ledger/client.rs"]
mod client;
#[path = "../examples/ledger/common.rs"]
mod common;
#[path = "../examples/ledger/demo.rs"]
mod demo;
mod folder;
#[path = "../examples/ledger/marks.rs"]
mod marks;
#[path = "../examples/ledger/orders.rs"]
mod orders;
#[path = "../examples/ledger/server.rs"]
mod server;

use std::path::PathBuf;
use std::process::Command;

use demo::{End, Plan};
use folder::{Folder, Random};

/// What a process of the demo does: it is this program again, as the example itself may not have been built.
#[test]
fn one_end() {
    let Some(folder) = std::env::var_os("UNBROKEN_FOLDER").map(PathBuf::from) else {
        return;
    };
    let address = std::env::var("UNBROKEN_ADDRESS").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ended = match std::env::var("UNBROKEN_TRANSFERS") {
        Ok(more) => runtime.block_on(client::run(&folder, address, more.parse().unwrap())),
        Err(_) => runtime.block_on(server::run(&folder, address)),
    };
    ended.unwrap();
}

#[test]
fn each_transfer_counts_once_whoever_is_killed() {
    let folder = Folder::new();
    let plan = Plan {
        folder: folder.path().to_owned(),
        kills: std::env::var("UNBROKEN_KILLS").map_or(8, |kills| kills.parse().unwrap()),
        seed: Random::new().0,
    };
    let audit = demo::run(&plan, |end, folder, address| {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["one_end", "--exact", "--nocapture"]);
        command.env("UNBROKEN_FOLDER", folder);
        command.env("UNBROKEN_ADDRESS", address.to_string());
        if let End::Client(more) = end {
            command.env("UNBROKEN_TRANSFERS", more.to_string());
        }
        Ok(command)
    });
    let audit = audit.unwrap();
    println!("{audit}");
    assert!(audit.done > 0);
    assert!(audit.refused > 0, "the accounts are never empty");
}
