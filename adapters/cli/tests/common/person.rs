//! Somebody at a terminal.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pty_process::blocking::{self, Pty};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use super::PATIENCE;

pub(crate) struct Person {
    pty: Arc<Pty>,
    pub(crate) child: Child,
    screen: Arc<Mutex<vt100::Parser>>,
    /// Whoever has this looks at the screen.
    eyes: Arc<Mutex<()>>,
    reading: Option<JoinHandle<()>>,
}

impl Drop for Person {
    fn drop(&mut self) {
        let _gone = (self.child.kill(), self.child.wait());
    }
}

impl Person {
    /// Starts a command in a terminal of 80 columns and 24 rows.
    pub(crate) fn at(command: Command) -> Person {
        let (pty, pts) = blocking::open().unwrap();
        pty.resize(pty_process::Size::new(24, 80)).unwrap();
        let command = blocking::Command::from(command).env("TERM", "xterm-256color");
        let child = command.spawn(pts).unwrap();
        let (pty, cells) = (Arc::new(pty), |n| std::num::NonZeroU16::new(n).unwrap());
        let screen = Arc::new(Mutex::new(vt100::Parser::new(cells(24), cells(80), 5_000)));
        let (output, shown) = (Arc::clone(&pty), Arc::clone(&screen));
        let eyes: Arc<Mutex<()>> = Arc::default();
        let looks = Arc::clone(&eyes);
        let reading = thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(bytes @ 1..) = (&*output).read(&mut buffer) {
                let _looks = looks.lock().unwrap();
                shown.lock().unwrap().process(&buffer[..bytes]);
            }
        });
        Person {
            pty,
            child,
            screen,
            eyes,
            reading: Some(reading),
        }
    }

    pub(crate) fn types(&self, text: &str) {
        (&*self.pty).write_all(text.as_bytes()).unwrap();
    }

    /// Nothing is read from the terminal until the value is dropped.
    pub(crate) fn looks_away(&self) -> MutexGuard<'_, ()> {
        self.eyes.lock().unwrap()
    }

    /// Whether nothing more can be written to the terminal, which nobody reads.
    pub(crate) fn is_full(&self) -> bool {
        if rustix::io::ioctl_fionread(&*self.pty).unwrap() < 4_000 {
            return false;
        }
        let own = format!("/proc/{}/fd/1", self.child.id());
        let terminal = rustix::fs::open(own, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        poll(
            &mut [PollFd::new(&terminal, PollFlags::OUT)],
            Some(&Timespec::default()),
        )
        .unwrap()
            == 0
    }

    /// Whether what is typed reaches the command byte by byte.
    pub(crate) fn is_raw(&self) -> bool {
        let modes = tcgetattr(&*self.pty).unwrap().local_modes;
        !modes.intersects(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Another program makes the terminal collect lines, and writes over what is on it.
    pub(crate) fn is_disturbed(&self) {
        let mut modes = tcgetattr(&*self.pty).unwrap();
        modes.local_modes |= LocalModes::ICANON | LocalModes::ECHO;
        tcsetattr(&*self.pty, OptionalActions::Now, &modes).unwrap();
        self.screen.lock().unwrap().process(b"\x1b[2J\x1b[3;3Hdisturbed");
    }

    pub(crate) fn signals(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Whether the command is stopped, as by job control.
    pub(crate) fn is_stopped(&self) -> bool {
        let state = Command::new("ps")
            .args(["-o", "stat=", "-p", &self.child.id().to_string()])
            .output();
        state.unwrap().stdout.first() == Some(&b'T')
    }

    pub(crate) fn resizes(&self, columns: u16, rows: u16) {
        let cells = |n| std::num::NonZeroU16::new(n).unwrap();
        self.screen.lock().unwrap().set_size(cells(rows), cells(columns));
        self.pty.resize(pty_process::Size::new(rows, columns)).unwrap();
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// What is on the screen, without what was wiped out.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.screen().lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// The screen's content with its colours, and where the cursor is.
    pub(crate) fn picture(&self) -> String {
        self.screen.lock().unwrap().screen().state_formatted()
    }

    /// The lines above the screen, and on it.
    pub(crate) fn all_lines(&self) -> Vec<String> {
        let mut parser = self.screen.lock().unwrap();
        let screen = parser.screen_mut();
        let (columns, mut lines) = (screen.size().1.get(), Vec::new());
        for above in (1..=screen.scrollback_len()).rev() {
            screen.set_scrollback(above);
            lines.extend(screen.rows(0, columns).next());
        }
        screen.set_scrollback(0);
        lines.extend(screen.rows(0, columns));
        lines
    }

    /// Waits until the screen is as wanted.
    pub(crate) fn sees(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        let began = Instant::now();
        while !wanted(&self.screen()) {
            assert!(
                began.elapsed() < PATIENCE,
                "{what}: never came; the screen:\n{}",
                self.screen()
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until this is on the screen.
    pub(crate) fn reads(&self, text: &str) {
        self.sees(text, |screen| screen.contains(text));
    }

    /// Waits until this is on the screen, or was.
    pub(crate) fn has_read(&self, text: &str) {
        self.sees(text, |_| self.all_lines().iter().any(|line| line.contains(text)));
    }

    /// Waits until the command has ended and all that it printed is read.
    pub(crate) fn ends(&mut self) -> i32 {
        let status: ExitStatus = self.waits();
        if let Some(reading) = self.reading.take() {
            reading.join().unwrap();
        }
        status.code().unwrap_or(-1)
    }

    fn waits(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "it does not end; the screen:\n{}",
                self.screen()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }
}
