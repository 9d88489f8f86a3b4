//! A shell, or a command, on the instance.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use super::place::Place;
use crate::common::gate::Gate;
use crate::common::person::Person;
use crate::common::{Running, eventually, failure, run};

/// At the prompt of the shell there.
fn at_a_shell(place: &Place, arguments: &[&str]) -> Person {
    let person = Person::at(place.start(arguments));
    person.reads("$ ");
    person
}

#[test]
fn typing_goes_on_through_cuts_and_the_end_is_the_shells() {
    let place = Place::new();
    let mut person = at_a_shell(&place, &[]);
    person.types("stty size\r");
    person.reads("\n24 80\n");
    for round in 0..8 {
        person.types(&format!("echo round-$(({round}+1000))\r"));
        place.cut_client();
        place.loopback.cut();
        person.reads(&format!("\nround-{}\n", round + 1_000));
    }
    person.resizes(100, 30);
    person.sees("the new size", |_| {
        person.types("stty size\r");
        person.screen().contains("\n30 100")
    });
    // Ctrl-C goes to the program: the shell itself, since who gets it while another begins is a race.
    person.types("echo asleep-$((1+1)); read x\r");
    person.reads("asleep-2");
    person.types("\x03");
    person.reads("^C\n$ ");
    person.types("exit\r");
    assert_eq!(person.ends(), 0);
    place.is_left();
}

#[test]
fn a_tilde_and_a_dot_end_the_session() {
    let place = Place::new();
    let mut person = at_a_shell(&place, &[]);
    person.types("echo a~.b-$((1+1))\r");
    person.reads("\na~.b-2\n");
    person.types("~?");
    person.reads("end the session");
    person.types("\r~.");
    assert_eq!(person.ends(), 0);
    place.is_left();
}

#[test]
fn a_tilde_and_a_dot_leave_what_cannot_be_reached() {
    let place = Place::new();
    let gate = Gate::new(place.address());
    let mut person = Person::at(place.start_at(&format!("http://{}", gate.address), "i-1", &[]));
    person.reads("$ ");
    place.shut(&gate);
    person.reads("reconnecting, for ");
    person.reads("Enter: now");
    person.types("~.");
    assert_eq!(person.ends(), 255);
    person.reads("could not be told to end the session");
    assert_eq!(place.sessions().len(), 1);
}

