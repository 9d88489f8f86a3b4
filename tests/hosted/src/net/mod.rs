//! Connections, listeners, dials, and what goes wrong with them.

mod pipe;
mod shape;
mod stream;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::task::{Poll, Waker};

use unbroken_tests::rng::Rng;

pub use pipe::NEVER;
use pipe::Pipe;
pub use shape::Shape;
pub use stream::{SimListener, SimStream};

/// Names a connection.
pub type ConnId = u64;
/// Where a listener is.
pub type Port = (String, u16);

/// One end of a connection: 0 dialled it, 1 accepted it.
pub(crate) type End = usize;

/// Connections that wait to be accepted, at most.
const QUEUE: usize = 64;

/// What the next dial meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialFault {
    /// Nobody is there.
    Refused,
    /// No answer, ever.
    Hangs,
    /// No answer for a while; nanoseconds.
    Slow(u64),
    /// The connection is reset at once.
    Dies,
    /// The connection is cut after so many bytes each way.
    Cut(u64, u64),
}

#[derive(Debug)]
struct Half {
    /// Somebody holds this end.
    alive: bool,
    /// It has ended writing.
    closed: bool,
    /// From when on it is broken, as far as this end knows.
    broken_at: u64,
    /// The code that uses it panics at the next call.
    panics: bool,
    /// Bytes that one read gives, and one write takes, at most.
    read_limit: usize,
    write_limit: usize,
}

/// A connection, for faults.
#[derive(Debug)]
pub struct Conn {
    /// By the end that writes.
    pipes: [Pipe; 2],
    halves: [Half; 2],
    /// An attacker's: faults leave it alone.
    hostile: bool,
}

#[derive(Debug, Default)]
struct Listening {
    number: u64,
    queue: VecDeque<(u64, ConnId)>,
    waker: Option<Waker>,
    errors: u64,
}

/// What comes of a dial.
pub(crate) enum Dialled {
    Refused(u64),
    Hangs,
    Up(ConnId, u64),
}

/// See the module.
#[derive(Debug)]
pub struct Net {
    shape: Shape,
    rng: Rng,
    conns: BTreeMap<ConnId, Conn>,
    next: ConnId,
    listening: BTreeMap<Port, Listening>,
    dials: VecDeque<DialFault>,
}

impl Net {
    /// Nothing yet.
    #[must_use]
    pub fn new(shape: Shape, rng: Rng) -> Net {
        Net {
            shape,
            rng,
            conns: BTreeMap::new(),
            next: 0,
            listening: BTreeMap::new(),
            dials: VecDeque::new(),
        }
    }

    fn draw_limit(&mut self, permille: u64) -> usize {
        match self.rng.chance(permille) {
            true => usize::try_from(*self.rng.pick(&[1u64, 7, 60])).unwrap_or(1),
            false => usize::MAX,
        }
    }

    /// Dials; returns also when to look at the listener.
    pub(crate) fn dial(&mut self, now: u64, port: &Port, hostile: bool) -> (Dialled, Option<u64>) {
        let fault = if hostile { None } else { self.dials.pop_front() };
        let there = self
            .listening
            .get(port)
            .is_some_and(|listening| listening.queue.len() < QUEUE);
        let latency = self.shape.latency;
        match fault {
            Some(DialFault::Hangs) => return (Dialled::Hangs, None),
            Some(DialFault::Refused) => return (Dialled::Refused(2 * latency), None),
            _ if !there => return (Dialled::Refused(2 * latency), None),
            _ => {}
        }
        let wait = match fault {
            Some(DialFault::Slow(wait)) => wait,
            _ => latency,
        };
        self.next += 1;
        let id = self.next;
        let halves = [(); 2].map(|()| Half {
            alive: true,
            closed: false,
            broken_at: NEVER,
            panics: false,
            read_limit: self.draw_limit(self.shape.short_reads),
            write_limit: self.draw_limit(self.shape.short_writes),
        });
        let pipes = [(); 2].map(|()| Pipe::new(self.shape, self.rng.fork()));
        let mut conn = Conn { pipes, halves, hostile };
        match fault {
            Some(DialFault::Dies) => conn.reset(now + latency + wait),
            Some(DialFault::Cut(up, down)) => {
                conn.pipes[0].cut_after(up);
                conn.pipes[1].cut_after(down);
                let notice = now + 2 * wait;
                for half in &mut conn.halves {
                    half.broken_at = notice + self.rng.scaled(1_000_000, 3_000_000_000);
                }
            }
            _ => {}
        }
        self.conns.insert(id, conn);
        let arrives = now + wait;
        if let Some(listening) = self.listening.get_mut(port) {
            listening.queue.push_back((arrives, id));
        }
        (Dialled::Up(id, wait + latency), Some(arrives))
    }

