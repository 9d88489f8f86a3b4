//! How a server makes a connection of a byte stream it accepted.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tungstenite::http;
use unbroken_driver::{BoxConnection, ByteStream, ConnectError, Connected, Framed};

use crate::deferred::{Arrived, deferred};
use crate::head::{read_head, refuse, write_all};
use crate::origin::Origin;
use crate::proxies::TrustedProxies;
use crate::request::{answer, encode_refusal, encode_response, interim, method_of, parse_request};
use crate::upgrade::UpgradeError;
use crate::websocket::WebSocket;

/// Looks at a request: lets it pass, or says what to answer instead.
type Check = dyn Fn(&http::Request<()>) -> Result<(), Box<http::Response<String>>> + Send + Sync;

/// What stands behind a listening socket: plain packets or WebSockets, in TLS or not. Cheap to clone.
///
/// ```
/// use unbroken_carriers::{Acceptor, http};
/// let acceptor = Acceptor::websocket().checking(|request| match request.uri().path() {
///     "/sessions" => Ok(()),
///     "/healthz" => Err(http::Response::new(String::from("well\n")).into()),
///     _ => {
///         let mut refusal = http::Response::new(String::from("nothing here\n"));
///         *refusal.status_mut() = http::StatusCode::NOT_FOUND;
///         Err(refusal.into())
///     }
/// });
/// # let _ = acceptor;
/// ```
#[derive(Clone)]
pub struct Acceptor {
    websocket: bool,
    check: Option<Arc<Check>>,
    proxies: Option<TrustedProxies>,
    #[cfg(feature = "tls")]
    tls: Option<crate::TlsServer>,
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("websocket", &self.websocket)
            .field("proxies", &self.proxies)
            .finish_non_exhaustive()
    }
}

impl Acceptor {
    /// Packets on a byte stream.
    #[must_use]
    pub fn tcp() -> Acceptor {
        Acceptor {
            websocket: false,
            check: None,
            proxies: None,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// WebSockets.
    #[must_use]
    pub fn websocket() -> Acceptor {
        Acceptor {
            websocket: true,
            ..Acceptor::tcp()
        }
    }

    /// Asks `check` about every request (its method, path, query, headers) before it is answered, also one that is not for a
    /// WebSocket: a health check, say. What it returns instead is sent, to HEAD without its body, and the connection closed; what
    /// it lets pass is answered by [`answer`](crate::answer). A request that breaks HTTP's rules is not asked about.
    ///
    /// The target of the request is as it was sent: a path, mostly, but also a whole address, `*`, or a host and a port (RFC 9112,
    /// section 3.2). A request's body is not read.
    #[must_use]
    pub fn checking<F>(self, check: F) -> Acceptor
    where
        F: Fn(&http::Request<()>) -> Result<(), Box<http::Response<String>>> + Send + Sync + 'static,
    {
        let check: Option<Arc<Check>> = Some(Arc::new(check));
        Acceptor { check, ..self }
    }

    /// Stands behind `proxies`: what they say of whom a connection comes from is believed. By default no proxy is.
    #[must_use]
    pub fn behind(self, proxies: TrustedProxies) -> Acceptor {
        let proxies = Some(proxies);
        Acceptor { proxies, ..self }
    }

    /// Whether it takes WebSockets, or packets on the byte stream itself.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.websocket
    }

    /// Whether it is inside TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Inside TLS.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self, tls: crate::TlsServer) -> Acceptor {
        Acceptor { tls: Some(tls), ..self }
    }

    /// An accepted byte stream as a connection, for a server to serve. TLS and the upgrade happen when the
    /// connection is first read, so that it counts as one that has said nothing until then. Where it comes from is not
    /// known, and no proxy is trusted: see [`accept_from`](Acceptor::accept_from).
    pub fn accept<S>(&self, stream: S) -> Connected
    where
        S: ByteStream + Unpin + Send + 'static,
    {
        self.accept_from(stream, None)
    }

    /// As [`accept`](Acceptor::accept), where `address` is the socket's peer, if that is an IP address. The connection's
    /// [`peer`](unbroken_driver::Connection::peer) is this address; if a [trusted proxy](Acceptor::behind) has it, whom that passes on, as soon as it said so.
    pub fn accept_from<S>(&self, stream: S, address: Option<IpAddr>) -> Connected
    where
        S: ByteStream + Unpin + Send + 'static,
    {
        let arrived = Arrived::default();
        let (acceptor, mut stream) = (self.clone(), arrived.count(stream));
        let mut origin = Origin::new(address, self.proxies.as_ref());
        deferred(origin.peer(), arrived, async move {
            origin.before_all(&mut stream, acceptor.websocket).await?;
            #[cfg(feature = "tls")]
            if let Some(tls) = &acceptor.tls {
                let stream = tls.accept(stream).await?;
                return acceptor.converse(stream, origin).await;
            }
            acceptor.converse(stream, origin).await
        })
    }

    async fn converse<S>(self, stream: S, origin: Origin) -> io::Result<BoxConnection>
    where
        S: ByteStream + Unpin + Send + 'static,
    {
        Ok(match self.websocket {
            true => Box::pin(upgrade(stream, self.check, origin).await?),
            false => Box::pin(Framed::accepted(stream)),
        })
    }
}

async fn upgrade<S: ByteStream>(
    mut stream: S,
    check: Option<Arc<Check>>,
    mut origin: Origin,
) -> Result<WebSocket<S>, ConnectError> {
    let (request, behind) = read_head(&mut stream, read_request).await?;
    let (method, refusal, error) = match request {
        Ok(request) => {
            origin.settle(request.headers());
            let checked = check.map_or(Ok(()), |check| check(&request));
            match checked.and_then(|()| answer(&request)) {
                Ok(response) => {
                    let answer = [interim(&request), &encode_response(&response)].concat();
                    write_all(&mut stream, &answer).await?;
                    return Ok(WebSocket::accepted(stream, behind));
                }
                Err(refusal) => {
                    let error = UpgradeError::Refused(refusal.status());
                    (request.method().clone(), refusal, error)
                }
            }
        }
        Err(refused) => refused,
    };
    refuse(&mut stream, &encode_refusal(*refusal, &method)).await?;
    Err(error.into())
}

/// What a request is refused with, and why.
type Refused = (http::Method, Box<http::Response<String>>, UpgradeError);

/// A request, or what to answer where there is none, once that is clear. What is not HTTP is an error.
#[expect(clippy::type_complexity, reason = "it is read from the inside")]
fn read_request(received: &[u8]) -> Result<Option<(usize, Result<http::Request<()>, Refused>)>, ConnectError> {
    match parse_request(received) {
        Ok(parsed) => Ok(parsed.map(|(length, request)| (length, Ok(request)))),
        Err(error) => match error.refusal() {
            Some(refusal) => Ok(Some((received.len(), Err((method_of(received), refusal, error))))),
            None => Err(error.into()),
        },
    }
}

/// A WebSocket that an HTTP server upgrades for us, as a connection: `stream` is ready when the server hands
/// the byte stream out, after the response of [`answer`] was sent.
pub fn upgrading<S>(stream: impl Future<Output = io::Result<S>> + Send + 'static) -> Connected
where
    S: ByteStream + Unpin + Send + 'static,
{
    deferred(Arc::default(), Arrived::default(), async {
        Ok(Box::pin(WebSocket::accepted(stream.await?, Vec::new())) as BoxConnection)
    })
}
