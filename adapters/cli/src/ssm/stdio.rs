//! A session that is one stream of bytes: ssh's `ProxyCommand`. Nothing else goes to standard output.

use std::io;
use std::process::ExitCode;

use tokio::time::timeout;
use unbroken_ssm::{ClientSession, ports};

use super::open::LEAVING;
use super::signals::Signals;
use super::{ended, status};
use crate::failure::Failure;
use crate::stdio;

pub(super) async fn run(session: &ClientSession, signals: &mut Signals) -> Result<ExitCode, Failure> {
    let pumped = tokio::select! {
        pumped = ports::pump(session, stdio::input(), stdio::output()) => pumped,
        () = status::on_standard_error(session) => Ok(()),
        () = signals.end() => Ok(()),
    };
    session.finish();
    // Where there is no connection now, it hears of it from the service.
    let closed = timeout(LEAVING, session.closed()).await;
    // Whoever closed our output, as an ssh that ended, has what it wanted.
    if let Err(error) = pumped
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(Failure::Broken(error.to_string()));
    }
    match closed {
        Ok(ended) => ended::outcome(session, ended.as_deref(), None),
        Err(_) => Ok(ExitCode::SUCCESS),
    }
}
