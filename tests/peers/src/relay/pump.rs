//! One direction of a connection: a thread that reads, one that writes, and between them what is on the way.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use super::Line;
use super::pace::Pace;

/// What is on the way.
#[derive(Debug, Default)]
struct Way {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Chunk>,
    held: usize,
    /// Nothing more is read.
    ended: bool,
    /// Nothing more is written.
    broken: bool,
}

#[derive(Debug)]
struct Chunk {
    due: Instant,
    bytes: Vec<u8>,
}

/// Carries what comes from `from` to `to`, until either end is over.
pub(super) fn start(from: TcpStream, to: TcpStream, line: Line) -> io::Result<()> {
    let way = Arc::new(Way::default());
    let reading = Arc::clone(&way);
    let named = |name: &str| thread::Builder::new().name(name.into());
    named("relay-in").spawn(move || {
        // A reset is the end of what can be read, as the peer's FIN is.
        let _ = read(&from, &reading, Pace::new(line));
        reading.end();
    })?;
    named("relay-out").spawn(move || {
        if write(&to, &way).is_ok() {
            let _ = to.shutdown(Shutdown::Write);
        } else {
            way.break_off();
            let _ = to.shutdown(Shutdown::Both);
        }
    })?;
    Ok(())
}

fn read(mut from: &TcpStream, way: &Way, mut pace: Pace) -> io::Result<()> {
    let mut buffer = vec![0; pace.chunk()];
    let most = pace.most_held();
    loop {
        if let Some(at) = pace.room_at() {
            sleep_until(at);
        }
        if !way.wait_for_room(most) {
            return Ok(());
        }
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        way.push(Chunk {
            due: pace.arrival(Instant::now(), length),
            bytes: buffer[..length].to_vec(),
        });
    }
}

fn write(mut to: &TcpStream, way: &Way) -> io::Result<()> {
    while let Some(chunk) = way.pop() {
        sleep_until(chunk.due);
        to.write_all(&chunk.bytes)?;
        way.delivered(chunk.bytes.len());
    }
    Ok(())
}

fn sleep_until(at: Instant) {
    let left = at.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        thread::sleep(left);
    }
}

impl Way {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until less than `most` is held; false: nobody writes any more.
    fn wait_for_room(&self, most: usize) -> bool {
        let mut state = self.lock();
        while state.held >= most && !state.broken {
            state = self.wait(state);
        }
        !state.broken
    }

    fn push(&self, chunk: Chunk) {
        let mut state = self.lock();
        state.held += chunk.bytes.len();
        state.chunks.push_back(chunk);
        self.changed.notify_all();
    }

    /// The next chunk, due or not; `None`: there is none left and none comes.
    fn pop(&self) -> Option<Chunk> {
        let mut state = self.lock();
        loop {
            if let Some(chunk) = state.chunks.pop_front() {
                return Some(chunk);
            }
            if state.ended {
                return None;
            }
            state = self.wait(state);
        }
    }

    fn delivered(&self, bytes: usize) {
        self.lock().held -= bytes;
        self.changed.notify_all();
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn break_off(&self) {
        self.lock().broken = true;
        self.changed.notify_all();
    }
}
