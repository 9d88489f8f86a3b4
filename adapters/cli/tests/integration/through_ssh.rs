//! `unbroken ssh` to OpenSSH's own server.
#![cfg(unix)]

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::common;
use crate::common::person::Person;
use crate::common::sshd::{Sshd, user};
use crate::common::{Folder, Forwarding, eventually, failure, run, unbroken};

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

/// Kills the ssh that carries a session, a child of this process, as soon as there is one.
fn cut(of: u32) {
    eventually("an ssh", || {
        let found = Command::new("pgrep").args(["-P", &of.to_string()]).output().unwrap();
        let child = String::from_utf8(found.stdout)
            .unwrap()
            .lines()
            .next()
            .and_then(|line| line.parse().ok());
        child.inspect(|child| kill(*child, "-KILL")).is_some()
    });
}

fn kill(process: u32, signal: &str) {
    let _gone = Command::new("kill")
        .args([signal, &process.to_string()])
        .stderr(Stdio::null())
        .status();
}

/// The daemon's process; its socket is in the folder of the server's logins.
fn daemon(folder: &Folder) -> Option<u32> {
    let state = format!("XDG_STATE_HOME={}", folder.text("state"));
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
        person.types(&format!("echo typed-$(({round}+1000))\r"));
        cut(person.child.id());
        person.has_read(&format!("typed-{}", round + 1_000));
    }
    // The server of ssh goes, and comes back.
    sshd.restart(|| {
        cut(person.child.id());
        person.reads("reconnecting, attempt");
    });
    person.sees("the line to go", |screen| !screen.contains("reconnecting"));
    // The machine sleeps, and its connection is dead when it wakes.
    kill(person.child.id(), "-STOP");
    cut(person.child.id());
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
    eventually("the daemon goes with its last session", || {
        daemon(&sshd.folder).is_none()
    });
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
    let mut sessions = unbroken(&home.path(""), &["sessions", "list", "--daemon", "--json"]);
    let listed = sessions
        .env("XDG_STATE_HOME", sshd.folder.path("state"))
        .output()
        .unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["sessions"].as_array().map(Vec::len), Some(2), "{listed}");
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
fn a_client_that_does_not_read_and_was_displaced_holds_no_daemon() {
    let Some(sshd) = Sshd::start() else { return };
    let (home, other_home) = (Folder::new(), Folder::new());
    let deaf = at_a_shell(&sshd, &home, &["--name", "deaf"]);
    // More than fits anywhere on the way to somebody who does not read.
    deaf.types("echo soon-$((1+1)); sleep 0.5; yes | head -c 1500000 | tee /dev/tty | tail -n 1; echo all-$((40+2))\r");
    deaf.reads("soon-2");
    kill(deaf.child.id(), "-STOP");
    thread::sleep(Duration::from_secs(2));
    let mut last = Person::at(ssh(&sshd, &other_home, &["--attach", "deaf"]));
    last.reads("all-42");
    last.types("exit\r");
    assert_eq!(last.ends(), 0);
    eventually("the daemon goes", || daemon(&sshd.folder).is_none());
}

#[test]
fn the_program_is_copied_to_a_host_that_does_not_have_it() {
    let home = Folder::new();
    // A host without it: a shell with a home folder of its own, and no more than the system in its PATH.
    let program = home.text("ssh");
    let there = home.text("there");
    fs::create_dir(&there).unwrap();
    let script = format!(
        "#!/bin/sh\nfor command; do :; done\nexec env -i HOME={there} PATH=/usr/bin:/bin SHELL=/bin/sh sh -c \"$command\"\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let without = run(
        unbroken(&home.path(""), &["ssh", "--ssh", &program, "there", "true"]),
        b"",
    );
    let (code, line) = failure(&without);
    assert!(line.contains("there is no `unbroken` on the far side"), "{line}");
    assert_eq!(code, 2);
    let arguments = [
        "ssh",
        "--ssh",
        &program,
        "--install",
        "there",
        "echo installed-$((1+1)); exit 3",
    ];
    let mut person = Person::at(unbroken(&home.path(""), &arguments));
    assert_eq!(person.ends(), 3);
    person.reads("installed-2");
    let copy = home.path("there/.local/bin/unbroken");
    assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(fs::read(copy).unwrap() == fs::read(env!("CARGO_BIN_EXE_unbroken")).unwrap());
}

#[test]
fn a_daemon_that_is_killed_ends_its_sessions_with_a_clear_line() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Folder::new();
    let mut person = at_a_shell(&sshd, &home, &[]);
    kill(daemon(&sshd.folder).unwrap(), "-KILL");
    assert_eq!(person.ends(), 1);
    person.reads("was started anew and does not know the session any more");
}

