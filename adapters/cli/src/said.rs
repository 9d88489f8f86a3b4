//! What is said on standard output and standard error. Whoever was to read it may be gone, and the macros of `std` of these names panic
//! then: a server would end because nobody reads what it says.

/// A line on standard error, if it can be written.
macro_rules! eprintln {
    ($($said:tt)*) => {{
        use std::io::Write as _;
        let _nobody_reads_it = writeln!(std::io::stderr(), $($said)*);
    }};
}

/// A line on standard output, if it can be written.
macro_rules! println {
    ($($said:tt)*) => {{
        use std::io::Write as _;
        let _nobody_reads_it = writeln!(std::io::stdout(), $($said)*);
    }};
}
