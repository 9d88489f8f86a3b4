//! What errors of carriers mean to a session: one table for all of them.
//!
//! A session asks of a connection that broke, and of a dial that failed, only for the [`Cause`]. Whoever knows better puts a
//! [`ConnectError`](unbroken_driver::ConnectError) into the I/O error; everything else is read here.
//!
//! | of | what | cause |
//! |---|---|---|
//! | I/O error | `ConnectionRefused`, `PermissionDenied` | refused |
//! | I/O error | `TimedOut` | timeout |
//! | I/O error | `InvalidData` | protocol |
//! | I/O error | any other | network |
//! | HTTP status | 401, 403, 407 | authentication |
//! | HTTP status | 404, 405, 410, 426, 501 | no service |
//! | HTTP status | 408, 504 | timeout |
//! | HTTP status | 429, 503 | server asked |
//! | HTTP status | any other | refused |
//! | close code | 1001, 1012, 1013 | server asked |
//! | close code | 1002, 1003, 1007, 1009, 1010 | protocol |
//! | close code | 1008 | refused |
//! | close code | 3000, 3003 | authentication |
//! | close code | 3008 | timeout |
//! | close code | any other | network |
//! | TLS error | `InvalidCertificate`, `NoCertificatesPresented`, `UnsupportedNameType` | untrusted |
//! | TLS alert | `BadCertificate`, `UnknownCA`, `CertificateRequired`, `CertificateExpired`, `CertificateRevoked`, `AccessDenied` | authentication |
//! | TLS alert | any other | protocol |
//! | TLS error | any other | protocol |
//!
//! An HTTP status is that of an answer to the upgrade which is none; 429 and 503 with `Retry-After` also say when. The close
//! code 1000 is an end and no error.

use unbroken_driver::proto::Cause;

#[cfg(feature = "tls")]
use rustls::{AlertDescription, Error as TlsError};

/// What an HTTP status means that is not an upgrade.
#[must_use]
pub fn cause_of_status(status: u16) -> Cause {
    match status {
        401 | 403 | 407 => Cause::Authentication,
        404 | 405 | 410 | 426 | 501 => Cause::NoService,
        408 | 504 => Cause::Timeout,
        429 | 503 => Cause::ServerAsked,
        _ => Cause::Refused,
    }
}

/// What a WebSocket's close code means.
#[must_use]
pub fn cause_of_close(code: u16) -> Cause {
    match code {
        1001 | 1012 | 1013 => Cause::ServerAsked,
        1002 | 1003 | 1007 | 1009 | 1010 => Cause::Protocol,
        1008 => Cause::Refused,
        3000 | 3003 => Cause::Authentication,
        3008 => Cause::Timeout,
        _ => Cause::Network,
    }
}

/// What an error of rustls means.
#[cfg(feature = "tls")]
#[must_use]
pub fn cause_of_tls(error: &TlsError) -> Cause {
    match error {
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
    }
}
