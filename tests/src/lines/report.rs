//! The table that people read.

use super::MS;
use super::carrier::{Framing, Socket};
use super::case::{Buffer, Case, Change, Company, Reading};
use super::limits::{self, Miss};
use super::measure::Measured;

/// The first line of the table.
#[must_use]
pub fn heading() -> String {
    format!(
        "{:<34}{:>7}{:>15}{:>21}{:>15}{:>9}{:>9}{:>15}  {}",
        "case", "goodput", "waited ms p95", "urgent ms p50 p99", "outbox KiB", "unread", "granted", "packets", "missed"
    )
}

/// What a case is called.
#[must_use]
pub fn name(case: &Case) -> String {
    let framing = match case.framing {
        Framing::ByteStream => "bytes",
        Framing::WebSocket => "ws",
    };
    let mut name = format!("{} ms {} Mbit/s {framing}", case.rtt, case.rate);
    let socket = match case.socket {
        Socket::Kernel { .. } => "",
        Socket::Relay { .. } => " relay",
    };
    let buffer = match case.buffer {
        Buffer::Shallow => " shallow",
        Buffer::Large => "",
        Buffer::Bloated => " bloated",
    };
    let change = match case.change {
        None => "",
        Some(Change::Slower) => " /10",
        Some(Change::Faster) => " x10",
        Some(Change::Longer) => " rtt x2",
    };
    let company = match case.company {
        Company::Alone => "",
        Company::Session => " +session",
        Company::Stream => " +stream",
    };
    let reading = match case.reading {
        Reading::Eager => "",
        Reading::Slow => " slow reader",
        Reading::Absent => " no reader",
    };
    for part in [socket, buffer, change, company, reading] {
        name.push_str(part);
    }
    name
}

/// Milliseconds, with a tenth.
fn ms(nanos: u64) -> String {
    format!("{}.{}", nanos / MS, nanos % MS * 10 / MS)
}

/// Hundredths, rounded down.
fn part(of: (u64, u64)) -> String {
    let hundredths = of.0 * 100 / of.1.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// One line of the table.
#[must_use]
pub fn row(case: &Case, measured: &Measured, misses: &[Miss]) -> String {
    let goodput = match measured.shares.get(1) {
        None => part(measured.goodput),
        Some(other) => format!("{}+{}", part(measured.goodput), part((*other, measured.goodput.1))),
    };
    let waited = format!("{}/{}", ms(measured.waited.most), limits::waiting(case) / MS);
    let urgent = format!(
        "{} {}/{}",
        ms(measured.urgent.half),
        ms(measured.urgent.most),
        limits::urgent(case) / MS
    );
    let outbox = format!("{} {}", measured.outbox.0 >> 10, measured.outbox.1 >> 10);
    let granted = measured
        .granted
        .map_or("-".to_owned(), |bytes| (bytes >> 10).to_string());
    let packets = format!("{} {}", measured.packets.0, measured.packets.1);
    let missed: Vec<String> = misses.iter().map(|miss| format!("{:?}", miss.check)).collect();
    format!(
        "{:<34}{goodput:>9}{waited:>13}{urgent:>21}{outbox:>15}{:>9}{granted:>9}{packets:>15}  {}",
        name(case),
        measured.unread >> 10,
        missed.join(" ")
    )
}

/// One line of a timeline: when it began, and what happened then.
#[must_use]
pub fn moment(at: u64, measured: &Measured) -> String {
    format!(
        "{:>9} ms  goodput {}  waited {:>7} {:>7} ms  urgent {:>7} {:>7} ms  outbox {:>6} KiB  packets {:>5} {:>5}",
        ms(at),
        part(measured.goodput),
        ms(measured.waited.half),
        ms(measured.waited.most),
        ms(measured.urgent.half),
        ms(measured.urgent.most),
        measured.outbox.1 >> 10,
        measured.packets.0,
        measured.packets.1
    )
}
