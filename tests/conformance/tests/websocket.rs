//! WebSocket as it is met in the wild, against tungstenite's own blocking ends.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;

use bytes::Bytes;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::{HeaderValue, StatusCode, header::SEC_WEBSOCKET_PROTOCOL};
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::{ClientRequestBuilder, Message, WebSocket};
use unbroken_carriers::causes::cause_of_close;
use unbroken_carriers::{Acceptor, Address, SUBPROTOCOL, http};
use unbroken_conformance::Adapter;
use unbroken_conformance::adapters::{Smol, Tokio};
use unbroken_conformance::block::eventually;
use unbroken_conformance::suite::streams::{echo_streams, round_trip};
use unbroken_conformance::world::{client_config, free_port, pattern, server_config};
use unbroken_proto::event::EndReason;
use unbroken_proto::{Cause, Event};

/// A relay that speaks WebSocket with both ends, message by message, and lets `twist` at what the client is sent.
fn twisting(
    server: SocketAddr,
    seen: mpsc::Sender<Request>,
    twist: fn(&mut WebSocket<TcpStream>, Bytes),
) -> SocketAddr {
    let (listener, address) = free_port();
    thread::spawn(move || {
        for local in listener.incoming().flatten() {
            let seen = seen.clone();
            thread::spawn(move || relay(local, server, seen, twist));
        }
    });
    address
}

fn relay(
    local: TcpStream,
    server: SocketAddr,
    seen: mpsc::Sender<Request>,
    twist: fn(&mut WebSocket<TcpStream>, Bytes),
) {
    let remote = TcpStream::connect(server).expect("because somebody listens");
    let (local_copy, remote_copy) = (local.try_clone(), remote.try_clone());
    #[expect(clippy::result_large_err, reason = "tungstenite's callback is of this shape")]
    let look = move |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let ours = HeaderValue::from_static(SUBPROTOCOL);
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, ours);
        let _nobody_looks = seen.send(request.clone());
        Ok(response)
    };
    let Ok(mut local) = tungstenite::accept_hdr(local, look) else {
        return;
    };
    let url = format!("ws://{server}/").parse().expect("because it is an address");
    let request = ClientRequestBuilder::new(url).with_sub_protocol(SUBPROTOCOL);
    let (mut remote, _) = tungstenite::client(request, remote).expect("because a server is there");
    // Each direction reads with one end's state and writes with the other's: they share sockets only.
    let mut to_remote =
        WebSocket::from_raw_socket(remote_copy.expect("a copy"), tungstenite::protocol::Role::Client, None);
    let mut to_local =
        WebSocket::from_raw_socket(local_copy.expect("a copy"), tungstenite::protocol::Role::Server, None);
    let back = thread::spawn(move || {
        while let Ok(Message::Binary(packet)) = remote.read() {
            twist(&mut to_local, packet);
        }
        let _gone = to_local.get_ref().shutdown(std::net::Shutdown::Both);
    });
    loop {
        match local.read() {
            Ok(Message::Binary(packet)) => {
                if to_remote.send(Message::Binary(packet)).is_err() {
                    break;
                }
            }
            Ok(Message::Pong(_)) => {}
            _ => break,
        }
    }
    let _gone = to_remote.get_ref().shutdown(std::net::Shutdown::Both);
    let _ended = back.join();
}

fn through(twist: fn(&mut WebSocket<TcpStream>, Bytes)) {
    let (listener, address) = free_port();
    let mut server = Smol.serve(server_config());
    server.listen(listener, Acceptor::websocket());
    let (seen, _requests) = mpsc::channel();
    let address = twisting(address, seen, twist);
    let address = Address::parse(&format!("ws://{address}/")).expect("because it is an address");
    let session = Tokio.connect(Box::new(move |_| address.clone()), client_config());
    session.established().expect("because a server is there");
    echo_streams(server.accept());
    let (send, mut recv) = session.open().expect("because the session lives");
    round_trip((0..50).map(|number| pattern(number, 9_000)).collect(), send, &mut *recv);
    assert_eq!(session.stats().attaches, 1, "nothing was wrong with any of it");
    assert!(session.close(0).fates.all_delivered());
}

#[test]
fn fragmented_messages_are_put_together() {
    through(|socket, packet| {
        let at = packet.len() / 3;
        let parts = [packet.slice(..at), packet.slice(at..2 * at), packet.slice(2 * at..)];
        let kinds = [Data::Binary, Data::Continue, Data::Continue];
        for (number, (part, kind)) in parts.into_iter().zip(kinds).enumerate() {
            let frame = Frame::message(part, OpCode::Data(kind), number == 2);
            let _gone = socket.send(Message::Frame(frame));
            // Control frames may come between.
            let _gone = socket.send(Message::Ping(Bytes::from_static(b"between")));
        }
    });
}

