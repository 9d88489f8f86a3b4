//! What a person reads when it does not work: one line, and an exit code that says of which kind it is.
#![cfg(unix)]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::common::{self, Folder, Served, failure, free_port, run, unbroken};

fn said(output: std::process::Output, code: i32, words: &str) {
    let (exit, line) = failure(&output);
    assert!(line.contains(words), "{line}");
    assert_eq!(exit, code, "{line}");
    assert!(output.stdout.is_empty());
}

#[test]
fn who_is_not_let_in_hears_so() {
    let served = Served::new(&["--echo"]);
    let other = served.folder.text("other.key");
    assert!(
        unbroken(&served.folder.path("."), &["keygen", "--key", &other])
            .output()
            .unwrap()
            .status
            .success()
    );
    let client = served.client_with("other.key", "connect", &served.url(), &["--to", "echo"]);
    said(run(client, b""), 4, "does not know our key");
    // Without a key of one's own, one is made up.
    let arguments = [
        "connect",
        &served.url(),
        "--to",
        "echo",
        "--server-key",
        &served.server_key,
    ];
    said(
        run(unbroken(&served.folder.path("."), &arguments), b""),
        4,
        "does not know our key",
    );
}

#[test]
fn a_key_that_is_added_counts_after_sighup() {
    let mut served = Served::new(&["--echo"]);
    let other = served.folder.text("other.key");
    let made = unbroken(&served.folder.path("."), &["keygen", "--key", &other])
        .output()
        .unwrap();
    fs::write(served.folder.path("authorized"), "no key\n").unwrap();
    served.process().signal("-HUP");
    served.hears("expected a key");
    let output = run(
        served.client("connect", &served.url(), &["--to", "echo"]),
        b"still here",
    );
    assert_eq!(output.stdout, b"still here", "what cannot be read changes nothing");
    fs::write(served.folder.path("authorized"), made.stdout).unwrap();
    served.process().signal("-HUP");
    served.hears("has 1 keys");
    let client = served.client_with("other.key", "connect", &served.url(), &["--to", "echo"]);
    let output = run(client, b"hello");
    assert_eq!((output.stdout, output.status.code()), (b"hello".to_vec(), Some(0)));
    said(
        run(served.client("connect", &served.url(), &["--to", "echo"]), b""),
        4,
        "does not know our key",
    );
}

#[test]
fn a_server_with_another_key_is_not_spoken_to() {
    let served = Served::new(&["--echo"]);
    let key = unbroken(
        &served.folder.path("."),
        &["id", "--key", &served.folder.text("client.key")],
    )
    .output()
    .unwrap();
    let key = String::from_utf8(key.stdout).unwrap();
    let arguments = ["connect", &served.url(), "--to", "echo", "--server-key", key.trim()];
    said(
        run(unbroken(&served.folder.path("."), &arguments), b"secret"),
        4,
        "has another key",
    );
}

#[test]
fn a_wrong_secret_is_named_as_such() {
    let folder = Folder::new();
    let home = folder.path(".");
    for name in ["a", "b"] {
        assert!(
            unbroken(&home, &["keygen", "--secret", &folder.text(name)])
                .output()
                .unwrap()
                .status
                .success()
        );
    }
    assert!(
        unbroken(&home, &["keygen"]).output().unwrap().status.success(),
        "the folders are made"
    );
    let port = free_port();
    let (listen, url) = (format!("ws://127.0.0.1:{port}/x"), format!("ws://127.0.0.1:{port}/x"));
    let arguments = [
        "serve",
        "--listen",
        &listen,
        "--echo",
        "--secret-file",
        &folder.text("a"),
    ];
    let _server = common::Running(unbroken(&home, &arguments).spawn().unwrap());
    let connect = |secret: &str| {
        let arguments = [
            "connect",
            &url,
            "--to",
            "echo",
            "--accept-new",
            "--secret-file",
            &folder.text(secret),
        ];
        run(unbroken(&home, &arguments), b"hello")
    };
    assert_eq!(connect("a").stdout, b"hello");
    said(connect("b"), 4, "knows another secret or none");
    // A passphrase that somebody wrote down.
    fs::write(folder.path("c"), "correct horse\n").unwrap();
    fs::set_permissions(folder.path("c"), fs::Permissions::from_mode(0o600)).unwrap();
    said(connect("c"), 4, "knows another secret or none");
}

#[test]
fn an_unknown_server_is_trusted_by_nobody_but_a_person() {
    let served = Served::new(&["--echo"]);
    let (key, hosts) = (served.folder.text("client.key"), served.folder.text("hosts"));
    let url = served.url();
    let connect = |more: &[&str]| {
        let mut arguments = vec!["connect", &url, "--to", "echo", "--key", &key, "--known-hosts", &hosts];
        arguments.extend(more);
        // Without a terminal.
        let mut command = std::process::Command::new("setsid");
        let unbroken = unbroken(&served.folder.path("."), &arguments);
        command.arg(unbroken.get_program()).args(unbroken.get_args());
        command.env("HOME", served.folder.path("."));
        run(command, b"hello")
    };
    said(connect(&[]), 4, &served.server_key);
    assert!(!served.folder.path("hosts").exists());
    assert_eq!(connect(&["--accept-new"]).stdout, b"hello");
    assert_eq!(connect(&[]).stdout, b"hello", "it is remembered");
    let known = fs::read_to_string(&hosts).unwrap();
    assert_eq!(known, format!("{} {}\n", served.address, served.server_key));
    // It has another key now, and that is not accepted, whatever is said of new ones.
    fs::write(&hosts, format!("{} {}\n", served.address, "0".repeat(64))).unwrap();
    said(connect(&["--accept-new"]), 4, "has another key");
    fs::write(&hosts, "nonsense\n").unwrap();
    said(connect(&[]), 2, "hosts:1: expected HOST:PORT KEY");
}

