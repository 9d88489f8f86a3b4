//! Compares unbroken with plain sockets and with other crates: one run, by turns, medians. The README says what the
//! numbers are, and what they are not.

mod cases;
mod cli;
mod contestant;
mod contestants;
mod failure;
mod figures;
mod framing;
mod network;
mod outcome;
mod relay;
mod rounds;
mod units;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let options = cli::Options::parse();
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("another provider of cryptography was installed first");
    }
    let mut whole = true;
    for &case in options.cases() {
        for setting in rounds::settings(&options, case) {
            let outcome = rounds::all(&options, setting);
            whole &= outcome.is_whole();
            if options.json {
                outcome.print_json();
            } else {
                outcome.print_table();
            }
        }
    }
    if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
