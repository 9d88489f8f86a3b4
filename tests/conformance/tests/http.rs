//! A WebSocket's port speaks HTTP to whoever asks, and a client follows redirections: on every adapter.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use unbroken_carriers::http::{Response, StatusCode};
use unbroken_carriers::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};
use unbroken_carriers::{Acceptor, Address, Credentials};
use unbroken_conformance::block::eventually;
use unbroken_conformance::world::{certificates, client_config, free_port, identity, server_config};
use unbroken_conformance::{Adapter, Carrier, Session};
use unbroken_proto::Duration;

/// Nothing on loopback takes this long.
const LIMIT: Duration = Duration::from_secs(60);
/// More than sockets hold.
const BODY: usize = 12 << 20;

/// Knows one path, and that one is well.
fn checked(acceptor: Acceptor) -> Acceptor {
    acceptor.checking(|request| match request.uri().path() {
        "/healthz" => Err(Response::new("well\n".to_owned()).into()),
        _ => Ok(()),
    })
}

/// Says everything before it reads anything. An answer that a reset destroyed is an error.
fn ask(address: SocketAddr, carrier: Carrier, parts: &[&[u8]]) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut answer = String::new();
    if carrier == Carrier::Ws {
        parts.iter().try_for_each(|part| stream.write_all(part))?;
        return stream.read_to_string(&mut answer).map(|_| answer);
    }
    let mut roots = RootCertStore::empty();
    roots.add(identity().0).expect("because it is a certificate");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("because the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = address.ip().into();
    let session = ClientConnection::new(Arc::new(config), name).expect("because the configuration is sound");
    let mut stream = StreamOwned::new(session, stream);
    parts.iter().try_for_each(|part| stream.write_all(part))?;
    stream.read_to_string(&mut answer).map(|_| answer)
}

fn port_speaks_http(adapter: &'static dyn Adapter) {
    for carrier in [Carrier::Ws, Carrier::Wss] {
        let (listener, address) = free_port();
        // So long that who waits for an answer's end until then has not seen it.
        let mut config = server_config();
        config.session.handshake_timeout = Duration::from_secs(600);
        let mut server = adapter.serve(config);
        server.listen(listener, checked(carrier.acceptor()));
        let asked = |parts: &[&[u8]], begins: &str, has: &str| {
            let answer = ask(address, carrier, parts).expect("because it is answered");
            assert!(answer.starts_with(begins) && answer.contains(has), "{answer}");
            answer
        };
        let head = asked(
            &[b"HEAD /healthz HTTP/1.1\r\nHost: here\r\n\r\n"],
            "HTTP/1.1 200 ",
            "\r\ncontent-length: 5\r\n",
        );
        assert!(head.ends_with("\r\n\r\n"), "{head}");
        asked(
            &[b"OPTIONS /healthz HTTP/1.0\r\n\r\n"],
            "HTTP/1.1 200 ",
            "\r\n\r\nwell\n",
        );
        asked(
            &[b"GE", b"T / HTTP/1.1\r\nHo", b"st: here\r\n\r", b"\n"],
            "HTTP/1.1 426 ",
            "\r\nupgrade: websocket\r\n",
        );
        asked(
            &[b"PROPFIND / HTTP/1.1\r\nHost: here\r\n\r\n"],
            "HTTP/1.1 405 ",
            "\r\nallow: GET\r\n",
        );
        asked(&[b"GET / HTTP/3.0\r\n\r\n"], "HTTP/1.1 505 ", "");
        let body = vec![b'x'; BODY];
        let upload = format!("POST / HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: {BODY}\r\n\r\n");
        asked(&[upload.as_bytes(), &body], "HTTP/1.1 405 ", "only GET");
        let chunk = format!("PUT /healthz HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n{BODY:x}\r\n");
        asked(&[chunk.as_bytes(), &body, b"\r\n0\r\n\r\n"], "HTTP/1.1 200 ", "well");
        asked(&[b"GET /", &body], "HTTP/1.1 414 ", "");
        let noise = ask(
            address,
            carrier,
            &[b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
        );
        assert!(noise.map_or(true, |answer| answer.is_empty()));
        let address = carrier.address(address);
        let session = adapter.connect(Box::new(move |_| address.clone()), client_config());
        session.established().expect("because the server goes on");
        drop(server.accept());
    }
}

/// Answers each request on a port with what `answer` makes of its target. Which there were, with all that they said.
fn web_server(answer: impl Fn(&str) -> String + Send + 'static) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let (listener, address): (TcpListener, _) = free_port();
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                request.push(byte[0]);
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
            seen.lock().expect("because nothing panics").push(request);
            let _gone = stream.write_all(answer(&target).as_bytes());
            let _gone = stream.shutdown(Shutdown::Write);
        }
    });
    (address, asked)
}

/// Target and whether there was a token, of each request.
type Taken = Arc<Mutex<Vec<(String, bool)>>>;

/// A server of sessions, and what the requests that it takes say.
fn sessions(adapter: &dyn Adapter, carrier: Carrier) -> (SocketAddr, Taken) {
    let (listener, address) = free_port();
    let mut server = adapter.serve(server_config());
    let asked: Taken = Arc::default();
    let seen = Arc::clone(&asked);
    server.listen(
        listener,
        carrier.acceptor().checking(move |request| {
            let has_token = request.headers().contains_key("authorization");
            let said = (request.uri().to_string(), has_token);
            seen.lock().expect("because nothing panics").push(said);
            Ok(())
        }),
    );
    thread::spawn(move || {
        loop {
            let session = server.accept();
            thread::spawn(move || session.closed());
        }
    });
    (address, asked)
}

