//! TLS through rustls, over any byte stream.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, Connection, Error as TlsError, RootCertStore, ServerConfig, ServerConnection,
};
use rustls_platform_verifier::BuilderVerifierExt;
use unbroken_driver::proto::Cause;
use unbroken_driver::{Budget, ByteStream, ConnectError};

use crate::causes::cause_of_tls;
use crate::pollable::{Pollable, unblock};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// How a client verifies servers. Cheap to clone.
///
/// ```
/// use unbroken_carriers::{Address, Tls};
/// # fn run(root: unbroken_carriers::rustls::pki_types::CertificateDer<'static>) -> Result<(), Box<dyn std::error::Error>> {
/// let address = Address::parse("wss://example.org/")?.tls(Tls::trusting([root])?);
/// # drop(address);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// As the platform does: with its verifier, or its roots.
    ///
    /// # Errors
    /// The platform has none to show.
    pub fn platform() -> Result<Tls, TlsError> {
        static PLATFORM: OnceLock<Tls> = OnceLock::new();
        if let Some(tls) = PLATFORM.get() {
            return Ok(tls.clone());
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .and_then(BuilderVerifierExt::with_platform_verifier)?
            .with_no_client_auth();
        Ok(PLATFORM.get_or_init(|| Tls::with_config(Arc::new(config))).clone())
    }

    /// By these roots and no others.
    ///
    /// # Errors
    /// One of them is no certificate.
    pub fn trusting(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> Result<Tls, TlsError> {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root)?;
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Tls::with_config(Arc::new(config)))
    }

    /// As `config` says. Credentials are sent over connections that it verified: a verifier that accepts
    /// everything gives them to everybody.
    #[must_use]
    pub fn with_config(config: Arc<ClientConfig>) -> Tls {
        Tls(config)
    }

    /// What it says, for a TLS stack of one's own.
    #[must_use]
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.0
    }

    /// Runs the client's handshake on `stream` with the server called `name`.
    ///
    /// # Errors
    /// The stream breaks, or the server is not what it should be: [`Cause::Untrusted`] when its certificate does not
    /// verify.
    pub async fn connect<S: ByteStream>(&self, stream: S, name: &str) -> Result<TlsStream<S>, ConnectError> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            ConnectError::new(Cause::Untrusted).with_source(format!("{name} cannot be in a certificate"))
        })?;
        let session = ClientConnection::new(Arc::clone(&self.0), name).map_err(failed)?;
        Ok(TlsStream::up(stream, session.into()).await?)
    }
}

/// What a server shows. Cheap to clone.
#[derive(Clone)]
pub struct TlsServer(Arc<ServerConfig>);

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer").finish_non_exhaustive()
    }
}

impl TlsServer {
    /// A chain of certificates, its own first, and its key.
    ///
    /// # Errors
    /// They do not fit together.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<TlsServer, TlsError> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(TlsServer::with_config(Arc::new(config)))
    }

    /// As `config` says.
    #[must_use]
    pub fn with_config(config: Arc<ServerConfig>) -> TlsServer {
        TlsServer(config)
    }

    /// Runs the server's handshake on `stream`.
    ///
    /// # Errors
    /// The stream breaks, or the client does not agree.
    pub async fn accept<S: ByteStream>(&self, stream: S) -> Result<TlsStream<S>, ConnectError> {
        let session = ServerConnection::new(Arc::clone(&self.0)).map_err(failed)?;
        Ok(TlsStream::up(stream, session.into()).await?)
    }
}

/// A byte stream inside TLS.
pub struct TlsStream<S> {
    stream: S,
    session: Connection,
    closing: bool,
    /// Bytes read of a record that is not whole yet, and not told of.
    partial: usize,
    /// What may be read until nothing is ready. Not a poll's: what stands on this reads again and again in one poll.
    budget: Budget,
}

impl<S: ByteStream> TlsStream<S> {
    async fn up(stream: S, session: Connection) -> io::Result<TlsStream<S>> {
        let mut up = TlsStream {
            stream,
            session,
            closing: false,
            partial: 0,
            budget: Budget::new(),
        };
        poll_fn(|cx| up.poll_up(cx)).await?;
        Ok(up)
    }

    fn poll_up(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let budget = &mut Budget::new();
        while self.session.is_handshaking() {
            ready!(self.poll_out(cx, budget))?;
            if self.session.is_handshaking() && !ready!(self.poll_in(cx))? {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
        }
        self.poll_flushed(cx, budget)
    }

    /// Writes what the session has to say, and sees to it that it goes out.
    fn poll_flushed(&mut self, cx: &mut Context<'_>, budget: &mut Budget) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx, budget))?;
        budget.poll_io(cx, |cx| self.stream.poll_flush(cx))
    }

    /// Writes what the session has to say.
    fn poll_out(&mut self, cx: &mut Context<'_>, budget: &mut Budget) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let mut stream = Pollable::new(&mut self.stream, cx, budget);
            if ready!(unblock(self.session.write_tls(&mut stream)))? == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once; false at the stream's end.
    fn poll_in(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut stream = Pollable::new(&mut self.stream, cx, &mut self.budget);
        let read = unblock(self.session.read_tls(&mut stream));
        self.partial += stream.received;
        if read.is_pending() {
            self.budget = Budget::new();
        }
        let read = ready!(read)?;
        if let Err(error) = self.session.process_new_packets() {
            // The alert that says so goes out if it can.
            let _told = self.poll_out(cx, &mut Budget::new());
            return Poll::Ready(Err(failed(error).into()));
        }
        Poll::Ready(Ok(read > 0))
    }

    /// Waits for plaintext, and takes it with `take`. An end without a goodbye is an error.
    fn poll_plain<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut take: impl FnMut(&mut rustls::Reader<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            if let Poll::Ready(done) = unblock(take(&mut self.session.reader())) {
                self.partial = 0;
                return Poll::Ready(done);
            }
            ready!(self.poll_in(cx))?;
            // A key update's answer, if the stream takes it; else it goes with what is written next.
            let _later = self.poll_out(cx, &mut Budget::new())?;
        }
    }
}

impl<S> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsStream")
            .field("closing", &self.closing)
            .finish_non_exhaustive()
    }
}

impl<S: ByteStream> ByteStream for TlsStream<S> {
    fn take_partial(&mut self) -> usize {
        std::mem::take(&mut self.partial)
    }

    fn poll_read_slice(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_plain(cx, |reader| reader.read(buf))
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        self.poll_plain(cx, |reader| {
            let plain = reader.fill_buf()?;
            let take = plain.len().min(buf.capacity() - buf.len());
            buf.extend_from_slice(&plain[..take]);
            reader.consume(take);
            Ok(take)
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if parts.iter().all(|part| part.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        let budget = &mut Budget::new();
        loop {
            // The session's own buffer is bounded; what it takes none of waits for the stream.
            let blocked = self.poll_out(cx, budget)?.is_pending();
            let took = self.session.writer().write_vectored(parts)?;
            if took > 0 {
                let _later = self.poll_out(cx, budget)?;
                return Poll::Ready(Ok(took));
            }
            if blocked {
                return Poll::Pending;
            }
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flushed(cx, &mut Budget::new())
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.closing, true) {
            self.session.send_close_notify();
        }
        let budget = &mut Budget::new();
        ready!(self.poll_out(cx, budget))?;
        budget.poll_io(cx, |cx| self.stream.poll_close(cx))
    }
}

/// What rustls says, with what it means to the machine.
pub(crate) fn failed(error: TlsError) -> ConnectError {
    ConnectError::new(cause_of_tls(&error)).with_source(error)
}
