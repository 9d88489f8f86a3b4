//! Certificates and their keys, in PEM.

use std::path::Path;

use unbroken_tokio::carriers::TlsServer;
use unbroken_tokio::carriers::rustls::pki_types::pem::PemObject;
use unbroken_tokio::carriers::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::failure::Failure;
use crate::identity::files::read_private;

/// All certificates of a file, which has one at least.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let shown = path.display();
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(Failure::Unable(format!("there is no certificate in {shown}"))),
        Err(error) => Err(Failure::Unable(format!("cannot read {shown}: {error}"))),
    }
}

/// What a server shows.
pub(crate) fn server(chain: &Path, key: &Path) -> Result<TlsServer, Failure> {
    let text = read_private(key)?;
    let secret = PrivateKeyDer::from_pem_slice(text.as_bytes());
    let secret = secret.map_err(Failure::unable(format_args!("cannot read {}", key.display())))?;
    TlsServer::new(certificates(chain)?, secret).map_err(Failure::unable(chain.display()))
}
