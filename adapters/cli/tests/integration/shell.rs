//! Terminals on a server, as somebody at one has them.
#![cfg(unix)]

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::common;
use crate::common::gate::Gate;
use crate::common::person::Person;
use crate::common::{Running, Served, failure, pattern, run, unbroken};

/// A shell that says nothing of the account it runs in.
fn served() -> Served {
    Served::new(&["--allow-shell"])
}

fn shell(served: &Served, url: &str, arguments: &[&str]) -> Command {
    served.client("shell", url, arguments)
}

/// A shell with a prompt of its own.
fn at_a_shell(served: &Served, url: &str, arguments: &[&str]) -> Person {
    let mut all = arguments.to_vec();
    all.extend(["PS1='ready> '", "exec", "sh"]);
    let person = Person::at(shell(served, url, &all));
    person.reads("ready> ");
    person
}

#[test]
fn a_program_has_a_terminal_and_its_exit_code_is_ours() {
    let served = served();
    let mut person = at_a_shell(&served, &served.url(), &[]);
    person.types("echo ${TERM}_$((6*7)); tty >/dev/null && stty size\r");
    person.reads("xterm-256color_42\n24 80\n");
    person.resizes(100, 30);
    person.sees("the new size", |_| {
        person.types("stty size\r");
        person.screen().contains("30 100")
    });
    // Ctrl-C goes to the program.
    person.types("echo asleep-$((1+1)); sleep 1000\r");
    person.reads("asleep-2");
    person.types("\x03");
    person.reads("^C\nready> ");
    person.types("exit 7\r");
    assert_eq!(person.ends(), 7);
    let mut killed = Person::at(shell(&served, &served.url(), &["kill -TERM $$"]));
    assert_eq!(killed.ends(), 128 + 15);
}

#[test]
fn typing_goes_on_through_cuts_and_a_line_says_that_there_is_no_connection() {
    let served = served();
    let gate = Gate::new(served.address);
    let url = format!("tcp://{}", gate.address);
    let mut person = at_a_shell(&served, &url, &[]);
    for round in 0..20 {
        person.types(&format!("echo round-$(({round}+1000))\r"));
        gate.cut();
        person.reads(&format!("\nround-{}\n", round + 1_000));
    }
    let before = person.lines();
    gate.close();
    person.reads("reconnecting, attempt");
    person.reads("Enter: now");
    // Enter is ours there, and what else is typed waits.
    let line = |screen: &str| screen.lines().last().map(str::to_owned);
    let said = line(&person.screen());
    person.types("\r");
    person.sees("another attempt", |screen| line(screen) != said);
    person.types("echo typed-$((1+1))");
    gate.open();
    person.reads("echo typed-$((1+1))");
    person.sees("the line to go", |screen| !screen.contains("reconnecting"));
    person.types("\x15");
    person.sees("the screen as it was", |_| person.lines() == before);
    person.types("exit\r");
    assert_eq!(person.ends(), 0);
}

#[test]
fn what_was_detached_is_attached_again_elsewhere_with_what_it_printed_meanwhile() {
    let served = served();
    let url = served.url();
    let mut person = at_a_shell(&served, &url, &["--name", "work"]);
    person.types("i=0; while [ $i -lt 300 ]; do echo line-$i; i=$((i+1)); done; printf '\\033[31mred\\033[m '\r");
    person.reads("line-299\nred");
    person.types("sleep 0.3; seq -f later-%g 500; printf '\\033[1mdone\\033[m '\r");
    person.types("~d");
    assert_eq!(person.ends(), 0);
    person.reads("detached from work; attach it again with: unbroken shell");
    let listed = run(shell(&served, &url, &["--list"]), b"");
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.starts_with("work") && listed.contains("detached"), "{listed}");

    let mut elsewhere = Person::at(shell(&served, &url, &["--attach", "work"]));
    elsewhere.reads("later-500\ndone ready>");
    let lines = elsewhere.all_lines();
    for (prefix, first, last) in [("line-", 0, 299), ("later-", 1, 500)] {
        let numbers: Vec<u32> = lines
            .iter()
            .filter_map(|line| line.trim_end().strip_prefix(prefix)?.parse().ok())
            .collect();
        assert_eq!(numbers, (first..=last).collect::<Vec<_>>(), "each once");
    }
    elsewhere.types("echo still-$((1+1))\r");
    elsewhere.reads("\nstill-2\n");

    // And once more, from under the one that is attached.
    let mut third = Person::at(shell(&served, &url, &["--attach", "work"]));
    third.reads("still-2");
    assert_eq!(elsewhere.ends(), 255);
    elsewhere.reads("work was attached elsewhere");
    third.types("exit 3\r");
    assert_eq!(third.ends(), 3);
    let gone = run(shell(&served, &url, &["--attach", "work"]), b"");
    assert_eq!(failure(&gone).0, 5);
}