#[test]
fn a_line_says_that_there_is_no_connection_and_goes_with_it() {
    let place = Place::new();
    let gate = Gate::new(place.address());
    let mut person = Person::at(place.start_at(&format!("http://{}", gate.address), "i-1", &[]));
    person.reads("$ ");
    person.types("echo before-$((1+1))\r");
    person.reads("\nbefore-2\n$ ");
    let before = person.lines();
    place.shut(&gate);
    person.reads("reconnecting, for ");
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
fn the_end_of_a_line_that_was_typed_is_the_programs() {
    let place = Place::new();
    let gate = Gate::new(place.address());
    let mut person = Person::at(place.start_at(&format!("http://{}", gate.address), "i-1", &[]));
    person.reads("$ ");
    place.shut(&gate);
    person.reads("Enter: now");
    person.types("echo typed-$((1+1))");
    // So that Enter is most likely read by itself, as a person's is.
    std::thread::sleep(std::time::Duration::from_millis(300));
    person.types("\r");
    gate.open();
    person.reads("\ntyped-2\n");
    person.types("exit\r");
    assert_eq!(person.ends(), 0);
}

#[test]
fn a_session_that_the_service_lost_meanwhile_ends_with_a_line() {
    let place = Place::new();
    let gate = Gate::new(place.address());
    let mut person = Person::at(place.start_at(&format!("http://{}", gate.address), "i-1", &[]));
    person.reads("$ ");
    place.shut(&gate);
    person.reads("reconnecting, for ");
    assert!(place.loopback.gateway().terminate(&place.session(), "enough"));
    gate.open();
    assert_eq!(person.ends(), 1);
    person.reads("the service does not have the session any more");
}

#[test]
fn what_the_service_ends_is_said_and_is_no_success() {
    let place = Place::new();
    let mut person = at_a_shell(&place, &[]);
    let gateway = place.loopback.gateway();
    assert!(gateway.terminate(&place.session(), "idle for too long"));
    assert_eq!(person.ends(), 1);
    person.reads("the service closed the session: idle for too long");
}

#[test]
fn a_signal_ends_it() {
    for signal in ["-TERM", "-HUP"] {
        let place = Place::new();
        let mut person = at_a_shell(&place, &[]);
        person.signals(signal);
        assert_eq!(person.ends(), 255);
        place.is_left();
    }
}

#[test]
fn lines_of_a_pipe_are_typed() {
    let place = Place::new();
    let said = run(place.start(&[]), b"echo h\"\"i; exit\n");
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(text.contains("\nhi\r\n"), "{text:?}");
    assert_eq!((said.stderr.as_slice(), said.status.code()), (&b""[..], Some(0)));
    // At the end of what there is, the shell ends as at a Ctrl-D.
    let said = run(place.start(&[]), b"stty size; echo h\"\"o\n");
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(text.contains("\nho\r\n") && text.contains("100 300\r\n"), "{text:?}");
    assert_eq!(said.status.code(), Some(0));
    place.is_left();
}

#[test]
fn a_command_runs_instead() {
    let place = Place::new();
    let said = run(
        place.start(&["--", "echo", "$((6*7));", "tty >/dev/null && echo at a terminal"]),
        b"",
    );
    assert_eq!(
        (said.stdout.as_slice(), said.stderr.as_slice(), said.status.code()),
        (&b"42\r\nat a terminal\r\n"[..], &b""[..], Some(0))
    );
}

#[test]
fn a_command_without_a_terminal_says_how_it_ended() {
    let place = Place::new();
    let document = ["--document-name", "AWS-StartNonInteractiveCommand", "--parameter"];
    let command = "command=seq 1 20000; echo err >&2; exit 7";
    let cutter = place.cutting();
    let said = run(place.start(&[&document[..], &[command]].concat()), b"");
    drop(cutter);
    let numbers: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
    assert!(said.stdout == numbers.as_bytes(), "{} bytes", said.stdout.len());
    assert_eq!((said.stderr.as_slice(), said.status.code()), (&b"err\n"[..], Some(7)));
    let killed = run(place.start(&[&document[..], &["command=exit 255"]].concat()), b"");
    assert_eq!(killed.status.code(), Some(255));
}

#[test]
fn a_command_between_pipes_is_sent_the_key_of_a_signal_and_ends_at_another() {
    let place = Place::new();
    let mark = place.folder.path("mark");
    let script = format!(
        "echo begun; trap 'echo interrupted; exit 0' INT; touch {}; while :; do sleep 0.05; done",
        mark.display()
    );
    for (signal, code, words) in [("-INT", 0, "interrupted"), ("-TERM", 255, "")] {
        let mut command = place.start(&["--", &script]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut client = Running(command.spawn().unwrap());
        let _input = client.0.stdin.take();
        let output = client.0.stdout.take().unwrap();
        let mut output = BufReader::new(output);
        output.read_line(&mut String::new()).unwrap();
        eventually("it to begin", || mark.exists());
        client.signal(signal);
        let said = String::from_utf8(crate::common::read_all(output)).unwrap();
        assert_eq!((client.wait(), said.contains(words)), (code, true), "{said}");
        place.is_left();
        std::fs::remove_file(&mark).unwrap();
    }
}

#[test]
fn a_signal_ends_what_has_not_said_anything_yet() {
    let place = Place::new();
    let mark = place.folder.path("mark");
    let script = format!("touch {}; exec sleep 1000", mark.display());
    let mut client = Running(place.start(&["--", &script]).stdin(Stdio::null()).spawn().unwrap());
    eventually("it to begin", || mark.exists());
    client.signal("-INT");
    assert_eq!(client.wait(), 1);
    place.is_left();
}

#[test]
fn what_cannot_be_started_is_said_in_a_line() {
    let place = Place::new();
    let endpoint = place.loopback.endpoint();
    let (code, line) = failure(&run(place.start_at(&endpoint, "i-offline", &[]), b""));
    assert!(
        (code, line.contains("TargetNotConnected")) == (5, true),
        "{code} {line}"
    );
    let nowhere = format!("http://127.0.0.1:{}", crate::common::free_port());
    let (code, line) = failure(&run(place.start_at(&nowhere, "i-1", &[]), b""));
    assert!((code, line.contains("i-1")) == (3, true), "{code} {line}");
    let (code, line) = failure(&run(place.start(&["--document-name", "Nothing"]), b""));
    assert!((code, line.contains("InvalidDocument")) == (5, true), "{code} {line}");
    let (code, line) = failure(&run(place.command(&["start"]), b""));
    assert!((code, line.contains("--help")) == (2, true), "{code} {line}");
}
