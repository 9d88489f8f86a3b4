//! The fuzzers' corpora and whatever they ever found, through the same entry functions, on stable.

use std::fs;
use std::path::Path;

fn replay(target: &str, run: impl Fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let mut count = 0;
    for folder in ["corpus", "artifacts"] {
        let Ok(entries) = fs::read_dir(root.join(folder).join(target)) else {
            continue;
        };
        let mut paths: Vec<_> = entries
            .map(|entry| entry.expect("because it is listed").path())
            .collect();
        paths.sort();
        for path in paths {
            println!("{}", path.display());
            run(&fs::read(&path).expect("because it is listed"));
            count += 1;
        }
    }
    assert!(count >= 20, "the corpus of {target} is missing");
}

#[test]
fn packet() {
    replay("packet", unbroken_tests::hostile::decode);
}

#[test]
fn session_hostile() {
    replay("session_hostile", unbroken_tests::hostile::hostile);
}

#[test]
fn ssm_frame() {
    replay("ssm_frame", unbroken_tests::ssm::messages::decode);
}

#[test]
fn ssm_peer() {
    replay("ssm_peer", unbroken_tests::ssm::hostile::play);
}

#[test]
fn swap_schedule() {
    replay("swap_schedule", unbroken_tests::run_bytes);
}
