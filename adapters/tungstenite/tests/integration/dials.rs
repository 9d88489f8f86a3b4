//! Diallers: what they are asked, and what their answers do.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use unbroken_tungstenite::proto::event::EndReason;
use unbroken_tungstenite::proto::server::Refusal;
use unbroken_tungstenite::proto::stream::StreamOptions;
use unbroken_tungstenite::proto::{Cause, Duration, ReconnectIntent};
use unbroken_tungstenite::{
    Acceptor, Address, Connected, Framed, PollRuntime, Reconnector, Runtime, Server, Socket, blocking, carriers,
    connect, connect_with, driver,
};

use crate::common::{self, LIMIT, client_config, eventually, free_port, read_all, server_config};

/// Answers every request on a port with `answer`; how often.
fn http_server(answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let (listener, address) = free_port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut part = [0; 1_024];
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read(&mut part) {
                    Ok(read @ 1..) => request.extend_from_slice(&part[..read]),
                    _ => break,
                }
            }
            // Before the answer, which the one who asks may act on at once.
            counter.fetch_add(1, Ordering::SeqCst);
            let _gone = stream.write_all(answer.as_bytes());
        }
    });
    (address, asked)
}

fn dial_address(address: SocketAddr) -> Address {
    Address::parse(&format!("ws://{address}/sessions?room=1")).unwrap()
}

#[test]
fn a_server_without_the_service_is_final() {
    let (address, asked) = http_server("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
    let session = connect(dial_address(address), client_config()).unwrap();
    let ended = session.established_within(LIMIT).unwrap().unwrap_err();
    let reason = EndReason::GaveUp {
        cause: Cause::NoService,
    };
    assert_eq!((&ended.reason, asked.load(Ordering::SeqCst)), (&reason, 1));
    assert!(session.get_ref().connect_error().unwrap().to_string().contains("404"));
}

#[test]
fn a_server_that_says_later_is_left_alone_until_then() {
    let (address, asked) = http_server("HTTP/1.1 503 Later\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n");
    let mut config = client_config();
    config.backoff.cap = Duration::from_secs(120);
    let session = connect(dial_address(address), config).unwrap();
    eventually("the first answer", || session.get_ref().connect_error().is_some());
    let wanted = || session.get_ref().wanted_connection().map(|intent| intent.not_before);
    eventually("it was heard", || {
        wanted() > Some(driver::uptime() + Duration::from_secs(60))
    });
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[test]
fn a_refused_credential_is_fetched_again() {
    let server = Server::with_authorise(server_config(), |request| match &request.credential[..] {
        b"fresh" => Ok(()),
        _ => Err(Refusal::RefreshCredentials),
    })
    .unwrap();
    let (listener, address) = free_port();
    server.listen(listener, Acceptor::websocket()).unwrap();
    let fetched = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&fetched);
    let address = dial_address(address);
    let dial = move |_intent| {
        let address = address.clone();
        // Believed by us: so that the credential is sent.
        async move { Ok(carriers::dial(&PollRuntime::default(), &address).await?.authenticated()) }
    };
    let connector = Reconnector::new(dial).credentials(move |_intent| {
        counter.fetch_add(1, Ordering::SeqCst);
        async { Some(Bytes::from("fresh")) }
    });
    let mut config = client_config();
    config.credential = Bytes::from("stale");
    let session = connect_with(config, connector).unwrap();
    session.established_within(LIMIT).unwrap().unwrap();
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
    assert_eq!(server.accept_within(LIMIT).unwrap().request.credential, "fresh");
}

#[test]
fn a_client_without_a_right_is_refused_for_good() {
    let refuse = |_: &_| Err::<(), _>(Refusal::Unauthorized);
    let server = Server::with_authorise(server_config(), refuse).unwrap();
    let (listener, address) = free_port();
    server.listen(listener, Acceptor::tcp()).unwrap();
    let session = common::connect(address);
    let ended = session.established_within(LIMIT).unwrap().unwrap_err();
    assert_eq!(ended.reason, EndReason::Unauthorized);
}

#[test]
fn a_dial_that_hangs_keeps_nobody_from_closing() {
    let hanging = Arc::new(Mutex::new(()));
    let held = hanging.lock().unwrap();
    let theirs = Arc::clone(&hanging);
    let dial = blocking(move |_: &ReconnectIntent| {
        drop(theirs.lock());
        Err(io::ErrorKind::ConnectionRefused.into())
    });
    let session = connect_with(client_config(), dial).unwrap();
    let ended = session.close(5, Bytes::new()).unwrap();
    assert!(matches!(ended.reason, EndReason::Closed { code: 5, .. }), "{ended:?}");
    drop(held);
}

#[test]
fn a_carrier_of_ones_own() {
    let server = Server::new(server_config()).unwrap();
    let handle = Arc::clone(server.handle());
    let dial = blocking(move |_: &ReconnectIntent| {
        let (local, remote) = UnixStream::pair()?;
        let accepted = Connected::ordered(Framed::accepted(Socket::new(remote)?));
        PollRuntime::default().spawn(Arc::clone(&handle).serve(accepted));
        Ok(Connected::ordered(Framed::new(Socket::new(local)?)))
    });
    let session = connect_with(client_config(), dial).unwrap();
    let remote = server.accept_within(LIMIT).unwrap().session;
    let mut stream = session.open(StreamOptions::default()).unwrap();
    stream.write_all(b"through a pair of sockets").unwrap();
    stream.get_mut().sender().finish();
    assert_eq!(read_all(&remote), "through a pair of sockets");
    remote.get_ref().migrate(Duration::from_secs(20), Bytes::new());
    eventually("a planned swap", || session.get_ref().stats().attaches == 2);
    session.close(0, Bytes::new()).unwrap();
}
