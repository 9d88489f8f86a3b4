//! TLS through rustls, under packets.

use std::io::{self, Read, Write};
use std::sync::{Arc, OnceLock};

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    AlertDescription, ClientConfig, ClientConnection, Connection, Error as TlsError, RootCertStore, ServerConfig,
    ServerConnection,
};
use rustls_platform_verifier::BuilderVerifierExt;
use unbroken_proto::Cause;

use crate::connection::ByteStream;
use crate::failure::{ConnectError, is_blocked};

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
    pub fn connect<S: ByteStream>(&self, stream: S, name: &str) -> io::Result<TlsStream<S>> {
        let server = ServerName::try_from(name.to_owned());
        let server =
            server.map_err(|error| ConnectError::new(Cause::Untrusted).with_source(format!("{name}: {error}")))?;
        let session = ClientConnection::new(Arc::clone(&self.0), server).map_err(failed)?;
        Ok(TlsStream::new(session.into(), stream))
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
    pub fn accept<S: ByteStream>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let session = ServerConnection::new(Arc::clone(&self.0)).map_err(failed)?;
        Ok(TlsStream::new(session.into(), stream))
    }
}

/// A byte stream inside TLS. Reading never waits for writing, unlike with rustls's own streams: two ends that both have
/// more to say than the sockets take would wait for each other.
pub struct TlsStream<S> {
    session: Connection,
    stream: S,
    told: bool,
}

impl<S: ByteStream> TlsStream<S> {
    fn new(session: Connection, stream: S) -> TlsStream<S> {
        TlsStream {
            session,
            stream,
            told: false,
        }
    }

    /// Writes what the session has to say.
    fn put(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            if self.session.write_tls(&mut self.stream)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// The same, if the stream takes it now; else it goes with what is written next.
    fn put_or_later(&mut self) -> io::Result<()> {
        match self.put() {
            Err(error) if is_blocked(&error) => Ok(()),
            done => done,
        }
    }

    /// Reads once; false at the stream's end.
    fn take(&mut self) -> io::Result<bool> {
        let read = self.session.read_tls(&mut self.stream)?;
        if let Err(error) = self.session.process_new_packets() {
            // The alert that says so goes out if it can.
            let _told = self.put();
            return Err(failed(error));
        }
        Ok(read > 0)
    }
}

impl<S: ByteStream> Read for TlsStream<S> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            self.take()?;
            // The answer to a key update.
            self.put_or_later()?;
        }
    }
}

impl<S: ByteStream> Write for TlsStream<S> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.put_or_later()?;
        // The session's own buffer is bounded; what it takes none of waits for the stream.
        let taken = self.session.writer().write(buf)?;
        if taken == 0 && !buf.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.put_or_later()?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.put()?;
        self.stream.flush()
    }
}

impl<S: ByteStream> ByteStream for TlsStream<S> {
    fn open(&mut self) -> io::Result<()> {
        self.stream.open()?;
        while self.session.is_handshaking() {
            self.put()?;
            if self.session.is_handshaking() && !self.take()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        self.put()
    }

    fn finish(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.told, true) {
            self.session.send_close_notify();
        }
        self.flush()?;
        self.stream.finish()
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
    ConnectError::new(cause).with_source(error).into()
}
