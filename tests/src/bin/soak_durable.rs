//! Runs many schedules of durable sessions and says how many a second; stops at the first that breaks a promise.
//!
//! `cargo run --profile sim -p unbroken-tests --bin soak_durable -- --seeds N [--start S] [--jobs J] [--verbose] [--keep-going]`

use std::process::ExitCode;

use unbroken_tests::durable::{Summary, run_seed};
use unbroken_tests::soak;

fn main() -> ExitCode {
    let add = |time: &mut u64, summary: &Summary| *time += summary.time;
    soak::main("durable", run_seed, add, |tally, time| {
        let killed = tally.of("fault: killed");
        format!("{killed} processes killed, {:.1} virtual hours", *time as f64 / 3.6e12)
    })
}
