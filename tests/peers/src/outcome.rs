//! What the rounds of one setting have shown, as a table or as JSON.

use serde_json::{Map, Value, json};

use crate::cases::Setting;
use crate::cli::Peer;
use crate::failure::Failure;
use crate::figures::{Measured, median};
use crate::units::{show_rate, show_size};

/// The runs of one contestant, by the round.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) peer: Peer,
    pub(crate) runs: Vec<Result<Measured, Failure>>,
}

impl Row {
    pub(crate) fn new(peer: Peer) -> Row {
        Row { peer, runs: Vec::new() }
    }

    fn median(&self) -> Option<Measured> {
        Measured::median(&self.runs.iter().flatten().collect::<Vec<_>>())
    }

    /// The median of the ratios to `other`, round by round.
    fn ratio(&self, other: &Row) -> Option<f64> {
        let pairs = self.runs.iter().zip(&other.runs);
        let first = |run: &Result<Measured, Failure>| run.as_ref().ok().and_then(Measured::first);
        let ratios: Vec<f64> = pairs
            .filter_map(|(mine, its)| Some(first(mine)? / first(its)?))
            .collect();
        median(&ratios)
    }

    fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.runs.iter().filter_map(|run| run.as_ref().err())
    }
}

/// Of one setting.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) setting: Setting,
    pub(crate) baseline: Peer,
    pub(crate) rows: Vec<Row>,
}

impl Outcome {
    /// Whether no run failed.
    pub(crate) fn is_whole(&self) -> bool {
        self.rows.iter().all(|row| row.failures().next().is_none())
    }

    /// What was measured, in words.
    fn title(&self) -> String {
        let Setting {
            case, network, size, ..
        } = self.setting;
        let title = format!("{}, messages of {}", case.name(), show_size(size));
        match network.line {
            None => title,
            Some(line) => format!(
                "{title}, {}, round trip {:?}, buffer {}",
                show_rate(line.rate),
                line.rtt,
                show_size(line.buffer)
            ),
        }
    }

    fn ratio(&self, row: &Row) -> Option<f64> {
        let baseline = self.rows.iter().find(|row| row.peer == self.baseline)?;
        row.ratio(baseline)
    }

    pub(crate) fn print_table(&self) {
        println!("\n{}", self.title());
        let medians: Vec<(&Row, Option<Measured>)> = self.rows.iter().map(|row| (row, row.median())).collect();
        let names = medians.iter().find_map(|(_, median)| median.as_ref());
        let better = if self.setting.case.is_delay() {
            "less is better"
        } else {
            "more is better"
        };
        if let Some(names) = names {
            print!("{:<16}", "");
            names.figures.iter().for_each(|(name, _)| print!("{name:>17}"));
            println!("{:>17}", format!("to {}", self.baseline.name()));
        }
        for (row, median) in &medians {
            print!("{:<16}", row.peer.name());
            if let Some(median) = median {
                median
                    .figures
                    .iter()
                    .for_each(|(_, value)| print!("{:>17}", show(*value)));
                print!(
                    "{:>17}",
                    self.ratio(row).map_or("-".to_owned(), |ratio| format!("{ratio:.3}"))
                );
            }
            println!();
            row.failures()
                .for_each(|failure| println!("{:<16}failed: {failure}", ""));
        }
        println!("(the ratio is of the first column; {better})");
        for (row, median) in &medians {
            let seconds = median.as_ref().map_or(&[][..], |median| &median.seconds);
            if !seconds.is_empty() {
                let seconds: Vec<String> = seconds.iter().map(|second| show(*second)).collect();
                println!("{:<16}by the second: {}", row.peer.name(), seconds.join(" "));
            }
        }
    }

    pub(crate) fn print_json(&self) {
        let line = self.setting.network.line;
        for row in &self.rows {
            let median = row.median().unwrap_or_default();
            let figures = median
                .figures
                .iter()
                .map(|(name, value)| ((*name).to_owned(), json!(value)));
            println!(
                "{}",
                json!({
                    "case": self.setting.case.name(),
                    "size": self.setting.size,
                    "rtt_us": line.map(|line| u64::try_from(line.rtt.as_micros()).unwrap_or(u64::MAX)),
                    "rate": line.and_then(|line| line.rate),
                    "buffer": line.map(|line| line.buffer),
                    "peer": row.peer.name(),
                    "baseline": self.baseline.name(),
                    "rounds": row.runs.len(),
                    "figures": Value::Object(figures.collect::<Map<_, _>>()),
                    "ratio": self.ratio(row),
                    "seconds": median.seconds,
                    "failures": row.failures().map(ToString::to_string).collect::<Vec<_>>(),
                })
            );
        }
    }
}

/// At least two decimals below ten, and three digits above.
fn show(value: f64) -> String {
    match value.abs() {
        least if least >= 100.0 => format!("{value:.0}"),
        least if least >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}
