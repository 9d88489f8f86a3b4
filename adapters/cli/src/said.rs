//! What is said on standard output and standard error. Whoever was to read it may be gone, and the macros of `std` of these names panic
//! then: a server would end because nobody reads what it says.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

static RAW: AtomicBool = AtomicBool::new(false);

/// Whether the terminal begins no line by itself where one ends.
pub(crate) fn set_raw(raw: bool) {
    RAW.store(raw, Ordering::Relaxed);
}

/// What ends a line on standard error.
pub(crate) fn line_end() -> &'static str {
    match RAW.load(Ordering::Relaxed) && io::stderr().is_terminal() {
        true => "\r\n",
        false => "\n",
    }
}

/// Who says lines in the place of standard error.
static DIVERTED: Mutex<Option<mpsc::Sender<String>>> = Mutex::new(None);
/// Somebody may still be writing, and may never be done with it.
static STUCK: AtomicBool = AtomicBool::new(false);
/// Standard error turned out to be stuck, too.
static UNREAD: AtomicBool = AtomicBool::new(false);
/// So many lines wait to be said by somebody else; what is more is lost.
const WAITING: usize = 256;
/// So long standard error is waited for where it may be stuck.
const PATIENCE: Duration = Duration::from_millis(300);

/// Lines that were to be said on standard error, as long as this lives. What is left then is said there.
#[derive(Debug)]
pub(crate) struct Diverted(mpsc::Receiver<String>);

/// From now on lines are not written here. The last who asks for them has them.
pub(crate) fn divert() -> Diverted {
    let (sender, lines) = mpsc::channel(WAITING);
    *DIVERTED.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    Diverted(lines)
}

impl Diverted {
    /// The next line; cancel safe.
    pub(crate) async fn next(&mut self) -> Option<String> {
        self.0.recv().await
    }

    /// The next line, if it was said already.
    pub(crate) fn try_next(&mut self) -> Option<String> {
        self.0.try_recv().ok()
    }
}

impl Drop for Diverted {
    fn drop(&mut self) {
        *DIVERTED.lock().unwrap_or_else(PoisonError::into_inner) = None;
        while let Some(line) = self.try_next() {
            say(line);
        }
    }
}

/// Standard error may be where nobody reads: nobody waits for it any more.
pub(crate) fn set_stuck() {
    STUCK.store(true, Ordering::Relaxed);
}

/// Says a line, if anybody hears it.
pub(crate) fn say(line: String) {
    let diverted = DIVERTED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let line = match diverted {
        None => line,
        Some(sender) => match sender.try_send(line) {
            Err(TrySendError::Closed(line)) => line,
            Ok(()) | Err(TrySendError::Full(_)) => return,
        },
    };
    write(format!("{line}{}", line_end()));
}

fn write(line: String) {
    let write = move || drop(io::stderr().write_all(line.as_bytes()));
    if !STUCK.load(Ordering::Relaxed) {
        return write();
    }
    if UNREAD.load(Ordering::Relaxed) {
        return;
    }
    let (tell, written) = std::sync::mpsc::channel();
    let thread = std::thread::Builder::new().spawn(move || {
        write();
        let _nobody_waits = tell.send(());
    });
    if thread.is_err() || written.recv_timeout(PATIENCE).is_err() {
        UNREAD.store(true, Ordering::Relaxed);
    }
}

/// A line on standard error, if it can be written.
macro_rules! eprintln {
    ($($said:tt)*) => {
        $crate::said::say(format!($($said)*))
    };
}

/// A line on standard output, if it can be written.
macro_rules! println {
    ($($said:tt)*) => {{
        use std::io::Write as _;
        let _nobody_reads_it = writeln!(std::io::stdout(), $($said)*);
    }};
}
