//! The way to a server: a socket, a proxy's tunnel if there is one, TLS if the URL asks for it.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderMap, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Request, Uri, upgrade};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::Error as TlsError;
use tokio_rustls::rustls::pki_types::ServerName;
use unbroken_tokio::carriers::Tls;
use unbroken_tokio::carriers::causes::cause_of_tls;
use unbroken_tokio::carriers::driver::{KnownAddresses, connect_host};
use unbroken_tokio::{Compat, ConnectError, Tokio};

use super::http_error::HttpError;

/// A socket, with or without TLS, through a tunnel or not.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}
pub(crate) type BoxedIo = Box<dyn Io>;

/// What a request is written to.
pub(super) struct There {
    pub(super) io: BoxedIo,
    /// Lines for a proxy that reads the request itself.
    pub(super) headers: HeaderMap,
    /// Such a proxy reads the whole URL; a server reads its path.
    pub(super) is_told_whole_url: bool,
}

/// Connects to where `url` leads. A socket is there `within` that time.
pub(super) async fn connect(
    tls: &Tls,
    proxies: Option<&Matcher>,
    url: &Uri,
    within: Duration,
) -> Result<There, HttpError> {
    let (host, port, secure) = place(url)?;
    let intercepted = proxies.filter(|_| !is_on_this_link(host));
    let Some(proxy) = intercepted.and_then(|proxies| proxies.intercept(url)) else {
        let io = socket(host, port, within).await?;
        return Ok(There {
            io: if secure { inside(tls, io, host).await? } else { io },
            headers: HeaderMap::new(),
            is_told_whole_url: false,
        });
    };
    let (proxy_host, proxy_port, proxy_secure) = place(proxy.uri()).map_err(|_| HttpError::ProxyScheme)?;
    let mut io = socket(proxy_host, proxy_port, within).await?;
    if proxy_secure {
        io = inside(tls, io, proxy_host).await?;
    }
    if secure {
        let tunnel = tunnel(io, host, port, &proxy).await?;
        return Ok(There {
            io: inside(tls, tunnel, host).await?,
            headers: HeaderMap::new(),
            is_told_whole_url: false,
        });
    }
    let password = proxy.basic_auth().cloned();
    Ok(There {
        io,
        headers: password
            .map(|password| (PROXY_AUTHORIZATION, password))
            .into_iter()
            .collect(),
        is_told_whole_url: true,
    })
}

/// The host with the brackets of an IPv6 address, the port, and whether TLS is asked for.
fn place(url: &Uri) -> Result<(&str, u16, bool), HttpError> {
    let (secure, default) = match url.scheme_str() {
        Some("https") => (true, 443),
        Some("http") => (false, 80),
        _ => return Err(HttpError::Url),
    };
    let host = url.host().filter(|host| !host.is_empty()).ok_or(HttpError::Url)?;
    Ok((host, url.port_u16().unwrap_or(default), secure))
}

fn without_brackets(host: &str) -> &str {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host)
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

async fn socket(host: &str, port: u16, within: Duration) -> Result<BoxedIo, HttpError> {
    let known = KnownAddresses::default();
    let (Compat(socket), _) = connect_host(&Tokio, without_brackets(host), port, &known, Some(within)).await?;
    Ok(Box::new(socket))
}

async fn inside(tls: &Tls, io: BoxedIo, host: &str) -> Result<BoxedIo, HttpError> {
    let name = ServerName::try_from(without_brackets(host).to_owned()).map_err(|_| HttpError::Url)?;
    let connector = TlsConnector::from(Arc::clone(tls.config()));
    let stream = connector.connect(name, io).await.map_err(failed)?;
    Ok(Box::new(stream))
}

/// A handshake's error, with what rustls says of it.
fn failed(error: io::Error) -> ConnectError {
    let said = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    match said.map(cause_of_tls) {
        Some(cause) => ConnectError::new(cause).with_source(error),
        None => error.into(),
    }
}

/// Has the proxy at `io` connect to the server.
async fn tunnel(io: BoxedIo, host: &str, port: u16, proxy: &Intercept) -> Result<BoxedIo, HttpError> {
    let place = format!("{host}:{port}");
    let mut request = Request::connect(&place)
        .body(Empty::<Bytes>::new())
        .map_err(|_| HttpError::Url)?;
    let named = HeaderValue::from_str(&place).map_err(|_| HttpError::Url)?;
    request.headers_mut().insert(HOST, named);
    if let Some(password) = proxy.basic_auth() {
        request.headers_mut().insert(PROXY_AUTHORIZATION, password.clone());
    }
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
    Ok(Box::new(TokioIo::new(tunnel)))
}

#[cfg(test)]
mod tests;
