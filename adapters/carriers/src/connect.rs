//! The dialling end of sessions, on any runtime.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use unbroken_driver::proto::error::ConfigError;
use unbroken_driver::proto::reconnect::IntentKind;
use unbroken_driver::proto::{Cause, ClientConfig, Duration, ReconnectIntent};
use unbroken_driver::{ConnectError, Connected, Connector, Driver, KnownAddresses, Runtime, Session, connect_host};

use crate::address::Address;
use crate::error::StartError;
use crate::following::follow;
use crate::server::unless;

/// A session with the server at `address`, over whatever that says. Returns at once: the session dials in a task of the
/// runtime, and goes on dialling until the backoff's limit, which by default there is none; see
/// [`established`](Session::established).
///
/// ```no_run
/// # fn run(runtime: impl unbroken_driver::Runtime) -> Result<(), Box<dyn std::error::Error>> {
/// use unbroken_carriers::{Address, connect};
/// use unbroken_driver::proto::{ClientConfig, security::Auth};
/// let address = Address::parse("ws://example.org/sessions")?.header("cookie", "tenant=1")?;
/// let session = connect(runtime, address, ClientConfig::new(Auth::anonymous()))?;
/// # drop(session);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// The configuration cannot work, or the system has no entropy.
pub fn connect<R: Runtime>(runtime: R, address: Address, config: ClientConfig) -> Result<Session, StartError> {
    connect_with(runtime.clone(), config, connector(runtime, address))
}

/// [`connect`] over TCP to `host:port`, or to `tls://host:port` with the feature `tls`.
///
/// # Errors
/// As [`connect`], or `address` is none of that kind.
pub fn connect_tcp<R: Runtime>(runtime: R, address: &str, config: ClientConfig) -> Result<Session, StartError> {
    connect(runtime, Address::parse(address)?.only_tcp()?, config)
}

/// [`connect`] over WebSocket to a `ws://` address, or to `wss://` with the feature `tls`.
///
/// # Errors
/// As [`connect`], or `url` is no address of that kind.
pub fn connect_ws<R: Runtime>(runtime: R, url: &str, config: ClientConfig) -> Result<Session, StartError> {
    connect(runtime, Address::parse(url)?.only_websocket()?, config)
}

/// A session that dials with `connector`: any closure from a [`ReconnectIntent`] to a future of a [`Connected`], or a
/// [`Reconnector`](unbroken_driver::Reconnector).
///
/// # Errors
/// As [`connect`].
pub fn connect_with<R: Runtime>(
    runtime: R,
    config: ClientConfig,
    connector: impl Connector + 'static,
) -> Result<Session, StartError> {
    let seed = runtime.seed().map_err(StartError::Entropy)?;
    start(&runtime, unbroken_driver::connect(&runtime, config, seed, connector))
}

/// [`connect_with`], with a record of all that the session is told and says in `writer`, for
/// [`replay`](unbroken_driver::trace::replay). **What is written is a secret**: the session's keys follow from it. The
/// driver writes as it goes, so `writer` should buffer, and not block for long.
///
/// # Errors
/// As [`connect`].
#[cfg(feature = "trace")]
pub fn connect_traced<R: Runtime>(
    runtime: R,
    config: ClientConfig,
    connector: impl Connector + 'static,
    writer: impl std::io::Write + Send + 'static,
) -> Result<Session, StartError> {
    let seed = runtime.seed().map_err(StartError::Entropy)?;
    let traced = unbroken_driver::connect_traced(&runtime, config, seed, connector, writer);
    start(&runtime, traced)
}

/// A session that takes the place of `old`, once that has ended: it carries on its history, numbers, backoff and preserved
/// state. It is for [`EndReason::Fresh`](unbroken_driver::proto::event::EndReason::Fresh) above all. What `old` did not
/// deliver stands in its [`Ended`](unbroken_driver::proto::event::Ended); what of it is said again is the application's
/// choice.
///
/// # Errors
/// As [`connect`].
pub async fn connect_after<R: Runtime>(
    runtime: R,
    old: &Session,
    config: ClientConfig,
    connector: impl Connector + 'static,
) -> Result<Session, StartError> {
    old.closed().await;
    connect_with(runtime, old.hand_over(config), connector)
}

/// Dials `address`, or the intent's alternate where that is one ([`Address::alternate`]), no longer than until shortly before the
/// intent's deadline, so that what kept it is known. For [`connect_with`], on its own or inside a
/// [`Reconnector`](unbroken_driver::Reconnector).
pub fn connector<R: Runtime>(runtime: R, address: Address) -> impl Connector {
    let last = Arc::new(Mutex::new(None::<(KnownAddresses, IpAddr)>));
    move |intent: ReconnectIntent| {
        let (runtime, address, last) = (runtime.clone(), address.alternate(&intent.alternate), last.clone());
        let took = last.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((known, peer)) = took.filter(|_| was_useless(&intent)) {
            known.failed(peer);
        }
        let left = intent.deadline.saturating_since(runtime.now());
        async move {
            let (connected, with) = dial_within(&runtime, &address, Some(left - left / 16)).await?;
            *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(with);
            Ok(connected)
        }
    }
}

/// Whether the connection that was dialled last came to nothing: there never was a session over it, or it ended as a handshake
/// that fails does.
fn was_useless(intent: &ReconnectIntent) -> bool {
    let in_handshake = matches!(
        intent.cause,
        Some(Cause::Timeout | Cause::Protocol | Cause::Refused | Cause::Authentication)
    );
    intent.kind == IntentKind::Establish || in_handshake
}

/// Dials once, whichever of the host's addresses answers first ([`connect_host`]), and follows redirections
/// ([`Address::redirects_to`]): for a connector of one's own that says where.
///
/// # Errors
/// The host cannot be reached, or as [`Address::connect`]; of a redirection that is not followed
/// [`UpgradeError::NotFollowed`](crate::UpgradeError::NotFollowed) says why.
pub async fn dial<R: Runtime>(runtime: &R, address: &Address) -> Result<Connected, ConnectError> {
    Ok(dial_within(runtime, address, None).await?.0)
}

/// Dials, and follows redirections within `limit`. Returns the connection, and whom it is with.
async fn dial_within<R: Runtime>(
    runtime: &R,
    first: &Address,
    limit: Option<Duration>,
) -> Result<(Connected, (KnownAddresses, IpAddr)), ConnectError> {
    let begun = runtime.now();
    let left = || limit.map(|limit| limit.saturating_sub(runtime.now().saturating_since(begun)));
    let mut others = Vec::new();
    loop {
        let here = others.last().unwrap_or(first);
        let ((host, port), known) = (here.host_port(), here.known());
        let (stream, peer) = connect_host(runtime, host, port, known, left()).await?;
        let out_of_time = async {
            match left() {
                Some(left) => runtime.sleep(left).await,
                None => std::future::pending().await,
            }
        };
        let connected = unless(pin!(out_of_time), here.connect(stream))
            .await
            .unwrap_or_else(|| {
                let silent = format!("{peer} took the connection and says nothing");
                Err(ConnectError::new(Cause::Timeout).with_source(silent))
            });
        let next = match connected {
            Ok(connected) => {
                known.worked(peer.ip());
                return Ok((connected, (known.clone(), peer.ip())));
            }
            Err(error) => follow(first, &others, error).inspect_err(|_| known.failed(peer.ip()))?,
        };
        known.worked(peer.ip());
        others.push(next);
    }
}

fn start(runtime: &impl Runtime, made: Result<(Session, Driver), ConfigError>) -> Result<Session, StartError> {
    let (session, driver) = made?;
    runtime.spawn(driver);
    Ok(session)
}
