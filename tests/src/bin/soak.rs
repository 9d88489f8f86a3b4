//! Runs many schedules and says how many a second; stops at the first that breaks a promise.
//!
//! `cargo run --profile sim -p unbroken-tests --bin soak -- --seeds N [--start S] [--jobs J] [--verbose] [--keep-going]`

use std::process::ExitCode;

use unbroken_tests::sim::{Summary, run_seed};
use unbroken_tests::soak;

#[derive(Default)]
struct Totals {
    swaps: u64,
    messages: u64,
    bytes: u64,
    time: u64,
}

fn add(totals: &mut Totals, summary: &Summary) {
    totals.swaps += summary.swaps;
    totals.messages += summary.messages;
    totals.bytes += summary.bytes;
    totals.time += summary.time;
}

fn main() -> ExitCode {
    let run = |seed| run_seed(seed).map_err(|failure| failure.to_string());
    soak::main("schedules", run, add, |_, totals| {
        format!(
            "{} swaps, {} messages, {} MB, {:.1} virtual hours",
            totals.swaps,
            totals.messages,
            totals.bytes / 1_000_000,
            totals.time as f64 / 3.6e12,
        )
    })
}
