//! `unbroken ssm start`: a session of one's own.

use std::process::ExitCode;

use futures_util::future::select_all;
use unbroken_ssm::Tls;
use unbroken_ssm::api::{ApiError, Http, StartSession};
use unbroken_ssm::aws::Aws;

use super::open::Open;
use super::run::Run;
use crate::failure::Failure;
use crate::forward::spec::Forwarded;
use crate::listener::Bind;
use crate::options::ssm::Start;
use crate::target::Target;
use crate::text::clean;
use crate::tls;

/// The documents of AWS's own.
const SSH: &str = "AWS-StartSSHSession";
const PORT: &str = "AWS-StartPortForwardingSession";
const REMOTE_PORT: &str = "AWS-StartPortForwardingSessionToRemoteHost";
const COMMAND: &str = "AWS-StartInteractiveCommand";

pub(super) async fn run(options: &Start) -> Result<ExitCode, Failure> {
    let wanted = requests(options)?;
    let (region, profile) = (options.region.as_deref(), options.profile.as_deref());
    let http = Http::new(trusted(options)?);
    let aws = Aws::load_with(http, region, profile, options.endpoint_url.as_deref()).await;
    let aws = aws.map_err(Failure::unable("AWS"))?;
    let open = Open::default();
    let sessions = wanted.into_iter().map(|(request, bind)| {
        let run = Run {
            service: aws.client(options.target.clone()),
            request: Some(request.clone()),
            pace: options.pace,
            open: open.clone(),
        };
        async move {
            let started = run.service.api().start_session(&request).await;
            let started = started.map_err(|error| refused(&request.target, error))?;
            run.to_end(started, bind.as_ref()).await
        }
    });
    // The first that ends is the end of all: whoever asked for several ports needs them all.
    let (code, _, others) = select_all(sessions.map(Box::pin)).await;
    drop(others);
    open.terminate(&aws.client(options.target.clone())).await;
    code
}

/// Whose certificates count.
fn trusted(options: &Start) -> Result<Tls, Failure> {
    match &options.tls_ca {
        Some(path) => Tls::trusting(tls::certificates(path)?).map_err(Failure::unable(path.display())),
        None => Tls::platform().map_err(Failure::unable("TLS")),
    }
}

/// What to start, and where ports are accepted.
fn requests(options: &Start) -> Result<Vec<(StartSession, Option<Bind>)>, Failure> {
    let mut plain = StartSession::new(options.target.clone());
    plain.reason = options.reason.clone();
    if !options.forward.is_empty() {
        let forwards = options.forward.iter();
        return forwards.map(|forward| forwarded(&plain, forward)).collect();
    }
    let request = match (options.stdio, &options.document_name, options.command.as_slice()) {
        (Some(port), ..) => plain.document(SSH).parameter("portNumber", port.to_string()),
        (None, Some(name), _) => {
            let parameters = options.parameters.iter();
            parameters.fold(plain.document(name), |request, parameter| {
                request.parameter(&parameter.name, &parameter.value)
            })
        }
        (None, None, []) => plain,
        (None, None, command) => plain.document(COMMAND).parameter("command", command.join(" ")),
    };
    Ok(vec![(request, None)])
}

fn forwarded(plain: &StartSession, forward: &Forwarded) -> Result<(StartSession, Option<Bind>), Failure> {
    let Target::Tcp { host, port } = &forward.target else {
        let what = format!(
            "Session Manager forwards to a host and a port, not to {}",
            forward.target
        );
        return Err(Failure::Unable(what));
    };
    let request = match host.as_str() {
        "localhost" | "127.0.0.1" | "::1" => plain.clone().document(PORT),
        host => plain.clone().document(REMOTE_PORT).parameter("host", host),
    };
    let request = request.parameter("portNumber", port.to_string());
    let request = match &forward.bind {
        Bind::Tcp(_, local) => request.parameter("localPortNumber", local.to_string()),
        Bind::Unix(_) => request,
    };
    Ok((request, Some(forward.bind.clone())))
}

