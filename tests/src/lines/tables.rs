//! The cases.

use super::carrier::{Framing, Socket};
use super::case::{Buffer, Case, Change, Company, Reading};

/// What adapters let wait in a kernel's socket (`carriers::prepare`).
const KERNEL: Socket = Socket::Kernel { unsent: 64 << 10 };
/// A proxy's buffer.
const RELAY: Socket = Socket::Relay { holds: 4 << 20 };

fn alone(rtt: u64, rate: u64) -> Case {
    Case {
        rtt,
        rate,
        framing: Framing::WebSocket,
        socket: KERNEL,
        buffer: Buffer::Large,
        change: None,
        company: Company::Alone,
        reading: Reading::Eager,
    }
}

/// Every line that is promised, over both carriers.
fn lines() -> Vec<Case> {
    let mut cases = Vec::new();
    for framing in [Framing::ByteStream, Framing::WebSocket] {
        for rtt in [1, 20, 100, 300] {
            for rate in [1, 10, 100, 1_000] {
                cases.push(Case {
                    framing,
                    ..alone(rtt, rate)
                });
            }
        }
    }
    cases
}

/// Other buffers before the line: where nothing but the machine's own estimate keeps them empty, and where they are small.
fn buffers() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rtt, rate) in [(20, 1), (300, 1), (20, 10), (100, 10), (300, 10), (20, 100), (100, 100)] {
        for (buffer, socket) in [
            (Buffer::Bloated, KERNEL),
            (Buffer::Large, RELAY),
            (Buffer::Shallow, KERNEL),
        ] {
            cases.push(Case {
                buffer,
                socket,
                ..alone(rtt, rate)
            });
        }
    }
    cases
}

/// Lines that change.
fn changes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rtt, rate) in [(20, 10), (100, 10), (300, 10), (20, 100), (100, 100)] {
        for change in [Change::Slower, Change::Faster, Change::Longer] {
            for socket in [KERNEL, RELAY] {
                let change = Some(change);
                cases.push(Case {
                    change,
                    socket,
                    ..alone(rtt, rate)
                });
            }
        }
    }
    cases
}

/// Lines that are shared.
fn shared() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rtt, rate) in [(20, 10), (100, 10), (300, 10), (20, 100), (100, 100)] {
        for company in [Company::Session, Company::Stream] {
            cases.push(Case {
                company,
                ..alone(rtt, rate)
            });
        }
    }
    cases
}

/// Readers that do not keep up.
fn readers() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rtt, rate) in [(20, 10), (100, 100), (300, 100)] {
        for reading in [Reading::Slow, Reading::Absent] {
            cases.push(Case {
                reading,
                ..alone(rtt, rate)
            });
        }
    }
    cases
}

/// All cases.
#[must_use]
pub fn all() -> Vec<Case> {
    [lines(), buffers(), changes(), shared(), readers()].concat()
}

/// Those that a build without optimisations runs in seconds: up to 10 Mbit/s, and no change to a faster line.
#[must_use]
pub fn small() -> Vec<Case> {
    let small = |case: &Case| case.rate <= 10 && case.change != Some(Change::Faster);
    all().into_iter().filter(small).collect()
}
