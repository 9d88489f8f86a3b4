//! The table of causes in the documentation.
#![allow(clippy::expect_used, clippy::panic, reason = "a test")]

use std::io::ErrorKind;

#[cfg(feature = "tls")]
use rustls::{AlertDescription, Error as TlsError};
#[cfg(feature = "tls")]
use unbroken_carriers::causes::cause_of_tls;
use unbroken_carriers::causes::{cause_of_close, cause_of_status};
use unbroken_driver::ConnectError;
use unbroken_driver::proto::Cause;

/// The rows of the table in the documentation: of what, what, and the cause's name.
fn rows() -> Vec<[&'static str; 3]> {
    let rows = include_str!("../../CAUSES.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        <[&str; 3]>::try_from(cells).expect("because the table has three columns")
    });
    cells.skip(1).collect()
}

/// Everything that a row may name, with the cause that it has.
fn universe(of: &str) -> Vec<(String, Cause)> {
    let kinds = [
        ErrorKind::ConnectionRefused,
        ErrorKind::PermissionDenied,
        ErrorKind::TimedOut,
        ErrorKind::InvalidData,
        ErrorKind::NotFound,
        ErrorKind::ConnectionReset,
        ErrorKind::HostUnreachable,
        ErrorKind::UnexpectedEof,
        ErrorKind::Other,
    ];
    match of {
        "I/O error" => kinds
            .map(|kind| (format!("`{kind:?}`"), ConnectError::from(kind).cause()))
            .into(),
        "HTTP status" => (200..600)
            .map(|status| (status.to_string(), cause_of_status(status)))
            .collect(),
        "close code" => (1001..5000)
            .map(|code| (code.to_string(), cause_of_close(code)))
            .collect(),
        #[cfg(feature = "tls")]
        "TLS error" => {
            use rustls::{CertificateError, PeerMisbehaved};
            [
                (
                    "InvalidCertificate",
                    TlsError::InvalidCertificate(CertificateError::UnknownIssuer),
                ),
                ("NoCertificatesPresented", TlsError::NoCertificatesPresented),
                ("UnsupportedNameType", TlsError::UnsupportedNameType),
                ("DecryptError", TlsError::DecryptError),
                (
                    "PeerMisbehaved",
                    TlsError::PeerMisbehaved(PeerMisbehaved::IllegalMiddleboxChangeCipherSpec),
                ),
                ("HandshakeNotComplete", TlsError::HandshakeNotComplete),
            ]
            .map(|(name, error)| (format!("`{name}`"), cause_of_tls(&error)))
            .into()
        }
        #[cfg(feature = "tls")]
        "TLS alert" => (0..=u8::MAX)
            .map(AlertDescription::from)
            .map(|alert| {
                let cause = cause_of_tls(&TlsError::AlertReceived(alert));
                (format!("`{alert:?}`"), cause)
            })
            .collect(),
        #[cfg(not(feature = "tls"))]
        "TLS error" | "TLS alert" => Vec::new(),
        of => panic!("the table has rows of {of}, which this test does not know"),
    }
}

#[test]
fn the_table_in_the_documentation_is_true() {
    let rows = rows();
    assert!(rows.len() > 15, "the table was not found");
    for [of, what, cause] in &rows {
        let universe = universe(of);
        let named: Vec<&str> = match *what {
            "any other" => {
                let elsewhere = rows
                    .iter()
                    .filter(|row| row[0] == *of)
                    .flat_map(|row| row[1].split(", "));
                let elsewhere: Vec<&str> = elsewhere.collect();
                let others = universe.iter().map(|(name, _)| &name[..]);
                others.filter(|name| !elsewhere.contains(name)).collect()
            }
            names => names.split(", ").collect(),
        };
        for name in named {
            let found = universe.iter().find(|(known, _)| known == name);
            match found {
                Some((_, real)) => assert_eq!(real.name(), *cause, "{of} {name}"),
                None => assert!(universe.is_empty(), "{of} {name} is not known"),
            }
        }
    }
}
