//! What a server's owner sees of its sessions, and does with them.
#![cfg(unix)]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;
use unbroken_conformance::relay::{Plan, Relay};

use crate::common::administered::{Administered, Client};
use crate::common::{Running, failure, pattern, run};

#[test]
fn a_session_is_shown_with_what_is_known_of_it() {
    let server = Administered::new();
    assert_eq!(server.says(&["list"]), "there is no session\n");
    let _client = server.connect(&server.served.url(), b"hello");
    let found = server.sessions(1, |session| session["bytes_in"] == 5 && session["bytes_out"] == 5);
    for (field, value) in [("name", "a test"), ("peer", "127.0.0.1"), ("state", "connected")] {
        assert_eq!(found[0][field], value, "{field}");
    }
    assert_eq!((&found[0]["streams"], &found[0]["swaps"]), (&1.into(), &0.into()));
    assert!(found[0]["last_cause"].is_null() && found[0]["ended"].is_null());
    let id = found[0]["id"].as_str().unwrap();
    for name in ["a test", id, &id[..6], &id.to_uppercase()] {
        let shown = server.json(&["show", name]);
        assert_eq!(shown["session"]["id"], id);
        assert_eq!(shown["streams"][0]["label"], "echo");
    }
    let table = server.says(&["list"]);
    let mut lines = table.lines();
    assert!(
        lines.next().unwrap().starts_with("NAME    ID            PEER"),
        "{table}"
    );
    let line = lines.next().unwrap();
    assert!(
        line.starts_with(&format!("a test  {}  127.0.0.1  connected", &id[..12])),
        "{table}"
    );
    assert!(!table.contains('\x1b'), "no colours but on a terminal");
    let detail = server.says(&["show", id]);
    assert!(
        detail.contains("peer            127.0.0.1\n") && detail.contains("echo, for "),
        "{detail}"
    );
}

#[test]
fn a_connection_that_was_lost_is_counted_and_has_a_cause() {
    let server = Administered::new();
    let plan = Plan {
        cuts: 1,
        most: 20_000,
        idle: None,
        seed: 3,
    };
    let relay = Relay::new(server.served.address, plan);
    let url = format!("tcp://{}", relay.address());
    let _client = server.connect(&url, &pattern(60_000));
    let found = server.sessions(1, |session| {
        session["bytes_out"] == 60_000 && session["swaps"] == 1 && session["state"] == "connected"
    });
    assert!(
        found[0]["last_cause"].is_string() && found[0]["last_lost_ms"].is_u64(),
        "{}",
        found[0]
    );
}

#[test]
fn who_is_away_is_shown_as_detached() {
    let server = Administered::new();
    let client = server.connect(&server.served.url(), b"x");
    server.sessions(1, |session| session["bytes_in"] == 1);
    client.process.signal("-KILL");
    let gone = server.sessions(1, |session| session["state"] == "detached");
    assert!(gone[0]["round_trip_us"].is_null());
    assert_eq!(gone[0]["last_cause"], "network");
}

#[test]
fn a_note_is_shown_without_what_steers_a_terminal() {
    let server = Administered::new();
    let mut client = server.connect(&server.served.url(), b"");
    server.sessions(1, |_| true);
    let note = "good\tevening \x1b[31m\x07red\u{9b}2J\u{202e}\nand more\n";
    let output = run(server.command(&["send", "--all"]), note.as_bytes());
    assert!(
        output.status.success() && output.stdout.starts_with(b"sent to a test ("),
        "{output:?}"
    );
    assert_eq!(client.hears(), "unbroken: the server says: good evening [31mred2J");
    assert_eq!(client.hears(), "unbroken: the server says: and more");
    let told = server.json(&["send", "a test", "as an argument"]);
    assert_eq!(told["told"][0]["taken"], true);
    assert_eq!(client.hears(), "unbroken: the server says: as an argument");
    for (arguments, input, words) in [
        (&["send", "--all"][..], vec![b'x'; 5_000], "has 4096 bytes at most"),
        (&["send", "--all"], b" \n".to_vec(), "nothing to say"),
        (
            &["send", "--all", "a test", "x"],
            Vec::new(),
            "goes without a session's name",
        ),
        (&["send"], Vec::new(), "which session"),
    ] {
        let (code, said) = failure(&run(server.command(arguments), &input));
        assert!(code == 2 && said.contains(words), "{said}");
    }
}

