//! TLS: who is believed, and that reading does not wait for writing.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::{ErrorKind, Read, Write};

use bytes::Bytes;
use common::{LIMIT, client_config, free_port, pipe, server_config};
use unbroken_tungstenite::proto::event::EndReason;
use unbroken_tungstenite::proto::stream::StreamOptions;
use unbroken_tungstenite::proto::{Cause, ClientConfig};
use unbroken_tungstenite::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use unbroken_tungstenite::{Address, ByteStream, Server, Tls, TlsServer, connect};

/// A certificate signed by itself, and its key.
fn certificate(name: &str) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    (made.cert.into(), key)
}

fn ends(name: &str) -> (Tls, TlsServer) {
    let (certificate, key) = certificate(name);
    let client = Tls::trusting([certificate.clone()]).unwrap();
    (client, TlsServer::new(vec![certificate], key).unwrap())
}

/// How a client fares that believes `tls` with a server that shows `shown`.
fn meet(tls: Tls, shown: TlsServer, scheme: &str, config: ClientConfig) -> Result<(), (EndReason, String)> {
    let (listener, address) = free_port();
    let server = Server::new(server_config()).unwrap();
    match scheme {
        "wss" => server.listen_wss(listener, shown),
        _ => server.listen_tls(listener, shown),
    }
    .unwrap();
    let address = Address::parse(&format!("{scheme}://localhost:{}", address.port())).unwrap();
    let session = connect(address.tls(tls), config).unwrap();
    match session.established_within(LIMIT).unwrap() {
        Ok(_) => {
            let far = server.accept_within(LIMIT).unwrap();
            assert_eq!(far.request.credential, "token");
            let mut stream = session.open(StreamOptions::default()).unwrap();
            stream.write_all(b"sealed twice").unwrap();
            stream.sender().finish();
            let mut there = String::new();
            let mut theirs = far.session.accept_within(LIMIT).unwrap().unwrap();
            theirs.read_to_string(&mut there).unwrap();
            assert_eq!(there, "sealed twice");
            session.close(0, Bytes::new());
            Ok(())
        }
        Err(ended) => Err((ended.reason.clone(), session.connect_error().unwrap().to_string())),
    }
}

#[test]
fn a_trusted_server_gets_the_credential() {
    for scheme in ["wss", "tls"] {
        let (tls, shown) = ends("localhost");
        let mut config = client_config();
        config.credential = Bytes::from("token");
        assert_eq!(meet(tls, shown, scheme, config), Ok(()));
    }
}

#[test]
fn certificate_errors_are_final_and_say_why() {
    let untrusted = EndReason::GaveUp {
        cause: Cause::Untrusted,
    };
    for scheme in ["wss", "tls"] {
        let (tls, _) = ends("localhost");
        let (_, stranger) = ends("localhost");
        let (reason, why) = meet(tls, stranger, scheme, client_config()).unwrap_err();
        assert_eq!(reason, untrusted);
        assert!(why.contains("certificate"), "{why}");

        let (tls, elsewhere) = ends("example.org");
        let (reason, why) = meet(tls, elsewhere, scheme, client_config()).unwrap_err();
        assert_eq!(reason, untrusted);
        assert!(why.contains("name"), "{why}");
    }
}

#[test]
fn reading_does_not_wait_for_writing() {
    let (tls, shown) = ends("localhost");
    let (near, far, room) = pipe::pair(usize::MAX);
    let mut near = tls.connect(near, "localhost").unwrap();
    let mut far = shown.accept(far).unwrap();
    let mut rounds = 0;
    while near.open().is_err() | far.open().is_err() {
        rounds += 1;
        assert!(rounds < 10, "no handshake");
    }
    let mut nothing = [0; 1];
    assert_eq!(near.read(&mut nothing).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(far.read(&mut nothing).unwrap_err().kind(), ErrorKind::WouldBlock);
    // Both have more to say than the streams between them take.
    room.set(1_000);
    for end in [&mut near, &mut far] {
        assert_eq!(end.write(&[5; 10_000]).unwrap(), 10_000);
        assert_eq!(end.flush().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    let mut read = [0, 0];
    rounds = 0;
    while read != [10_000, 10_000] {
        for (end, read) in [&mut near, &mut far].into_iter().zip(&mut read) {
            let mut part = [0; 4_096];
            *read += end.read(&mut part).unwrap_or(0);
        }
        rounds += 1;
        assert!(rounds < 100, "stuck at {read:?}");
    }
}
