//! One HTTP request at a time, each over a connection of its own: the calls of a session are minutes apart.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Request, Response, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use unbroken_tokio::ConnectError;
use unbroken_tokio::carriers::Tls;
use unbroken_tokio::carriers::driver::KnownAddresses;

use super::connecting::{Way, is_http};
use super::http_error::{HttpError, MAX_ANSWER};
use crate::dialling::ByteStream;

/// How requests are sent: HTTP/1.1, each over a connection of its own, within limits of time.
///
/// Redirections are not followed. Cheap to clone.
///
/// # Proxies
/// [`new`](Http::new) takes the proxies that the environment names at that moment: `HTTPS_PROXY` for `https://` and `wss://`, `HTTP_PROXY`
/// for `http://` and `ws://`, `ALL_PROXY` for either, and `NO_PROXY`, in capitals or not, as curl reads them. Loopback and link-local addresses are asked without any:
/// an instance's metadata, asked through a proxy, are those of the proxy's instance. A proxy's own address may be `http://` or `https://`,
/// with a name and a password; SOCKS is not supported, and is an error.
#[derive(Clone)]
pub struct Http {
    way: Way,
    limits: Limits,
}

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Until a socket is connected.
    pub(crate) connect: Duration,
    /// From the look-up of the host's name to the last byte of the answer.
    pub(crate) whole: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connect: Duration::from_secs(10),
            whole: Duration::from_secs(15),
        }
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("proxies", &self.way.proxies)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Http {
    /// Verifies servers as `tls` says, and takes the environment's proxies.
    #[must_use]
    pub fn new(tls: Tls) -> Http {
        Http {
            way: Way {
                tls,
                proxies: Some(Arc::new(Matcher::from_env())),
            },
            limits: Limits::default(),
        }
    }

    /// The same without any proxy.
    #[must_use]
    pub fn without_proxies(mut self) -> Http {
        self.way.proxies = None;
        self
    }

    /// The same through this proxy, an `http://` or `https://` URL, instead of the environment's; loopback and link-local addresses without.
    ///
    /// # Errors
    /// [`HttpError::ProxyScheme`].
    pub fn proxy(mut self, url: &str) -> Result<Http, HttpError> {
        if !url.parse().is_ok_and(|url| is_http(&url)) {
            return Err(HttpError::ProxyScheme);
        }
        self.way.proxies = Some(Arc::new(Matcher::builder().all(url).build()));
        Ok(self)
    }

    /// A request fails after `whole`, by default 15 s, and if no socket is connected after `connect`, by default 10 s.
    #[must_use]
    pub fn timeouts(mut self, connect: Duration, whole: Duration) -> Http {
        self.limits = Limits { connect, whole };
        self
    }

    /// What [`timeouts`](Http::timeouts) says.
    #[cfg(feature = "aws")]
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    /// Sends `request`, whose URL has a scheme and a host, and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// There is no answer, or not within the limits.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        self.send_within(request, self.limits).await
    }

    /// Connects to the host of `url`, whose scheme is `ws`, `wss`, `http` or `https`, with TLS for the second and the fourth: for a protocol
    /// that is spoken from there on. A proxy is asked for a tunnel (CONNECT), whichever scheme it is. A socket is connected `within` that
    /// time; the proxy's answer and TLS have no limit of their own. `known`: see [`Service::connect`](crate::Service::connect).
    ///
    /// # Errors
    /// No connection, no tunnel, or a server that is not trusted ([`Cause::Untrusted`](unbroken_proto::Cause::Untrusted)).
    pub async fn connect(
        &self,
        url: &Uri,
        known: &KnownAddresses,
        within: Duration,
    ) -> Result<ByteStream, ConnectError> {
        Ok(self.way.for_stream(url, known, within).await?)
    }

    pub(crate) async fn send_within(
        &self,
        request: Request<Bytes>,
        limits: Limits,
    ) -> Result<Response<Bytes>, HttpError> {
        let answered = tokio::time::timeout(limits.whole, self.converse(request, limits.connect));
        answered.await.map_err(|_| HttpError::Timeout(limits.whole))?
    }

    async fn converse(&self, mut request: Request<Bytes>, within: Duration) -> Result<Response<Bytes>, HttpError> {
        let host = authority_of(request.uri())?;
        if !is_http(request.uri()) {
            return Err(HttpError::Url);
        }
        request.headers_mut().entry(HOST).or_insert(host);
        let there = self.way.for_request(request.uri(), within).await?;
        if !there.is_told_whole_url {
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            *request.uri_mut() = path.parse().map_err(|_| HttpError::Url)?;
        }
        request.headers_mut().extend(there.headers);
        exchange(there.io, request).await
    }
}

/// What stands in the header `Host`: the URL's host, and its port if it names one.
pub(crate) fn authority_of(url: &Uri) -> Result<HeaderValue, HttpError> {
    let authority = url.authority().ok_or(HttpError::Url)?.as_str();
    if authority.contains('@') {
        return Err(HttpError::Url);
    }
    HeaderValue::from_str(authority).map_err(|_| HttpError::Url)
}

async fn exchange(io: ByteStream, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let (mut requests, connection) = http1::handshake(TokioIo::new(io)).await.map_err(HttpError::broken)?;
    let mut connection = pin!(connection);
    let mut answer = pin!(async {
        let answer = requests.send_request(request.map(Full::new)).await;
        let (head, body) = answer.map_err(HttpError::broken)?.into_parts();
        match Limited::new(body, MAX_ANSWER).collect().await {
            Ok(body) => Ok(Response::from_parts(head, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(HttpError::TooLarge),
            Err(error) => Err(HttpError::Broken(error)),
        }
    });
    // The connection is driven here and in no task, so that it ends with the future.
    tokio::select! {
        answered = &mut answer => answered,
        _ended = &mut connection => answer.await,
    }
}
