//! Checks `proto/vectors/frames.txt`: what the hex decodes to must read as the text beside it, and
//! encode to the hex again. The hex was not made by this code.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use super::show::{hex, show_frame, show_offer, show_reject, unhex};
use super::{decode, encode};
use crate::limits::MAX_PACKET;
use crate::wire::framing;
use crate::wire::handshake::{Reject, decode_offer, encode_offer};
use crate::wire::varint;

const FILE: &str = include_str!("../../../vectors/frames.txt");

/// The lines of one case: key and value.
type Case = Vec<(&'static str, &'static str)>;

fn cases() -> Vec<Case> {
    let case = |block: &'static str| -> Case {
        let lines = block.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| {
                line.split_once(": ")
                    .or(line.strip_suffix(':').map(|key| (key, "")))
                    .expect(line)
            })
            .collect()
    };
    FILE.split("\n\n").map(case).filter(|case| !case.is_empty()).collect()
}

fn all<'a>(case: &'a Case, key: &'a str) -> impl Iterator<Item = &'static str> + 'a {
    case.iter()
        .filter(move |(name, _)| *name == key)
        .map(|(_, value)| *value)
}

fn one(case: &Case, key: &str) -> Option<&'static str> {
    all(case, key).next()
}

fn check_frames(case: &Case, bytes: &[u8]) {
    let read = decode(bytes).unwrap_or_else(|error| panic!("{error}: {case:?}"));
    assert!(
        read.iter().map(show_frame).eq(all(case, "frame").map(str::to_owned)),
        "{read:?}\nagainst {case:?}"
    );
    let charges = read
        .iter()
        .filter(|frame| frame.is_sequenced())
        .map(|frame| format!("{}", frame.charge()));
    assert!(charges.eq(all(case, "charge").map(str::to_owned)), "{case:?}");
    let again = encode(&read);
    if one(case, "longer").is_some() {
        assert!(again.len() < bytes.len(), "{case:?}");
    } else {
        assert_eq!(again, bytes, "{case:?}");
    }
}

fn check_stream(case: &Case, stream: &str) {
    let mut rest = BytesMut::from(&unhex(stream)[..]);
    let mut read = Vec::new();
    let result = loop {
        match framing::split(&mut rest, MAX_PACKET) {
            Ok(Some(packet)) => read.push(packet),
            Ok(None) => break "whole".to_owned(),
            Err(error) => break format!("{error:?}"),
        }
    };
    assert_eq!(result, one(case, "stream-error").unwrap_or("whole"), "{case:?}");
    assert!(
        read.iter()
            .map(|packet| hex(packet))
            .eq(all(case, "packet").map(str::to_owned)),
        "{case:?}"
    );
}

fn check(case: &Case) {
    let bytes = unhex(one(case, "hex").unwrap_or_default());
    let failure = case
        .iter()
        .find(|(key, _)| key.ends_with("error"))
        .map(|(key, value)| (*key, *value));
    if let Some(stream) = one(case, "stream") {
        check_stream(case, stream);
    } else if let Some((key, expected)) = failure {
        let error = match key {
            "error" => decode(&bytes).err(),
            "varint-error" => varint::decode(&bytes).err(),
            "offer-error" => decode_offer(Bytes::from(bytes)).err(),
            "reject-error" => Reject::decode(&bytes).err(),
            other => panic!("unknown key {other}"),
        };
        assert_eq!(
            error.map(|error| format!("{error:?}")).as_deref(),
            Some(expected),
            "{case:?}"
        );
    } else if let Some(value) = one(case, "varint") {
        let value: u64 = value.parse().expect(value);
        assert_eq!(varint::decode(&bytes), Ok((value, bytes.len())));
        let mut again = Vec::new();
        varint::write(&mut again, value);
        assert_eq!(again, bytes);
    } else if let Some(text) = one(case, "reject") {
        let reject = Reject::decode(&bytes).unwrap_or_else(|error| panic!("{error}: {case:?}"));
        assert_eq!(show_reject(reject), text);
        assert_eq!(reject.encode(), bytes);
    } else if one(case, "versions").is_some() {
        let offer = decode_offer(Bytes::from(bytes.clone())).unwrap_or_else(|error| panic!("{error}: {case:?}"));
        for (key, shown) in show_offer(&offer) {
            assert_eq!(Some(&shown[..]), one(case, key), "{case:?}");
        }
        assert_eq!(encode_offer(&offer), bytes);
    } else {
        check_frames(case, &bytes);
    }
}

// PROTOCOL R4.4, R4.5, R4.6, R4.7, R4.8, R4.14, R6.1, R12.1, R12.2
#[test]
fn the_vectors_hold() {
    let cases = cases();
    assert!(cases.len() > 80, "{}", cases.len());
    cases.iter().for_each(check);
}

#[test]
fn every_frame_has_a_vector() {
    for name in [
        "DATA", "OPEN", "RESET", "STOP", "CREDIT", "CLOSE", "CLOSED", "END", "ACK", "FROM", "RESYNC", "PING", "PONG",
        "GOAWAY", "REKEY", "FINAL",
    ] {
        assert!(
            FILE.contains(&format!("frame: {name} ")) || FILE.contains(&format!("frame: {name}\n")),
            "{name}"
        );
    }
}
