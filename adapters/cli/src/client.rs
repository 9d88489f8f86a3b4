//! A session with a server, as every command has one: who trusts whom, how long is waited, and what is said when it comes to nothing.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use unbroken_tokio::carriers::Tls;
use unbroken_tokio::proto::event::{EndReason, Ended};
use unbroken_tokio::proto::reconnect::{Attempt, Backoff, Outcome, Reached};
use unbroken_tokio::proto::security::Auth;
use unbroken_tokio::proto::{Cause, ClientConfig, Event};
use unbroken_tokio::{Address, Connector, Events, Session, Stream};

use crate::failure::Failure;
use crate::identity::trust::Trust;
use crate::options::endpoints::Client;
use crate::target::{Purpose, Target};
use crate::text::clean;
use crate::tls;
use crate::trace::Record;

/// A session lives so long without a connection, if the server lets it.
pub(crate) const LIFETIME: Duration = Duration::from_secs(24 * 3_600);

/// A person waits: no pause between two attempts is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A connection that brought something was a success, however short its life: the next attempt is made at once again.
const STABLE: Duration = Duration::from_millis(1);
/// What was sent last is waited for so long when all is said; whoever does not want that has a Ctrl-C.
const LINGER: Duration = Duration::from_secs(600);
/// A person may have to answer first.
const LONGEST_DIAL: Duration = Duration::from_secs(600);
/// So many connections a first session is tried through that its caller makes.
const FIRST_ATTEMPTS: u32 = 5;
/// So long the server may take to hear that we leave.
pub(crate) const GOODBYE: Duration = Duration::from_secs(2);
/// Attempts in a row that came to nothing after a connection was up, before a first session is given up for it.
const UNANSWERED: u32 = 3;

/// Where a session leads.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) address: Address,
    /// Host and port, as the known hosts have it.
    pub(crate) server: String,
}

impl Endpoint {
    pub(crate) fn new(url: &str, options: &Client) -> Result<Endpoint, Failure> {
        let address = Address::parse(url).map_err(Failure::unable(url))?;
        let address = match &options.tls_ca {
            Some(path) => {
                address.tls(Tls::trusting(tls::certificates(path)?).map_err(Failure::unable(path.display()))?)
            }
            None => address,
        };
        let (host, port) = address.host_port();
        let server = match host.contains(':') {
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        };
        Ok(Endpoint { address, server })
    }
}

/// Opens a session, and waits until it is there and trusted.
pub(crate) async fn open(endpoint: &Endpoint, options: &Client) -> Result<Session, Failure> {
    let (address, server) = (endpoint.address.clone(), endpoint.server.as_str());
    let trust = Trust::new(&options.keys, server.to_owned())?;
    let config = config(trust.auth.clone());
    let observed = Observed {
        verbose: options.verbose,
        trace: options.trace.as_deref(),
    };
    let session = begin(config, unbroken_tokio::connector(address), server, observed)?;
    match timeout(options.connect_timeout(), established(&session, server)).await {
        Ok(established) => established?,
        Err(_) => {
            let error = session
                .connect_error()
                .map_or(String::new(), |error| format!(": {error}"));
            let waited = options.connect_timeout().as_secs();
            return Err(Failure::Unreachable(format!(
                "no connection to {server} within {waited} s{error}"
            )));
        }
    }
    let key = session.peer_key();
    let settled = tokio::task::spawn_blocking(move || match key {
        Some(key) => trust.settle(key),
        None => Err(Failure::Unauthorized("the server showed no key".into())),
    });
    match settled
        .await
        .unwrap_or_else(|error| Err(Failure::Broken(error.to_string())))
    {
        Ok(()) => Ok(session),
        Err(failure) => {
            session.abort().await;
            let_go(&session).await;
            Err(failure)
        }
    }
}

/// Opens a session through connections that prove already who the server is, however long they take, and waits until it is there.
pub(crate) async fn open_through(
    connector: impl Connector + 'static,
    server: &str,
    observed: Observed<'_>,
) -> Result<Session, Failure> {
    let mut config = config(Auth::anonymous());
    config.session.dial_timeout = LONGEST_DIAL;
    config.backoff.attempts = Some(FIRST_ATTEMPTS);
    let session = begin(config, connector, server, observed)?;
    established(&session, server).await?;
    // From now on there is something to come back to.
    session.set_backoff(backoff()).map_err(Failure::unable(server))?;
    Ok(session)
}

/// What is seen of a session from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Observed<'a> {
    /// What happens to its connections is said on standard error.
    pub(crate) verbose: bool,
    /// A record of it is written there.
    pub(crate) trace: Option<&'a Path>,
}

fn begin(
    config: ClientConfig,
    connector: impl Connector + 'static,
    server: &str,
    observed: Observed<'_>,
) -> Result<Session, Failure> {
    let session = match observed.trace.map(Record::create).transpose()? {
        Some(record) => unbroken_tokio::connect_traced(config, connector, record),
        None => unbroken_tokio::connect_with(config, connector),
    };
    let session = session.map_err(Failure::unable(server))?;
    if observed.verbose {
        tokio::spawn(tell(session.events()));
    }
    Ok(session)
}

