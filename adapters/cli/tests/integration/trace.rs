//! What `--trace` writes, and into what file.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use unbroken_conformance::relay::{Plan, Relay};

use crate::common::{self, Running, Served, failure, pattern, run};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_record_has_all_of_a_session_and_is_its_owners_alone() {
    let served = Served::new(&["--echo"]);
    let plan = Plan {
        cuts: 3,
        most: 500_000,
        idle: None,
        seed: 11,
    };
    let relay = Relay::new(served.address, plan);
    let url = format!("tcp://{}", relay.address());
    let (path, sent) = (served.folder.path("record"), pattern(1 << 20));
    // What was there is gone, and who could read it.
    fs::write(&path, "something else\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let arguments = ["--to", "echo", "--trace", path.to_str().unwrap()];
    let output = run(served.client("connect", &url, &arguments), &sent);
    assert!(output.stdout == sent, "{:?}", output.status);
    assert_eq!(mode(&path), 0o600);
    let record = fs::read_to_string(&path).unwrap();
    assert!(record.starts_with("{\"start\":{"), "{}", record.lines().next().unwrap());
    assert!(record.lines().all(|line| line.starts_with('{') && line.ends_with('}')));
    let times = |words: &str| record.lines().filter(|line| line.contains(words)).count();
    assert_eq!((times("Established {"), times("Ended(")), (1, 1));
    let attached = times("Attached {");
    assert!(relay.cuts() >= 1 && attached >= 2, "{attached} attaches");
}

#[test]
fn doctor_and_forward_leave_one_too() {
    let served = Served::new(&["--echo"]);
    let path = served.folder.path("record");
    let trace = ["--trace", path.to_str().unwrap()];
    assert!(
        run(served.client("doctor", &served.url(), &trace), b"")
            .status
            .success()
    );
    assert_eq!(mode(&path), 0o600);
    assert!(fs::read_to_string(&path).unwrap().contains("Established {"));
    let mut command = served.client("forward", &served.url(), &[&trace[..], &["-L", "0:echo"]].concat());
    let mut forwarding = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    let mut said = BufReader::new(forwarding.0.stderr.take().unwrap());
    said.read_line(&mut String::new()).unwrap();
    // It is complete as far as it goes, whatever becomes of the process.
    forwarding.signal("-KILL");
    forwarding.wait();
    assert!(fs::read_to_string(&path).unwrap().contains("Established {"));
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_sent() {
    let served = Served::new(&["--echo"]);
    for path in ["/nowhere/record", "/"] {
        let client = served.client("connect", &served.url(), &["--to", "echo", "--trace", path]);
        let (code, line) = failure(&run(client, b"hello"));
        assert!(line.contains(&format!("cannot write {path}: ")), "{line}");
        assert_eq!(code, 2, "{line}");
    }
}

/// A disk that is full ends the record, and not the session.
#[test]
fn a_record_that_ends_early_says_so() {
    if !Path::new("/dev/full").exists() {
        return eprintln!("without /dev/full");
    }
    let served = Served::new(&["--echo"]);
    let mode_before = mode(Path::new("/dev/full"));
    let client = served.client("connect", &served.url(), &["--to", "echo", "--trace", "/dev/full"]);
    let output = run(client, b"hello");
    assert_eq!((&output.stdout[..], output.status.code()), (&b"hello"[..], Some(0)));
    assert!(failure(&output).1.contains("the record in /dev/full ends here"));
    assert_eq!(mode(Path::new("/dev/full")), mode_before);
}

#[test]
fn a_server_has_a_record_of_each_session() {
    let folder = common::Folder::new();
    let records = folder.path("deep/records");
    let served = Served::new(&["--echo", "--trace", records.to_str().unwrap()]);
    let sent = pattern(100_000);
    for _ in 0..2 {
        let output = run(served.client("connect", &served.url(), &["--to", "echo"]), &sent);
        assert!(output.stdout == sent, "{:?}", output.status);
    }
    assert_eq!(mode(&records), 0o700);
    let files: Vec<_> = fs::read_dir(&records)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert_eq!(files.len(), 2, "{files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600);
        let id = file.file_stem().unwrap().to_str().unwrap();
        assert_eq!(file.extension().unwrap(), "jsonl");
        let record = fs::read_to_string(&file).unwrap();
        assert!(record.starts_with("{\"start\":{"), "{}", record.lines().next().unwrap());
        assert!(record.contains(&format!("Established {{ id: SessionId({id})")), "{id}");
    }
}

#[test]
fn a_server_that_cannot_record_does_not_start() {
    let folder = common::Folder::new();
    let file = folder.text("a file");
    fs::write(&file, "").unwrap();
    let home = folder.path("");
    assert!(run(common::unbroken(&home, &["keygen"]), b"").status.success());
    let arguments = [
        "serve",
        "--listen",
        "tcp://127.0.0.1:0",
        "--anybody",
        "--echo",
        "--trace",
        &file,
    ];
    let (code, line) = failure(&run(common::unbroken(&home, &arguments), b""));
    assert!(line.contains("a file: "), "{line}");
    assert_eq!(code, 2, "{line}");
}

#[test]
fn ssh_leaves_one_too() {
    let folder = common::Folder::new();
    let ssh = folder.path("ssh");
    fs::write(
        &ssh,
        format!("#!/bin/sh\nexec '{}' attach\n", env!("CARGO_BIN_EXE_unbroken")),
    )
    .unwrap();
    fs::set_permissions(&ssh, Permissions::from_mode(0o700)).unwrap();
    let (ssh, path) = (ssh.to_str().unwrap(), folder.path("record"));
    let arguments = [
        "ssh",
        "--ssh",
        ssh,
        "--trace",
        path.to_str().unwrap(),
        "host",
        "echo hello",
    ];
    let mut command = common::unbroken(&folder.path(""), &arguments);
    command.env_remove("XDG_RUNTIME_DIR").env_remove("XDG_STATE_HOME");
    let output = run(command, b"");
    assert_eq!(
        (&output.stdout[..], output.status.code()),
        (&b"hello\n"[..], Some(0)),
        "{output:?}"
    );
    assert_eq!(mode(&path), 0o600);
    assert!(fs::read_to_string(&path).unwrap().contains("Established {"));
}