fn dial(adapter: &dyn Adapter, url: &str, also: impl Fn(Address) -> Address) -> Box<dyn Session> {
    let address = Address::parse(url).and_then(|address| address.header("authorization", "Bearer 0123"));
    let address = also(address.expect("because it is an address"));
    adapter.connect(Box::new(move |_| address.clone()), client_config())
}

fn redirections_are_followed(adapter: &'static dyn Adapter) {
    for carrier in [Carrier::Ws, Carrier::Wss] {
        let scheme = if carrier == Carrier::Ws { "http" } else { "https" };
        let (there, taken) = sessions(adapter, carrier);
        let (web, asked) = web_server(move |target| match target {
            "/a/start" => "HTTP/1.1 302 Found\r\nLocation: ../b?x\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "/b?x" => "HTTP/1.0 308 Moved\r\nlocation: /c\r\n\r\n".to_owned(),
            _ => format!("HTTP/1.1 307 So\r\nLocation: {scheme}://{there}/sessions?y\r\n\r\n<a>there</a>"),
        });
        let session = dial(adapter, &format!("ws://{web}/a/start"), |address| {
            address.tls(certificates().0.clone())
        });
        session.established().expect("because the way ends at a server");
        assert_eq!(session.stats().attaches, 1);
        let asked: Vec<String> = std::mem::take(&mut *asked.lock().expect("because nothing panics"));
        let targets: Vec<_> = asked.iter().filter_map(|request| request.split(' ').nth(1)).collect();
        assert_eq!(targets, ["/a/start", "/b?x", "/c"]);
        assert!(
            asked
                .iter()
                .all(|request| request.contains("authorization: Bearer 0123\r\n"))
        );
        let taken = taken.lock().expect("because nothing panics").clone();
        assert_eq!(taken, [("/sessions?y".to_owned(), true)]);
        session.abort();
    }
}

fn other_hosts_are_those_that_are_named(adapter: &'static dyn Adapter) {
    let (there, taken) = sessions(adapter, Carrier::Ws);
    let port = there.port();
    let (web, asked) =
        web_server(move |_| format!("HTTP/1.1 301 Moved\r\nLocation: http://localhost:{port}/x\r\n\r\n"));
    let url = format!("ws://{web}/");
    let session = dial(adapter, &url, |address| address);
    let is_told = || {
        session
            .connect_error()
            .is_some_and(|why| why.contains("leads to another host"))
    };
    eventually("it is not followed, and tried again", || {
        is_told() && asked.lock().expect("because nothing panics").len() > 2
    });
    assert_eq!(taken.lock().expect("because nothing panics").len(), 0);
    session.abort();
    for credentials in [Credentials::Withhold, Credentials::Send] {
        let session = dial(adapter, &url, |address| address.redirects_to("localhost", credentials));
        session.established().expect("because the way ends at a server");
        session.abort();
        let (target, has_token) = taken
            .lock()
            .expect("because nothing panics")
            .pop()
            .expect("it is taken");
        assert_eq!((&target[..], has_token), ("/x", credentials == Credentials::Send));
    }
}

fn ways_without_end_are_left(adapter: &'static dyn Adapter) {
    let (web, asked) = web_server(|target| {
        let next = target.trim_start_matches('/').parse().unwrap_or(0) + 1;
        format!("HTTP/1.1 302 Found\r\nLocation: /{next}\r\n\r\n")
    });
    let session = dial(adapter, &format!("ws://{web}/0"), |address| address);
    eventually("it is left", || session.connect_error().is_some());
    let why = session.connect_error().expect("just seen");
    let wanted = format!(
        "{}, to /6, which is not followed: there were 5 before it",
        StatusCode::FOUND
    );
    assert!(why.contains(&wanted), "{why}");
    let targets = || -> Vec<String> {
        let asked = asked.lock().expect("because nothing panics");
        let targets = asked.iter().filter_map(|request| request.split(' ').nth(1));
        targets.map(str::to_owned).collect()
    };
    eventually("it begins again where it began", || targets().len() > 6);
    assert_eq!(targets()[..7], ["/0", "/1", "/2", "/3", "/4", "/5", "/0"]);
    session.abort();
}

macro_rules! on {
    ($($room:ident: $adapter:ident),*) => {
        $(mod $room {
            use unbroken_conformance::adapters::$adapter;

            #[test]
            fn port_speaks_http() {
                super::port_speaks_http(&$adapter);
            }

            #[test]
            fn redirections_are_followed() {
                super::redirections_are_followed(&$adapter);
            }

            #[test]
            fn other_hosts_are_those_that_are_named() {
                super::other_hosts_are_those_that_are_named(&$adapter);
            }

            #[test]
            fn ways_without_end_are_left() {
                super::ways_without_end_are_left(&$adapter);
            }
        })*
    };
}

on!(tokio: Tokio, smol: Smol, async_std: AsyncStd, blocking: Blocking, stepped: Stepped);
