//! `unbroken ssh`: a terminal on a host that ssh leads to, with nothing to set up but this program there.

mod carrier;
mod install;

use std::process::ExitCode;

use unbroken_tokio::proto::Cause;
use unbroken_tokio::proto::ReconnectIntent;
use unbroken_tokio::{ConnectError, Session};

use self::carrier::{Carrier, Problem};
use crate::client;
use crate::failure::Failure;
use crate::options::ssh::Ssh;
use crate::shell::{self, keyboard::Keyboard};

pub(crate) async fn run(options: Ssh) -> Result<ExitCode, Failure> {
    let carrier = Carrier {
        program: options.ssh.clone(),
        options: options.passed_on(),
        host: options.host.clone(),
    };
    if options.install {
        install::install(&carrier).await?;
    }
    let keyboard = Keyboard::new();
    let session = open(carrier, &keyboard, options.verbose).await?;
    let again = format!("unbroken ssh {} --attach", options.host);
    shell::on(&session, &options.host, &options.terminal, &again, &keyboard).await
}

/// A session with the daemon on the host.
async fn open(carrier: Carrier, keyboard: &Keyboard, verbose: bool) -> Result<Session, Failure> {
    let host = carrier.host.clone();
    let first = carrier.first().await.map_err(|problem| match problem {
        Problem::NotInstalled | Problem::Spawn(_) => Failure::Unable(format!("{host}: {problem}")),
        _ => Failure::Unreachable(format!("cannot reach {host}: {problem}")),
    })?;
    let (mut first, keyboard) = (Some(first), keyboard.clone());
    let connector = move |_: ReconnectIntent| {
        let (first, carrier, keyboard) = (first.take(), carrier.clone(), keyboard.clone());
        async move {
            match first {
                Some(first) => Ok(first),
                None => carrier
                    .again(&keyboard)
                    .await
                    .map_err(|problem| ConnectError::new(Cause::Refused).with_source(problem)),
            }
        }
    };
    client::open_through(connector, &host, verbose).await
}
