//! What a program printed: the last of it as it came, for who is attached, and what a terminal shows of all of it, for who comes later.

use std::collections::VecDeque;

use super::messages::Size;

/// How much is kept as it came, in bytes.
const RECENT: usize = 256 << 10;
/// How many lines above the screen are kept.
const SCROLLBACK: usize = 1_000;
/// How many characters these lines may have together: of very wide ones fewer are kept.
const ABOVE: usize = 512 << 10;

pub(crate) struct Screen {
    emulator: vt100::Parser,
    /// How many lines above the screen are kept.
    lines: usize,
    /// The most columns that it had: lines above it may be as wide still.
    widest: u16,
    recent: VecDeque<u8>,
    /// How much was printed in all.
    end: u64,
}

impl Screen {
    pub(crate) fn new(size: Size) -> Screen {
        let (rows, columns) = size.cells();
        let lines = lines_above(columns.get());
        Screen {
            emulator: vt100::Parser::new(rows, columns, lines),
            lines,
            widest: columns.get(),
            recent: VecDeque::new(),
            end: 0,
        }
    }

    pub(crate) fn printed(&mut self, bytes: &[u8]) {
        self.emulator.process(bytes);
        self.end += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let kept = &bytes[bytes.len().saturating_sub(RECENT)..];
        let surplus = (self.recent.len() + kept.len()).saturating_sub(RECENT);
        self.recent.drain(..surplus);
        self.recent.extend(kept);
    }

    pub(crate) fn resize(&mut self, size: Size) {
        let (rows, columns) = size.cells();
        let lines = lines_above(columns.get());
        if lines < self.lines {
            let kept = self.redraw();
            let (rows, columns) = self.emulator.screen().size();
            self.emulator = vt100::Parser::new(rows, columns, lines);
            self.emulator.process(&kept);
            self.lines = lines;
        }
        self.widest = self.widest.max(columns.get());
        self.emulator.set_size(rows, columns);
    }

    /// How many characters it takes memory for when it has that size, each some 32 bytes.
    pub(crate) fn cells_at(&self, size: Size) -> usize {
        let lines = self.lines.min(lines_above(size.columns));
        cells(size, lines, self.widest.max(size.columns))
    }

    /// The same of a new one.
    pub(crate) fn cells_of_new(size: Size) -> usize {
        cells(size, lines_above(size.columns), size.columns)
    }

    /// How much was printed in all.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// What was printed from there on, `most` bytes of it; `None`: that is not kept any more.
    pub(crate) fn since(&self, position: u64, most: usize) -> Option<Vec<u8>> {
        let behind = usize::try_from(self.end.checked_sub(position)?).ok()?;
        let skipped = self.recent.len().checked_sub(behind)?;
        Some(self.recent.iter().skip(skipped).take(most).copied().collect())
    }

    /// What makes a terminal of the same size show the same, the lines above the screen included.
    pub(crate) fn redraw(&mut self) -> Vec<u8> {
        let mut out = b"\x1b[m".to_vec();
        let screen = self.emulator.screen_mut();
        if screen.alternate_screen() {
            // What is below the alternate screen is not known to the emulator as text.
            out.extend(b"\x1b[?1049h");
        } else {
            out.extend(b"\x1b[?1049l");
            above(screen, &mut out);
        }
        out.extend(screen.state_formatted().as_bytes());
        out
    }
}

fn lines_above(columns: u16) -> usize {
    SCROLLBACK.min(ABOVE / usize::from(columns.max(1)))
}

/// Two screens, and the lines above the first.
fn cells(size: Size, lines: usize, widest: u16) -> usize {
    2 * usize::from(size.rows) * usize::from(size.columns) + lines * usize::from(widest)
}

