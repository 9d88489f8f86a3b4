//! What is generated out of the command line's definition, and what is shipped beside the command.
#![cfg(unix)]

use std::fs;
use std::io::ErrorKind;
use std::process::Command;

use crate::common::{Folder, failure, run, unbroken};

/// As `--help` lists them.
fn commands() -> Vec<String> {
    let help = printed(&["--help"]);
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let words = listed
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next());
    words.filter(|word| *word != "help").map(str::to_owned).collect()
}

fn printed(arguments: &[&str]) -> String {
    let folder = Folder::new();
    let mut command = unbroken(&folder.path("."), arguments);
    // What holds here is nothing for a page that others read.
    command.env("UNBROKEN_KEY", "/somewhere/private");
    let output = run(command, b"");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_command_is_completed_in_every_shell() {
    let commands = commands();
    assert!(commands.iter().any(|command| command == "connect"), "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell}: {command}");
        }
        assert!(
            script.contains("connect-timeout") && !script.contains("private"),
            "{shell}"
        );
    }
    let script = printed(&["completions", "bash"]);
    let asking =
        script + "\nCOMP_WORDS=(unbroken for) COMP_CWORD=1; _unbroken unbroken for unbroken; echo \"${COMPREPLY[@]}\"";
    match Command::new("bash").args(["-c", &asking]).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => eprintln!("without bash"),
        completed => assert_eq!(completed.unwrap().stdout, b"forward\n"),
    }
}

#[test]
fn every_command_has_a_page() {
    let (main, commands) = (printed(&["man"]), commands());
    let folder = Folder::new();
    let pages = folder.path("man/man1");
    printed(&["man", "--dir", pages.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(pages.join("unbroken.1")).unwrap(), main);
    for command in &commands {
        let page = fs::read_to_string(pages.join(format!("unbroken-{command}.1"))).unwrap();
        assert!(page.contains(&format!("unbroken\\-{command} \\- ")), "{page}");
        assert!(main.contains(&format!("unbroken\\-{command}(1)")), "{command}");
        assert!(!page.contains("private"), "{page}");
    }
    assert_eq!(fs::read_dir(&pages).unwrap().count(), commands.len() + 1);
    let page = fs::read_to_string(pages.join("unbroken-connect.1")).unwrap();
    assert!(page.contains("UNBROKEN_KEY"), "{page}");
    let taken = pages.join("unbroken.1");
    let command = unbroken(&folder.path("."), &["man", "--dir", taken.to_str().unwrap()]);
    let (code, line) = failure(&run(command, b""));
    assert!(code == 2 && line.contains("cannot write into"), "{line}");
}

/// Where systemd is, it says what it thinks of the unit.
#[test]
fn the_unit_is_understood_by_systemd() {
    let unit = include_str!("../../contrib/unbroken.service")
        .replace("/usr/local/bin/unbroken", env!("CARGO_BIN_EXE_unbroken"));
    let folder = Folder::new();
    let path = folder.path("unbroken.service");
    fs::write(&path, unit).unwrap();
    match Command::new("systemd-analyze").arg("verify").arg(&path).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => eprintln!("without systemd"),
        checked => {
            let said = String::from_utf8(checked.unwrap().stderr).unwrap();
            // It looks at what else is installed here, too.
            let ours: Vec<&str> = said.lines().filter(|line| line.contains("unbroken.service")).collect();
            assert!(ours.is_empty(), "{ours:?}");
        }
    }
}

/// Where no terminal is, nothing is written for one. There is no colour anywhere that `NO_COLOR` could turn off.
#[test]
fn what_is_not_written_to_a_terminal_is_plain() {
    let folder = Folder::new();
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["nonsense"],
        &["demo", "--size", "1MiB", "--cuts", "1"],
    ] {
        let output = run(unbroken(&folder.path("."), arguments), b"");
        assert!(
            ![output.stdout, output.stderr].concat().contains(&0x1b),
            "{arguments:?}"
        );
    }
}
