//! The person's terminal: what the program prints, and a line of our own while there is no connection.

use std::io::{self, Write};

use super::record::Recording;
use crate::terminal::messages::Size;

pub(crate) struct Display<W> {
    out: W,
    /// What is on the screen, so that our line leaves no trace.
    emulator: vt100::Parser,
    /// `None`: standard output is no terminal, and nothing is said on it but what the program prints.
    size: Option<Size>,
    status: Option<String>,
    recording: Option<Recording>,
}

impl<W: Write> Display<W> {
    pub(crate) fn new(out: W, size: Option<Size>, recording: Option<Recording>) -> Display<W> {
        let (rows, columns) = size.unwrap_or(Size::USUAL).cells();
        Display {
            out,
            emulator: vt100::Parser::new(rows, columns, 0),
            size,
            status: None,
            recording,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(recording) = &mut self.recording {
            recording.printed(bytes);
        }
        self.out.write_all(bytes)
    }

    pub(crate) fn print(&mut self, bytes: &[u8]) -> io::Result<()> {
        let status = self.status.take();
        if status.is_some() {
            self.wipe()?;
        }
        self.write(bytes)?;
        if self.size.is_none() {
            return self.out.flush();
        }
        self.emulator.process(bytes);
        self.status(status)
    }

    pub(crate) fn resize(&mut self, size: Size) -> io::Result<()> {
        if self.size == Some(size) {
            return Ok(());
        }
        self.size = Some(size);
        let (rows, columns) = size.cells();
        self.emulator.set_size(rows, columns);
        if let Some(recording) = &mut self.recording {
            recording.resized(size);
        }
        let status = self.status.take();
        self.status(status)
    }

    /// Says this in the last line of the screen, or nothing any more.
    pub(crate) fn status(&mut self, status: Option<String>) -> io::Result<()> {
        let Some(size) = self.size else { return Ok(()) };
        if let Some(text) = &status {
            let shown: String = text.chars().take(usize::from(size.columns)).collect();
            let line = format!("\x1b[{};1H\x1b[m\x1b[2K\x1b[7m{shown}\x1b[m", size.rows);
            self.write(line.as_bytes())?;
            self.back()?;
        } else if self.status.is_some() {
            self.wipe()?;
        }
        self.status = status;
        self.out.flush()
    }

    pub(crate) fn shows_status(&self) -> bool {
        self.status.is_some()
    }

    /// Puts what stood in the last line there again.
    fn wipe(&mut self) -> io::Result<()> {
        let Some(size) = self.size else { return Ok(()) };
        let screen = self.emulator.screen();
        let row = screen.rows_formatted(0, size.columns).last().unwrap_or_default();
        let line = format!("\x1b[{};1H\x1b[m\x1b[2K{row}", size.rows);
        self.write(line.as_bytes())?;
        self.back()
    }

    /// Puts the cursor, and the colours, where the program left them.
    fn back(&mut self) -> io::Result<()> {
        let screen = self.emulator.screen();
        let state = screen.cursor_state_formatted() + &screen.attributes_formatted();
        self.write(state.as_bytes())
    }

    /// Draws the screen anew, where another program wrote on it.
    pub(crate) fn redraw(&mut self) -> io::Result<()> {
        if self.size.is_some() {
            let screen = self.emulator.screen().state_formatted();
            self.write(screen.as_bytes())?;
        }
        self.out.flush()
    }

    /// Says something of our own below what the program printed.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        if self.size.is_none() {
            // Standard output is the program's alone.
            eprintln!("{text}");
            return Ok(());
        }
        let text = format!("\r\n{}\r\n", text.replace('\r', "").replace('\n', "\r\n"));
        self.print(text.as_bytes())
    }

    /// Leaves the terminal as a program that ends should: without what this one asked of it, and at the beginning of a line.
    pub(crate) fn leave(mut self) -> io::Result<Option<String>> {
        self.status(None)?;
        if self.size.is_some() {
            let screen = self.emulator.screen();
            let (rows, columns) = screen.size();
            let usual = vt100::Parser::new(rows, columns, 0);
            let mut reset = usual.screen().input_mode_diff(screen);
            if screen.alternate_screen() {
                reset.push_str("\x1b[?1049l");
            }
            if screen.hide_cursor() {
                reset.push_str("\x1b[?25h");
            }
            reset.push_str("\x1b[m");
            if screen.cursor_position().1 > 0 {
                reset.push_str("\r\n");
            }
            self.write(reset.as_bytes())?;
        }
        self.out.flush()?;
        Ok(self.recording.and_then(|recording| recording.failure()))
    }
}
