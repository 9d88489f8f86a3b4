//! Ports and Unix sockets through a session whose connection is cut again and again.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Stdio;
use std::thread;

use unbroken_conformance::relay::{Plan, Relay};

use crate::common::{self, Forwarding, Running, Served, pattern, read_all, run};

/// What comes is sent back, but for the first request of each connection, which is answered whole before anything else is read.
fn answer_requests(listener: TcpListener, body: Vec<u8>) {
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let body = body.clone();
            thread::spawn(move || {
                let mut lines = BufReader::new(&socket).lines();
                let request = lines.next().unwrap().unwrap();
                assert!(request.starts_with("GET "), "{request}");
                let mut socket = &socket;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                let _gone = socket.write_all(head.as_bytes()).and_then(|()| socket.write_all(&body));
            });
        }
    });
}

/// A conversation in which each answer depends on the request before it, by a factor.
fn converse(mut socket: impl Read + Write, factor: u64, rounds: u64) {
    for round in 0..rounds {
        socket.write_all(format!("{round}\n").as_bytes()).unwrap();
        let mut answer = [0; 8];
        socket.read_exact(&mut answer).unwrap();
        assert_eq!(u64::from_be_bytes(answer), round * factor);
    }
}

fn answer_conversations(socket: impl Read, mut answers: impl Write, factor: u64) {
    for line in BufReader::new(socket).lines().map_while(Result::ok) {
        let number: u64 = line.parse().unwrap();
        answers.write_all(&(number * factor).to_be_bytes()).unwrap();
    }
}

#[test]
fn a_download_and_a_conversation_go_on_through_cuts() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let web = listener.local_addr().unwrap();
    let body = pattern(32 << 20);
    answer_requests(listener, body.clone());
    let served = Served::new(&["--allow-forward", "127.0.0.1:*", "--allow-forward", "unix:*"]);
    let database = served.folder.path("database");
    let listener = UnixListener::bind(&database).unwrap();
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || answer_conversations(&socket, &socket, 3));
        }
    });
    let relay = Relay::new(
        served.address,
        Plan {
            cuts: 24,
            most: 2 << 20,
            idle: None,
            seed: 3,
        },
    );
    let (here, there) = (served.folder.text("here"), served.folder.text("database"));
    let first = format!("0:{web}");
    let second = format!("{here}:unix:{there}");
    let url = format!("tcp://{}", relay.address());
    let mut forwarding = Forwarding::start(&served, &url, &["-L", &first, "-L", &second]);
    let web = forwarding.place();
    assert_eq!(forwarding.place(), format!("unix:{here}"));
    let talking = thread::spawn(move || converse(UnixStream::connect(here).unwrap(), 3, 2_000));
    let mut socket = TcpStream::connect(web).unwrap();
    socket.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // Its end of the connection is over; the answer comes all the same.
    socket.shutdown(Shutdown::Write).unwrap();
    let answer = read_all(&socket);
    assert!(answer.ends_with(&body), "{} bytes came", answer.len());
    talking.join().unwrap();
    assert!(relay.cuts() >= 12, "only {} cuts", relay.cuts());
    forwarding.process.signal("-TERM");
    assert_eq!(forwarding.process.wait(), 0);
    assert!(!served.folder.path("here").exists(), "the socket is removed");
}

#[test]
fn what_the_server_accepts_is_connected_to_a_target_here() {
    let served = Served::new(&["--allow-listen", "127.0.0.1:*", "--allow-listen", "unix:*"]);
    let target = |factor| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap();
        thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || answer_conversations(&socket, &socket, factor));
            }
        });
        place
    };
    let (first, second) = (target(3), target(5));
    let plan = Plan {
        cuts: 8,
        most: 20_000,
        idle: None,
        seed: 5,
    };
    let relay = Relay::new(served.address, plan);
    let url = format!("tcp://{}", relay.address());
    let (port, path) = (
        format!("0:{first}"),
        format!("{}:{second}", served.folder.text("there")),
    );
    let mut forwarding = Forwarding::start(&served, &url, &["-R", &port, "-R", &path]);
    let place = forwarding.place();
    assert_eq!(forwarding.place(), format!("unix:{}", served.folder.text("there")));
    let there = served.folder.path("there");
    let talking = thread::spawn(move || converse(UnixStream::connect(there).unwrap(), 5, 1_000));
    converse(TcpStream::connect(&place).unwrap(), 3, 1_000);
    talking.join().unwrap();
    assert!(relay.cuts() >= 4, "only {} cuts", relay.cuts());
    forwarding.process.signal("-TERM");
    assert_eq!(forwarding.process.wait(), 0);
    // The server listens there no more: the port is free, and the socket is gone.
    let began = std::time::Instant::now();
    while TcpStream::connect(&place).is_ok() || served.folder.path("there").exists() {
        assert!(began.elapsed() < common::PATIENCE);
        thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn where_the_server_may_not_or_cannot_listen_the_command_ends() {
    let served = Served::new(&["--allow-listen", "127.0.0.1:*"]);
    let busy = served.address;
    for (spec, words) in [
        (format!("{busy}:localhost:1"), "is taken there"),
        ("0.0.0.0:0:localhost:1".to_owned(), "does not allow it"),
        ("/etc/x:localhost:1".to_owned(), "does not allow it"),
    ] {
        let output = run(served.client("forward", &served.url(), &["-R", &spec]), b"");
        let (code, line) = common::failure(&output);
        assert!(line.contains(words), "{line}");
        assert_eq!(code, 5, "{line}");
    }
}

/// A server that answers before it has read the whole question, which no buffer on the way holds, and reads no more.
#[test]
fn an_answer_arrives_whole_though_the_question_is_not_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    let answer = pattern(8 << 20);
    let sent = answer.clone();
    thread::spawn(move || {
        let mut unread = Vec::new();
        for mut socket in listener.incoming().map_while(Result::ok) {
            socket.read_exact(&mut [0; 10]).unwrap();
            socket.write_all(&sent).unwrap();
            socket.shutdown(Shutdown::Write).unwrap();
            // Who closes with something unread takes back what is still in its own buffer.
            unread.push(socket);
        }
    });
    let served = Served::new(&["--allow-forward", "127.0.0.1:*"]);
    let spec = format!("0:{target}");
    let mut forwarding = Forwarding::start(&served, &served.url(), &["-L", &spec]);
    let place = forwarding.place();
    for round in 0..2 {
        let socket = TcpStream::connect(&place).unwrap();
        let mut asking = socket.try_clone().unwrap();
        let question = pattern(32 << 20);
        let asking = thread::spawn(move || {
            let _not_all_is_taken = asking.write_all(&question);
        });
        let read = read_all(&socket);
        assert!(read == answer, "round {round}: {} bytes", read.len());
        drop(socket.shutdown(Shutdown::Both));
        asking.join().unwrap();
    }
}

