//! The bounds that several modules share. Those that a host may want to know stand in [`config`](crate::config), too.

use crate::error::CodeTooLarge;
use crate::time::Duration;

/// Largest packet on an ordered carrier, type byte and tag included.
pub const MAX_PACKET: usize = 65_535;
/// What each buffered frame or message is charged beyond its payload.
pub const FRAME_CHARGE: usize = 64;
/// Bytes that may wait on streams whose readers grant no more.
pub(crate) const MAX_WAITING: usize = 96 << 10;
/// What the sessions of a registry may be granted beyond their first windows, if nothing else is said.
pub(crate) const REGISTRY_BUDGET: usize = 1 << 30;
/// Longest label in bytes, of a stream or of a session in a registry.
pub const MAX_LABEL: usize = 255;
/// Most labels a registry's host may write on one session.
pub const MAX_LABELS: usize = 16;
/// Longest session name in bytes.
pub const MAX_NAME: usize = 255;
/// Longest credential in bytes.
pub const MAX_CREDENTIAL: usize = 7_000;
/// Most bytes of its own that a host may attach to a session.
pub const MAX_PRESERVED: usize = 1 << 20;
/// Longest reason of a close in bytes.
pub const MAX_REASON: usize = 1_024;
/// Largest code of a close, a reset or a stop.
pub const MAX_CODE: u64 = (1 << 62) - 1;

/// Packets under one key of one direction before it is replaced (PROTOCOL.md, "Key limits").
pub(crate) const REKEY_EVERY: u64 = 1 << 20;
/// The bounds of a lifetime, as in [`SessionConfig::detached_lifetime`](crate::SessionConfig::detached_lifetime).
pub(crate) const DETACHED_LIFETIME: (Duration, Duration) =
    (Duration::from_millis(1), Duration::from_secs(365 * 86_400));
/// How far ahead of what was sent a message may be watched.
pub(crate) const WATCH_AHEAD: u64 = 16_384;

/// Of an outbox of `limit` bytes, what the application's calls may fill. The rest pays for what is cut finer than it was
/// charged for, because of a packet's room or the peer's grants: one frame's charge at least, so that something can
/// always go out.
pub(crate) const fn admitted(limit: usize) -> usize {
    let spare = limit / 32;
    limit.saturating_sub(if spare < FRAME_CHARGE { FRAME_CHARGE } else { spare })
}

/// Of an outbox that admits `admitted` bytes, what may wait on streams whose readers grant no more.
pub(crate) const fn waiting(admitted: usize) -> usize {
    let half = admitted / 2;
    if half < MAX_WAITING { half } else { MAX_WAITING }
}

/// A code that there is room for on the wire.
pub(crate) fn check_code(code: u64) -> Result<(), CodeTooLarge> {
    if code > MAX_CODE {
        return Err(CodeTooLarge(code));
    }
    Ok(())
}
