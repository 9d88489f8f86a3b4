//! How a server makes a connection of a byte stream it accepted.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;
use futures_sink::Sink;
use tungstenite::http;
use unbroken_driver::{BoxConnection, ByteStream, ConnectError, Connected, Connection, Framed};

use crate::head::{read_head, write_all};
use crate::origin::Origin;
use crate::proxies::TrustedProxies;
use crate::upgrade::{UpgradeError, answer, encode_refusal, encode_response, parse_request};
use crate::websocket::WebSocket;

/// Looks at the request of an upgrade: lets it pass, or says what to answer instead.
type Check = dyn Fn(&http::Request<()>) -> Result<(), Box<http::Response<String>>> + Send + Sync;

/// What stands behind a listening socket: plain packets or WebSockets, in TLS or not. Cheap to clone.
///
/// ```
/// use unbroken_carriers::{Acceptor, http};
/// let acceptor = Acceptor::websocket().checking(|request| match request.uri().path() {
///     "/sessions" => Ok(()),
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

    /// Asks `check` about every request for an upgrade (its path, query, headers) before it is answered. What
    /// it returns instead is sent, and the connection closed.
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
    /// [`peer`](Connection::peer) is this address; if a [trusted proxy](Acceptor::behind) has it, whom that passes on, as soon as it said so.
    pub fn accept_from<S>(&self, stream: S, address: Option<IpAddr>) -> Connected
    where
        S: ByteStream + Unpin + Send + 'static,
    {
        let (acceptor, mut stream) = (self.clone(), stream);
        let mut origin = Origin::new(address, self.proxies.as_ref());
        deferred(origin.peer(), async move {
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
    let (request, behind) = read_head(&mut stream, parse_request).await?;
    origin.settle(request.headers());
    let checked = check.map_or(Ok(()), |check| check(&request));
    match checked.and_then(|()| answer(&request)) {
        Ok(response) => write_all(&mut stream, &encode_response(&response)?).await?,
        Err(refusal) => {
            let status = refusal.status();
            write_all(&mut stream, &encode_refusal(*refusal)?).await?;
            poll_fn(|cx| stream.poll_close(cx)).await?;
            return Err(UpgradeError::Refused(status).into());
        }
    }
    Ok(WebSocket::accepted(stream, behind))
}

/// A WebSocket that an HTTP server upgrades for us, as a connection: `stream` is ready when the server hands
/// the byte stream out, after the response of [`answer`] was sent.
pub fn upgrading<S>(stream: impl Future<Output = io::Result<S>> + Send + 'static) -> Connected
where
    S: ByteStream + Unpin + Send + 'static,
{
    deferred(Arc::default(), async { Ok(Box::pin(WebSocket::accepted(stream.await?, Vec::new())) as BoxConnection) })
}

fn deferred(
    peer: Arc<OnceLock<IpAddr>>,
    setup: impl Future<Output = io::Result<BoxConnection>> + Send + 'static,
) -> Connected {
    let setup = SetUp::UnderWay(Box::pin(setup));
    Connected::ordered(Deferred { setup, peer })
}

/// A connection that is set up when it is first used.
struct Deferred<F> {
    setup: SetUp<F>,
    peer: Arc<OnceLock<IpAddr>>,
}

enum SetUp<F> {
    UnderWay(Pin<Box<F>>),
    Up(BoxConnection),
    /// What it failed of is its only item.
    Failed(Option<io::Error>),
}

impl<F: Future<Output = io::Result<BoxConnection>>> Deferred<F> {
    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&mut BoxConnection>> {
        if let SetUp::UnderWay(setup) = &mut self.setup {
            self.setup = match ready!(setup.as_mut().poll(cx)) {
                Ok(up) => SetUp::Up(up),
                Err(error) => SetUp::Failed(Some(error)),
            };
        }
        Poll::Ready(self.up())
    }

    fn up(&mut self) -> io::Result<&mut BoxConnection> {
        match &mut self.setup {
            SetUp::Up(up) => Ok(up),
            SetUp::UnderWay(_) | SetUp::Failed(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl<F: Future<Output = io::Result<BoxConnection>>> Stream for Deferred<F> {
    type Item = io::Result<BytesMut>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Ok(up) = ready!(self.poll_up(cx)) {
            return up.as_mut().poll_next(cx);
        }
        match &mut self.setup {
            SetUp::Failed(error) => Poll::Ready(error.take().map(Err)),
            SetUp::UnderWay(_) | SetUp::Up(_) => Poll::Ready(None),
        }
    }
}

impl<F: Future<Output = io::Result<BoxConnection>> + Send> Connection for Deferred<F> {
    fn take_partial(mut self: Pin<&mut Self>) -> usize {
        self.up().map_or(0, |up| up.as_mut().take_partial())
    }

    fn peer(&self) -> Option<IpAddr> {
        self.peer.get().copied()
    }
}

impl<F: Future<Output = io::Result<BoxConnection>>> Sink<Bytes> for Deferred<F> {
    type Error = io::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_up(cx))?.as_mut().poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, packet: Bytes) -> io::Result<()> {
        self.up()?.as_mut().start_send(packet)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_up(cx))?.as_mut().poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_up(cx))?.as_mut().poll_close(cx)
    }
}
