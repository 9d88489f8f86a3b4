//! TLS whose bytes drip, one at a time and always at once: nobody is kept busy for longer than a bounded number of reads.
#![cfg(feature = "tls")]

use std::future::poll_fn;
use std::io::{self, IoSlice, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use unbroken_carriers::rustls::crypto::ring;
use unbroken_carriers::rustls::pki_types::PrivateKeyDer;
use unbroken_carriers::rustls::{ClientConfig, ClientConnection, RootCertStore};
use unbroken_carriers::{Acceptor, TlsServer};
use unbroken_driver::{Budget, ByteStream};

use crate::common::{Wakes, Watched, drip, request};

fn server_and_client() -> (TlsServer, ClientConnection) {
    let made = rcgen::generate_simple_self_signed(vec!["here".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = ClientConnection::new(Arc::new(config), "here".try_into().unwrap()).unwrap();
    (TlsServer::new(vec![made.cert.der().clone()], key).unwrap(), client)
}

#[test]
fn a_handshake_that_drips() {
    let (server, _) = server_and_client();
    // The longest record there may be, of a handshake that says nothing.
    let record = [&[0x16, 0x03, 0x01, 0x40, 0x00][..], &[0; 0x4000]].concat();
    for acceptor in [Acceptor::tcp(), Acceptor::websocket()] {
        let mut connection = Watched::accept(&acceptor.tls(server.clone()), drip(record.clone()));
        let (end, polls) = connection.next();
        assert!(end.unwrap().is_err());
        assert!(polls > 100, "{polls}");
    }
}

/// The server's end of a line to a client in the same thread, whose bytes drip.
struct Line {
    client: Arc<Mutex<ClientConnection>>,
    reads: Arc<AtomicU32>,
    /// What the client says when there is nothing left of what it has said.
    more: Vec<u8>,
    /// Said once, before that.
    first: Vec<u8>,
}

impl ByteStream for Line {
    fn poll_read_slice(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let mut client = self.client.lock().unwrap();
        if !client.wants_write() && !client.is_handshaking() {
            let said = std::mem::replace(&mut self.first, self.more.clone());
            client.writer().write_all(&said).unwrap();
        }
        assert!(client.wants_write(), "the server waits for what nobody sends");
        Poll::Ready(client.write_tls(&mut &mut buf[..1]))
    }
    fn poll_write(&mut self, _: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut client = self.client.lock().unwrap();
        let part = parts.iter().find(|part| !part.is_empty()).unwrap();
        let read = client.read_tls(&mut &part[..]);
        client.process_new_packets().unwrap();
        Poll::Ready(read)
    }
    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls `future` to its end. Each poll must read no more often than a budget allows. Returns how many there were.
fn bounded<T>(reads: &AtomicU32, future: impl Future<Output = T>) -> (T, u32) {
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut future = pin!(future);
    for polls in 1..100_000 {
        let before = (reads.load(Ordering::Relaxed), wakes.count());
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(reads.load(Ordering::Relaxed) - before.0 <= Budget::STEPS);
        match polled {
            Poll::Ready(output) => return (output, polls),
            Poll::Pending => assert!(wakes.count() > before.1, "it wakes itself"),
        }
    }
    panic!("it never ends")
}

#[test]
fn records_that_drip() {
    let (server, client) = server_and_client();
    let (client, reads) = (Arc::new(Mutex::new(client)), Arc::new(AtomicU32::new(0)));
    let line = Line {
        client: Arc::clone(&client),
        reads: Arc::clone(&reads),
        more: Vec::new(),
        first: Vec::new(),
    };
    let (stream, polls) = bounded(&reads, server.accept(line));
    assert!(polls > 1, "{polls}");
    let mut stream = stream.unwrap();
    client.lock().unwrap().writer().write_all(&[7; 10_000]).unwrap();
    let (mut buffer, mut total) = (vec![0; 20_000], 0);
    while total < 10_000 {
        let (read, polls) = bounded(&reads, poll_fn(|cx| stream.poll_read_slice(cx, &mut buffer[total..])));
        assert!(total > 0 || polls > 10_000 / Budget::STEPS, "{polls}");
        total += read.unwrap();
    }
    assert!(buffer[..total].iter().all(|byte| *byte == 7));
}

/// Each of these frames is a record of its own, and each record's bytes drip: neither layer's budget alone bounds a poll.
#[test]
fn frames_in_records_that_drip() {
    let (server, client) = server_and_client();
    let reads = Arc::new(AtomicU32::new(0));
    let binary = [0x82, 0x81, 0, 0, 0, 0, 9];
    let pong = [0x8a, 0x80, 1, 2, 3, 4];
    let line = Line {
        client: Arc::new(Mutex::new(client)),
        reads: Arc::clone(&reads),
        first: [request(), binary.to_vec()].concat(),
        more: pong.to_vec(),
    };
    let mut connection = Acceptor::websocket().tls(server).accept(line).connection;
    let (packet, _) = bounded(&reads, poll_fn(|cx| connection.as_mut().poll_next(cx)));
    assert_eq!(packet.unwrap().unwrap(), &[9][..]);
    for _ in 0..100 {
        let before = reads.load(Ordering::Relaxed);
        let polled = connection.as_mut().poll_next(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        let took = reads.load(Ordering::Relaxed) - before;
        assert!(took <= Budget::STEPS, "{took} reads in one poll");
    }
}