#[test]
fn ports_are_forwarded_through_ssh_and_an_idle_daemon_stays() {
    let Some(sshd) = Sshd::start() else { return };
    let home = Folder::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || std::io::copy(&mut &socket, &mut &socket));
        }
    });
    // Its options stand before the host.
    let spec = format!("0:{target}");
    let (port, user, options) = (sshd.port.to_string(), user(), sshd.options());
    let mut arguments = vec!["ssh", "-N", "-L", &spec, "-R", &spec, "-D", "0", "-p", &port];
    arguments.extend(options.iter().map(String::as_str));
    arguments.push(&user);
    let mut forwarding = Forwarding::through(unbroken(&home.path(""), &arguments));
    let places: Vec<String> = (0..3).map(|_| forwarding.place()).collect();
    let mut sockets: Vec<_> = [&places[0], &places[2]]
        .into_iter()
        .map(|place| TcpStream::connect(place).unwrap())
        .collect();
    for round in 0..6_u8 {
        for socket in &mut sockets {
            socket.write_all(&[round; 100]).unwrap();
        }
        if round % 2 == 0 {
            cut(forwarding.process.0.id());
        }
        for socket in &mut sockets {
            let mut back = [0; 100];
            socket.read_exact(&mut back).unwrap();
            assert_eq!(back, [round; 100]);
        }
    }
    // Nothing goes through for longer than a daemon waits that holds nothing.
    drop(sockets);
    thread::sleep(Duration::from_secs(5));
    let mut socket = TcpStream::connect(&places[0]).unwrap();
    socket.write_all(b"still").unwrap();
    socket.read_exact(&mut [0; 5]).unwrap();
    forwarding.process.signal("-TERM");
    assert_eq!(forwarding.process.wait(), 0);
    eventually("the daemon goes", || daemon(&sshd.folder).is_none());
}

/// A program in the place of ssh, and a command that has it there.
fn instead_of_ssh(home: &Folder, script: &str, arguments: &[&str]) -> Command {
    let (program, own) = (home.text("ssh"), Path::new(env!("CARGO_BIN_EXE_unbroken")));
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", own.parent().unwrap().display());
    let mut all = vec!["ssh", "--ssh", &program];
    all.extend(arguments);
    let mut command = unbroken(&home.path(""), &all);
    command
        .env("PATH", path)
        .env("XDG_STATE_HOME", home.text("state"))
        .env("SHELL", "/bin/sh");
    command
}

#[test]
fn who_forwards_through_a_slow_login_takes_leave() {
    let home = Folder::new();
    let script = "#!/bin/sh\nfor command; do :; done\nsleep 3\nexec sh -c \"$command\"\n";
    let mut person = Person::at(instead_of_ssh(&home, script, &["-N", "-L", "0:127.0.0.1:1", "there"]));
    person.reads("is connected to");
    // It reaches the ssh as well.
    person.types("\x03");
    assert_eq!(person.ends(), 0);
    eventually("the daemon goes", || daemon(&home).is_none());
}

#[test]
fn what_ssh_has_to_ask_before_there_is_a_session_it_asks() {
    let home = Folder::new();
    // The first connection says that it is one, and is none; the next asks.
    let script = r#"#!/bin/sh
for command; do :; done
if [ ! -e "$0.tried" ]; then
    touch "$0.tried"
    printf '\036unbroken attach 1\n'
    exit 0
fi
case "$*" in *BatchMode=yes*) echo 'Permission denied (password).' >&2; exit 255 ;; esac
printf 'password: ' >/dev/tty
read answer </dev/tty
exec sh -c "$command"
"#;
    let mut person = Person::at(instead_of_ssh(&home, script, &["there", "echo answered-$((1+1))"]));
    person.reads("password: ");
    person.types("secret\r");
    assert_eq!(person.ends(), 0);
    person.reads("answered-2");
    // Who never gets there is told why.
    let fails =
        "#!/bin/sh\n[ -e $0.x ] && echo no more >&2 && exit 255\ntouch $0.x\nprintf '\\036unbroken attach 1\\n'\n";
    let output = run(instead_of_ssh(&home, fails, &["there", "true"]), b"");
    let (code, line) = failure(&output);
    assert!((code, line.contains("no more")) == (3, true), "{line}");
}

/// A program in the place of ssh, which leads to this machine. Where a file says so it wants a password, as ssh does.
const ASKS: &str = r#"#!/bin/sh
for command; do :; done
if [ -e "$0.asks" ]; then
    case "$*" in
    *BatchMode=yes*) echo 'me@there: Permission denied (publickey,password).' >&2; exit 255 ;;
    esac
    stty -echo </dev/tty
    printf 'password: ' >/dev/tty
    read answer </dev/tty
    stty echo </dev/tty
    [ "$answer" = secret ] || { echo 'Permission denied' >&2; exit 255; }
    rm "$0.asks"
fi
exec sh -c "$command"
"#;

#[test]
fn a_question_of_ssh_reaches_the_person_when_they_want_it_and_nothing_else_does() {
    let home = Folder::new();
    let asks = home.path("ssh.asks");
    fs::write(&asks, "").unwrap();
    let command = instead_of_ssh(&home, ASKS, &["there", "PS1='ready> '", "exec", "sh"]);
    let mut person = Person::at(command);
    person.reads("password: ");
    person.types("secret\r");
    person.reads("ready> ");
    person.types("clear; echo typed-$((1+1))\r");
    person.sees("a clear screen", |screen| screen.starts_with("typed-2\nready> "));
    let before = person.lines();
    fs::write(&asks, "").unwrap();
    cut(person.child.id());
    for answer in ["wrong", "secret"] {
        // It is asked when they want it, and again.
        person.reads("ssh has to ask something; Enter: hear it");
        assert!(!person.screen().contains("password"), "{}", person.screen());
        person.types("\r");
        person.reads("password: ");
        person.types(&format!("{answer}\r"));
        person.sees("the answer to be taken", |screen| !screen.contains("password"));
    }
    person.sees("the screen as it was", |_| person.lines() == before);
    person.types("exit 6\r");
    assert_eq!(person.ends(), 6);
    eventually("the daemon goes", || daemon(&home).is_none());
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
