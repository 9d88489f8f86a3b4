//! The person's terminal: what the program prints, and lines of our own.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};

use super::record::Recording;
use super::sequences::Sequences;
use super::writer::{Place, Writer};
use crate::said;
use crate::terminal::messages::Size;

/// So many lines wait at most until a program gives the whole screen back.
const HELD: usize = 200;
/// So many lines are shown at once at most over what a program has on the whole screen.
const NOTICED: usize = 6;

pub(crate) struct Display {
    out: Writer,
    /// What is on the screen, so that our lines leave no trace.
    emulator: vt100::Parser,
    /// `None`: standard output is no terminal, and nothing is said on it but what the program prints.
    size: Option<Size>,
    sequences: Sequences,
    /// Shown for a while over what a program has on the whole screen.
    notice: Vec<String>,
    /// Shown as long as there is no connection.
    status: Option<String>,
    /// So many of the last lines of the screen are ours.
    covered: u16,
    /// Said when the program gives the whole screen back.
    held: VecDeque<String>,
    /// The screen is somebody else's.
    away: bool,
    recording: Option<Recording>,
}

impl Display {
    pub(crate) fn new(out: Writer, size: Option<Size>, recording: Option<Recording>) -> Display {
        let (rows, columns) = size.unwrap_or(Size::USUAL).cells();
        Display {
            out,
            emulator: vt100::Parser::new(rows, columns, 0),
            size,
            sequences: Sequences::default(),
            notice: Vec::new(),
            status: None,
            covered: 0,
            held: VecDeque::new(),
            away: false,
            recording,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(recording) = &mut self.recording {
            recording.printed(bytes);
        }
        self.out.push(Place::Output, bytes)
    }

    pub(crate) fn print(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.size.is_none() {
            return self.write(bytes);
        }
        let whole = self.sequences.read(bytes);
        if whole.is_empty() {
            return Ok(());
        }
        self.show(&whole)
    }

    fn show(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.uncover()?;
        self.write(bytes)?;
        self.emulator.process(bytes);
        while self.is_ours() {
            let Some(text) = self.held.pop_front() else { break };
            self.notice.clear();
            self.put(&text)?;
        }
        self.cover()
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
        self.cover()
    }

    /// Says this in the last line of the screen, or nothing any more.
    pub(crate) fn status(&mut self, status: Option<String>) -> io::Result<()> {
        if self.size.is_none() || status.is_none() && self.status.is_none() {
            return Ok(());
        }
        self.status = status;
        self.refresh()
    }

    pub(crate) fn shows_status(&self) -> bool {
        self.status.is_some()
    }

    fn refresh(&mut self) -> io::Result<()> {
        if self.notice.len() + usize::from(self.status.is_some()) != usize::from(self.covered) {
            self.uncover()?;
        }
        self.cover()
    }

    /// Writes our lines over the last ones of the screen. Where they do not get through now they are drawn another time.
    fn cover(&mut self) -> io::Result<()> {
        let Some(size) = self.size else { return Ok(()) };
        if self.away || !self.sequences.is_whole() || !self.out.has_room() {
            return Ok(());
        }
        let lines: Vec<&String> = self.notice.iter().chain(&self.status).collect();
        let lines = &lines[lines.len().saturating_sub(usize::from(size.rows))..];
        if lines.is_empty() {
            return Ok(());
        }
        let (mut drawn, mut row) = (String::new(), size.rows);
        for line in lines.iter().rev() {
            let shown = fitting(line, size.columns);
            drawn.push_str(&format!("\x1b[{row};1H\x1b[m\x1b[2K\x1b[7m{shown}\x1b[m"));
            row -= 1;
        }
        self.covered = size.rows - row;
        drawn.push_str(&self.back());
        self.write(drawn.as_bytes())
    }

    /// Puts what stood in the last lines there again.
    fn uncover(&mut self) -> io::Result<()> {
        let covered = std::mem::take(&mut self.covered);
        let Some(size) = self.size.filter(|_| covered > 0) else {
            return Ok(());
        };
        let first = size.rows.saturating_sub(covered);
        let mut drawn = String::new();
        let rows = self.emulator.screen().rows_formatted(0, size.columns);
        for (row, content) in (0..size.rows).zip(rows).skip(usize::from(first)) {
            drawn.push_str(&format!("\x1b[{};1H\x1b[m\x1b[2K{content}", row + 1));
        }
        drawn.push_str(&self.back());
        self.write(drawn.as_bytes())
    }

    /// What puts the cursor, and the colours, where the program left them.
    fn back(&self) -> String {
        let screen = self.emulator.screen();
        screen.cursor_state_formatted() + &screen.attributes_formatted()
    }

    /// Whether a line of ours can stand below what the program printed: none can where the program has the whole screen.
    fn is_ours(&self) -> bool {
        !self.away && self.sequences.is_whole() && !self.emulator.screen().alternate_screen()
    }

    /// Says something of our own below what the program printed. Where the program has the whole screen it is said when it gives that back, and
    /// shown for a while until [`forget`](Self::forget).
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        if self.size.is_none() {
            // Standard output is the program's alone.
            return self.say_aside(text);
        }
        if self.is_ours() {
            return self.put(text);
        }
        self.held.push_back(text.to_owned());
        if self.held.len() > HELD {
            self.held.pop_front();
        }
        self.note(text)
    }

