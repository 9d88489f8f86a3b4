//! Options of `unbroken demo`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// Options of `unbroken demo`.
#[derive(Args)]
pub(crate) struct Demo {
    /// The file to send; without one, data is generated.
    pub(crate) file: Option<PathBuf>,
    /// What carries the session.
    #[arg(long, value_enum, default_value_t = Carrier::Ws)]
    pub(crate) carrier: Carrier,
    /// How often to cut the connection, at random bytes [default: 60; none with --cut-every].
    #[arg(long, value_name = "N")]
    pub(crate) cuts: Option<u32>,
    /// Cut after each such time instead (`50ms`, `2s`), wherever the data is then; with --cuts, at most N times.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) cut_every: Option<Duration>,
    /// Choose the bytes to cut at, and the generated data, by this number.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// How much data to generate (`64MiB`, `10k`).
    #[arg(long, value_parser = size, default_value = "256MiB", conflicts_with = "file")]
    pub(crate) size: u64,
    /// Print the summary as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write what arrived here.
    #[arg(long, value_name = "PATH")]
    pub(crate) out: Option<PathBuf>,
}

/// What carries the session.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Carrier {
    /// WebSocket.
    Ws,
    /// TCP.
    Tcp,
}

fn split(text: &str) -> Result<(u64, &str), String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number = number
        .parse()
        .map_err(|_| "expected a whole number and a unit".to_string())?;
    Ok((number, unit))
}

pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text)?;
    let millis = match unit {
        "ms" => number,
        "s" => number.saturating_mul(1_000),
        "m" => number.saturating_mul(60_000),
        _ => return Err("expected a duration such as 50ms, 2s or 1m".into()),
    };
    if millis == 0 {
        return Err("must be longer than nothing".into());
    }
    Ok(Duration::from_millis(millis))
}

fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let unit: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("expected a size such as 4096, 10k or 64MiB".into()),
    };
    number.checked_mul(unit).ok_or_else(|| "too large".into())
}