    /// Listens; returns the listener's number.
    pub(crate) fn listen(&mut self, port: &Port) -> u64 {
        self.next += 1;
        let listening = Listening {
            number: self.next,
            ..Listening::default()
        };
        // Who came for the listener before this one is served by this one, too.
        let before = self.listening.insert(port.clone(), listening);
        if let (Some(before), Some(listening)) = (before, self.listening.get_mut(port)) {
            listening.queue = before.queue;
        }
        self.next
    }

    /// The listener is gone; who waits for it is turned away.
    pub(crate) fn stop_listening(&mut self, now: u64, port: &Port, number: u64, wakes: &mut Vec<Waker>) {
        if self
            .listening
            .get(port)
            .is_none_or(|listening| listening.number != number)
        {
            return;
        }
        let Some(gone) = self.listening.remove(port) else {
            return;
        };
        for (_, conn) in gone.queue {
            self.let_go(now, conn, 1);
            self.stir(now, conn, wakes);
        }
    }

    pub(crate) fn accept(&mut self, now: u64, port: &Port, number: u64, waker: &Waker) -> Poll<io::Result<ConnId>> {
        let Some(listening) = self
            .listening
            .get_mut(port)
            .filter(|listening| listening.number == number)
        else {
            return Poll::Pending;
        };
        if listening.errors > 0 && listening.queue.front().is_some_and(|(at, _)| *at <= now) {
            listening.errors -= 1;
            return Poll::Ready(Err(io::Error::other("too many open files")));
        }
        let due = listening.queue.front().is_some_and(|(at, _)| *at <= now);
        if due && let Some((_, conn)) = listening.queue.pop_front() {
            return Poll::Ready(Ok(conn));
        }
        listening.waker = Some(waker.clone());
        Poll::Pending
    }

    pub(crate) fn knock(&mut self, port: &Port, wakes: &mut Vec<Waker>) {
        if let Some(listening) = self.listening.get_mut(port) {
            wakes.extend(listening.waker.take());
        }
    }

    /// Wakes whoever can go on.
    pub(crate) fn stir(&mut self, now: u64, conn: ConnId, wakes: &mut Vec<Waker>) {
        let Some(conn) = self.conns.get_mut(&conn) else { return };
        for end in 0..2 {
            let broken = conn.halves[end].broken_at <= now;
            let out = &mut conn.pipes[end];
            if broken || out.room() > 0 {
                wakes.extend(out.writer.take());
            }
            let inward = &mut conn.pipes[1 - end];
            if broken || inward.is_readable(now) {
                wakes.extend(inward.reader.take());
            }
        }
    }

    pub(crate) fn conn(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.conns.get_mut(&id)
    }

    /// One end is dropped; returns when to look at the other.
    pub(crate) fn let_go(&mut self, now: u64, id: ConnId, end: End) -> Vec<u64> {
        let Some(conn) = self.conns.get_mut(&id) else {
            return Vec::new();
        };
        let times = conn.let_go(now, end);
        if conn.halves.iter().all(|half| !half.alive) {
            self.conns.remove(&id);
        }
        times
    }

