//! The way to a server: a socket, a proxy's tunnel if there is one, TLS if the URL asks for it.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Request, Uri, upgrade};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use unbroken_tokio::carriers::Tls;
use unbroken_tokio::carriers::driver::KnownAddresses;

use super::http_error::HttpError;
use crate::dialling::{ByteStream, Place, without_brackets};

/// How servers are reached: whom to trust, and which proxies to take.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) tls: Tls,
    pub(super) proxies: Option<Arc<Matcher>>,
}

/// What a request is written to.
pub(super) struct There {
    pub(super) io: ByteStream,
    /// Lines for a proxy that reads the request itself.
    pub(super) headers: HeaderMap,
    /// Such a proxy reads the whole URL; a server reads its path.
    pub(super) is_told_whole_url: bool,
}

impl Way {
    /// Connects for a request to `url`. A socket is there `within` that time.
    pub(super) async fn for_request(&self, url: &Uri, within: Duration) -> Result<There, HttpError> {
        let place = Place::of(url).map_err(|_| HttpError::Url)?;
        let known = KnownAddresses::default();
        match self.proxy(&place) {
            Some(proxy) if !place.is_secure() => Ok(There {
                io: self.to_proxy(&proxy, &known, within).await?,
                headers: password(&proxy).collect(),
                is_told_whole_url: true,
            }),
            proxy => Ok(There {
                io: self.to_server(&place, proxy, &known, within).await?,
                headers: HeaderMap::new(),
                is_told_whole_url: false,
            }),
        }
    }

    /// Connects to the server that `url` leads to; a proxy makes a tunnel, whether there is TLS inside or not.
    pub(super) async fn for_stream(
        &self,
        url: &Uri,
        known: &KnownAddresses,
        within: Duration,
    ) -> Result<ByteStream, HttpError> {
        let place = Place::of(url)?;
        let proxy = self.proxy(&place);
        self.to_server(&place, proxy, known, within).await
    }

    /// The proxy of a place, if it has one. Proxies are named for `http://` and `https://`, and hold for WebSockets in clear and in TLS.
    fn proxy(&self, place: &Place<'_>) -> Option<Intercept> {
        let proxies = self.proxies.as_ref().filter(|_| !is_on_this_link(place.host()))?;
        let scheme = if place.is_secure() { "https" } else { "http" };
        let url = Uri::builder()
            .scheme(scheme)
            .authority(place.authority())
            .path_and_query("/");
        proxies.intercept(&url.build().ok()?)
    }

    async fn to_proxy(
        &self,
        proxy: &Intercept,
        known: &KnownAddresses,
        within: Duration,
    ) -> Result<ByteStream, HttpError> {
        if !is_http(proxy.uri()) {
            return Err(HttpError::ProxyScheme);
        }
        let place = Place::of(proxy.uri()).map_err(|_| HttpError::ProxyScheme)?;
        Ok(place.connect(Some(&self.tls), known, within).await?)
    }

    async fn to_server(
        &self,
        place: &Place<'_>,
        proxy: Option<Intercept>,
        known: &KnownAddresses,
        within: Duration,
    ) -> Result<ByteStream, HttpError> {
        let Some(proxy) = proxy else {
            return Ok(place.connect(Some(&self.tls), known, within).await?);
        };
        let io = self.to_proxy(&proxy, known, within).await?;
        let tunnel = tunnel(io, place.authority(), &proxy).await?;
        Ok(place.secure(tunnel, Some(&self.tls)).await?)
    }
}

/// Whether it is a URL of the kind that requests go to.
pub(super) fn is_http(url: &Uri) -> bool {
    matches!(url.scheme_str(), Some("http" | "https"))
}

/// The line that tells a proxy who asks, if it is to know.
fn password(proxy: &Intercept) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    proxy
        .basic_auth()
        .cloned()
        .map(|password| (PROXY_AUTHORIZATION, password))
        .into_iter()
}

/// Whether a URL's host is this machine itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    match without_brackets(host).parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => name == "localhost" || name.ends_with(".localhost"),
    }
}

/// Whether it is this machine or on its link, where the metadata of instances and containers are.
fn is_on_this_link(host: &str) -> bool {
    let address = without_brackets(host)
        .parse::<IpAddr>()
        .map(|address| address.to_canonical());
    let is_link_local = match address {
        Ok(IpAddr::V4(address)) => address.is_link_local(),
        // fd00:ec2::254 is where EC2 has them in IPv6, and fd00:ec2::23 for EKS.
        Ok(IpAddr::V6(address)) => address.is_unicast_link_local() || address.segments().starts_with(&[0xfd00, 0xec2]),
        Err(_) => false,
    };
    is_link_local || is_loopback(host)
}

/// Has the proxy at `io` connect to the server at `place`.
async fn tunnel(io: ByteStream, place: String, proxy: &Intercept) -> Result<ByteStream, HttpError> {
    let mut request = Request::connect(&place)
        .body(Empty::<Bytes>::new())
        .map_err(|_| HttpError::Url)?;
    let named = HeaderValue::try_from(place).map_err(|_| HttpError::Url)?;
    request.headers_mut().insert(HOST, named);
    request.headers_mut().extend(password(proxy));
    let (mut requests, connection) = http1::handshake(TokioIo::new(io)).await.map_err(HttpError::broken)?;
    let mut connection = pin!(connection.with_upgrades());
    let mut tunnel = pin!(async {
        let answer = requests.send_request(request).await.map_err(HttpError::broken)?;
        match answer.status() {
            status if status.is_success() => upgrade::on(answer).await.map_err(HttpError::broken),
            status => Err(HttpError::Proxy(status.as_u16())),
        }
    });
    let tunnel = tokio::select! {
        tunnel = &mut tunnel => tunnel?,
        _ended = &mut connection => tunnel.await?,
    };
    Ok(ByteStream::new(TokioIo::new(tunnel)))
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test")]
mod tests;
