//! Replays `proto/vectors/transcripts`: whole exchanges, packet by packet, at each end alone, the other one being what the
//! file has of it. PROTOCOL.md, section 13, says how the files are written.
//!
//! A new exchange is a file with its configuration and steps only. `UNBROKEN_BLESS=1 cargo test -p unbroken-proto --lib
//! transcripts` carries the steps of every file out between two ends and writes down what they say.

extern crate std;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use std::path::PathBuf;
use std::{env, fs};

mod client;
mod end;
mod recorded;
mod run;
mod script;
mod server;

use self::client::Client;
use self::recorded::Recorded;
use self::run::run;
use self::script::{Said, Script, name, other, said_by};
use self::server::Server;
use crate::id::Side;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors/transcripts");

fn files() -> Vec<(PathBuf, String)> {
    let entries = fs::read_dir(FOLDER).expect(FOLDER);
    let mut paths: Vec<_> = entries.map(|entry| entry.expect(FOLDER).path()).collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect(FOLDER);
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

fn is_blessed() -> bool {
    env::var_os("UNBROKEN_BLESS").is_some()
}

/// Both ends, as they are.
fn record(text: &str) -> String {
    let script = Script::read(text);
    let (mut client, mut server) = (Client::new(&script), Server::new(&script));
    run(&script, (&mut client, &mut server), |_, _| true)
}

/// One end as it is, the other as the file has it. Where they part ways, if they do.
fn replay(text: &str, side: Side) -> Result<(), String> {
    let script = Script::read(text);
    let expected = said_by(text, side);
    let is_expected = |now: &str, step| {
        let due = expected.iter().take_while(|said| said.step <= step);
        said_by(now, side).iter().eq(due)
    };
    let mut recorded = Recorded::read(text, other(side));
    let now = match side {
        Side::Client => run(&script, (&mut Client::new(&script), &mut recorded), is_expected),
        Side::Server => run(&script, (&mut recorded, &mut Server::new(&script)), is_expected),
    };
    let now = said_by(&now, side);
    let length = expected.len().max(now.len());
    let shown = |said: Option<&Said>| said.map_or("nothing more".to_owned(), |said| said.lines.clone());
    match (0..length).find(|at| expected.get(*at) != now.get(*at)) {
        None => Ok(()),
        Some(at) => Err(format!(
            "the {} parts ways with the transcript.\n--- the transcript:\n{}\n--- this end:\n{}",
            name(side),
            shown(expected.get(at)),
            shown(now.get(at))
        )),
    }
}

// PROTOCOL R3.14, R3.20, R3.21, R4.22, R8.7, R10.3, R10.7, R10.10, R10.11, R10.16, R11.2, R11.3
#[test]
fn each_end_says_what_the_transcripts_have_of_it() {
    let files = files();
    let mut wrong = String::new();
    for (path, text) in &files {
        let text = &if is_blessed() { record(text) } else { text.clone() };
        if is_blessed() {
            fs::write(path, text).expect(FOLDER);
        }
        for side in [Side::Client, Side::Server] {
            if let Err(difference) = replay(text, side) {
                wrong += &format!("{}: {difference}\n\n", path.display());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(files.len() >= 20, "{}", files.len());
}

/// Each packet counts, at the end that packs it and at the one that reads it.
#[test]
fn a_changed_byte_is_noticed_at_both_ends() {
    if is_blessed() {
        return;
    }
    let files = files();
    let plain = files.iter().find(|(path, _)| path.ends_with("new-session-1.txt"));
    let (_, text) = plain.expect("because it is there");
    let packets: Vec<_> = text.match_indices("\nhex: ").map(|(at, key)| at + key.len()).collect();
    assert!(packets.len() > 10, "{}", packets.len());
    for at in packets {
        let end = at + text[at..].find('\n').expect("because lines end");
        let mut other = text.clone();
        let last = if text[..end].ends_with('0') { "1" } else { "0" };
        other.replace_range(end - 1..end, last);
        for side in [Side::Client, Side::Server] {
            assert!(replay(&other, side).is_err(), "{} {}", name(side), &text[at..end]);
        }
    }
}
