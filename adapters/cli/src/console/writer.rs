//! Standard output and standard error, written by a thread of its own: whoever does not read them holds up nothing but what is written.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// While so much waits, in bytes, nothing more is to be read that would have to be written.
const FULL: usize = 64 << 10;
/// Written at once at most, so that it shows whether anybody reads.
const PIECE: usize = 4 << 10;

/// Where to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Output,
    Errors,
}

/// What is to be written, in its order.
#[derive(Clone, Debug)]
pub(crate) struct Writer(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// For the thread: there is something to write.
    came: Condvar,
    /// For everybody else: something came, or was written, or the end of it.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<(Place, Vec<u8>)>,
    /// So many bytes are not written yet, those included that the thread is about to write.
    waiting: usize,
    /// How many pieces were written in all.
    written: u64,
    /// Standard output cannot be written any more.
    closed: bool,
    /// Nothing is written any more.
    given_up: bool,
}

impl Writer {
    pub(crate) fn new(output: impl Write + Send + 'static, errors: impl Write + Send + 'static) -> io::Result<Writer> {
        let writer = Writer(Arc::default());
        let own = writer.clone();
        let thread = std::thread::Builder::new().name("writer".into());
        thread.spawn(move || own.write(output, errors))?;
        Ok(writer)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has this written behind everything else. Never waits: whoever has much waits for [`room`](Self::room) before.
    ///
    /// # Errors
    /// Nobody reads standard output any more.
    pub(crate) fn push(&self, place: Place, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        if state.closed && place == Place::Output {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if state.given_up || bytes.is_empty() {
            return Ok(());
        }
        state.waiting += bytes.len();
        match state.queue.back_mut() {
            Some((last, waiting)) if *last == place && waiting.len() + bytes.len() <= PIECE => {
                waiting.extend_from_slice(bytes);
            }
            _ => state.queue.push_back((place, bytes.to_vec())),
        }
        drop(state);
        self.0.came.notify_one();
        self.0.changed.notify_waiters();
        Ok(())
    }

    pub(crate) fn has_room(&self) -> bool {
        self.state().waiting < FULL
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Waits until more can be taken.
    pub(crate) async fn room(&self) {
        self.until(|state| state.waiting < FULL).await;
    }

    /// Waits until nothing waits to be written.
    pub(crate) async fn drained(&self) {
        self.until(|state| state.waiting == 0).await;
    }

    /// Waits until standard output cannot be written any more.
    pub(crate) async fn closed(&self) {
        self.until(|state| state.closed).await;
    }

    /// Waits until something waits and nothing was written for so long.
    pub(crate) async fn stuck(&self, patience: Duration) {
        loop {
            self.until(|state| state.waiting > 0).await;
            let before = self.state().written;
            let moves = self.until(|state| state.written != before || state.waiting == 0);
            if timeout(patience, moves).await.is_err() {
                return;
            }
        }
    }

    /// Waits until everything is written, or nothing was for so long; the rest is dropped then. Whether everything was written.
    pub(crate) async fn settle(&self, patience: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.drained() => {}
            () = self.stuck(patience) => self.give_up(),
        }
        !self.state().given_up
    }

    /// Drops what is not written, and what comes.
    pub(crate) fn give_up(&self) {
        let mut state = self.state();
        state.given_up = true;
        state.queue.clear();
        state.waiting = 0;
        drop(state);
        self.0.changed.notify_waiters();
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        loop {
            // It hears of every change from here on.
            let changed = self.0.changed.notified();
            if is_so(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    fn write(&self, mut output: impl Write, mut errors: impl Write) {
        loop {
            let (place, bytes) = self.next();
            for piece in bytes.chunks(PIECE) {
                let written = match place {
                    Place::Output => output.write_all(piece).and_then(|()| output.flush()),
                    Place::Errors => errors.write_all(piece).and_then(|()| errors.flush()),
                };
                let mut state = self.state();
                state.written += 1;
                state.waiting = state.waiting.saturating_sub(piece.len());
                state.closed |= written.is_err() && place == Place::Output;
                let given_up = state.given_up;
                drop(state);
                self.0.changed.notify_waiters();
                if given_up {
                    break;
                }
            }
        }
    }

    /// Waits for what is next.
    fn next(&self) -> (Place, Vec<u8>) {
        let mut state = self.state();
        loop {
            match state.queue.pop_front() {
                // There is nobody to read it.
                Some((Place::Output, bytes)) if state.closed => {
                    state.waiting = state.waiting.saturating_sub(bytes.len());
                    self.0.changed.notify_waiters();
                }
                Some(next) => return next,
                None => state = self.0.came.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests;