#[test]
fn targets_that_are_not_allowed_or_not_there_are_told_apart() {
    let (allowed, other) = (free_port(), free_port());
    let served = Served::new(&[
        "--allow-forward",
        &format!("localhost:{allowed}"),
        "--allow-forward",
        "unix:/nowhere/*",
    ]);
    let connect = |to: &str| run(served.client("connect", &served.url(), &["--to", to]), b"");
    said(connect(&format!("localhost:{allowed}")), 5, "nobody listens there");
    said(connect(&format!("localhost:{other}")), 5, "does not allow it");
    said(connect("unix:/nowhere/x"), 5, "nobody listens there");
    said(connect("unix:/etc/x"), 5, "does not allow it");
    said(connect("echo"), 5, "does not allow it");
}

#[test]
fn where_no_server_is_nothing_is_waited_for_longer_than_asked() {
    let served = Served::new(&["--echo"]);
    let url = format!("tcp://127.0.0.1:{}", free_port());
    let more = ["--to", "echo", "--connect-timeout", "1s"];
    said(run(served.client("connect", &url, &more), b""), 3, "Connection refused");
    // Something listens, and is something else.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    said(run(served.client("connect", &url, &more), b""), 3, "within 1 s");
    let url = format!("tcp://host.invalid:{}", served.address.port());
    said(run(served.client("connect", &url, &more), b""), 3, "within 1 s");
}

#[test]
fn what_cannot_be_done_here_is_said_before_anything_is_sent() {
    let served = Served::new(&["--echo"]);
    let (home, key) = (served.folder.path("."), served.folder.text("server.key"));
    let taken = served.url();
    let serve = |more: &[&str]| {
        let mut arguments = vec!["serve", "--key", &key];
        arguments.extend(more);
        run(unbroken(&home, &arguments), b"")
    };
    said(
        serve(&["--listen", &taken, "--echo", "--anybody"]),
        2,
        "Address already in use",
    );
    said(
        serve(&["--listen", "tcp://127.0.0.1:0", "--anybody"]),
        2,
        "nothing would be allowed",
    );
    said(
        serve(&["--listen", "tcp://127.0.0.1:0", "--echo"]),
        2,
        "nobody would be let in",
    );
    said(
        serve(&["--listen", "tls://127.0.0.1:0", "--echo", "--anybody"]),
        2,
        "--tls-cert",
    );
    said(serve(&["--listen", "http://x", "--echo", "--anybody"]), 2, "http://x");
    said(
        serve(&["--listen", "tcp://127.0.0.1:0", "--allow-forward", "x", "--anybody"]),
        2,
        "expected HOST:PORT",
    );
    said(
        serve(&[
            "--listen",
            "tcp://127.0.0.1:0",
            "--echo",
            "--authorized-keys",
            "/nowhere",
        ]),
        2,
        "/nowhere",
    );
    let taken = served.address.port();
    let local = format!("{taken}:localhost:1");
    said(
        run(served.client("forward", &served.url(), &["-L", &local]), b""),
        2,
        "Address already in use",
    );
    said(run(unbroken(&home, &["id"]), b""), 2, "`unbroken keygen` makes one");
    said(
        run(unbroken(&home, &["keygen", "--key", &key]), b""),
        2,
        "exists already",
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    said(run(unbroken(&home, &["id", "--key", &key]), b""), 2, "mode 640");
}

/// The macros of `std` panic where what they write cannot be written.
#[test]
fn a_command_goes_on_when_nobody_reads_what_it_says() {
    let served = Served::new(&["--echo"]);
    let (key, authorized) = (served.folder.text("server.key"), served.folder.text("authorized"));
    let more = ["--key", &key, "--authorized-keys", &authorized, "--echo"];
    let arguments = [&["serve", "--listen", "tcp://127.0.0.1:0"], &more[..]].concat();
    let mut command = unbroken(&served.folder.path("."), &arguments);
    let mut server = common::Running(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::with_capacity(1, server.0.stderr.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let url = line.split_whitespace().last().unwrap();
    let other = served.folder.text("other.key");
    let keygen = unbroken(&served.folder.path("."), &["keygen", "--key", &other]).output();
    assert!(keygen.unwrap().status.success());
    // It says that it refuses this one, to nobody.
    let client = served.client_with("other.key", "connect", url, &["--to", "echo"]);
    said(run(client, b""), 4, "does not know our key");
    let client = served.client("connect", url, &["--to", "echo"]);
    assert_eq!(run(client, b"hello").stdout, b"hello");
    let mut command = served.client("doctor", url, &[]);
    let mut doctor = common::Running(command.stdout(Stdio::piped()).spawn().unwrap());
    drop(doctor.0.stdout.take());
    assert_eq!(doctor.wait(), 0);
    // What was asked for itself is another matter.
    if let Ok(full) = fs::File::options().write(true).open("/dev/full") {
        let output = unbroken(&served.folder.path("."), &["id", "--key", &other])
            .stdout(full)
            .output();
        said(output.unwrap(), 2, "cannot write");
    }
}
