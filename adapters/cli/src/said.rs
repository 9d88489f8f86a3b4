//! What is said on standard output and standard error. Whoever was to read it may be gone, and the macros of `std` of these names panic
//! then: a server would end because nobody reads what it says.

use std::sync::atomic::{AtomicBool, Ordering};

static RAW: AtomicBool = AtomicBool::new(false);

/// Whether the terminal begins no line by itself where one ends.
pub(crate) fn set_raw(raw: bool) {
    RAW.store(raw, Ordering::Relaxed);
}

/// What ends a line on standard error.
pub(crate) fn line_end() -> &'static str {
    match RAW.load(Ordering::Relaxed) {
        true => "\r\n",
        false => "\n",
    }
}

/// A line on standard error, if it can be written.
macro_rules! eprintln {
    ($($said:tt)*) => {{
        use std::io::Write as _;
        let line = format!("{}{}", format_args!($($said)*), $crate::said::line_end());
        let _nobody_reads_it = std::io::stderr().write_all(line.as_bytes());
    }};
}

/// A line on standard output, if it can be written.
macro_rules! println {
    ($($said:tt)*) => {{
        use std::io::Write as _;
        let _nobody_reads_it = writeln!(std::io::stdout(), $($said)*);
    }};
}