#[test]
fn what_is_refused_closes_its_own_connection_only() {
    let served = Served::new(&["--allow-forward", "127.0.0.1:1", "--echo"]);
    let url = served.url();
    let mut forwarding = Forwarding::start(
        &served,
        &url,
        &["-L", "0:127.0.0.1:1", "-L", "0:127.0.0.1:2", "-L", "0:echo"],
    );
    let places: Vec<String> = (0..3).map(|_| forwarding.place()).collect();
    for (place, words) in [(&places[0], "nobody listens there"), (&places[1], "does not allow it")] {
        assert_eq!(read_all(TcpStream::connect(place).unwrap()), b"");
        let line = forwarding.line();
        assert!(line.ends_with(words), "{line}");
    }
    let mut socket = TcpStream::connect(&places[2]).unwrap();
    socket.write_all(b"hello").unwrap();
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_all(&socket), b"hello");
}

#[test]
fn a_server_that_is_killed_is_named_as_such() {
    let mut served = Served::new(&["--echo"]);
    let url = served.url();
    let mut forwarding = Forwarding::start(&served, &url, &["-L", "0:echo"]);
    let mut socket = TcpStream::connect(forwarding.place()).unwrap();
    socket.write_all(b"hello").unwrap();
    socket.read_exact(&mut [0; 5]).unwrap();
    served.process().signal("-KILL");
    served.process().wait();
    // Another takes its place, which knows nothing of the session.
    let (key, authorized) = (served.folder.text("server.key"), served.folder.text("authorized"));
    let arguments = [
        "serve",
        "--listen",
        &url,
        "--key",
        &key,
        "--authorized-keys",
        &authorized,
        "--echo",
    ];
    let mut command = common::unbroken(&served.folder.path("."), &arguments);
    let _server = Running(command.stderr(Stdio::null()).spawn().unwrap());
    let line = forwarding.line();
    assert!(line.contains("was started anew"), "{line}");
    assert_eq!(forwarding.process.wait(), 1);
}

/// As ssh does with its ProxyCommand: nothing stays behind on the server for a day.
#[test]
fn a_client_that_is_told_to_end_takes_its_session_with_it() {
    let served = Served::new(&["--allow-forward", "127.0.0.1:*"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    for signal in ["-TERM", "-INT", "-HUP"] {
        let mut command = served.client("connect", &served.url(), &["--to", &target]);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut client = Running(command.spawn().unwrap());
        let (mut socket, _) = listener.accept().unwrap();
        client.0.stdin.as_mut().unwrap().write_all(b"hello").unwrap();
        socket.read_exact(&mut [0; 5]).unwrap();
        client.signal(signal);
        assert_eq!(client.wait(), 0, "{signal}");
        assert!(
            matches!(socket.read(&mut [0; 1]), Ok(0) | Err(_)),
            "{signal}: the target hears of it"
        );
    }
}

#[test]
fn what_is_sent_last_arrives_before_connect_ends() {
    let served = Served::new(&["--allow-forward", "127.0.0.1:*"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap().to_string();
    let sent = pattern(3 << 20);
    let expected = sent.clone();
    let receiving = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        assert!(read_all(&socket) == expected);
        (&socket).write_all(b"all of it").unwrap();
    });
    let output = run(served.client("connect", &served.url(), &["--to", &target]), &sent);
    receiving.join().unwrap();
    assert_eq!((output.status.code(), &output.stdout[..]), (Some(0), &b"all of it"[..]));
}
