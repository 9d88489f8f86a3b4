//! The command, as a user runs it.

use std::path::PathBuf;
use std::process::{Command, Output};

fn unbroken(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_unbroken"))
        .args(arguments)
        .output()
        .unwrap()
}

fn field(output: &Output, name: &str) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let (_, rest) = text.split_once(&format!("\"{name}\":")).unwrap();
    rest.split([',', '}']).next().unwrap().trim_matches('"').to_string()
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("unbroken-{}-{name}", std::process::id()))
}

#[test]
fn generated_data_survives_cuts_on_both_carriers() {
    let mut digests = Vec::new();
    for carrier in ["ws", "tcp"] {
        let output = unbroken(&[
            "demo",
            "--carrier",
            carrier,
            "--size",
            "8MiB",
            "--cuts",
            "20",
            "--seed",
            "7",
            "--json",
        ]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(field(&output, "intact"), "true");
        assert_eq!(field(&output, "bytes_sent"), (8 << 20).to_string());
        assert_eq!(field(&output, "bytes_received"), (8 << 20).to_string());
        assert_eq!(field(&output, "digest_sent"), field(&output, "digest_received"));
        // One that falls into the resume after another is no swap of its own.
        assert!(field(&output, "swaps").parse::<u32>().unwrap() >= 10, "{output:?}");
        digests.push(field(&output, "digest_sent"));
    }
    assert_eq!(digests[0], digests[1], "the same seed makes the same data");
}

#[test]
fn cuts_by_the_clock_are_no_more_than_wanted() {
    let output = unbroken(&["demo", "--size", "48MiB", "--cuts", "3", "--cut-every", "5ms", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(field(&output, "swaps").parse::<u32>().unwrap() <= 3, "{output:?}");
}

#[test]
fn a_file_arrives_as_it_is() {
    let (file, out) = (scratch("in"), scratch("out"));
    let data: Vec<u8> = (0..3_000_000u32)
        .flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect();
    std::fs::write(&file, &data).unwrap();
    let output = unbroken(&[
        "demo",
        file.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
        "--cut-every",
        "10ms",
        "--cuts",
        "5",
    ]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("intact"));
    assert!(std::fs::read(&out).unwrap() == data);
    let itself = unbroken(&["demo", file.to_str().unwrap(), "--out", file.to_str().unwrap()]);
    assert_eq!(itself.status.code(), Some(2));
    assert!(std::fs::read(&file).unwrap() == data);
    std::fs::remove_file(file).unwrap();
    std::fs::remove_file(out).unwrap();
}

#[test]
fn what_cannot_be_done_is_one_line_and_exit_code_2() {
    for arguments in [
        &["demo", "/no/such/file"][..],
        &["demo", "/"],
        &["demo", "--out", "/no/such/directory/out"],
        &["demo", "--cuts", "many"],
        &["demo", "--cut-every", "0ms"],
        &["demo", "--carrier", "pigeon"],
        &["demo", "--frobnicate"],
        &["frobnicate"],
        &[],
    ] {
        let output = unbroken(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(complaint.lines().count(), 1, "{arguments:?}: {complaint}");
        assert!(complaint.starts_with("unbroken: "), "{complaint}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_summary_that_cannot_be_written_is_one_line_and_exit_code_2() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_unbroken"))
        .args(["demo", "--size", "64KiB", "--cuts", "2", "--seed", "1"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(
        complaint
            .lines()
            .any(|line| line.starts_with("unbroken: cannot write the summary")),
        "{complaint}"
    );
}
