//! What the processes of the far side say when they are ready.

/// What `unbroken attach` says first, since what a login prints comes before it.
pub(crate) const MARK: &[u8] = b"\x1eunbroken attach 1\n";
/// What the daemon says when it listens.
pub(super) const READY: &str = "ready";
