//! What happens around a person and a program: to the window and to this process, and what others have to say.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

use super::display::Display;
use super::keyboard::Keyboard;
use super::stops::{Stop, Stops};
use super::tty::{self, Resizes};
use super::writer::Writer;
use crate::said::Diverted;
use crate::terminal::messages::Size;

/// So long a person may take to read what is shown over a program's screen.
const NOTICE: Duration = Duration::from_secs(4);
/// What is on its way to the terminal is waited for so long before this process stops.
const STOPPING: Duration = Duration::from_secs(1);

/// What the server's people have to say, line by line.
pub(crate) type Notes = tokio::sync::mpsc::Receiver<String>;

pub(crate) struct Surroundings<'a> {
    pub(crate) keyboard: &'a Keyboard,
    pub(crate) writer: Writer,
    display: Mutex<Display>,
    /// Who has this has the screen: the program, or whoever stops this process.
    pub(crate) screen: tokio::sync::Mutex<()>,
    /// Somebody wants to know what can be typed.
    pub(crate) help: Notify,
    /// What the window was when the other side was told last.
    window: Cell<Option<Size>>,
    /// This process was stopped, and goes on.
    goes_on: Notify,
}

impl<'a> Surroundings<'a> {
    /// `size`: what the window was when the terminal was asked for.
    pub(crate) fn new(
        keyboard: &'a Keyboard,
        (writer, display): (Writer, Display),
        size: Option<Size>,
    ) -> Surroundings<'a> {
        Surroundings {
            keyboard,
            writer,
            display: Mutex::new(display),
            screen: tokio::sync::Mutex::default(),
            help: Notify::new(),
            window: Cell::new(size),
            goes_on: Notify::new(),
        }
    }

    pub(crate) fn display(&self) -> MutexGuard<'_, Display> {
        self.display.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn into_display(self) -> Display {
        self.display.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the other side told whenever the window has another size.
    pub(crate) async fn follow_window(&self, tell: impl AsyncFn(Size)) {
        let Ok(mut resizes) = Resizes::new() else {
            return std::future::pending().await;
        };
        loop {
            if let Some(now) = self.resized() {
                self.window.set(Some(now));
                let _output_closed = self.display().resize(now);
                tell(now).await;
            }
            tokio::select! {
                () = resizes.next() => {}
                () = self.goes_on.notified() => {}
            }
        }
    }

    /// Another size than the other side knows.
    fn resized(&self) -> Option<Size> {
        let last = self.window.get()?;
        tty::size().filter(|now| *now != last)
    }

    /// Stops this process when that is asked for, with the terminal as it was found, and draws the screen anew when it goes on.
    pub(crate) async fn follow_stops(&self) {
        // Who does not have the terminal raw is stopped by the system, and leaves nothing behind.
        let stops = self.keyboard.is_raw().then(Stops::new).and_then(Result::ok);
        let Some(mut stops) = stops else {
            return std::future::pending().await;
        };
        let (mut is_old, mut screen) = (false, None);
        loop {
            let stop = tokio::select! {
                biased;
                stop = stops.next() => stop,
                // Nothing is drawn where nobody looks.
                () = self.writer.room(), if is_old => {
                    is_old = false;
                    self.draw_anew();
                    screen = None;
                    continue;
                }
            };
            if stop == Stop::Asked {
                // The program prints nothing until its screen is there again.
                if screen.is_none() {
                    screen = Some(self.screen.lock().await);
                }
                self.step_aside().await;
                stops.stop().await;
            }
            self.keyboard.go_on();
            self.goes_on.notify_one();
            is_old = true;
        }
    }

    /// Leaves the terminal to others.
    async fn step_aside(&self) {
        if !self.keyboard.is_lent() {
            let _output_closed = self.display().step_aside();
            let _nobody_reads = timeout(STOPPING, self.writer.drained()).await;
        }
        self.keyboard.stop();
    }

    fn draw_anew(&self) {
        if self.keyboard.is_lent() {
            return;
        }
        let mut display = self.display();
        if let Some(now) = self.resized() {
            let _output_closed = display.resize(now);
        }
        let _output_closed = display.redraw();
    }

    /// Shows what others have to say, and `help` when that is asked for.
    pub(crate) async fn hear(&self, notes: &mut Notes, lines: &mut Diverted, help: &str) {
        loop {
            self.writer.room().await;
            let is_shown = self.display().shows_notice();
            tokio::select! {
                Some(note) = notes.recv() => drop(self.display().say(&format!("unbroken: {note}"))),
                Some(line) = lines.next() => drop(self.display().line(&line)),
                () = self.help.notified() => drop(self.display().help(help)),
                () = tokio::time::sleep(NOTICE), if is_shown => drop(self.display().forget()),
                else => return std::future::pending().await,
            }
        }
    }
}
