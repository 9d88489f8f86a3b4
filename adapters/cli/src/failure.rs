//! What can go wrong.

/// By exit code.
pub(crate) enum Failure {
    /// 1: the session did not do what it promises.
    Broken(String),
    /// 2: what was asked for cannot be done.
    Unable(String),
}
