//! TLS through rustls, under packets.

use std::io::{self, Read, Write};
use std::ops::DerefMut;
use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, ConnectionCommon, Error as TlsError, RootCertStore, ServerConfig,
    ServerConnection, SideData, StreamOwned,
};
use rustls_platform_verifier::BuilderVerifierExt;
use unbroken_proto::Cause;

use crate::connection::ByteStream;
use crate::failure::DialError;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// How a client verifies servers. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// As the platform does: with its verifier, or its roots.
    ///
    /// # Errors
    /// The platform has none to show.
    pub fn platform() -> io::Result<Tls> {
        static PLATFORM: OnceLock<Tls> = OnceLock::new();
        if let Some(tls) = PLATFORM.get() {
            return Ok(tls.clone());
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .and_then(BuilderVerifierExt::with_platform_verifier)
            .map_err(failed)?
            .with_no_client_auth();
        Ok(PLATFORM.get_or_init(|| Tls::with_config(Arc::new(config))).clone())
    }

    /// By these roots and no others.
    ///
    /// # Errors
    /// One of them is no certificate.
    pub fn trusting(roots: impl IntoIterator<Item = CertificateDer<'static>>) -> io::Result<Tls> {
        let mut store = RootCertStore::empty();
        for root in roots {
            store.add(root).map_err(failed)?;
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_root_certificates(store)
            .with_no_client_auth();
        Ok(Tls::with_config(Arc::new(config)))
    }

    /// As `config` says. Credentials are sent over connections that it verified: a verifier that accepts everything
    /// gives them to everybody.
    #[must_use]
    pub fn with_config(config: Arc<ClientConfig>) -> Tls {
        Tls(config)
    }

    /// TLS to the server called `name`, on `stream`. Its handshake goes on with [`ByteStream::open`].
    ///
    /// # Errors
    /// Nothing can be called that.
    pub fn connect<S: ByteStream>(&self, stream: S, name: &str) -> io::Result<TlsStream<ClientConnection, S>> {
        let server = ServerName::try_from(name.to_owned());
        let server =
            server.map_err(|error| DialError::new(Cause::Untrusted).with_source(format!("{name}: {error}")))?;
        let session = ClientConnection::new(Arc::clone(&self.0), server).map_err(failed)?;
        Ok(TlsStream::new(session, stream))
    }
}

/// What a server shows. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TlsServer(Arc<ServerConfig>);

impl TlsServer {
    /// A chain of certificates, its own first, and its key.
    ///
    /// # Errors
    /// They do not fit together.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> io::Result<TlsServer> {
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(failed)?;
        Ok(TlsServer::with_config(Arc::new(config)))
    }

    /// As `config` says.
    #[must_use]
    pub fn with_config(config: Arc<ServerConfig>) -> TlsServer {
        TlsServer(config)
    }

    /// TLS with a client, on `stream`. Its handshake goes on with [`ByteStream::open`].
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn accept<S: ByteStream>(&self, stream: S) -> io::Result<TlsStream<ServerConnection, S>> {
        let session = ServerConnection::new(Arc::clone(&self.0)).map_err(failed)?;
        Ok(TlsStream::new(session, stream))
    }
}

/// A byte stream inside TLS.
pub struct TlsStream<C, S: Read + Write> {
    inner: StreamOwned<C, S>,
    told: bool,
}

impl<C, S, D> TlsStream<C, S>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    S: ByteStream,
    D: SideData,
{
    fn new(session: C, stream: S) -> TlsStream<C, S> {
        TlsStream {
            inner: StreamOwned::new(session, stream),
            told: false,
        }
    }
}

impl<C, S, D> Read for TlsStream<C, S>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    S: ByteStream,
    D: SideData,
{
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buf).map_err(explained)
    }
}

impl<C, S, D> Write for TlsStream<C, S>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    S: ByteStream,
    D: SideData,
{
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.inner.write(buf).map_err(explained)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().map_err(explained)
    }
}

impl<C, S, D> ByteStream for TlsStream<C, S>
where
    C: DerefMut<Target = ConnectionCommon<D>>,
    S: ByteStream,
    D: SideData,
{
    fn open(&mut self) -> io::Result<()> {
        while self.inner.conn.is_handshaking() {
            self.inner.conn.complete_io(&mut self.inner.sock).map_err(explained)?;
        }
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.told, true) {
            self.inner.conn.send_close_notify();
        }
        self.flush()?;
        self.inner.sock.finish()
    }
}

/// rustls hides its errors in I/O errors.
fn explained(error: io::Error) -> io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        Some(tls) => failed(tls.clone()),
        None => error,
    }
}

/// What rustls says, with what it means to the machine.
fn failed(error: TlsError) -> io::Error {
    let cause = match &error {
        TlsError::InvalidCertificate(_) | TlsError::NoCertificatesPresented | TlsError::UnsupportedNameType => {
            Cause::Untrusted
        }
        TlsError::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateRequired
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::AccessDenied,
        ) => Cause::Authentication,
        _ => Cause::Protocol,
    };
    DialError::new(cause).with_source(error).into()
}
