//! An end that is not there: what a transcript has of it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::end::End;
use super::script::{bytes, counts, name, number};
use crate::id::Side;
use crate::time::Instant;

/// By place: on which connection it says something, and the packet, or none where it closes the connection.
pub(super) struct Recorded(BTreeMap<usize, (u64, Option<Vec<u8>>)>);

impl Recorded {
    pub(super) fn read(text: &str, side: Side) -> Recorded {
        let mut said = BTreeMap::new();
        let mut at = 0;
        let mut packet_of = None;
        for line in text.lines() {
            let (key, value) = line.split_once(": ").unwrap_or_default();
            let words: Vec<&str> = value.split(' ').collect();
            match (key, &words[..]) {
                ("packet", [_, end, connection, ..]) => {
                    packet_of = (*end == name(side)).then(|| (at, number(connection)));
                }
                ("hex", [hex]) => {
                    let said_there = |(at, connection)| said.insert(at, (connection, Some(bytes(hex))));
                    packet_of.take().map(said_there);
                }
                ("closes", [end, connection]) if *end == name(side) => {
                    said.insert(at, (number(connection), None));
                }
                _ => {}
            }
            at += usize::from(counts(key));
        }
        Recorded(said)
    }
}

impl End for Recorded {
    fn does(&mut self, _: Instant, _: &[&str]) {}

    fn wait(&mut self, _: Instant) {}

    fn poll(&mut self, _: Instant, connection: u64, at: usize) -> Option<Vec<u8>> {
        let (said_on, packet) = self.0.get(&at)?;
        packet.clone().filter(|_| *said_on == connection)
    }

    fn input(&mut self, _: Instant, _: u64, _: &[u8]) {}

    fn lose(&mut self, _: Instant, _: u64) {}

    fn closes(&mut self, connection: u64, at: usize) -> bool {
        self.0.get(&at) == Some(&(connection, None))
    }

    fn gets(&mut self, _: Instant) -> Vec<String> {
        Vec::new()
    }
}
