//! Checks `proto/vectors/journal.txt`: that this is how a journal is written and read.

use alloc::boxed::Box;

use zeroize::Zeroizing;

use super::*;
use crate::SessionId;
use crate::accept::{Over, Tombstone};
use crate::durable::{Op, read};
use crate::security::{AtRest, PublicKey, ResumptionSecret, Suite};
use crate::session::Remains;

const FILE: &str = include_str!("../../../vectors/journal.txt");

fn hex(text: &str) -> Bytes {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16).expect("a digit")).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

fn shown(bytes: &[u8]) -> alloc::string::String {
    bytes.iter().map(|byte| alloc::format!("{byte:02x}")).collect()
}

/// The session of the vectors: its seed, and what its application does.
fn records(at_rest: &AtRest) -> Vec<Bytes> {
    let now = Instant::from_millis(1_000);
    let secret = SharedSecret::from_key(b"test", [7; 32]).expect("because the hint is short");
    let mut config = ClientConfig::new(Auth::secret(secret));
    config.session.durable = Some(at_rest.clone());
    let mut session = Session::connect(config, Seed([1; 32]), now).expect("because the limits are valid");
    let mut records = Vec::new();
    let mut keep = |session: &mut Session| {
        let record = session.poll_record().expect("because there is something to keep");
        session.handle_persisted(now, record.number);
        records.push(record.bytes);
    };
    keep(&mut session);
    let options = StreamOptions {
        label: "ledger".into(),
        ..StreamOptions::default()
    };
    let stream = session.open(now, options).expect("because there is room");
    send(&mut session, now, stream, "hello");
    keep(&mut session);
    session.stream(stream).finish(now).expect("because it is open");
    session.close(now, 7, "bye".into()).expect("because the code is small");
    keep(&mut session);
    records
}

/// What is left of a session in the vectors.
fn remains() -> Remains {
    let suite = Suite::from_byte(1).expect("because there is one");
    let secret = |byte| ResumptionSecret::new(suite, Zeroizing::new([byte; 32]));
    Remains {
        client: PublicKey([2; 32]),
        tombstone: Tombstone {
            id: SessionId([1; 16]),
            position: 300,
            over: Some(Box::new(Over::Closed {
                code: 9,
                reason: "bye".into(),
            })),
            is_final: true,
            believable: 2..=70_000,
            counter: 5,
            verifiers: alloc::vec![secret(3).verifier(), secret(4).verifier()],
        },
    }
}

#[test]
fn the_vectors_hold() {
    let mut lines = FILE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut next = |key: &str| {
        let line = lines.next().expect("because there is a line for everything");
        let (found, value) = line.split_once(": ").expect("a key and a value");
        assert_eq!(found, key);
        value
    };
    let mut left = Vec::new();
    remains().save(&mut left);
    assert_eq!(shown(&left), next("left"));
    for at_rest in [AtRest::in_the_clear(), AtRest::sealed([9; 32])] {
        let written = records(&at_rest);
        let mut pieces = Vec::new();
        for record in &written {
            let expected = next("record");
            assert_eq!(shown(record), expected);
            pieces.push(hex(expected));
        }
        let restored = read(&at_rest, &pieces).expect("because they are whole");
        assert_eq!(shown(&restored.name), next("journal"));
        for record in restored.records {
            let mut rest = record.bytes;
            while !rest.is_empty() {
                let op = Op::read(&mut rest).expect("because it was written so");
                assert_eq!(alloc::format!("{op:?}"), next("operation"));
            }
        }
    }
}

/// Prints the file's lines anew, for when the format changes.
#[test]
#[ignore = "prints"]
fn print_the_vectors() {
    extern crate std;
    let mut left = Vec::new();
    remains().save(&mut left);
    std::println!("left: {}", shown(&left));
    for at_rest in [AtRest::in_the_clear(), AtRest::sealed([9; 32])] {
        let written = records(&at_rest);
        written
            .iter()
            .for_each(|record| std::println!("record: {}", shown(record)));
        let restored = read(&at_rest, &written).expect("because they are whole");
        std::println!("journal: {}", shown(&restored.name));
        for record in restored.records {
            let mut rest = record.bytes;
            while !rest.is_empty() {
                std::println!(
                    "operation: {:?}",
                    Op::read(&mut rest).expect("because it was written so")
                );
            }
        }
    }
}
