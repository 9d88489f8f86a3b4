//! Standard input as a person types at it: byte by byte, and how large the window is.

use std::io::{self, IsTerminal};

use tokio::sync::mpsc;

use super::keyboard::Keyboard;
use crate::failure::Failure;
use crate::terminal::messages::{PIECE, Size};

/// The terminal is raw as long as this lives.
#[derive(Debug)]
pub(crate) struct Raw(Keyboard);

impl Raw {
    /// `None`: standard input is no terminal.
    pub(crate) fn new(keyboard: &Keyboard) -> Result<Option<Raw>, Failure> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        crossterm::terminal::enable_raw_mode().map_err(Failure::unable("cannot use this terminal"))?;
        keyboard.set_raw(true);
        Ok(Some(Raw(keyboard.clone())))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.0.set_raw(false);
        let _terminal_gone = crossterm::terminal::disable_raw_mode();
    }
}

/// The size of the window, if standard output is in one.
pub(crate) fn size() -> Option<Size> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let (columns, rows) = crossterm::terminal::size().ok()?;
    Some(Size { columns, rows }.bounded())
}

/// What is typed, read by a thread of its own: a read of a terminal cannot be taken back.
#[derive(Debug)]
pub(crate) struct Input {
    typed: mpsc::Receiver<io::Result<Vec<u8>>>,
}

impl Input {
    pub(crate) fn new(keyboard: &Keyboard) -> Input {
        let keyboard = keyboard.clone();
        let (tell, typed) = mpsc::channel(1);
        std::thread::spawn(move || {
            loop {
                let read = system::read(&keyboard);
                let is_last = !matches!(&read, Ok(bytes) if !bytes.is_empty());
                if tell.blocking_send(read).is_err() || is_last {
                    return;
                }
            }
        });
        Input { typed }
    }

    /// Nothing: that was all. Cancel safe.
    pub(crate) async fn read(&mut self) -> io::Result<Vec<u8>> {
        self.typed.recv().await.unwrap_or_else(|| Ok(Vec::new()))
    }
}

pub(crate) use self::system::Resizes;

#[cfg(unix)]
mod system {
    use std::io;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use tokio::signal::unix::{Signal, SignalKind, signal};

    use super::{Keyboard, PIECE};

    /// Standard input as it comes.
    pub(super) fn read(keyboard: &Keyboard) -> io::Result<Vec<u8>> {
        let stdin = io::stdin();
        let mut bytes = vec![0; PIECE];
        let ready = |wait: Option<&Timespec>| poll(&mut [PollFd::new(&stdin, PollFlags::IN)], wait);
        loop {
            // What comes while another program reads is that program's.
            let polled = ready(None).and_then(|_| {
                keyboard.wait();
                ready(Some(&Timespec::default()))
            });
            let read = match polled {
                Ok(0) => continue,
                Ok(_) => rustix::io::read(&stdin, &mut bytes),
                Err(error) => Err(error),
            };
            match read {
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
                Ok(read) => {
                    bytes.truncate(read);
                    return Ok(bytes);
                }
            }
        }
    }

    /// Changes of the window's size.
    pub(crate) struct Resizes(Signal);

    impl Resizes {
        pub(crate) fn new() -> io::Result<Resizes> {
            signal(SignalKind::window_change()).map(Resizes)
        }

        pub(crate) async fn next(&mut self) {
            if self.0.recv().await.is_none() {
                std::future::pending().await
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io::{self, Read};
    use std::time::Duration;

    use super::{Keyboard, PIECE};

    /// Standard input as it comes.
    pub(super) fn read(keyboard: &Keyboard) -> io::Result<Vec<u8>> {
        keyboard.wait();
        let mut bytes = vec![0; PIECE];
        let read = io::stdin().lock().read(&mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Where nothing tells of changes, the size is looked at now and then.
    pub(crate) struct Resizes;

    impl Resizes {
        pub(crate) fn new() -> io::Result<Resizes> {
            Ok(Resizes)
        }

        pub(crate) async fn next(&mut self) {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}
