//! What the command line says.

pub(crate) mod demo;
pub(crate) mod endpoints;
pub(crate) mod keys;
pub(crate) mod manual;
pub(crate) mod ports;
pub(crate) mod sessions;
pub(crate) mod shell;
pub(crate) mod ssh;
#[cfg(feature = "ssm")]
pub(crate) mod ssm;

/// What `unbroken --help` ends with.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  all is well
  1  the session ended before all was done
  2  it cannot be done here: a wrong argument, an unreadable file, a port that is taken
  3  no server of sessions could be reached
  4  one end did not accept the other: its key, its secret
  5  the server does not allow the target, or cannot reach it; or it has no such session";
