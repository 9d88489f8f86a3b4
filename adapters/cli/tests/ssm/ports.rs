//! Forwarded ports.

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;

use super::place::{Forwarding, Place, converse, converse_at, echo};
use crate::common::gate::Gate;
use crate::common::{failure, free_port, pattern, run};

#[test]
fn connections_keep_their_bytes_over_cuts() {
    let place = Place::new();
    let mut forwarding = Forwarding::start(place.start(&["--forward", &format!("0:localhost:{}", echo())]));
    let port = forwarding.port();
    let cutter = place.cutting();
    let bytes = pattern(2 << 20);
    thread::scope(|scope| {
        for connection in 0..3 {
            let bytes = &bytes[connection..];
            scope.spawn(move || converse_at(port, bytes));
        }
    });
    // However fast it is, some came while a connection was there.
    while !cutter.is_done() {
        converse_at(port, &bytes[..100_000]);
    }
    drop(cutter);
    forwarding.process.signal("-HUP");
    assert_eq!(forwarding.ends(), ("Waiting for connections...\n".into(), 0));
    place.is_left();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "it listens still");
}

#[test]
fn who_leaves_without_a_connection_has_the_session_ended() {
    let place = Place::new();
    let mut forwarding = Forwarding::start(place.start(&["--forward", &format!("0:localhost:{}", echo())]));
    forwarding.port();
    // Its connections do not last, so that it waits longer and longer before the next.
    for _ in 0..7 {
        place.cut_client();
    }
    forwarding.process.signal("-TERM");
    assert_eq!(forwarding.ends().1, 0);
    place.is_left();
}

#[test]
fn two_ports_are_two_sessions_that_end_together() {
    let place = Place::new();
    let path = place.folder.text("socket");
    let (first, second) = (
        format!("0:127.0.0.1:{}", echo()),
        // Another host than localhost takes another document.
        format!("{path}:127.0.0.2:{}", echo_at("127.0.0.2:0")),
    );
    let mut forwarding = Forwarding::start(place.start(&["--forward", &first, "--forward", &second]));
    let mut port = None;
    let mut has_socket = false;
    while port.is_none() || !has_socket {
        let line = forwarding.hears("");
        if let Some(rest) = line.strip_prefix("Port ") {
            port = Some(rest.split_once(' ').unwrap().0.parse().unwrap());
        }
        has_socket |= line.starts_with(&format!("Unix socket {path} opened for sessionId "));
    }
    assert_eq!(place.sessions().len(), 2);
    let bytes = pattern(300_000);
    place.loopback.cut();
    converse_at(port.unwrap(), &bytes);
    let socket = UnixStream::connect(&path).unwrap();
    converse(&socket, &socket, &bytes);
    forwarding.process.signal("-INT");
    assert_eq!(forwarding.ends().1, 0);
    place.is_left();
    assert!(!place.folder.path("socket").exists(), "the socket is removed");
}

fn echo_at(address: &str) -> u16 {
    let listener = std::net::TcpListener::bind(address).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || drop(std::io::copy(&mut &socket, &mut &socket)));
        }
    });
    port
}

#[test]
fn a_session_that_is_lost_is_followed_by_another_and_the_port_stays() {
    let place = Place::new();
    let gate = Gate::new(place.address());
    let endpoint = format!("http://{}", gate.address);
    let forward = format!("0:localhost:{}", echo());
    let mut forwarding = Forwarding::start(place.start_at(&endpoint, "i-1", &["--forward", &forward]));
    let port = forwarding.port();
    let mut old = TcpStream::connect(("127.0.0.1", port)).unwrap();
    converse(&old, &old, b"hello");
    let first = place.session();
    place.shut(&gate);
    assert!(place.loopback.gateway().terminate(&first, ""));
    gate.open();
    // What was connected by the first is not by the next.
    assert_eq!(old.read(&mut [0; 1]).unwrap_or(0), 0);
    converse_at(port, &pattern(100_000));
    assert_ne!(place.session(), first);
    forwarding.process.signal("-TERM");
    assert_eq!(forwarding.ends().1, 0);
    place.is_left();
}

#[test]
fn what_the_service_ends_is_said_and_is_no_success() {
    let place = Place::new();
    let mut command = place.start(&["--forward", &format!("0:localhost:{}", echo())]);
    command.stderr(std::process::Stdio::piped());
    let mut forwarding = Forwarding::start(command);
    forwarding.port();
    let said = forwarding.process.0.stderr.take().unwrap();
    assert!(place.loopback.gateway().terminate(&place.session(), "enough"));
    assert_eq!(forwarding.ends().1, 1);
    let said = String::from_utf8(crate::common::read_all(said)).unwrap();
    assert_eq!(said, "unbroken: the service closed the session: enough\n");
}

#[test]
fn a_port_that_is_taken_leaves_no_session() {
    let place = Place::new();
    let (taken, free) = (echo(), free_port());
    let forwards = [free, taken].map(|port| format!("{port}:localhost:{taken}"));
    let command = place.start(&["--forward", &forwards[0], "--forward", &forwards[1]]);
    let (code, line) = failure(&run(command, b""));
    assert!(
        (code, line.contains(&format!("cannot listen at 127.0.0.1:{taken}"))) == (2, true),
        "{code} {line}"
    );
    place.is_left();
}
