//! Standard input and output as one connection: ssh's `ProxyCommand`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::place::{Place, converse, echo};
use crate::common::gate::Gate;
use crate::common::{Running, eventually, pattern, read_all, run};

/// The command between pipes.
fn piped(mut command: Command) -> (Running, ChildStdin, ChildStdout) {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child: Child = command.spawn().unwrap();
    let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    (Running(child), input, output)
}

/// What it said on standard error.
fn said(process: &mut Running) -> String {
    String::from_utf8(read_all(process.0.stderr.take().unwrap())).unwrap()
}

#[test]
fn nothing_but_the_bytes_goes_through_over_cuts() {
    let place = Place::new();
    let (mut process, mut input, mut output) = piped(place.start(&["--stdio", &echo().to_string()]));
    let cutter = place.cutting();
    let bytes = pattern(3 << 20);
    converse(&mut output, &mut input, &bytes);
    while !cutter.is_done() {
        converse(&mut output, &mut input, &bytes[..50_000]);
    }
    drop(cutter);
    // Who closes it has what it wanted.
    drop(input);
    assert_eq!(process.wait(), 0);
    assert_eq!(read_all(output), b"");
    let said = said(&mut process);
    let is_ours = |line: &str| line.starts_with("unbroken: no connection") || line.starts_with("unbroken: connected");
    assert!(said.lines().all(is_ours), "{said}");
    place.is_left();
}

#[test]
fn the_far_sides_end_is_ours() {
    let place = Place::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let bytes = pattern(500_000);
    let sent = bytes.clone();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(&sent).unwrap();
    });
    let (mut process, _input, output) = piped(place.start(&["--stdio", &port.to_string()]));
    assert!(read_all(output) == bytes, "other bytes came");
    assert_eq!((process.wait(), said(&mut process)), (0, String::new()));
    place.is_left();
}

#[test]
fn a_session_that_is_gone_ends_with_a_line() {
    let place = Place::new();
    let gate = Gate::new(place.address());
    let endpoint = format!("http://{}", gate.address);
    let command = place.start_at(&endpoint, "i-1", &["--stdio", &echo().to_string()]);
    let (mut process, mut input, mut output) = piped(command);
    converse(&mut output, &mut input, b"hello");
    place.shut(&gate);
    assert!(place.loopback.gateway().terminate(&place.session(), ""));
    gate.open();
    assert_eq!(process.wait(), 1);
    let said = said(&mut process);
    // Behind it may stand how much was not acknowledged.
    let last = said.lines().last().unwrap_or_default();
    let words = "unbroken: the service does not have the session any more";
    assert!(last.starts_with(words), "{said}");
    assert_eq!(read_all(output), b"");
}

#[test]
fn what_the_service_ends_is_said_and_is_no_success() {
    let place = Place::new();
    let (mut process, mut input, mut output) = piped(place.start(&["--stdio", &echo().to_string()]));
    converse(&mut output, &mut input, b"hello");
    assert!(place.loopback.gateway().terminate(&place.session(), "enough"));
    assert_eq!(process.wait(), 1);
    assert_eq!(said(&mut process), "unbroken: the service closed the session: enough\n");
    assert_eq!(read_all(output), b"");
}

#[test]
fn signals_end_it() {
    // SIGHUP is what ssh sends when it ends.
    for signal in ["-INT", "-TERM", "-HUP"] {
        let place = Place::new();
        let (mut process, mut input, mut output) = piped(place.start(&["--stdio", &echo().to_string()]));
        converse(&mut output, &mut input, b"hello");
        process.signal(signal);
        assert_eq!((process.wait(), said(&mut process)), (0, String::new()), "{signal}");
        assert_eq!(read_all(output), b"");
        place.is_left();
    }
}

#[test]
fn a_person_is_told_that_there_is_no_connection() {
    let place = Place::new();
    let gate = Gate::new(place.address());
    let endpoint = format!("http://{}", gate.address);
    let command = place.start_at(&endpoint, "i-1", &["--stdio", &echo().to_string()]);
    let (mut process, mut input, mut output) = piped(command);
    converse(&mut output, &mut input, b"hello");
    place.shut(&gate);
    input.write_all(b"later").unwrap();
    let mut errors = BufReader::new(process.0.stderr.take().unwrap());
    let mut line = String::new();
    errors.read_line(&mut line).unwrap();
    assert!(line.starts_with("unbroken: no connection, reconnecting: "), "{line}");
    gate.open();
    output.read_exact(&mut [0; 5]).unwrap();
    drop(input);
    assert_eq!(process.wait(), 0);
    let rest = String::from_utf8(read_all(errors)).unwrap();
    assert!(rest.contains("unbroken: connected again after "), "{rest}");
}

#[test]
fn a_port_where_nobody_listens_is_an_end() {
    let place = Place::new();
    let nobody = crate::common::free_port().to_string();
    let ended = run(place.start(&["--stdio", &nobody]), b"");
    assert_eq!(ended.stdout, b"");
    eventually("the session to end", || place.sessions().is_empty());
}
