//! How a session ended, in words and as an exit code.

use std::process::ExitCode;

use unbroken_ssm::proto::Cause;
use unbroken_ssm::proto::ssm::event::{EndReason, Ended};
use unbroken_ssm::{ClientSession, ConnectError};

use crate::failure::Failure;
use crate::text::clean;

/// What is to be said and returned. `exit_code`: that of the command, if the agent told it.
pub(super) fn outcome(
    session: &ClientSession,
    ended: Option<&Ended>,
    exit_code: Option<i64>,
) -> Result<ExitCode, Failure> {
    let Some(ended) = ended else {
        return Err(Failure::Broken("the session was not carried to its end".into()));
    };
    match &ended.reason {
        // Where the service says why, it was not the program that ended it.
        EndReason::Closed { output } if !output.trim().is_empty() && exit_code.is_none() => {
            let why = clean(output.trim());
            Err(Failure::Broken(format!("the service closed the session: {why}")))
        }
        EndReason::Closed { .. } if ended.is_cut_short => Err(Failure::Broken(
            "the session ended, and something of what came last is missing".into(),
        )),
        EndReason::Closed { .. } | EndReason::Terminated | EndReason::Finished => Ok(code(exit_code)),
        reason => Err(failure(session, reason, ended.undelivered)),
    }
}

/// A command's exit code as that of a process.
fn code(exit_code: Option<i64>) -> ExitCode {
    let code = exit_code.unwrap_or_default();
    ExitCode::from(u8::try_from(code.rem_euclid(256)).unwrap_or(u8::MAX))
}

fn failure(session: &ClientSession, reason: &EndReason, undelivered: usize) -> Failure {
    let lost = match undelivered {
        0 => String::new(),
        bytes => format!("; {bytes} bytes of what was sent may not have arrived"),
    };
    let broken = |what: &str| Failure::Broken(format!("{what}{lost}"));
    match reason {
        EndReason::Gone => broken("the service does not have the session any more"),
        EndReason::GaveUp { cause } => unreachable(*cause, session.connect_error().as_deref()),
        EndReason::Fresh { cause } => broken(&format!("the connection was lost: {cause}")),
        EndReason::Handshake { why } => broken(&format!("the session could not begin: {}", clean(why))),
        EndReason::NumberMissing { number } => broken(&format!(
            "the agent lost frame {number}: what it sent cannot be had whole"
        )),
        EndReason::PeerRestarted => broken("the agent began the session anew: what ran in it is lost"),
        _ => broken("the session was broken off"),
    }
}

fn unreachable(cause: Cause, error: Option<&ConnectError>) -> Failure {
    let why = error.map_or_else(|| cause.to_string(), ToString::to_string);
    let line = format!("cannot connect to the session: {}", clean(&why));
    match cause {
        Cause::Denied | Cause::Untrusted | Cause::Authentication => Failure::Unauthorized(line),
        _ => Failure::Unreachable(line),
    }
}
