//! A SOCKS5 proxy whose connections begin behind the server.
#![cfg(unix)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;

use unbroken_conformance::relay::{Plan, Relay};

use crate::common::{self, Forwarding, Served, free_port, pattern, read_all};

const WELCOME: [u8; 2] = [5, 0];

/// A request to be connected, with the address as the protocol has it.
fn request(kind: u8, host: &[u8], port: u16) -> Vec<u8> {
    [&[5, 1, 0, kind][..], host, &port.to_be_bytes()].concat()
}

fn named(name: &str, port: u16) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    request(3, &[&[length], name.as_bytes()].concat(), port)
}

/// Greets and asks; the code of the answer.
fn ask(mut socket: impl Read + Write, request: &[u8]) -> u8 {
    socket.write_all(&[5, 1, 0]).unwrap();
    let mut welcome = [0; 2];
    socket.read_exact(&mut welcome).unwrap();
    assert_eq!(welcome, WELCOME);
    socket.write_all(request).unwrap();
    reply(socket)
}

fn reply(mut socket: impl Read) -> u8 {
    let mut reply = [0; 10];
    socket.read_exact(&mut reply).unwrap();
    assert_eq!((reply[0], &reply[2..]), (5, &[0, 1, 0, 0, 0, 0, 0, 0][..]));
    reply[1]
}

/// Reads each connection to its end, and sends it back with this in front.
fn answer_at_the_end(listener: TcpListener, head: &'static [u8]) -> SocketAddr {
    let place = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let asked = read_all(&socket);
                let _gone = socket.write_all(head).and_then(|()| socket.write_all(&asked));
            });
        }
    });
    place
}

fn local() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn a_client_is_connected_to_what_it_asks_for_through_cuts() {
    let target = answer_at_the_end(local(), b"you said: ");
    let served = Served::new(&[
        "--allow-forward",
        "127.0.0.1:*",
        "--allow-forward",
        "localhost:*",
        "--allow-forward",
        "[::1]:*",
    ]);
    let plan = Plan {
        cuts: 8,
        most: 2 << 20,
        idle: None,
        seed: 7,
    };
    let relay = Relay::new(served.address, plan);
    let (url, path) = (format!("tcp://{}", relay.address()), served.folder.text("proxy"));
    let mut forwarding = Forwarding::start(&served, &url, &["-D", "0", "-D", &path]);
    let place = forwarding.place();
    assert_eq!(forwarding.place(), format!("unix:{path}"));
    let mut requests = vec![
        request(1, &[127, 0, 0, 1], target.port()),
        named("127.0.0.1", target.port()),
        named("localhost", target.port()),
    ];
    match TcpListener::bind("[::1]:0") {
        Ok(v6) => {
            let port = answer_at_the_end(v6, b"you said: ").port();
            requests.push(request(4, &Ipv6Addr::LOCALHOST.octets(), port));
        }
        Err(error) => eprintln!("without IPv6: {error}"),
    }
    for request in requests {
        let socket = TcpStream::connect(&place).unwrap();
        assert_eq!(ask(&socket, &request), 0);
        let said = pattern(2 << 20);
        let (mut writing, sent) = (socket.try_clone().unwrap(), said.clone());
        let writing = thread::spawn(move || {
            writing.write_all(&sent).unwrap();
            writing.shutdown(Shutdown::Write).unwrap();
        });
        let answer = read_all(&socket);
        writing.join().unwrap();
        assert!(answer == [b"you said: ", &said[..]].concat(), "{} bytes", answer.len());
    }
    let socket = UnixStream::connect(&path).unwrap();
    assert_eq!(ask(&socket, &named("localhost", target.port())), 0);
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&socket), b"you said: ");
    assert!(relay.cuts() >= 4, "only {} cuts", relay.cuts());
    forwarding.process.signal("-TERM");
    assert_eq!(forwarding.process.wait(), 0);
    assert!(!served.folder.path("proxy").exists(), "the socket is removed");
}

/// All at once, and a byte at a time.
#[test]
fn what_follows_the_request_is_for_the_target() {
    let target = answer_at_the_end(local(), b"");
    let served = Served::new(&["--allow-forward", "localhost:*"]);
    let mut forwarding = Forwarding::start(&served, &served.url(), &["-D", "0"]);
    let place = forwarding.place();
    let all = [&[5, 2, 1, 0][..], &named("localhost", target.port()), b"hello"].concat();
    for piece in [1, all.len()] {
        let mut socket = TcpStream::connect(&place).unwrap();
        socket.set_nodelay(true).unwrap();
        for bytes in all.chunks(piece) {
            socket.write_all(bytes).unwrap();
        }
        socket.shutdown(Shutdown::Write).unwrap();
        let mut welcome = [0; 2];
        socket.read_exact(&mut welcome).unwrap();
        assert_eq!((welcome, reply(&socket)), (WELCOME, 0));
        assert_eq!(read_all(&socket), b"hello", "{piece} bytes at a time");
    }
}