fn config(auth: Auth) -> ClientConfig {
    let mut config = ClientConfig::new(auth);
    config.session.detached_lifetime = LIFETIME;
    config.session.linger = LINGER;
    config.backoff = backoff();
    config
}

fn backoff() -> Backoff {
    Backoff::default().with_cap(LONGEST_PAUSE).with_stable_after(STABLE)
}

/// Waits until the session is there, or shows that it will not be.
async fn established(session: &Session, server: &str) -> Result<(), Failure> {
    tokio::select! {
        established = session.established() => match established {
            Ok(_) => Ok(()),
            Err(ended) => Err(explain(server, session, &ended)),
        },
        failure = rejected(server, session) => Err(failure),
    }
}

/// A stream to a target.
pub(crate) async fn open_stream(session: &Session, target: &Target) -> Result<Stream, Failure> {
    let opened = session.open(Purpose::To(target.clone()).options()).await;
    opened.map_err(|error| Failure::Broken(format!("cannot open a stream to {target}: {error}")))
}

/// Why there is no session, or none any more.
fn explain(server: &str, session: &Session, ended: &Ended) -> Failure {
    let last = session
        .connect_error()
        .map_or(String::new(), |error| format!(": {error}"));
    match &ended.reason {
        EndReason::Unauthorized => {
            Failure::Unauthorized(format!("{server} does not let us in: it does not know our key"))
        }
        EndReason::GaveUp {
            cause: Cause::Authentication,
        } => Failure::Unauthorized(format!(
            "{server} and we do not accept each other: another key, or another secret"
        )),
        EndReason::GaveUp { cause } => Failure::Unreachable(format!("cannot reach {server} ({cause}){last}")),
        EndReason::Expired => Failure::Broken(format!("the session with {server} has expired")),
        EndReason::Unknown => Failure::Broken(format!(
            "{server} was started anew and does not know the session any more"
        )),
        EndReason::Closed { reason, .. } => {
            let reason = clean(&String::from_utf8_lossy(reason));
            Failure::Broken(format!("{server} closed the session: {reason}"))
        }
        EndReason::AbortedByPeer => Failure::Broken(format!("{server} ended the session")),
        other => Failure::Broken(format!("the session with {server} is over: {other:?}")),
    }
}

/// Comes to an end when the first attempts show that the two ends do not accept each other. A machine would dial on, since anybody on the
/// way can bring that about; a person wants to know.
async fn rejected(server: &str, session: &Session) -> Failure {
    let (mut events, mut unanswered) = (session.events(), 0);
    while let Some(event) = events.next().await {
        let Event::Reconnect(attempt) = event else { continue };
        match attempt.outcome {
            Outcome::Failed(Cause::Authentication) => {
                return match session.ended() {
                    Some(ended) => explain(server, session, &ended),
                    None => Failure::Unauthorized(format!("{server} has another key than the one that is known of it")),
                };
            }
            Outcome::Failed(Cause::Refused) if attempt.reached == Reached::Answer => unanswered += 1,
            Outcome::Failed(_) if attempt.is_unanswered() => unanswered += 1,
            Outcome::Failed(_) => unanswered = 0,
            _ => {}
        }
        if unanswered == UNANSWERED {
            return Failure::Unauthorized(format!(
                "{server} does not answer our handshake: it knows another secret or none, or is no server of sessions"
            ));
        }
    }
    std::future::pending().await
}

/// Says on standard error what happens to the connections.
async fn tell(mut events: Events) {
    while let Some(event) = events.next().await {
        match event {
            Event::Attached { gap, replayed, .. } => {
                eprintln!(
                    "unbroken: connected after {} ms, {replayed} bytes sent again",
                    gap.as_millis()
                );
            }
            Event::Detached { cause } => eprintln!("unbroken: connection lost ({cause})"),
            Event::Reconnect(Attempt {
                outcome: Outcome::Failed(cause),
                ..
            }) => eprintln!("unbroken: no connection ({cause})"),
            Event::PacketLimit { limit } => eprintln!("unbroken: packets have {limit} bytes at most now"),
            Event::Ended(ended) => eprintln!("unbroken: over ({:?})", ended.reason),
            _ => {}
        }
    }
}

/// Ends a session that is of no use any more, so that the server does not keep it for a day; but if it cannot be reached, nobody waits for it.
pub(crate) async fn leave(session: &Session) {
    leave_within(session, GOODBYE).await;
}

/// As [`leave`], where it takes longer to reach the server.
pub(crate) async fn leave_within(session: &Session, goodbye: Duration) {
    if timeout(goodbye, session.close(0, Bytes::from_static(b"left")))
        .await
        .is_err()
    {
        session.abort().await;
    }
    let_go(session).await;
}

/// Waits until the server has been told that the session is over. Otherwise it would wait for that, for a minute.
pub(crate) async fn let_go(session: &Session) {
    let _it_does_not_listen = timeout(GOODBYE, session.disconnected()).await;
}

/// For how a session ended that a stream broke off with.
pub(crate) async fn ended(session: &Session, server: &str) -> Failure {
    explain(server, session, &*session.closed().await)
}
