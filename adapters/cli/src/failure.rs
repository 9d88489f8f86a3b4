//! What can go wrong, and the exit code that says so.

use std::fmt::Display;
use std::process::ExitCode;

use crate::text::clean;

/// Why the command failed: one line for people. The kind is the exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// 1: the session did not do what it promises, or ended before all was done.
    Broken(String),
    /// 2: what was asked for cannot be done here: a wrong argument, a file that cannot be read, a port that is taken.
    Unable(String),
    /// 3: no server of sessions could be reached.
    Unreachable(String),
    /// 4: one end did not accept who the other is.
    Unauthorized(String),
    /// 5: the server does not allow the target, or cannot reach it.
    Refused(String),
}

impl Failure {
    /// For `map_err`: what could not be done, and why.
    pub(crate) fn unable<E: Display>(what: impl Display) -> impl FnOnce(E) -> Failure {
        move |error| Failure::Unable(format!("{what}: {error}"))
    }

    /// Says it on standard error, in one line.
    pub(crate) fn report(&self) {
        eprintln!("unbroken: {}", clean(&self.parts().0.replace('\n', " ")));
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.parts().1)
    }

    fn parts(&self) -> (&str, u8) {
        match self {
            Failure::Broken(message) => (message, 1),
            Failure::Unable(message) => (message, 2),
            Failure::Unreachable(message) => (message, 3),
            Failure::Unauthorized(message) => (message, 4),
            Failure::Refused(message) => (message, 5),
        }
    }
}
