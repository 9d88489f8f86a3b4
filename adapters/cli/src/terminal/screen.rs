//! What a program printed: the last of it as it came, for who is attached, and what a terminal shows of all of it, for who comes later.

use std::collections::VecDeque;
use std::num::NonZeroU16;

use super::messages::Size;

/// How much is kept as it came, in bytes.
const RECENT: usize = 256 << 10;
/// How many lines above the screen are kept.
const SCROLLBACK: usize = 1_000;

pub(crate) struct Screen {
    emulator: vt100::Parser,
    recent: VecDeque<u8>,
    /// How much was printed in all.
    end: u64,
}

impl Screen {
    pub(crate) fn new(size: Size) -> Screen {
        let (rows, columns) = measures(size);
        Screen {
            emulator: vt100::Parser::new(rows, columns, SCROLLBACK),
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
        let (rows, columns) = measures(size);
        self.emulator.set_size(rows, columns);
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

/// The lines above the screen, each in its colours, and as many empty ones as move them off the screen.
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
    out.extend(b"\r\n".repeat(rows));
}

fn measures(size: Size) -> (NonZeroU16, NonZeroU16) {
    let at_least_one = |cells| NonZeroU16::new(cells).unwrap_or(NonZeroU16::MIN);
    (at_least_one(size.rows), at_least_one(size.columns))
}
