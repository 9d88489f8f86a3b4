//! TLS: who is believed, and that reading does not wait for writing.

use std::future::poll_fn;
use std::io::{IoSlice, Read, Write};
use std::task::{Context, Poll};

use bytes::Bytes;
use unbroken_tungstenite::proto::event::EndReason;
use unbroken_tungstenite::proto::stream::StreamOptions;
use unbroken_tungstenite::proto::{Cause, ClientConfig};
use unbroken_tungstenite::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use unbroken_tungstenite::{Acceptor, Address, ByteStream, Server, Tls, TlsServer, block_on_within, connect};

use crate::common::{LIMIT, both, client_config, free_port, pair_of_sockets, server_config};

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
    let acceptor = if scheme == "wss" {
        Acceptor::websocket()
    } else {
        Acceptor::tcp()
    };
    server.listen(listener, acceptor.tls(shown)).unwrap();
    let address = Address::parse(&format!("{scheme}://localhost:{}", address.port())).unwrap();
    let session = connect(address.tls(tls), config).unwrap();
    match session.established_within(LIMIT).unwrap() {
        Ok(_) => {
            let remote = server.accept_within(LIMIT).unwrap();
            assert_eq!(remote.request.credential, "token");
            let mut stream = session.open(StreamOptions::default()).unwrap();
            stream.write_all(b"sealed twice").unwrap();
            stream.get_mut().sender().finish();
            let mut there = String::new();
            let mut theirs = remote.session.accept_within(LIMIT).unwrap().unwrap();
            theirs.read_to_string(&mut there).unwrap();
            assert_eq!(there, "sealed twice");
            session.close(0, Bytes::new()).unwrap();
            Ok(())
        }
        Err(ended) => Err((
            ended.reason.clone(),
            session.get_ref().connect_error().unwrap().to_string(),
        )),
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

/// Writes `left` bytes as far as they are taken, and reads what there is.
fn exchange<S: ByteStream>(end: &mut S, cx: &mut Context<'_>, left: &mut usize, read: &mut usize) -> bool {
    while *left > 0 {
        let part = vec![5; (*left).min(10_000)];
        match end.poll_write(cx, &[IoSlice::new(&part)]) {
            Poll::Ready(wrote) => *left -= wrote.unwrap(),
            Poll::Pending => break,
        }
    }
    let flushed = end.poll_flush(cx).map(Result::unwrap).is_ready();
    let mut part = [0; 4_096];
    while let Poll::Ready(some) = end.poll_read_slice(cx, &mut part) {
        *read += some.unwrap();
    }
    *left == 0 && flushed
}

// PROTOCOL R6.7
#[test]
fn reading_does_not_wait_for_writing() {
    const BYTES: usize = 1_000_000;
    let (tls, shown) = ends("localhost");
    let (local, remote) = pair_of_sockets(1);
    let exchanged = block_on_within(LIMIT, async {
        let (local, remote) = both(tls.connect(local, "localhost"), shown.accept(remote)).await;
        let (mut local, mut remote) = (local.unwrap(), remote.unwrap());
        // Both have more to say than the sockets between them take.
        let (mut left, mut read) = ([BYTES; 2], [0; 2]);
        poll_fn(|cx| {
            let local = exchange(&mut local, cx, &mut left[0], &mut read[0]);
            let remote = exchange(&mut remote, cx, &mut left[1], &mut read[1]);
            match local && remote && read == [BYTES; 2] {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    });
    assert!(exchanged.is_some(), "stuck");
}
