//! What `--trace` writes, and into what file.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use common::{Running, Served, failure, pattern, run};
use unbroken_conformance::relay::{Plan, Relay};

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
