//! Peers that always have something to say: they keep nobody else waiting, and not for long.

use std::io::{self, IoSlice, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use unbroken_tungstenite::proto::ServerConfig;
use unbroken_tungstenite::{Acceptor, ByteStream, Runtime, Server, Stepper};

use crate::common::{LIMIT, eventually, free_port, server_config};

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: unbroken.v1\r\n\r\n";
/// A pong without a word, and its mask.
const PONG: &[u8] = &[0x8a, 0x80, 1, 2, 3, 4];
/// A packet of no known kind.
const SENSELESS: &[u8] = &[0, 3, 99, 2, 3];
/// The first byte of a TLS handshake that never comes to its point, again and again.
#[cfg(feature = "tls")]
const HANDSHAKE: &[u8] = &[0x16, 3, 1, 0, 1, 1];

/// What one step may read of one connection, at most.
const READS: usize = 8_000;

/// Gives `first` and then `again` without end, a read each.
struct Endless {
    first: Option<&'static [u8]>,
    again: &'static [u8],
    reads: Arc<AtomicUsize>,
}

impl ByteStream for Endless {
    fn poll_read_slice(&mut self, _cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let mut given = self.first.take().unwrap_or(self.again);
        Poll::Ready(io::Read::read(&mut given, buf))
    }

    fn poll_write(&mut self, _cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn impatient() -> ServerConfig {
    let mut config = server_config();
    config.session.handshake_timeout = Duration::from_millis(200);
    config
}

/// No step is long, and the connection is let go in the end.
fn is_bounded(acceptor: &Acceptor, first: &'static [u8], again: &'static [u8]) {
    let mut stepper = Stepper::new().unwrap();
    let runtime = stepper.runtime();
    let server = Server::with_runtime(runtime.clone(), impatient(), |_: &_| Ok(())).unwrap();
    stepper.step();
    let idle = stepper.tasks();
    let reads = Arc::new(AtomicUsize::new(0));
    let endless = Endless {
        first: Some(first),
        again,
        reads: Arc::clone(&reads),
    };
    runtime.spawn(Arc::clone(server.handle()).serve(acceptor.accept(endless)));
    eventually("it was let go", || {
        let before = reads.load(Ordering::SeqCst);
        stepper.step();
        let read = reads.load(Ordering::SeqCst) - before;
        assert!(read <= READS, "{read} reads in one step");
        stepper.tasks() == idle
    });
    assert!(reads.load(Ordering::SeqCst) > 0);
}

#[test]
fn pongs_without_end() {
    is_bounded(&Acceptor::websocket(), UPGRADE, PONG);
}

#[test]
fn senseless_packets_without_end() {
    is_bounded(&Acceptor::tcp(), SENSELESS, SENSELESS);
}

/// The same over sockets, each connection on its thread.
fn is_let_go(acceptor: Acceptor, first: &[u8], again: &[u8]) {
    let (listener, address) = free_port();
    let server = Server::new(impatient()).unwrap();
    server.listen(listener, acceptor).unwrap();
    let mut flood = TcpStream::connect(address).unwrap();
    flood.set_write_timeout(Some(LIMIT)).unwrap();
    flood.write_all(first).unwrap();
    let again = again.repeat(10_000);
    let mut written = Ok(());
    eventually("it was let go", || {
        written = flood.write_all(&again);
        written.is_err()
    });
    // Not that nobody read it for so long.
    assert_ne!(written.unwrap_err().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn floods_over_sockets_are_let_go() {
    is_let_go(Acceptor::websocket(), UPGRADE, PONG);
    is_let_go(Acceptor::tcp(), SENSELESS, SENSELESS);
}

#[cfg(feature = "tls")]
#[test]
fn floods_inside_tls() {
    use unbroken_tungstenite::TlsServer;
    use unbroken_tungstenite::carriers::rustls::pki_types::PrivateKeyDer;

    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let tls = TlsServer::new(vec![made.cert.into()], key).unwrap();
    for acceptor in [Acceptor::tcp(), Acceptor::websocket()] {
        let acceptor = acceptor.tls(tls.clone());
        is_bounded(&acceptor, HANDSHAKE, HANDSHAKE);
        is_let_go(acceptor, HANDSHAKE, HANDSHAKE);
    }
}