#[test]
fn a_program_that_closed_its_terminal_can_be_ended() {
    let served = served();
    let mark = served.folder.path("mark");
    let script = format!("touch {}; exec sleep 1000 </dev/null >/dev/null 2>&1", mark.display());
    let mut person = Person::at(shell(&served, &served.url(), &[&script]));
    common::eventually("it to begin", || mark.exists());
    std::thread::sleep(std::time::Duration::from_millis(100));
    person.types("~.");
    assert_eq!(person.ends(), 128 + 1);
}

#[test]
fn a_program_that_does_not_read_can_be_ended_and_left() {
    let served = served();
    let url = served.url();
    for (name, word) in [("ended", "~."), ("left", "~d")] {
        let mut person = Person::at(shell(
            &served,
            &url,
            &["--name", name, "stty raw -echo; echo begun; exec sleep 1000"],
        ));
        person.reads("begun");
        // More than waits anywhere on the way.
        for _ in 0..60 {
            person.types(&"x".repeat(8 << 10));
        }
        person.types(&format!("\r{word}"));
        assert_eq!(person.ends(), if name == "ended" { 128 + 1 } else { 0 });
    }
    // Nobody is attached to what was left.
    let listed = || String::from_utf8(run(shell(&served, &url, &["--list"]), b"").stdout).unwrap();
    common::eventually("it to be left", || listed().contains("detached"));
    let mut again = Person::at(shell(&served, &url, &["--attach", "left"]));
    again.reads("begun");
    again.types("\r~.");
    assert_eq!(again.ends(), 128 + 1);
}

#[test]
fn a_program_that_is_ended_says_its_last_words() {
    let served = served();
    let script = "trap 'seq 1 50000; echo over; exit 3' HUP; echo begun; while :; do sleep 0.05; done";
    let mut person = Person::at(shell(&served, &served.url(), &[script]));
    person.reads("begun");
    person.types("~.");
    assert_eq!(person.ends(), 3);
    person.reads("50000\nover");
}

#[test]
fn a_terminal_is_its_owners() {
    let served = served();
    let url = served.url();
    let _person = at_a_shell(&served, &url, &["--name", "mine"]);
    let keygen = unbroken(
        &served.folder.path(""),
        &["keygen", "--key", &served.folder.text("other.key")],
    );
    let key = String::from_utf8(run(keygen, b"").stdout).unwrap();
    let authorized = fs::read_to_string(served.folder.path("authorized")).unwrap();
    fs::write(served.folder.path("authorized"), authorized + &key).unwrap();
    served.reload();
    let other = |arguments: &[&str]| run(served.client_with("other.key", "shell", &url, arguments), b"");
    assert_eq!(other(&["--list"]).stdout, b"");
    let (code, line) = failure(&other(&["--attach", "mine"]));
    assert!(
        (code, line.contains("there is no terminal mine")) == (5, true),
        "{line}"
    );
    // It has names of its own.
    let own = other(&["--name", "mine", "echo another"]);
    assert!(String::from_utf8(own.stdout).unwrap().contains("another"));
}