#[test]
fn forwarding_shows_notes_too() {
    let server = Administered::new();
    let arguments = ["-L", "0:echo"];
    let mut command = server.served.client("forward", &server.served.url(), &arguments);
    command.stderr(Stdio::piped());
    let mut process = Running(command.spawn().unwrap());
    let stderr = BufReader::new(process.0.stderr.take().unwrap());
    let mut client = Client { process, stderr };
    assert!(client.hears().ends_with("is connected to echo"));
    server.sessions(1, |_| true);
    server.says(&["send", "a test", "hello"]);
    assert_eq!(client.hears(), "unbroken: the server says: hello");
}

#[test]
fn a_session_that_is_closed_hears_why_and_is_listed_as_ended() {
    let server = Administered::new();
    let mut client = server.connect(&server.served.url(), b"");
    server.sessions(1, |_| true);
    let closed = server.says(&["close", "a test", "--reason", "for \x1b[2Jtoday"]);
    assert!(closed.starts_with("closing a test ("), "{closed}");
    assert!(client.hears().ends_with("closed the session: for [2Jtoday"));
    assert_eq!(client.process.wait(), 1);
    server.sessions(0, |_| true);
    let list = server.json(&["list", "--ended"]);
    assert_eq!(list["sessions"][0]["state"], "closed");
    assert!(
        list["sessions"][0]["ended"]
            .as_str()
            .unwrap()
            .starts_with("closed here"),
        "{list}"
    );
}

#[test]
fn a_name_has_to_mean_one_session() {
    let server = Administered::new();
    let _clients = [(); 2].map(|()| server.connect(&server.served.url(), b""));
    let found = server.sessions(2, |_| true);
    let (code, said) = failure(&server.ask(&["show", "a test"]));
    assert_eq!(code, 2, "{said}");
    for session in &found {
        assert!(said.contains(session["id"].as_str().unwrap()), "{said}");
    }
    let (code, said) = failure(&server.ask(&["close", "nobody\x1b"]));
    assert!(
        code == 5 && said.contains("there is no session") && !said.contains('\x1b'),
        "{said}"
    );
    assert_eq!(server.json(&["close", "--all"])["told"].as_array().unwrap().len(), 2);
    server.sessions(0, |_| true);
}

#[test]
fn a_drain_ends_the_server_once_clients_have_left_or_their_time_is_over() {
    let mut empty = Administered::new();
    assert!(empty.says(&["drain"]).ends_with("drained: no session is left\n"));
    assert_eq!(empty.served.process().wait(), 0);
    assert!(
        !empty.folder.path("admin.sock").exists(),
        "the socket goes with its server"
    );
    let mut late = Administered::new();
    let _client = late.connect(&late.served.url(), b"");
    late.sessions(1, |_| true);
    let drained = late.json(&["drain", "--within", "300ms"]);
    assert_eq!(drained["drained"]["connected"], 1);
    assert_eq!(late.served.process().wait(), 0);
}

#[test]
fn a_drain_is_shown_until_the_last_client_has_left() {
    let mut server = Administered::new();
    let mut client = server.connect(&server.served.url(), b"");
    server.sessions(1, |_| true);
    let mut drain = server.command(&["drain", "--within", "30m"]);
    let mut drain = Running(drain.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(drain.0.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let first = lines.next().unwrap();
    assert!(first.starts_with("draining: 1 connected, 0 detached"), "{first}");
    server.served.hears("for clients to leave");
    client.process.signal("-TERM");
    assert_eq!(client.process.wait(), 0);
    assert_eq!(lines.last().unwrap(), "drained: no session is left");
    assert_eq!((drain.wait(), server.served.process().wait()), (0, 0));
}

#[test]
fn a_watch_goes_on_until_nobody_reads_or_the_server_is_gone() {
    let mut server = Administered::new();
    let mut watching = server.command(&["list", "--watch", "--json"]);
    watching.stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = |mut command: Command| Running(command.spawn().unwrap());
    let mut process = start(watching);
    let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
    for _ in 0..2 {
        let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(line["sessions"].as_array().unwrap().len(), 0);
    }
    drop(lines);
    assert_eq!(process.wait(), 0, "as with `head`");
    let mut watching = server.command(&["list", "--watch"]);
    watching.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = start(watching);
    let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "there is no session");
    server.served.process().signal("-KILL");
    server.served.process().wait();
    assert_eq!(process.wait(), 1);
}
