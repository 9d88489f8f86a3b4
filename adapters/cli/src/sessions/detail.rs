//! One session in full, and what came of a command, for people.

use super::table::{age, bytes, loss};
use crate::admin::protocol::{Remains, SessionRow, StreamRow, Told};
use crate::text::clean;

/// A line for each thing that is known.
pub(super) fn of(session: &SessionRow, streams: &[StreamRow]) -> String {
    let large = |count: usize| bytes(u64::try_from(count).unwrap_or(u64::MAX));
    let trip = session.round_trip_us.map_or_else(
        || "-".into(),
        |micros| format!("{}.{:03} ms", micros / 1_000, micros % 1_000),
    );
    let mut lines = vec![
        ("name", clean(&session.name)),
        ("id", clean(&session.id)),
        ("key", clean(&session.key)),
        ("peer", session.peer.as_deref().map_or_else(|| "?".into(), clean)),
        ("state", session.state.name().into()),
    ];
    lines.extend(session.ended.as_deref().map(|why| ("ended", clean(why))));
    lines.extend([
        ("age", age(session.age_ms)),
        (
            "in",
            format!(
                "{} ({} not read yet)",
                bytes(session.bytes_in),
                large(session.unread_bytes)
            ),
        ),
        (
            "out",
            format!(
                "{} ({} sent again)",
                bytes(session.bytes_out),
                bytes(session.replayed_bytes)
            ),
        ),
        ("unacknowledged", large(session.unacknowledged_bytes)),
        ("round trip", trip),
        ("swaps", session.swaps.to_string()),
        ("last loss", loss(session)),
        ("streams", session.streams.to_string()),
    ]);
    let lines = lines.iter().map(|(name, value)| format!("{name:<16}{value}"));
    let streams = streams.iter().map(|stream| {
        let (id, label) = (stream.id, clean(&stream.label));
        format!("  {id:<14}{label}, for {}", age(stream.age_ms))
    });
    lines.chain(streams).collect::<Vec<_>>().join("\n")
}

/// A line for each session; `done`: what was done.
pub(super) fn of_told(done: &str, told: &[Told]) -> String {
    if told.is_empty() {
        return "there is no session".into();
    }
    let lines = told.iter().map(|told| {
        let (name, id) = (clean(&told.name), clean(&told.id));
        match told.taken {
            true => format!("{done} {name} ({id})"),
            false => format!("{name} ({id}) takes nothing any more"),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// How far a drain has come.
pub(super) fn of_drain(remains: &Remains) -> String {
    let Remains {
        connected,
        detached,
        unasked,
        remaining_ms,
    } = remains;
    let left = age(*remaining_ms);
    format!("draining: {connected} connected, {detached} detached, {unasked} not asked yet; {left} left")
}

/// What came of one.
pub(super) fn of_drained(remains: &Remains) -> String {
    match remains.connected + remains.detached {
        0 => "drained: no session is left".into(),
        left => format!("drained: the time is over, and {left} sessions are left"),
    }
}
