//! Terminals of which nobody reads what is printed, that are stopped, and on which something of ours is said.
#![cfg(unix)]

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::gate::Gate;
use crate::common::person::Person;
use crate::common::{Running, Served, eventually, read_all};

fn served() -> Served {
    Served::new(&["--allow-shell"])
}

/// The command run by a shell, which writes to a file how it ended and how it left the terminal.
fn in_a_shell(command: &Command, file: &Path) -> Command {
    let script = "file=$1; shift; \"$@\"; echo $? >$file.new; stty -a >>$file.new; mv $file.new $file";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(file).arg(command.get_program());
    shell.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// Leaves a program that prints more than anybody reads with these keys.
fn leaves_what_nobody_reads(keys: &str, code: i32) {
    let served = served();
    let arguments = ["--name", "left", "echo begun; read x; exec yes"];
    let (command, file) = (
        served.client("shell", &served.url(), &arguments),
        served.folder.path("left"),
    );
    let person = Person::at(in_a_shell(&command, &file));
    person.reads("begun");
    let away = person.looks_away();
    person.types("\r");
    eventually("the terminal to be full", || person.is_full());
    person.types(keys);
    eventually("the command to end", || file.exists());
    let left = fs::read_to_string(&file).unwrap();
    assert!(left.starts_with(&format!("{code}\n")), "{left}");
    assert!(left.contains(" icanon") && left.contains(" echo "), "{left}");
    drop(away);
}

#[test]
fn a_terminal_that_nobody_reads_can_be_left() {
    leaves_what_nobody_reads("~d", 0);
}

#[test]
fn a_program_whose_terminal_nobody_reads_can_be_ended() {
    leaves_what_nobody_reads("~.", 128 + 1);
}

#[test]
fn a_signal_ends_what_is_stuck_in_a_pipe() {
    let served = served();
    let client = |script| {
        let mut command = served.client("shell", &served.url(), &[script]);
        command.stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(command.spawn().unwrap())
    };
    for (script, signal) in [("exec yes", "-TERM"), ("exec yes >&2", "-HUP")] {
        let mut client = client(script);
        let (output, errors) = (client.0.stdout.take().unwrap(), client.0.stderr.take().unwrap());
        eventually("a pipe to be full", || {
            let waiting = [
                rustix::io::ioctl_fionread(&output).unwrap(),
                rustix::io::ioctl_fionread(&errors).unwrap(),
            ];
            // The kernel's pipe is no smaller, and takes pieces of less than a page where one is left.
            waiting.iter().any(|bytes| *bytes > 60 << 10)
        });
        client.signal(signal);
        assert_eq!(client.wait(), 255);
    }
    // Who reads late reads everything.
    let mark = served.folder.path("mark");
    let script = format!("head -c 150000 /dev/zero; touch {}; exit 7", mark.display());
    let mut late = client(&script);
    eventually("all to be printed", || mark.exists());
    assert_eq!(read_all(late.0.stdout.take().unwrap()).len(), 150_000);
    assert_eq!(late.wait(), 7);
    // Who closes the pipe is done.
    let mut closed = client("echo one; exec sleep 1000");
    let mut output = closed.0.stdout.take().unwrap();
    output.read_exact(&mut [0; 4]).unwrap();
    drop(output);
    closed.signal("-TERM");
    assert_eq!(closed.wait(), 255);
    let mut closed = client("exec yes");
    drop(closed.0.stdout.take());
    assert_eq!(closed.wait(), 255);
}

/// Somebody at a shell, with a program on the whole screen that waits for Enter.
fn with_a_full_screen(served: &Served, url: &str, arguments: &[&str]) -> Person {
    let mut all = arguments.to_vec();
    all.extend(["PS1='ready> '", "exec", "sh"]);
    let person = Person::at(served.client("shell", url, &all));
    person.reads("ready> ");
    let draw = "\\033[?1049h\\033[2J\\033[24;1Hbelow\\033[5;10Hhere";
    person.types(&format!("printf '{draw}'; read x; printf '\\033[?1049l'\r"));
    person.sees("the full screen", |screen| {
        screen.trim_start().starts_with("here") && screen.ends_with("below")
    });
    person
}

#[test]
fn who_is_stopped_leaves_the_terminal_as_it_was_and_has_it_again_afterwards() {
    let served = served();
    let mut person = with_a_full_screen(&served, &served.url(), &[]);
    let before = person.picture();
    assert!(person.is_raw());
    person.signals("-TSTP");
    eventually("it to be stopped", || person.is_stopped());
    assert!(!person.is_raw());
    person.sees("what was there before", |screen| screen.starts_with("ready> "));
    person.is_disturbed();
    person.resizes(100, 24);
    person.signals("-CONT");
    person.sees("the full screen", |_| person.picture() == before);
    assert!(person.is_raw());
    // It cannot notice before it goes on.
    person.signals("-STOP");
    eventually("it to be stopped", || person.is_stopped());
    person.is_disturbed();
    person.signals("-CONT");
    person.sees("the full screen", |_| person.picture() == before);
    eventually("the terminal to be raw", || person.is_raw());
    person.types("\r");
    person.reads("ready> ");
    person.types("clear; stty size\r");
    person.reads("24 100\n");
    person.types("exit 4\r");
    assert_eq!(person.ends(), 4);
}

#[test]
fn what_is_said_while_a_program_has_the_whole_screen_is_shown_for_a_while_and_said_afterwards() {
    let served = served();
    let gate = Gate::new(served.address);
    let url = format!("tcp://{}", gate.address);
    let mut person = with_a_full_screen(&served, &url, &["-v"]);
    let before = person.picture();
    gate.cut();
    person.reads("unbroken: connected after");
    person.types("~?");
    person.reads("~d  detach");
    person.sees("the screen as it was", |_| person.picture() == before);
    person.types("\r");
    person.sees("what was said", |screen| {
        let begins = |words: &str| screen.lines().any(|line| line.starts_with(words));
        screen.contains("ready> ")
            && begins("unbroken: connection lost")
            && screen.matches("connected after").count() == 2
            && !screen.contains("detach")
    });
    person.types("exit\r");
    assert_eq!(person.ends(), 0);
}