#[test]
fn what_is_typed_just_before_leaving_is_done() {
    let served = served();
    let url = served.url();
    let mut person = at_a_shell(&served, &url, &["--name", "left"]);
    let file = served.folder.text("said");
    let rounds: Vec<String> = (0..20).map(|round| round.to_string()).collect();
    for round in &rounds {
        person.types(&format!("echo {round} >>{file}\r~d"));
        assert_eq!(person.ends(), 0);
        person = Person::at(shell(&served, &url, &["--attach", "left"]));
        person.reads("ready> ");
    }
    person.types("exit\r");
    assert_eq!(person.ends(), 0);
    let said = fs::read_to_string(&file).unwrap();
    assert_eq!(said.lines().collect::<Vec<_>>(), rounds);
}

#[test]
fn a_full_screen_is_drawn_again_as_it_was_and_left_behind_clean() {
    let served = served();
    let url = served.url();
    let mut person = at_a_shell(&served, &url, &["--name", "full"]);
    person.types("printf '\\033[?1049h\\033[?2004h\\033[?25l\\033[2J\\033[5;10H\\033[44mblue\\033[m\\033[7;3H'; read x; printf '\\033[?1049l\\033[?25h'\r");
    person.reads("blue");
    person.sees("only that", |screen| screen.trim() == "blue");
    let before = person.picture();
    let mut elsewhere = Person::at(shell(&served, &url, &["--attach", "full"]));
    elsewhere.reads("blue");
    elsewhere.sees("the same picture", |_| elsewhere.picture() == before);
    assert_eq!(person.ends(), 255);
    // Whoever was displaced has a terminal that can be used.
    person.reads("attached elsewhere");
    assert!(!person.picture().contains("\x1b[?2004h"), "{:?}", person.picture());
    elsewhere.types("\r");
    elsewhere.types("exit\r");
    assert_eq!(elsewhere.ends(), 0);
}

#[test]
fn a_client_that_is_killed_leaves_its_terminal_to_be_attached_again() {
    let served = served();
    let url = served.url();
    let mut person = at_a_shell(&served, &url, &["--name", "kept"]);
    person.types("echo before-$((1+1))\r");
    person.reads("\nbefore-2\n");
    person.child.kill().unwrap();
    person.ends();
    let mut again = Person::at(shell(&served, &url, &["--attach", "kept"]));
    again.reads("before-2");
    again.types("exit 4\r");
    assert_eq!(again.ends(), 4);
}

#[test]
fn a_server_that_is_killed_ends_a_terminal_with_one_clear_line() {
    let mut served = served();
    let mut person = at_a_shell(&served, &served.url(), &[]);
    let port = served.address.port();
    served.process().signal("-KILL");
    served.process().wait();
    let _other = Served::at(port, &served.folder, &["--allow-shell"]);
    assert_eq!(person.ends(), 1);
    person.reads("was started anew and does not know the session any more");
}

#[test]
fn what_is_not_allowed_or_not_there_is_said_in_a_line() {
    let served = Served::new(&["--allow-exec", "echo only this", "--echo"]);
    let url = served.url();
    let said = run(shell(&served, &url, &["echo only this"]), b"");
    assert_eq!(String::from_utf8(said.stdout).unwrap(), "only this\n");
    for (arguments, code, words) in [
        (&["echo", "more"][..], 5, "does not allow `echo more`"),
        (&[], 5, "does not allow a shell"),
        (&["--attach", "x"], 5, "there is no terminal x"),
        (&["--name", "a b", "echo only this"], 2, "is no name"),
        (&["--record", "/nowhere/x", "echo only this"], 2, "/nowhere/x"),
    ] {
        let (found, line) = failure(&run(shell(&served, &url, arguments), b""));
        assert!(line.contains(words), "{line}");
        assert_eq!(found, code, "{line}");
    }
    let none = Served::new(&["--echo"]);
    let (code, line) = failure(&run(shell(&none, &none.url(), &["true"]), b""));
    assert!((code, line.contains("does not allow `true`")) == (5, true), "{line}");
}

