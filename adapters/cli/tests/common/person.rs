//! Somebody at a terminal.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use pty_process::blocking::{self, Pty};

use super::PATIENCE;

pub(crate) struct Person {
    pty: Arc<Pty>,
    pub(crate) child: Child,
    screen: Arc<Mutex<vt100::Parser>>,
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
        let reading = thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(bytes @ 1..) = (&*output).read(&mut buffer) {
                shown.lock().unwrap().process(&buffer[..bytes]);
            }
        });
        Person {
            pty,
            child,
            screen,
            reading: Some(reading),
        }
    }

    pub(crate) fn types(&self, text: &str) {
        (&*self.pty).write_all(text.as_bytes()).unwrap();
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
