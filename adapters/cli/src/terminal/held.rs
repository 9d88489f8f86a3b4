//! A terminal that a server holds: its program goes on whether or not somebody looks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::timeout;

use super::messages::{Listed, Size};
use super::pty::{self, Input, Output, Program};
use super::screen::Screen;

/// A program waits when so much of what it printed is not on its way yet to somebody who is there to see it.
const AHEAD: u64 = 64 << 10;
/// No more is typed ahead of a program than this, and one message.
const UNREAD: usize = 64 << 10;
/// What is read of a program at once, and written to it.
const READ: usize = 16 << 10;
/// What a program that ended printed last comes within this time; others that it left behind may print on.
const LAST_WORDS: Duration = Duration::from_millis(50);
const LAST_WORDS_IN_ALL: Duration = Duration::from_secs(1);
/// So long a program may take to end when its terminal is gone.
const HANG_UP: Duration = Duration::from_secs(5);

pub(crate) struct Terminal {
    pub(crate) name: String,
    command: Option<String>,
    started: Instant,
    state: Mutex<State>,
    /// Something in `state` is not as it was.
    changed: watch::Sender<()>,
}

struct State {
    screen: Screen,
    size: Size,
    /// What was typed, and the program has not read.
    typed: VecDeque<u8>,
    /// What the window's size is to be.
    resized: Option<Size>,
    viewer: Option<Viewer>,
    /// How many were attached, so that each has a number.
    viewers: u64,
    exited: Option<u8>,
    hung_up: bool,
}

/// Who is attached.
struct Viewer {
    number: u64,
    /// What was printed before is shown or on its way; `None`: nothing is, and it begins with the screen as it is.
    sent: Option<u64>,
    /// A connection carries its session.
    connected: bool,
}

/// What comes next for who is attached.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Print(Vec<u8>),
    Exited(u8),
    Displaced,
}

impl Terminal {
    pub(crate) fn new(name: String, command: Option<String>, size: Size, program: Program) -> Arc<Terminal> {
        let Program { child, input, output } = program;
        let terminal = Arc::new(Terminal {
            name,
            command,
            started: Instant::now(),
            state: Mutex::new(State {
                screen: Screen::new(size),
                size,
                typed: VecDeque::new(),
                resized: None,
                viewer: None,
                viewers: 0,
                exited: None,
                hung_up: false,
            }),
            changed: watch::Sender::new(()),
        });
        tokio::spawn(Arc::clone(&terminal).run(child, output));
        tokio::spawn(Arc::clone(&terminal).feed(input));
        terminal
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the state until there is what is waited for.
    async fn wait<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        loop {
            if let Some(found) = look(&mut self.state()) {
                return found;
            }
            // The sender lives as long as `self`.
            let _changed = changes.changed().await;
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.state());
        self.changed.send_replace(());
        changed
    }

    async fn run(self: Arc<Terminal>, mut child: Child, mut output: Output) {
        let (mut buffer, mut is_open) = (vec![0; READ], true);
        let mut kill = None;
        let status = loop {
            let read = async {
                self.wait(|state| state.may_print().then_some(())).await;
                output.read(&mut buffer).await
            };
            tokio::select! {
                biased;
                ended = child.wait() => break ended,
                () = self.wait(|state| state.hung_up.then_some(())), if kill.is_none() => {
                    pty::hang_up(&child);
                    kill = Some(tokio::time::Instant::now() + HANG_UP);
                }
                () = at(kill) => {
                    let _ended_already = child.start_kill();
                    break child.wait().await;
                }
                read = read, if is_open => match read {
                    Ok(bytes @ 1..) => self.change(|state| state.screen.printed(&buffer[..bytes])),
                    // Nobody has the terminal open any more; the program may go on without it.
                    Ok(0) | Err(_) => is_open = false,
                },
            }
        };
        let rest = async {
            while let Ok(Ok(bytes @ 1..)) = timeout(LAST_WORDS, output.read(&mut buffer)).await {
                self.change(|state| state.screen.printed(&buffer[..bytes]));
            }
        };
        let _others_print_on = timeout(LAST_WORDS_IN_ALL, rest).await;
        let status = status.map_or(255, pty::status);
        self.change(|state| state.exited = Some(status));
    }