/// The lines above the screen, each in its colours, and as many line feeds as move the last of them off the screen.
fn above(screen: &mut vt100::Screen, out: &mut Vec<u8>) {
    let (rows, columns) = screen.size();
    let rows = usize::from(rows.get());
    let mut left = screen.scrollback_len();
    while left > 0 {
        screen.set_scrollback(left);
        for row in screen.rows_formatted(0, columns.get()).take(left.min(rows)) {
            out.extend(row.as_bytes());
            out.extend(b"\x1b[m\r\n");
        }
        left = left.saturating_sub(rows);
    }
    screen.set_scrollback(0);
    out.extend(b"\r\n".repeat(rows - 1));
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { columns: 20, rows: 5 };

    fn shown(bytes: &[u8], size: Size) -> vt100::Parser {
        let (rows, columns) = size.cells();
        let mut terminal = vt100::Parser::new(rows, columns, 5_000);
        terminal.process(bytes);
        terminal
    }

    #[test]
    fn what_was_printed_is_kept_up_to_a_bound() {
        let mut screen = Screen::new(SIZE);
        screen.printed(b"abc");
        assert_eq!(screen.since(0, 2).as_deref(), Some(&b"ab"[..]));
        assert_eq!(screen.since(3, 9).as_deref(), Some(&b""[..]));
        assert_eq!(screen.since(4, 9), None, "not printed yet");
        screen.printed(&vec![b'x'; RECENT - 3]);
        assert_eq!(screen.since(0, 4).as_deref(), Some(&b"abcx"[..]));
        screen.printed(b"y");
        assert_eq!(screen.since(0, 4), None);
        assert_eq!(screen.since(1, 2).as_deref(), Some(&b"bc"[..]));
        let long = vec![b'z'; 3 * RECENT];
        screen.printed(&long);
        assert_eq!(screen.since(screen.end() - 7, 9).map(|rest| rest.len()), Some(7));
    }

    #[test]
    fn a_terminal_that_is_drawn_again_shows_the_same_lines_in_the_same_colours() {
        let mut screen = Screen::new(SIZE);
        for line in 0..1_200 {
            screen.printed(format!("\x1b[3{}mline {line}\x1b[m\r\n", line % 8).as_bytes());
        }
        screen.printed(b"\x1b[2;3Hhere");
        let mut other = shown(&screen.redraw(), SIZE);
        let emulator = screen.emulator.screen_mut();
        assert_eq!(other.screen().state_formatted(), emulator.state_formatted());
        for above in 1..=SCROLLBACK {
            emulator.set_scrollback(above);
            other.screen_mut().set_scrollback(above);
            let row = |screen: &vt100::Screen| screen.rows_formatted(0, 20).next();
            assert_eq!(row(other.screen()), row(emulator), "{above}");
        }
    }

    #[test]
    fn of_wide_lines_fewer_are_kept() {
        let (narrow, wide) = (
            SIZE,
            Size {
                columns: 1_000,
                rows: 5,
            },
        );
        let mut screen = Screen::new(narrow);
        for line in 0..2_000 {
            screen.printed(format!("line {line}\r\n").as_bytes());
        }
        assert_eq!(screen.emulator.screen_mut().scrollback_len(), SCROLLBACK);
        let charged = screen.cells_at(wide);
        screen.resize(wide);
        let kept = screen.emulator.screen_mut().scrollback_len();
        assert!((500..=ABOVE / 1_000).contains(&kept), "{kept}");
        assert_eq!(
            screen.emulator.screen().rows(0, 20).nth(3).as_deref(),
            Some("line 1999")
        );
        screen.resize(narrow);
        assert!(
            screen.cells_at(narrow) > ABOVE / 2,
            "the lines are as wide as they were"
        );
        assert!(charged >= screen.cells_at(narrow) && charged == Screen::cells_of_new(wide));
    }

    /// A program may print anything, at any size. UNBROKEN_SEED in the environment is another seed.
    #[test]
    fn nothing_that_is_printed_is_too_much() {
        let seed = std::env::var("UNBROKEN_SEED").ok().and_then(|seed| seed.parse().ok());
        let mut state: u64 = seed.unwrap_or(0x2545_f491_4f6c_dd1d);
        println!("seed {state}");
        let mut draw = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        };
        let words: [&[u8]; 14] = [
            b"\x1b[",
            b";",
            b"65535",
            b"1",
            b"H",
            b"J",
            b"\x1b[?1049h",
            b"\x1b[?1049l",
            "\u{4e2d}".as_bytes(),
            "e\u{301}".as_bytes(),
            b"\r\n",
            b"\x1b[r",
            b"m",
            b"\x1b]0;t\x07",
        ];
        let mut screen = Screen::new(SIZE);
        for _ in 0..30_000 {
            match draw(40) {
                0 => {
                    let mut cells = || u16::try_from(draw(30)).unwrap_or(1);
                    screen.resize(Size {
                        columns: cells(),
                        rows: cells(),
                    });
                }
                1 => drop(screen.redraw()),
                2..=9 => screen.printed(&draw(u64::MAX).to_le_bytes()),
                _ => screen.printed(words[usize::try_from(draw(14)).unwrap_or(0)]),
            }
        }
    }
}