#[test]
fn whoever_is_not_connected_hears_why() {
    let (closed, other) = (free_port(), free_port());
    let served = Served::new(&["--allow-forward", &format!("127.0.0.1:{closed}")]);
    let mut forwarding = Forwarding::start(&served, &served.url(), &["-D", "0"]);
    let place = forwarding.place();
    for (request, code) in [
        (named("127.0.0.1", closed), 5),
        (named("127.0.0.1", other), 2),
        (named("localhost", closed), 2),
        (vec![5, 2, 0, 1, 127, 0, 0, 1, 0, 80], 7),
        (vec![5, 3, 0, 1, 127, 0, 0, 1, 0, 80], 7),
        (vec![5, 1, 0, 9, 1, 2, 3, 4, 0, 80], 8),
        (named("127.0.0.1", 0), 1),
        (named("a b", 80), 1),
        (vec![4, 1, 0, 80], 1),
    ] {
        let mut socket = TcpStream::connect(&place).unwrap();
        assert_eq!(ask(&socket, &request), code, "{request:?}");
        // What it sends on nevertheless is read, so that the answer is not lost.
        let _refused_already = socket.write_all(&[0; 10_000]);
        let _too = socket.shutdown(Shutdown::Write);
        assert_eq!(read_all(&socket), b"", "{request:?}");
    }
    for (port, words) in [
        (closed, "nobody listens there"),
        (other, "the server does not allow it"),
    ] {
        assert_eq!(forwarding.line(), format!("unbroken: 127.0.0.1:{port}: {words}"));
    }
}

#[test]
fn who_speaks_something_else_is_not_served() {
    let served = Served::new(&["--echo"]);
    let mut forwarding = Forwarding::start(&served, &served.url(), &["-D", "0"]);
    let place = forwarding.place();
    for (said, answer) in [
        (&[5, 2, 1, 2][..], &[5, 0xff][..]),
        (&[5, 0], &[5, 0xff]),
        (&[4, 1, 0, 80, 127, 0, 0, 1, 0], b""),
        (b"GET / HTTP/1.1\r\n\r\n", b""),
        (&[5, 3, 1], b""),
        (b"", b""),
    ] {
        let mut socket = TcpStream::connect(&place).unwrap();
        socket.write_all(said).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_all(&socket), answer, "{said:?}");
    }
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    let served = Served::new(&["--echo"]);
    let mut forwarding = Forwarding::start(&served, &served.url(), &["-D", "0"]);
    let place = forwarding.place();
    let mut socket = TcpStream::connect(&place).unwrap();
    socket.write_all(&[5, 1, 0]).unwrap();
    socket.set_read_timeout(Some(common::PATIENCE)).unwrap();
    socket.read_exact(&mut [0; 2]).unwrap();
    assert_eq!(socket.read(&mut [0; 1]).unwrap(), 0, "it is closed");
}

#[test]
fn curl_gets_a_page() {
    let body = pattern(1 << 20);
    let head = format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let listener = local();
    let port = listener.local_addr().unwrap().port();
    let (head, page) = (head.into_bytes(), body.clone());
    thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut piece = [0; 1];
                socket.read_exact(&mut piece).unwrap();
                asked.extend(piece);
            }
            socket.write_all(&[&head[..], &page].concat()).unwrap();
        }
    });
    let served = Served::new(&["--allow-forward", "localhost:*"]);
    let mut forwarding = Forwarding::start(&served, &served.url(), &["-D", "0"]);
    let place = forwarding.place();
    let url = format!("http://localhost:{port}/");
    let fetched = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", ""])
        .args(["--socks5-hostname", &place, &url])
        .output();
    let fetched = match fetched {
        Err(error) if error.kind() == ErrorKind::NotFound => return eprintln!("without curl"),
        fetched => fetched.unwrap(),
    };
    assert!(fetched.stdout == body, "{}", String::from_utf8_lossy(&fetched.stderr));
    let refused = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", ""])
        .args(["--socks5-hostname", &place, "http://example.com/"])
        .output()
        .unwrap();
    // It says with which code it was refused.
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("(2)"), "{said}");
}
