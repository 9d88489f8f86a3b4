//! The contestants take turns.

use std::io::IsTerminal as _;
use std::time::Duration;

use tokio::runtime::Builder;

use crate::cases::{self, Setting};
use crate::cli::{Case, Options, Peer};
use crate::failure::Failure;
use crate::figures::Measured;
use crate::network::Network;
use crate::outcome::{Outcome, Row};

/// What a case consists of.
pub(crate) fn settings(options: &Options, case: Case) -> Vec<Setting> {
    let seconds = options.seconds.unwrap_or(case.seconds());
    let setting = |size: &usize| Setting {
        case,
        network: Network {
            line: options.line(case),
        },
        size: *size,
        length: Duration::from_secs(u64::from(seconds)),
        warm_up: Duration::from_secs(u64::from(options.warm_up)),
    };
    options.sizes(case).iter().map(setting).collect()
}

/// All rounds of a setting: in each, everybody has one turn, and each round begins with another.
pub(crate) fn all(options: &Options, setting: Setting) -> Outcome {
    let peers = options.peers(setting.case, setting.size);
    let mut rows: Vec<Row> = peers.iter().map(|peer| Row::new(*peer)).collect();
    for round in 0..options.rounds as usize {
        for turn in 0..peers.len() {
            let row = &mut rows[(round + turn) % peers.len()];
            progress(&format!(
                "{} round {}: {}",
                setting.case.name(),
                round + 1,
                row.peer.name()
            ));
            row.runs.push(one(row.peer, setting));
        }
    }
    progress("");
    Outcome {
        setting,
        baseline: options.baseline,
        rows,
    }
}

/// Says in one line what goes on, to somebody who looks.
fn progress(line: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{line}");
    }
}

/// A run in a runtime of its own, so that nothing of it is left for the next.
fn one(peer: Peer, setting: Setting) -> Result<Measured, Failure> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let measured = runtime.block_on(cases::run(peer, setting));
    runtime.shutdown_timeout(Duration::from_secs(1));
    measured
}
