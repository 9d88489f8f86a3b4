//! The list of sessions, for people.

use crate::admin::protocol::{SessionRow, State};
use crate::text::clean;

/// So much of an id tells sessions apart.
const SHORT_ID: usize = 12;
const HEADINGS: [&str; 11] = [
    "NAME",
    "ID",
    "PEER",
    "STATE",
    "AGE",
    "STREAMS",
    "IN",
    "OUT",
    "UNACKED",
    "SWAPS",
    "LAST LOSS",
];
/// Which columns are numbers.
const NUMBERS: std::ops::RangeInclusive<usize> = 4..=9;
const STATE: usize = 3;

/// A line for each session, below one of headings.
pub(super) fn of(sessions: &[SessionRow], colours: bool) -> String {
    if sessions.is_empty() {
        return "there is no session".into();
    }
    let mut rows = vec![HEADINGS.map(String::from)];
    rows.extend(sessions.iter().map(cells));
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| rows.iter().map(|row| width(row, column)).max().unwrap_or(0))
        .collect();
    let states = std::iter::once(None).chain(sessions.iter().map(|session| Some(session.state)));
    let lines = rows
        .iter()
        .zip(states)
        .map(|(row, state)| line(row, &widths, state.filter(|_| colours)));
    lines.collect::<Vec<_>>().join("\n")
}

fn width(row: &[String; 11], column: usize) -> usize {
    row.get(column).map_or(0, |cell| cell.chars().count())
}

fn cells(session: &SessionRow) -> [String; 11] {
    [
        clean(&session.name),
        session.id.chars().take(SHORT_ID).collect(),
        session.peer.as_deref().map_or_else(|| "?".into(), clean),
        session.state.name().into(),
        age(session.age_ms),
        session.streams.to_string(),
        bytes(session.bytes_in),
        bytes(session.bytes_out),
        bytes(u64::try_from(session.unacknowledged_bytes).unwrap_or(u64::MAX)),
        session.swaps.to_string(),
        loss(session),
    ]
}

/// One line; `state`: its colour.
fn line(row: &[String; 11], widths: &[usize], state: Option<State>) -> String {
    let mut line = String::new();
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        let missing = " ".repeat(width.saturating_sub(cell.chars().count()));
        let cell = match state {
            Some(state) if column == STATE => format!("\x1b[{}m{cell}\x1b[0m", colour(state)),
            _ => cell.clone(),
        };
        let cell = match NUMBERS.contains(&column) {
            true => format!("{missing}{cell}  "),
            false => format!("{cell}{missing}  "),
        };
        line.push_str(&cell);
    }
    line.trim_end().to_owned()
}

fn colour(state: State) -> u8 {
    match state {
        State::Connected => 32,
        State::Idle => 36,
        State::Connecting | State::Suspect | State::Detached | State::Closing => 33,
        State::Expired => 31,
        State::Closed => 90,
    }
}

/// What the last connection was lost for, and when.
pub(super) fn loss(session: &SessionRow) -> String {
    match (&session.last_cause, session.last_lost_ms) {
        (Some(cause), Some(ago)) => format!("{}, {} ago", clean(cause), age(ago)),
        _ => "-".into(),
    }
}

/// `9s`, `5m`, `3h05m`, `2d`.
pub(super) fn age(millis: u64) -> String {
    let (minutes, seconds) = (millis / 60_000, millis / 1_000);
    match (minutes, minutes / 60) {
        (0, _) => format!("{seconds}s"),
        (_, 0) => format!("{minutes}m"),
        (_, hours @ 1..48) => format!("{hours}h{:02}m", minutes % 60),
        (_, hours) => format!("{}d", hours / 24),
    }
}

/// `812 B`, `1.4 MiB`.
pub(super) fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1_024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1_024.0;
    let mut unit = "KiB";
    for larger in &UNITS[1..] {
        // Beyond this it would be written as 1024.0.
        if value < 1_023.95 {
            break;
        }
        value /= 1_024.0;
        unit = larger;
    }
    format!("{value:.1} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, state: State) -> SessionRow {
        SessionRow {
            name: name.into(),
            id: "0123456789abcdef0123456789abcdef".into(),
            key: "k".into(),
            peer: Some("192.0.2.1".into()),
            state,
            ended: None,
            age_ms: 65_000,
            streams: 2,
            bytes_in: 1_536,
            bytes_out: 7,
            unacknowledged_bytes: 0,
            unread_bytes: 0,
            replayed_bytes: 0,
            swaps: 3,
            last_cause: Some("network".into()),
            last_lost_ms: Some(2_000),
            round_trip_us: None,
        }
    }

    #[test]
    fn columns_are_aligned_whatever_the_names() {
        let rows = [row("a", State::Connected), row("a long name\u{1b}[31m", State::Idle)];
        let plain = of(&rows, false);
        assert_eq!(
            plain,
            "NAME             ID            PEER       STATE      AGE  STREAMS       IN  OUT  UNACKED  SWAPS  LAST LOSS\n\
             a                0123456789ab  192.0.2.1  connected   1m        2  1.5 KiB  7 B      0 B      3  network, 2s ago\n\
             a long name[31m  0123456789ab  192.0.2.1  idle        1m        2  1.5 KiB  7 B      0 B      3  network, 2s ago"
        );
        let coloured = of(&rows, true);
        assert!(coloured.contains("\x1b[32mconnected\x1b[0m  "), "{coloured}");
        let without = coloured
            .replace("\x1b[32m", "")
            .replace("\x1b[36m", "")
            .replace("\x1b[0m", "");
        assert_eq!(without, plain, "colours take no room");
    }

    #[test]
    fn numbers_are_short() {
        for (millis, text) in [
            (0, "0s"),
            (59_999, "59s"),
            (60_000, "1m"),
            (3_600_000, "1h00m"),
            (11_100_000, "3h05m"),
            (172_800_000, "2d"),
        ] {
            assert_eq!(age(millis), text);
        }
        for (count, text) in [
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (1_048_575, "1.0 MiB"),
            (1_468_006, "1.4 MiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }
}