/// Why there is no session.
fn refused(target: &str, error: ApiError) -> Failure {
    let line = format!("cannot start a session with {target}: {}", clean(&error.to_string()));
    match &error {
        ApiError::Credentials(_) => Failure::Unauthorized(line),
        ApiError::Service(said) if said.is_refusal() => Failure::Unauthorized(line),
        ApiError::Service(said) if said.status < 500 && !said.is_throttling() => Failure::Refused(line),
        _ => Failure::Unreachable(line),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use unbroken_ssm::api::ServiceError;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        start: Start,
    }

    fn read(arguments: &[&str]) -> Result<Vec<(StartSession, Option<Bind>)>, String> {
        let all = ["start", "--target", "i-1"].iter().chain(arguments);
        let read = Arguments::try_parse_from(all).map_err(|error| error.to_string())?;
        requests(&read.start).map_err(|failure| format!("{failure:?}"))
    }

    fn only(arguments: &[&str]) -> StartSession {
        let mut all = read(arguments).expect("a request");
        assert_eq!(all.len(), 1);
        all.remove(0).0
    }

    #[test]
    fn what_is_asked_for() {
        let shell = only(&["--reason", "on call"]);
        assert_eq!((shell.target.as_str(), shell.document_name), ("i-1", None));
        assert_eq!(shell.reason.as_deref(), Some("on call"));
        let ssh = only(&["--stdio", "22"]);
        assert_eq!(ssh.document_name.as_deref(), Some(SSH));
        assert_eq!(ssh.parameters["portNumber"], ["22"]);
        let command = only(&["--", "ls", "-l"]);
        assert_eq!(command.parameters["command"], ["ls -l"]);
        let own = only(&["--document-name", "Mine", "--parameter", "a=b=c", "--parameter", "a=d"]);
        assert_eq!(own.document_name.as_deref(), Some("Mine"));
        assert_eq!(own.parameters["a"], ["b=c", "d"]);
    }

    #[test]
    fn each_forwarded_port_has_a_session() {
        let read = read(&["--forward", "8080:localhost:80", "--forward", "/run/x:db:5432"]).expect("two");
        let [(near, near_bind), (far, far_bind)] = read.as_slice() else {
            panic!("two")
        };
        assert_eq!(near.document_name.as_deref(), Some(PORT));
        assert_eq!(near.parameters["portNumber"], ["80"]);
        assert_eq!(near.parameters["localPortNumber"], ["8080"]);
        assert_eq!(near_bind, &Some(Bind::Tcp("127.0.0.1".into(), 8_080)));
        assert_eq!(far.document_name.as_deref(), Some(REMOTE_PORT));
        assert_eq!(far.parameters["host"], ["db"]);
        assert_eq!(far_bind, &Some(Bind::Unix("/run/x".into())));
    }

    #[test]
    fn why_there_is_no_session_is_an_exit_code() {
        let said = |status: u16, code: &str| {
            let mut error = ServiceError::default();
            (error.status, error.code) = (status, code.into());
            format!("{:?}", refused("i-1", ApiError::Service(error)))
        };
        for (status, code, kind) in [
            (400, "TargetNotConnected", "Refused"),
            (400, "AccessDeniedException", "Unauthorized"),
            (400, "ExpiredTokenException", "Unauthorized"),
            (403, "", "Unauthorized"),
            (400, "ThrottlingException", "Unreachable"),
            (503, "", "Unreachable"),
        ] {
            assert!(said(status, code).starts_with(kind), "{status} {code}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for arguments in [
            &["--stdio", "22", "--forward", "1:a:1"][..],
            &["--forward", "8080:unix:/run/x"],
            &["--parameter", "a=b"],
            &["--document-name", "Mine", "--parameter", "a"],
            &["--stdio", "22", "--", "ls"],
        ] {
            assert!(read(arguments).is_err(), "{arguments:?}");
        }
    }
}
