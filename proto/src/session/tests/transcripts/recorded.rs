//! An end that is not there: what a transcript has of it.

use alloc::string::String;
use alloc::vec::Vec;

use super::end::{At, End};
use super::script::{STEPS, bytes, name, number};
use crate::id::Side;
use crate::time::Instant;

struct Said {
    at: At,
    connection: u64,
    /// The packet; none: it closes the connection.
    packet: Option<Vec<u8>>,
}

pub(super) struct Recorded {
    said: Vec<Said>,
}

impl Recorded {
    pub(super) fn read(text: &str, side: Side) -> Recorded {
        let mut said: Vec<Said> = Vec::new();
        let mut at = At::default();
        let mut ours = false;
        for line in text.lines() {
            let (key, value) = line.split_once(": ").unwrap_or(("", ""));
            let words: Vec<&str> = value.split(' ').collect();
            match (key, &words[..]) {
                ("packet", [_, end, connection, ..]) => {
                    ours = *end == name(side);
                    if ours {
                        said.push(Said {
                            at,
                            connection: number(connection),
                            packet: Some(Vec::new()),
                        });
                    }
                    at.packets += 1;
                }
                ("hex", [hex]) if ours => {
                    said.last_mut().expect("because it is a packet's").packet = Some(bytes(hex));
                }
                ("closes", [end, connection]) if *end == name(side) => said.push(Said {
                    at,
                    connection: number(connection),
                    packet: None,
                }),
                (step, _) if STEPS.contains(&step) => at.step += 1,
                _ => {}
            }
        }
        said.reverse();
        Recorded { said }
    }

    /// The next thing it says, if that is said here and now.
    fn next(&mut self, at: At, connection: u64, is_packet: bool) -> Option<Option<Vec<u8>>> {
        let next = self.said.last()?;
        let now = next.at == at && next.connection == connection && next.packet.is_some() == is_packet;
        if now {
            self.said.pop().map(|said| said.packet)
        } else {
            None
        }
    }
}

impl End for Recorded {
    fn does(&mut self, _: Instant, _: &[&str]) {}

    fn wait(&mut self, _: Instant) {}

    fn poll(&mut self, _: Instant, connection: u64, at: At) -> Option<Vec<u8>> {
        self.next(at, connection, true)?
    }

    fn input(&mut self, _: Instant, _: u64, _: &[u8]) {}

    fn lose(&mut self, _: Instant, _: u64) {}

    fn closes(&mut self, connection: u64, at: At) -> bool {
        self.next(at, connection, false).is_some()
    }

    fn gets(&mut self, _: Instant) -> Vec<String> {
        Vec::new()
    }
}