#[test]
fn pings_are_answered_and_pongs_ignored() {
    let (listener, address) = free_port();
    let (pongs, ponged) = mpsc::channel();
    thread::spawn(move || {
        let (stream, _) = listener.accept().expect("because somebody dials");
        let mut socket = accept(stream);
        // The HELLO.
        assert!(matches!(socket.read(), Ok(Message::Binary(_))));
        let _gone = socket.send(Message::Pong(Bytes::from_static(b"unasked")));
        let _gone = socket.send(Message::Ping(Bytes::from_static(b"are you there")));
        let _gone = pongs.send(socket.read());
    });
    let address = Address::parse(&format!("ws://{address}")).expect("because it is an address");
    let _session = Tokio.connect(Box::new(move |_| address.clone()), client_config());
    let pong = ponged
        .recv()
        .expect("because it was sent")
        .expect("because it is whole");
    assert_eq!(pong, Message::Pong(Bytes::from_static(b"are you there")));
}

fn accept(stream: TcpStream) -> WebSocket<TcpStream> {
    #[expect(clippy::result_large_err, reason = "tungstenite's callback is of this shape")]
    let choose = |_: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let ours = HeaderValue::from_static(SUBPROTOCOL);
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, ours);
        Ok(response)
    };
    tungstenite::accept_hdr(stream, choose).expect("because it is asked for")
}

/// What a client makes of a server that does `this` behind the upgrade, to its first connection.
fn cause_of(this: fn(&mut WebSocket<TcpStream>)) -> Cause {
    let (listener, address) = free_port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut socket = accept(stream);
            let _hello = socket.read();
            this(&mut socket);
            while socket.read().is_ok() {}
        }
    });
    let address = Address::parse(&format!("ws://{address}")).expect("because it is an address");
    let session = Tokio.connect(Box::new(move |_| address.clone()), client_config());
    let mut events = session.events();
    loop {
        match events().expect("because the session lives") {
            Event::Reconnect(attempt) if attempt.cause.is_some() => break attempt.cause.expect("just seen"),
            _ => {}
        }
    }
}

fn close_with(socket: &mut WebSocket<TcpStream>, code: u16) {
    let code = CloseCode::from(code);
    let _gone = socket.close(Some(CloseFrame {
        code,
        reason: "because".into(),
    }));
}

#[test]
fn close_codes_and_broken_rules_are_causes() {
    assert_eq!(cause_of(|socket| close_with(socket, 1000)), Cause::Network);
    assert_eq!(cause_of(|socket| close_with(socket, 1001)), Cause::ServerAsked);
    assert_eq!(cause_of(|socket| close_with(socket, 1002)), Cause::Protocol);
    assert_eq!(cause_of(|socket| close_with(socket, 1008)), Cause::Refused);
    assert_eq!(cause_of(|socket| close_with(socket, 1013)), Cause::ServerAsked);
    assert_eq!(cause_of(|socket| close_with(socket, 3000)), Cause::Denied);
    assert_eq!(cause_of_close(3008), Cause::Timeout);
    assert_eq!(cause_of_close(4999), Cause::Network);
    let text = |socket: &mut WebSocket<TcpStream>| drop(socket.send(Message::text("hello")));
    assert_eq!(cause_of(text), Cause::Protocol);
    let endless = |socket: &mut WebSocket<TcpStream>| drop(socket.send(Message::binary(vec![0; 70_000])));
    assert_eq!(cause_of(endless), Cause::Protocol);
    let gone = |socket: &mut WebSocket<TcpStream>| drop(socket.get_ref().shutdown(std::net::Shutdown::Both));
    assert_eq!(cause_of(gone), Cause::Network);
}

