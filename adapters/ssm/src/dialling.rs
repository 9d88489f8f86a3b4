//! The way to a host: TCP, and TLS if the URL asks for it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::{fmt, io};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::Error as TlsError;
use tokio_rustls::rustls::pki_types::ServerName;
use unbroken_proto::reconnect::Cause;
use unbroken_proto::time::Duration;
use unbroken_tokio::carriers::Tls;
use unbroken_tokio::carriers::causes::cause_of_tls;
use unbroken_tokio::carriers::driver::{KnownAddresses, cause_of, connect_host};
use unbroken_tokio::carriers::http::Uri;
use unbroken_tokio::{Compat, ConnectError, Tokio};

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection to a server, of whatever kind: what [`Service::connect`](crate::Service::connect) makes. Dropping it closes it.
pub struct ByteStream(Box<dyn Io>);

impl ByteStream {
    /// What is written to `stream` reaches the server, and what the server says is read from it: after TLS, where the URL asks for that.
    #[must_use]
    pub fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> ByteStream {
        ByteStream(Box::new(stream))
    }
}

impl fmt::Debug for ByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStream").finish_non_exhaustive()
    }
}

impl AsyncRead for ByteStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_read(cx, buf)
    }
}

impl AsyncWrite for ByteStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

/// Where a URL leads.
pub(crate) struct Place<'a> {
    /// As the URL has it: an IPv6 address in brackets.
    host: &'a str,
    port: u16,
    is_secure: bool,
}

impl<'a> Place<'a> {
    /// # Errors
    /// The scheme is none of `ws`, `wss`, `http` and `https`, or there is no host.
    pub(crate) fn of(url: &'a Uri) -> Result<Place<'a>, ConnectError> {
        let (is_secure, default) = match url.scheme_str() {
            Some("wss" | "https") => (true, 443),
            Some("ws" | "http") => (false, 80),
            _ => return Err(unusable(url, "its scheme is unknown")),
        };
        let host = url.host().filter(|host| !host.is_empty());
        Ok(Place {
            host: host.ok_or_else(|| unusable(url, "it names no host"))?,
            port: url.port_u16().unwrap_or(default),
            is_secure,
        })
    }

    /// TCP by Happy Eyeballs `within` that time, and then TLS if the URL asks for it: verified by `tls`, or by the platform.
    pub(crate) async fn connect(
        &self,
        tls: Option<&Tls>,
        known: &KnownAddresses,
        within: Duration,
    ) -> Result<ByteStream, ConnectError> {
        let host = without_brackets(self.host);
        let (Compat(socket), address) = connect_host(&Tokio, host, self.port, known, Some(within)).await?;
        let stream = self.secure(ByteStream::new(socket), tls).await;
        match &stream {
            Ok(_) => known.worked(address.ip()),
            Err(_) => known.failed(address.ip()),
        }
        stream
    }

    /// TLS on `stream`, which leads here, if the URL asks for it.
    pub(crate) async fn secure(&self, stream: ByteStream, tls: Option<&Tls>) -> Result<ByteStream, ConnectError> {
        if !self.is_secure {
            return Ok(stream);
        }
        let tls = match tls {
            Some(tls) => tls.clone(),
            None => Tls::platform().map_err(|error| ConnectError::new(Cause::Local).with_source(error))?,
        };
        let host = without_brackets(self.host);
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            ConnectError::new(Cause::Untrusted).with_source(format!("{host} cannot be in a certificate"))
        })?;
        let connector = TlsConnector::from(Arc::clone(tls.config()));
        match connector.connect(name, stream).await {
            Ok(stream) => Ok(ByteStream::new(stream)),
            Err(error) => Err(ConnectError::new(cause_of_io(&error)).with_source(error)),
        }
    }
}

#[cfg(feature = "http")]
impl<'a> Place<'a> {
    /// As the URL has it: an IPv6 address in brackets.
    pub(crate) fn host(&self) -> &'a str {
        self.host
    }

    /// The host and the port, which is said even where it is the usual one.
    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.is_secure
    }
}

/// An IPv6 address stands in brackets in a URL, and nowhere else.
pub(crate) fn without_brackets(host: &str) -> &str {
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inner.unwrap_or(host)
}

/// A URL without its query, which may hold a signature.
pub(crate) fn shown(url: &Uri) -> String {
    let authority = url.authority().map(ToString::to_string).unwrap_or_default();
    format!("{}://{authority}{}", url.scheme_str().unwrap_or_default(), url.path())
}

pub(crate) fn unusable(url: &Uri, why: &str) -> ConnectError {
    ConnectError::new(Cause::Local).with_source(format!("the URL {} is of no use: {why}", shown(url)))
}

/// What an error of a stream means; rustls puts its own inside.
pub(crate) fn cause_of_io(error: &io::Error) -> Cause {
    let said = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    said.map_or_else(|| cause_of(error), cause_of_tls)
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn what_a_url_says() {
        let read = |url: &str| {
            let url: Uri = url.parse().expect("a URL");
            Place::of(&url).map(|place| (place.host.to_owned(), place.port, place.is_secure))
        };
        for (url, host, port, is_secure) in [
            ("wss://a.example/v1?role=x", "a.example", 443, true),
            ("https://a.example:8443", "a.example", 8_443, true),
            ("ws://a.example", "a.example", 80, false),
            ("ws://[::1]:8080/v1", "[::1]", 8_080, false),
        ] {
            assert_eq!(read(url).ok(), Some((host.to_owned(), port, is_secure)), "{url}");
        }
        for wrong in ["ftp://a.example/", "/v1/data-channel", "wss://:443/"] {
            let Ok(url) = wrong.parse::<Uri>() else { continue };
            let error = Place::of(&url).err().expect("an error");
            assert_eq!(error.cause(), Cause::Local, "{wrong}");
        }
    }

    #[test]
    fn brackets_are_for_urls() {
        for (host, bare) in [("[::1]", "::1"), ("::1", "::1"), ("a.example", "a.example"), ("[", "[")] {
            assert_eq!(without_brackets(host), bare);
        }
    }

    #[test]
    fn a_query_is_not_shown() {
        let url = "wss://h/v1/data-channel/s?X-Amz-Signature=secret"
            .parse()
            .expect("a URL");
        assert_eq!(shown(&url), "wss://h/v1/data-channel/s");
    }
}
