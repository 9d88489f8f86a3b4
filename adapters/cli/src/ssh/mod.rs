//! `unbroken ssh`: a terminal on a host that ssh leads to, with nothing to set up but this program there.

mod carrier;
mod install;

use std::process::ExitCode;
use std::time::Duration;

use unbroken_tokio::proto::Cause;
use unbroken_tokio::proto::ReconnectIntent;
use unbroken_tokio::{ConnectError, Session};

use self::carrier::{Carrier, Problem};
use crate::client::{self, Observed};
use crate::console::keyboard::Keyboard;
use crate::failure::Failure;
use crate::forward::{Listening, until_over};
use crate::notes::on_standard_error;
use crate::options::ssh::Ssh;
use crate::shell::{self, Attaching};
use crate::target::Target;

/// Ctrl-C ends an ssh that may ask, too, and another has to say that we leave.
const GOODBYE: Duration = Duration::from_secs(30);

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
    let listening = Listening::new(&options.ports).await?;
    let observed = Observed {
        verbose: options.verbose,
        trace: options.trace.as_deref(),
    };
    let session = open(carrier, &keyboard, observed).await?;
    let (tell, notes) = match options.no_terminal {
        true => (on_standard_error(), None),
        false => {
            let (tell, notes) = shell::notes();
            (tell, Some(notes))
        }
    };
    let forwarding = listening.forward(&session, options.ports.remote, tell).await;
    let mut forwarding = match forwarding {
        Ok(forwarding) => forwarding,
        Err(refused) => {
            client::leave(&session).await;
            return Err(refused);
        }
    };
    let done = match notes {
        None => hold(&session, &options.host).await,
        Some(notes) => {
            let terminal = Attaching {
                session: &session,
                server: &options.host,
                options: &options.terminal,
                again: &format!("unbroken ssh {} --attach", options.host),
                keyboard: &keyboard,
            };
            terminal.run(notes).await
        }
    };
    forwarding.shutdown().await;
    done
}

/// Forwards until the command is to end. The daemon holds a session as long as it has a stream.
async fn hold(session: &Session, host: &str) -> Result<ExitCode, Failure> {
    let _held = client::open_stream(session, &Target::Echo).await?;
    until_over(session, host, GOODBYE).await?;
    Ok(ExitCode::SUCCESS)
}

/// A session with the daemon on the host.
async fn open(carrier: Carrier, keyboard: &Keyboard, observed: Observed<'_>) -> Result<Session, Failure> {
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
    client::open_through(connector, &host, observed).await
}
