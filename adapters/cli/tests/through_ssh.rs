//! `unbroken ssh` to OpenSSH's own server.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::person::Person;
use common::sshd::{Sshd, user};
use common::{Folder, PATIENCE, failure, run, unbroken};

/// `unbroken ssh` from a home folder of its own.
fn ssh(sshd: &Sshd, home: &Folder, arguments: &[&str]) -> Command {
    let (port, user) = (sshd.port.to_string(), user());
    let options = sshd.options();
    let mut all = vec!["ssh", "-p", &port];
    all.extend(options.iter().map(String::as_str));
    all.push(&user);
    all.extend(arguments);
    unbroken(&home.path(""), &all)
}

fn at_a_shell(sshd: &Sshd, home: &Folder, arguments: &[&str]) -> Person {
    let mut all = arguments.to_vec();
    all.extend(["PS1='ready> '", "exec", "sh"]);
    let person = Person::at(ssh(sshd, home, &all));
    person.reads("ready> ");
    person
}

/// The ssh that carries a session: a child of the command's.
fn child_of(person: &Person) -> Option<u32> {
    let found = Command::new("pgrep")
        .args(["-P", &person.child.id().to_string(), "ssh"])
        .output()
        .unwrap();
    String::from_utf8(found.stdout).unwrap().lines().next()?.parse().ok()
}

fn kill(process: u32, signal: &str) {
    let _gone = Command::new("kill")
        .args([signal, &process.to_string()])
        .stderr(Stdio::null())
        .status();
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The daemon's process; its socket is in the folder of the server's logins.
fn daemon(sshd: &Sshd) -> Option<u32> {
    let state = format!("XDG_STATE_HOME={}", sshd.folder.text("state"));
    let found = Command::new("pgrep").args(["-f", "unbroken daemon"]).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    found
        .lines()
        .filter_map(|line| line.parse().ok())
        .find(|process: &u32| {
            fs::read(format!("/proc/{process}/environ")).is_ok_and(|environment| {
                environment
                    .split(|byte| *byte == 0)
                    .any(|entry| entry == state.as_bytes())
            })
        })
}

#[test]
fn a_terminal_outlives_the_ssh_that_carries_it() {
    let Some(mut sshd) = Sshd::start() else { return };
    let home = Folder::new();
    let mut person = at_a_shell(&sshd, &home, &["--name", "work"]);
    person.types("i=0; while [ $i -lt 400 ]; do echo line-$i; i=$((i+1)); sleep 0.01; done &\r");
    for round in 0..20 {
        eventually("another ssh", || child_of(&person).is_some());
        person.types(&format!("echo typed-$(({round}+1000))\r"));
        kill(child_of(&person).unwrap(), "-KILL");
        person.has_read(&format!("typed-{}", round + 1_000));
    }
    // The server of ssh goes, and comes back.
    sshd.restart(|| {
        kill(child_of(&person).unwrap(), "-KILL");
        person.reads("reconnecting, attempt");
    });
    person.sees("the line to go", |screen| !screen.contains("reconnecting"));
    // The machine sleeps, and its connection is dead when it wakes.
    let slept = child_of(&person).unwrap();
    kill(person.child.id(), "-STOP");
    kill(slept, "-KILL");
    thread::sleep(Duration::from_secs(sleep()));
    kill(person.child.id(), "-CONT");
    person.types("wait; echo all-$((40+2))\r");
    person.has_read("all-42");
    let lines = person.all_lines();
    let numbers: Vec<u32> = lines
        .iter()
        .filter_map(|line| {
            let line = line.trim_end();
            line[line.rfind("line-")? + 5..].parse().ok()
        })
        .collect();
    let mut sorted = numbers.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..400).collect::<Vec<_>>(), "each once");
    person.types("exit 9\r");
    assert_eq!(person.ends(), 9);
    eventually("the daemon goes with its last session", || daemon(&sshd).is_none());
}

/// How long the machine sleeps, in seconds: UNBROKEN_SLEEP in the environment.
fn sleep() -> u64 {
    std::env::var("UNBROKEN_SLEEP")
        .ok()
        .and_then(|time| time.parse().ok())
        .unwrap_or(2)
}

#[test]
fn what_was_left_is_attached_from_another_computer_and_two_are_held_at_once() {
    let Some(sshd) = Sshd::start() else { return };
    let (home, other_home) = (Folder::new(), Folder::new());
    let mut first = at_a_shell(&sshd, &home, &["--name", "first"]);
    let mut second = at_a_shell(&sshd, &home, &["--name", "second"]);
    first.types("echo from-$((1+0))\r");
    second.types("echo from-$((1+1))\r");
    first.reads("from-1");
    second.reads("from-2");
    first.types("~d");
    assert_eq!(first.ends(), 0);
    let list = run(ssh(&sshd, &home, &["--list"]), b"");
    let list = String::from_utf8(list.stdout).unwrap();
    assert_eq!(list.lines().count(), 2, "{list}");
    second.child.kill().unwrap();
    second.ends();
    for (name, shown) in [("first", "from-1"), ("second", "from-2")] {
        let mut again = Person::at(ssh(&sshd, &other_home, &["--attach", name]));
        again.reads(shown);
        again.types("exit\r");
        assert_eq!(again.ends(), 0);
    }
}

#[test]
fn a_daemon_that_is_killed_ends_its_sessions_with_a_clear_line() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Folder::new();
    let mut person = at_a_shell(&sshd, &home, &[]);
    kill(daemon(&sshd).unwrap(), "-KILL");
    assert_eq!(person.ends(), 1);
    person.reads("was started anew and does not know the session any more");
}

#[test]
fn what_is_in_the_way_is_said_in_a_line() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Folder::new();
    let mut refused = ssh(&sshd, &home, &["true"]);
    refused.args(["--not-an-option"]);
    // What stands behind the command is the command's.
    assert_eq!(run(refused, b"").status.code(), Some(0));
    let port = common::free_port().to_string();
    for (arguments, code, words) in [
        (
            vec!["ssh", "-F", "none", "-p", &port, "localhost"],
            3,
            "cannot reach localhost",
        ),
        (vec!["ssh", "--ssh", "/nowhere/ssh", "localhost"], 2, "cannot run ssh"),
        (vec!["ssh", "--ssh", "false", "localhost"], 3, "cannot reach localhost"),
        (vec!["ssh", "--", "-oProxyCommand=x"], 2, "does not begin with a dash"),
    ] {
        let output = run(unbroken(&home.path(""), &arguments), b"");
        let said = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(said.lines().last().unwrap().contains(words), "{said}");
        assert_eq!(output.status.code(), Some(code), "{said}");
    }
    let list = run(ssh(&sshd, &home, &["--attach", "none"]), b"");
    assert_eq!(failure(&list).0, 5);
}