    /// What the next dials meet.
    pub fn plan_dial(&mut self, fault: DialFault) {
        self.dials.push_back(fault);
    }

    /// All listeners fail this often.
    pub fn break_accepting(&mut self, errors: u64) {
        self.listening
            .values_mut()
            .for_each(|listening| listening.errors += errors);
    }

    /// Honest connections that both ends hold.
    #[must_use]
    pub fn honest(&self) -> Vec<ConnId> {
        let honest = self
            .conns
            .iter()
            .filter(|(_, conn)| !conn.hostile && conn.halves.iter().all(|half| half.alive));
        honest.map(|(id, _)| *id).collect()
    }

    /// Connections that anybody holds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.conns.len()
    }

    /// A good network from now on. Connections that were broken stay broken. Returns the connections to look at.
    pub(crate) fn heal(&mut self, now: u64) -> Vec<ConnId> {
        self.shape = self.shape.healed();
        self.dials.clear();
        self.listening.values_mut().for_each(|listening| listening.errors = 0);
        let shape = self.shape;
        for conn in self.conns.values_mut() {
            conn.pipes.iter_mut().for_each(|pipe| pipe.heal(now, shape));
            conn.halves.iter_mut().for_each(|half| half.panics = false);
        }
        self.conns.keys().copied().collect()
    }
}

impl Conn {
    /// Both ends learn at once that it is over; what is under way is lost. Returns when to look.
    pub(crate) fn reset(&mut self, at: u64) {
        self.pipes.iter_mut().for_each(Pipe::lose);
        self.halves
            .iter_mut()
            .for_each(|half| half.broken_at = half.broken_at.min(at));
    }

    /// Lets so many more bytes through each way; then each end learns of it at its time.
    pub(crate) fn cut(&mut self, bytes: [u64; 2], notice: [u64; 2]) {
        for end in 0..2 {
            self.pipes[end].cut_after(bytes[end]);
            self.halves[end].broken_at = self.halves[end].broken_at.min(notice[end]);
        }
    }

    /// Somebody in the middle ends both directions politely. Returns when to look.
    pub(crate) fn close(&mut self, now: u64) -> Vec<u64> {
        let ends = [0, 1].map(|end: usize| self.pipes[end].finish(now));
        for end in 0..2 {
            let after = ends[1 - end];
            // What is written after the end is answered with a reset.
            self.halves[end].broken_at = self.halves[end].broken_at.min(after.saturating_add(50_000_000));
        }
        vec![
            ends[0],
            ends[1],
            ends[0].saturating_add(50_000_000),
            ends[1].saturating_add(50_000_000),
        ]
    }

    /// Nothing that `end` writes arrives before `until`.
    pub(crate) fn hold(&mut self, end: End, until: u64) {
        self.pipes[end].hold(until);
    }

    /// The code that uses `end` next panics there.
    pub(crate) fn panic_at(&mut self, end: End) {
        self.halves[end].panics = true;
    }

    /// Nothing arrives any more, either way.
    pub fn hold_for_good(&mut self) {
        (0..2).for_each(|end| self.hold(end, NEVER));
    }

    /// The dialling end's code panics at its next call.
    pub fn panics_for_clients(&mut self) {
        self.panic_at(0);
    }

    /// Both ends are told at once.
    pub fn break_now(&mut self) {
        self.reset(0);
    }

    fn let_go(&mut self, now: u64, end: End) -> Vec<u64> {
        self.halves[end].alive = false;
        let latency = self.pipes[end].latency();
        let mut times = Vec::new();
        if self.pipes[1 - end].is_unread() {
            // As a kernel answers data that nobody will read.
            let at = now.saturating_add(latency);
            self.halves[1 - end].broken_at = self.halves[1 - end].broken_at.min(at);
            times.push(at);
        } else if !self.halves[end].closed {
            times.push(self.pipes[end].finish(now));
        }
        times
    }
}