    /// Gives the program what is typed, and its window the size that it is to have.
    async fn feed(self: Arc<Terminal>, mut input: Input) {
        loop {
            let piece = self.wait(|state| match (state.resized.take(), state.exited) {
                (Some(size), _) => Some(Err(size)),
                (None, Some(_)) => Some(Ok(Vec::new())),
                (None, None) if state.typed.is_empty() => None,
                (None, None) => Some(Ok(state.typed.iter().take(READ).copied().collect())),
            });
            let piece = match piece.await {
                Ok(piece) if piece.is_empty() => return,
                Ok(piece) => piece,
                Err(size) => {
                    pty::set_size(&input, size);
                    continue;
                }
            };
            // A program that does not read has a window all the same, and may end.
            let written = tokio::select! {
                written = input.write(&piece) => written.unwrap_or(piece.len()),
                () = self.wait(|state| (state.resized.is_some() || state.exited.is_some()).then_some(())) => 0,
            };
            self.change(|state| drop(state.typed.drain(..written)));
        }
    }

    /// Waits until there is room for what is typed.
    pub(crate) async fn room(&self) {
        self.wait(|state| (state.typed.len() < UNREAD || state.exited.is_some()).then_some(()))
            .await;
    }

    pub(crate) fn typed(&self, bytes: &[u8]) {
        self.change(|state| state.typed.extend(bytes));
    }

    /// Somebody is attached from now on, and whoever was before is no more. The number is the viewer's.
    pub(crate) fn attach(&self, from_the_beginning: bool) -> u64 {
        self.change(|state| {
            state.viewers += 1;
            state.viewer = Some(Viewer {
                number: state.viewers,
                sent: from_the_beginning.then_some(0),
                connected: true,
            });
            state.viewers
        })
    }

    pub(crate) fn detach(&self, viewer: u64) {
        self.change(|state| {
            if state.is_viewed_by(viewer) {
                state.viewer = None;
            }
        });
    }

    /// Whether a connection carries the viewer's session: a program does not wait for somebody who is away.
    pub(crate) fn connected(&self, viewer: u64, connected: bool) {
        self.change(|state| {
            if let Some(viewing) = state.viewer.as_mut().filter(|viewing| viewing.number == viewer) {
                viewing.connected = connected;
            }
        });
    }

    /// What the viewer has not seen yet, at most `most` bytes, or more if it is the whole screen.
    pub(crate) async fn next(&self, viewer: u64, most: usize) -> Next {
        let next = self.wait(|state| state.next(viewer, most)).await;
        // There is room again.
        self.changed.send_replace(());
        next
    }

    /// Waits until somebody else is attached, or nobody.
    pub(crate) async fn displaced(&self, viewer: u64) {
        self.wait(|state| (!state.is_viewed_by(viewer)).then_some(())).await;
    }

    /// Nobody is attached any more.
    pub(crate) fn close(&self) {
        self.change(|state| state.viewer = None);
    }

    /// How many characters it takes memory for when it has that size; `None`: as it is.
    pub(crate) fn cells(&self, size: Option<Size>) -> usize {
        let state = self.state();
        state.screen.cells_at(size.unwrap_or(state.size))
    }

    pub(crate) fn resize(&self, size: Size) {
        self.change(|state| {
            state.screen.resize(size);
            state.size = size;
            state.resized = Some(size);
        });
    }

    /// Ends the program.
    pub(crate) fn hang_up(&self) {
        self.change(|state| state.hung_up = true);
    }

    /// Waits until the program has ended.
    pub(crate) async fn exited(&self) {
        self.wait(|state| state.exited.map(drop)).await;
    }

    pub(crate) fn listed(&self) -> Listed {
        let state = self.state();
        Listed {
            name: self.name.clone(),
            command: self.command.clone(),
            age: self.started.elapsed().as_secs(),
            attached: state.viewer.is_some(),
            exited: state.exited,
        }
    }
}

/// Waits until then, if there is such a time.
async fn at(time: Option<tokio::time::Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

impl State {
    fn is_viewed_by(&self, viewer: u64) -> bool {
        self.viewer.as_ref().is_some_and(|viewing| viewing.number == viewer)
    }

    fn may_print(&self) -> bool {
        match &self.viewer {
            // A program that is to end does not wait, for then it could not.
            Some(Viewer { sent, connected, .. }) if *connected && !self.hung_up => {
                sent.is_none_or(|sent| self.screen.end() - sent < AHEAD)
            }
            _ => true,
        }
    }

    fn next(&mut self, viewer: u64, most: usize) -> Option<Next> {
        let Some(viewing) = self.viewer.as_mut().filter(|viewing| viewing.number == viewer) else {
            return Some(Next::Displaced);
        };
        let screen = &mut self.screen;
        match viewing.sent.and_then(|sent| screen.since(sent, most)) {
            Some(printed) if printed.is_empty() => self.exited.map(Next::Exited),
            Some(printed) => {
                viewing.sent = viewing
                    .sent
                    .map(|sent| sent + u64::try_from(printed.len()).unwrap_or(0));
                Some(Next::Print(printed))
            }
            None => {
                viewing.sent = Some(screen.end());
                Some(Next::Print(screen.redraw()))
            }
        }
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests;
