#![doc = include_str!("../CAUSES.md")]

use unbroken_driver::proto::Cause;

#[cfg(feature = "tls")]
use rustls::{AlertDescription, Error as TlsError};

/// What an HTTP status means that is not an upgrade.
#[must_use]
pub fn cause_of_status(status: u16) -> Cause {
    match status {
        401 | 403 | 407 => Cause::Denied,
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
        1002 | 1003 | 1007 | 1010 => Cause::Protocol,
        1009 => Cause::TooLarge,
        1008 => Cause::Refused,
        3000 | 3003 => Cause::Denied,
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
        ) => Cause::Denied,
        _ => Cause::Protocol,
    }
}