    /// Says something that is of no use later.
    pub(crate) fn help(&mut self, text: &str) -> io::Result<()> {
        match self.is_ours() {
            true => self.put(text),
            false => self.note(text),
        }
    }

    /// Says what is for standard error: where that is the same terminal, as everything else of ours.
    pub(crate) fn line(&mut self, text: &str) -> io::Result<()> {
        match io::stderr().is_terminal() {
            true => self.say(text),
            false => self.say_aside(text),
        }
    }

    fn say_aside(&mut self, text: &str) -> io::Result<()> {
        let line = format!("{text}{}", said::line_end());
        self.out.push(Place::Errors, line.as_bytes())
    }

    fn put(&mut self, text: &str) -> io::Result<()> {
        self.uncover()?;
        let text = format!("\r\n{}\r\n", text.replace('\r', "").replace('\n', "\r\n"));
        self.write(text.as_bytes())?;
        self.emulator.process(text.as_bytes());
        self.cover()
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        self.notice.extend(text.lines().map(str::to_owned));
        let surplus = self.notice.len().saturating_sub(NOTICED);
        self.notice.drain(..surplus);
        self.refresh()
    }

    pub(crate) fn shows_notice(&self) -> bool {
        !self.notice.is_empty()
    }

    /// Shows no more what was only to be shown for a while.
    pub(crate) fn forget(&mut self) -> io::Result<()> {
        self.notice.clear();
        self.refresh()
    }

    /// Draws the screen anew, where another program wrote on it.
    pub(crate) fn redraw(&mut self) -> io::Result<()> {
        if self.size.is_none() {
            return Ok(());
        }
        self.covered = 0;
        let screen = self.emulator.screen();
        let mut drawn = String::new();
        if std::mem::take(&mut self.away) && screen.alternate_screen() {
            drawn.push_str("\x1b[?1049h");
        }
        drawn.push_str(&screen.state_formatted());
        self.write(drawn.as_bytes())?;
        self.show(&[])
    }

    /// Leaves the screen to somebody else until it is drawn anew.
    pub(crate) fn step_aside(&mut self) -> io::Result<()> {
        if self.size.is_none() || self.away {
            return Ok(());
        }
        self.uncover()?;
        self.away = true;
        let reset = self.reset();
        self.write(reset.as_bytes())
    }

    /// What takes back what the program asked of the terminal, and begins a line.
    fn reset(&self) -> String {
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
        reset
    }

    /// Leaves the terminal as a program that ends should: without what this one asked of it, and at the beginning of a line.
    pub(crate) fn leave(mut self) -> io::Result<Option<String>> {
        if self.size.is_some() {
            (self.notice, self.status) = (Vec::new(), None);
            let rest = self.sequences.rest();
            self.show(&rest)?;
            let mut last = self.reset();
            for text in std::mem::take(&mut self.held) {
                last.push_str(&format!("{}\r\n", text.replace('\r', "").replace('\n', "\r\n")));
            }
            self.write(last.as_bytes())?;
        }
        Ok(self.recording.and_then(|recording| recording.failure()))
    }
}

/// As much of a line as surely fits: what is not ASCII may be two columns wide.
fn fitting(line: &str, columns: u16) -> String {
    let mut left = usize::from(columns);
    let fits = |character: &char| {
        let width = if character.is_ascii() { 1 } else { 2 };
        left.checked_sub(width).map(|rest| left = rest).is_some()
    };
    line.chars().take_while(fits).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests;