/// Headers, subprotocols, path and query arrive; a server that checks them lets in who has them.
// PROTOCOL R2.2
#[test]
fn what_the_upgrade_says_is_looked_at() {
    let (listener, address) = free_port();
    let mut server = Tokio.serve(server_config());
    let (seen, requests) = mpsc::channel();
    let status = |status| {
        let mut refusal = http::Response::new(String::from("not so\n"));
        *refusal.status_mut() = status;
        refusal
    };
    let acceptor = Acceptor::websocket().checking(move |request| {
        let _nobody_looks = seen.send(request.uri().clone());
        let headers = request.headers();
        match (request.uri().path(), headers.get("authorization")) {
            ("/rooms/1", Some(token)) if token == "Bearer fresh" && headers.get("cookie").is_some() => Ok(()),
            ("/rooms/1", _) => Err(status(StatusCode::UNAUTHORIZED).into()),
            _ => Err(status(StatusCode::NOT_FOUND).into()),
        }
    });
    server.listen(listener, acceptor);
    let lost = Address::parse(&format!("ws://{address}/rooms")).expect("because it is an address");
    let session = Smol.connect(Box::new(move |_| lost.clone()), client_config());
    let cause = Cause::NoService;
    assert_eq!(session.closed().reason, EndReason::GaveUp { cause });
    assert!(session.connect_error().is_some_and(|why| why.contains("404")));
    let address = Address::parse(&format!("ws://{address}/rooms/1?floor=2")).expect("because it is an address");
    let mut dials = 0;
    let pick = move |_: &_| {
        dials += 1;
        let token = if dials < 2 { "Bearer stale" } else { "Bearer fresh" };
        let address = address
            .clone()
            .subprotocol("bearer.zm9v")
            .header("authorization", token);
        address
            .and_then(|address| address.header("cookie", "a=b"))
            .expect("because they are fine")
    };
    let session = Smol.connect(Box::new(pick), client_config());
    let mut events = session.events();
    while events().expect("because it goes on") != Event::CredentialNeeded {}
    session
        .handle()
        .expect("because it is async")
        .refresh_credential(Some(Bytes::from_static(b"fresh")));
    session.established().expect("because the token is fresh");
    server.accept();
    let asked: Vec<String> = requests.try_iter().map(|uri| uri.to_string()).collect();
    assert_eq!(asked, ["/rooms", "/rooms/1?floor=2", "/rooms/1?floor=2"]);
}

/// 503 with Retry-After, then a server: the client comes back by itself.
#[test]
fn later_is_later_and_not_never() {
    let (listener, address) = free_port();
    let mut server = Tokio.serve(server_config());
    let busy = thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().expect("because somebody dials");
            let mut request = [0; 4_096];
            assert!(stream.read(&mut request).is_ok_and(|read| read > 0));
            let answer = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
            stream.write_all(answer).expect("because it waits for it");
        }
        listener
    });
    let address = Address::parse(&format!("ws://{address}")).expect("because it is an address");
    let session = Smol.connect(Box::new(move |_| address.clone()), client_config());
    let listener: TcpListener = busy.join().expect("because it is asked twice");
    assert!(session.connect_error().is_some_and(|why| why.contains("503")));
    server.listen(listener, Acceptor::websocket());
    session.established().expect("because a server is there");
    drop(server.accept());
}

/// What is no request for a session is told so, in HTTP, and the server goes on.
// PROTOCOL R2.2
#[test]
fn strangers_are_answered_in_http() {
    let (listener, address) = free_port();
    let mut server = Smol.serve(server_config());
    server.listen(listener, Acceptor::websocket());
    let ask = |request: &str| {
        let mut stream = TcpStream::connect(address).expect("because somebody listens");
        stream.write_all(request.as_bytes()).expect("because somebody reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    let upgrade = "GET / HTTP/1.1\r\nHost: here\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let answer = ask("GET /index.html HTTP/1.1\r\nHost: here\r\n\r\n").expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 426 ") && answer.contains("upgrade: websocket"),
        "{answer}"
    );
    let answer = ask(&format!("{upgrade}Sec-WebSocket-Version: 13\r\n\r\n")).expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("this server speaks unbroken.v1\n"),
        "{answer}"
    );
    let answer = ask(&format!("{upgrade}Sec-WebSocket-Version: 8\r\n\r\n")).expect("an answer");
    assert!(
        answer.starts_with("HTTP/1.1 426 ") && answer.contains("sec-websocket-version: 13"),
        "{answer}"
    );
    // An endless head is told so, noise is not, and neither is kept.
    let answer = ask(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(20_000))).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 414 "), "{answer}");
    assert!(ask("\0\u{1}noise\r\n\r\n").map_or(true, |answer| answer.is_empty()));
    let address = Address::parse(&format!("ws://{address}")).expect("because it is an address");
    let session = Tokio.connect(Box::new(move |_| address.clone()), client_config());
    session.established().expect("because the server goes on");
    drop(server.accept());
    eventually("the server has it alone", || server.sessions() <= 1);
}
