//! Connections, and what happens when.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::rng::Rng;

/// Something that will happen.
#[derive(Clone, Debug)]
pub enum Happening {
    /// A packet comes out of a connection, on its way up (to the server) or down.
    Arrive(u64, bool, Bytes),
    /// An end learns that its connection is gone: the server's, or the client's.
    Gone(u64, bool),
    /// A dial of this process ends.
    Dialled(u64, u64),
    /// A process is due.
    Wake(u64),
    /// An application has its turn.
    App(u64),
    /// A write of this disk ends.
    Disk(usize, u64),
    /// A server's registry is due.
    Front(usize),
    /// A server goes on with looking up the session that this connection wants.
    Lookup(usize, u64),
    /// Something goes wrong.
    Fault,
    /// A process of this kind and number begins again.
    Restart(super::world::Who),
}

/// A connection.
#[derive(Clone, Debug)]
pub struct Conn {
    /// The client's process.
    pub client: u64,
    /// Which server it leads to.
    pub server: usize,
    /// Which ends still have it: the client, the server.
    pub open: [bool; 2],
    /// Nothing written from now on arrives.
    pub cut: bool,
    latency: u64,
    last: [u64; 2],
}

/// All connections and all that will happen.
#[derive(Debug, Default)]
pub struct Net {
    /// The connections that are.
    pub conns: BTreeMap<u64, Conn>,
    agenda: BTreeMap<(u64, u64), Happening>,
    sequence: u64,
    next: u64,
}

impl Net {
    /// `what` happens at `at`.
    pub fn plan(&mut self, at: u64, what: Happening) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), what);
    }

    /// The next thing that happens, by `until`.
    pub fn soonest(&mut self, until: u64) -> Option<(u64, Happening)> {
        let entry = self.agenda.first_entry().filter(|entry| entry.key().0 <= until)?;
        Some((entry.key().0, entry.remove()))
    }

    /// A new connection.
    pub fn connect(&mut self, client: u64, server: usize, latency: u64) -> u64 {
        self.next += 1;
        self.conns.insert(
            self.next,
            Conn {
                client,
                server,
                open: [true; 2],
                cut: false,
                latency,
                last: [0; 2],
            },
        );
        self.next
    }

    /// An end says something.
    pub fn send(&mut self, rng: &mut Rng, now: u64, id: u64, up: bool, packet: Bytes) {
        let Some(conn) = self.conns.get_mut(&id).filter(|conn| !conn.cut) else {
            return;
        };
        let way = usize::from(up);
        let at = (now + conn.latency / 2 + rng.below(conn.latency / 2 + 1)).max(conn.last[way]);
        conn.last[way] = at;
        self.plan(at, Happening::Arrive(id, up, packet));
    }

    /// An end lets go: the other one learns of it in time, or after `silence`.
    pub fn close(&mut self, now: u64, id: u64, end: usize, silence: Option<u64>) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if !std::mem::take(&mut conn.open[end]) {
            return;
        }
        let way = usize::from(end == 0);
        let at = (now + conn.latency).max(conn.last[way]);
        if conn.open == [false; 2] {
            self.conns.remove(&id);
        } else if let Some(silence) = silence {
            self.plan(at + silence, Happening::Gone(id, end == 0));
        }
    }
}
