//! The AWS CLI, with `unbroken` in the place of its plugin: that of `UNBROKEN_AWS`, or the one that `.ci/run` installs.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::place::{Place, converse_at, echo, skipped};
use crate::common::person::Person;
use crate::common::sshd::{Sshd, user};
use crate::common::{free_port, pattern, run};

/// The AWS CLI, or `None`: a line says that there is none.
fn aws() -> Option<PathBuf> {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/awscli/bin/aws");
    let named = std::env::var_os("UNBROKEN_AWS").map(PathBuf::from);
    let found = named.or_else(|| ours.exists().then_some(ours));
    if found.is_none() {
        skipped("the AWS CLI is not in target/awscli, and UNBROKEN_AWS does not name one. It was not tested.");
    }
    found
}

/// `aws ssm start-session`.
fn words(aws: &Path, place: &Place, arguments: &[&str]) -> Vec<String> {
    let endpoint = place.loopback.endpoint();
    let mut all = vec![aws.to_str().unwrap(), "ssm", "start-session", "--region", "us-east-1"];
    all.extend(["--endpoint-url", &endpoint]);
    all.extend(arguments);
    all.into_iter().map(str::to_owned).collect()
}

/// The command with our plugin on its PATH.
fn with_plugin(place: &Place, mut command: Command) -> Command {
    place.prepare(&mut command);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", place.folder.path("").display()));
    command
}

fn start(aws: &Path, place: &Place, arguments: &[&str]) -> Command {
    let words = words(aws, place, arguments);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    with_plugin(place, command)
}

#[test]
fn a_shell_goes_on_through_cuts() {
    let Some(aws) = aws() else { return };
    let place = Place::new();
    let mut person = Person::at(start(&aws, &place, &["--target", "i-1"]));
    person.reads("$ ");
    for round in 0..4 {
        person.types(&format!("echo round-$(({round}+1000))\r"));
        place.cut_client();
        place.loopback.cut();
        person.reads(&format!("\nround-{}\n", round + 1_000));
    }
    person.types("stty size; read x\r");
    person.reads("\n24 80");
    person.types("\x03");
    person.reads("^C\n$ ");
    person.types("exit\r");
    assert_eq!(person.ends(), 0);
    place.is_left();
}

#[test]
fn a_port_keeps_its_bytes_over_cuts() {
    let Some(aws) = aws() else { return };
    let place = Place::new();
    let port = free_port();
    let parameters = format!("portNumber={},localPortNumber={port}", echo());
    let document = ["--document-name", "AWS-StartPortForwardingSession"];
    let arguments = [&["--target", "i-1"], &document[..], &["--parameters", &parameters]].concat();
    let mut person = Person::at(start(&aws, &place, &arguments));
    person.reads(&format!("Port {port} opened for sessionId "));
    person.reads("Waiting for connections...");
    let cutter = place.cutting();
    let bytes = pattern(2 << 20);
    converse_at(port, &bytes);
    while !cutter.is_done() {
        converse_at(port, &bytes[..100_000]);
    }
    drop(cutter);
    person.types("\x03");
    assert_eq!(person.ends(), 0);
    place.is_left();
}

#[test]
fn ssh_does_not_notice_that_its_connection_is_cut() {
    let Some(aws) = aws() else { return };
    let Some(sshd) = Sshd::start() else { return };
    let place = Place::new();
    let port = format!("portNumber={}", sshd.port);
    let document = ["--document-name", "AWS-StartSSHSession"];
    let arguments = [&["--target", "i-1"], &document[..], &["--parameters", &port]].concat();
    let mut ssh = Command::new("ssh");
    ssh.args(sshd.options()).args(["-o", "BatchMode=yes", "-o"]);
    ssh.arg(format!("ProxyCommand={}", words(&aws, &place, &arguments).join(" ")));
    ssh.args([&user(), "cat"]);
    let cutter = place.cutting();
    let sent = pattern(6 << 20);
    let output = run(with_plugin(&place, ssh), &sent);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    // It may say how long it took to connect again, and nothing else.
    let is_ours = |line: &str| line.starts_with("unbroken: no connection") || line.starts_with("unbroken: connected");
    assert!(said.lines().all(is_ours), "{said}");
    assert!(output.stdout == sent, "another content came back");
    assert!(cutter.is_done(), "too few cuts");
    drop(cutter);
    place.is_left();
}

#[test]
fn a_session_that_the_service_ends_is_no_success() {
    let Some(aws) = aws() else { return };
    let place = Place::new();
    let mut person = Person::at(start(&aws, &place, &["--target", "i-1"]));
    person.reads("$ ");
    assert!(
        place
            .loopback
            .gateway()
            .terminate(&place.session(), "idle for too long")
    );
    assert_ne!(person.ends(), 0);
    person.reads("the service closed the session: idle for too long");
}

#[test]
fn what_the_service_refuses_is_what_the_aws_cli_says() {
    let Some(aws) = aws() else { return };
    let place = Place::new();
    let said = run(start(&aws, &place, &["--target", "i-offline"]), b"");
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(text.contains("TargetNotConnected"), "{text}");
    assert_ne!(said.status.code(), Some(0));
}