#[test]
fn a_program_whose_input_is_no_terminal_has_pipes() {
    let served = served();
    let url = served.url();
    let bytes = pattern(4 << 20);
    let copied = run(shell(&served, &url, &["cat; echo seen >&2; exit 5"]), &bytes);
    assert_eq!(copied.status.code(), Some(5));
    assert!(copied.stdout == bytes, "{} bytes", copied.stdout.len());
    assert_eq!(copied.stderr, b"seen\n");
    // A tilde is no more than that.
    let said = run(shell(&served, &url, &["cat"]), b"~.\n~d\n");
    assert_eq!(said.stdout, b"~.\n~d\n");
    // What has no end of a line comes as well, while the program waits.
    let mut command = shell(&served, &url, &["cat"]);
    let mut client = Running(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap());
    let (mut input, mut output) = (client.0.stdin.take().unwrap(), client.0.stdout.take().unwrap());
    input.write_all(b"abc").unwrap();
    output.read_exact(&mut [0; 3]).unwrap();
    drop(input);
    assert_eq!(client.wait(), 0);
    // Who reads no more still says what there is to say; and what is not read at all keeps nobody.
    let said = run(shell(&served, &url, &["head -c 3; echo; sleep 0.1; echo more"]), &bytes);
    assert_eq!(
        (said.stdout.as_slice(), said.status.code()),
        (&[&bytes[..3], b"\nmore\n"].concat()[..], Some(0))
    );
    // A name makes it a terminal, at whose end Ctrl-D is typed.
    let said = run(shell(&served, &url, &["--name", "x", "cat - | tr a-z A-Z"]), b"hello\n");
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(text.contains("HELLO\r\n"), "{text}");
}

#[test]
fn a_program_between_pipes_goes_with_its_client() {
    let served = served();
    let (mark, end) = (served.folder.text("mark"), served.folder.path("end"));
    let script = format!(
        "trap 'echo over >{}; exit' HUP; echo begun >{mark}; while :; do sleep 0.05; done",
        end.display()
    );
    let mut command = shell(&served, &served.url(), &[&script]);
    let mut client = Running(command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
    // It does not read what it is sent.
    let mut input = client.0.stdin.take().unwrap();
    std::thread::spawn(move || {
        let _gone = input.write_all(&pattern(8 << 20));
    });
    common::eventually("it to begin", || served.folder.path("mark").exists());
    client.signal("-TERM");
    assert_eq!(client.wait(), 255);
    common::eventually("it to end", || end.exists());
}

#[test]
fn a_recording_holds_what_was_shown() {
    let served = served();
    let file = served.folder.text("session.cast");
    let mut person = at_a_shell(&served, &served.url(), &["--record", &file]);
    person.types("printf 'sch\\303\\266n\\n'\r");
    person.reads("\nschön\n");
    person.types("exit\r");
    assert_eq!(person.ends(), 0);
    let text = fs::read_to_string(&file).unwrap();
    let mut lines = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let head = lines.next().unwrap();
    assert_eq!(
        (&head["version"], &head["width"], &head["height"]),
        (&2.into(), &80.into(), &24.into())
    );
    let events: Vec<_> = lines.collect();
    let times: Vec<f64> = events.iter().map(|event| event[0].as_f64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let shown: String = events.iter().filter_map(|event| event[2].as_str()).collect();
    assert!(shown.contains("schön"), "{shown}");
    // Where nothing is shown, nothing is left.
    let none = served.folder.text("none.cast");
    run(
        shell(&served, &served.url(), &["--record", &none, "--attach", "nobody"]),
        b"",
    );
    assert!(!served.folder.path("none.cast").exists());
    let again = run(shell(&served, &served.url(), &["--record", &file, "true"]), b"");
    assert!(failure(&again).1.contains("exists already"));
}
