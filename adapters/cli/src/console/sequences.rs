//! Where characters and control sequences of what a program prints end: between them something of our own can be written.

/// What has no end after so many bytes is written as it comes.
const LONGEST: usize = 4_096;

/// What was printed last, up to its end.
#[derive(Debug, Default)]
pub(crate) struct Sequences {
    within: Within,
    /// The beginning of something whose end has not come.
    begun: Vec<u8>,
    /// Such a beginning was written.
    cut: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Within {
    #[default]
    Nothing,
    /// Behind an escape.
    Escape,
    /// Of parameters, up to a letter.
    Sequence,
    /// Up to a bell, or a string terminator.
    Text,
    /// So many bytes are missing.
    Character(u8),
}

impl Within {
    fn next(self, byte: u8) -> Within {
        match (self, byte) {
            (Within::Character(missing), 0x80..=0xbf) if missing > 1 => Within::Character(missing - 1),
            (Within::Character(_), 0x80..=0xbf) => Within::Nothing,
            (_, 0x1b) => Within::Escape,
            (_, 0x18 | 0x1a) | (Within::Text, 0x07) => Within::Nothing,
            (Within::Text, _) => Within::Text,
            (Within::Escape, b'[') => Within::Sequence,
            (Within::Escape, b']' | b'P' | b'X' | b'^' | b'_') => Within::Text,
            (Within::Escape, 0x20..=0x2f) => Within::Escape,
            (Within::Sequence, 0x40..=0x7e) | (Within::Escape, _) => Within::Nothing,
            (Within::Sequence, _) => Within::Sequence,
            (Within::Nothing | Within::Character(_), 0xc2..=0xdf) => Within::Character(1),
            (Within::Nothing | Within::Character(_), 0xe0..=0xef) => Within::Character(2),
            (Within::Nothing | Within::Character(_), 0xf0..=0xf4) => Within::Character(3),
            (Within::Nothing | Within::Character(_), _) => Within::Nothing,
        }
    }
}

impl Sequences {
    /// What can be written now that this was printed.
    pub(crate) fn read(&mut self, printed: &[u8]) -> Vec<u8> {
        let mut whole = None;
        for (at, &byte) in printed.iter().enumerate() {
            self.within = self.within.next(byte);
            if self.within == Within::Nothing {
                whole = Some(at + 1);
            }
        }
        let (whole, begun) = printed.split_at(whole.unwrap_or_default());
        let mut written = Vec::new();
        if !whole.is_empty() {
            written = std::mem::take(&mut self.begun);
            written.extend_from_slice(whole);
            self.cut = false;
        }
        self.begun.extend_from_slice(begun);
        if self.cut || self.begun.len() > LONGEST {
            written.append(&mut self.begun);
            self.cut = self.within != Within::Nothing;
        }
        written
    }

    /// Whether what was written ends where something ends.
    pub(crate) fn is_whole(&self) -> bool {
        !self.cut
    }

    /// What was held back.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_in_parts() {
        for whole in [
            "ß",
            "€",
            "😀",
            "\x1b[1;31m",
            "\x1b]0;title\x07",
            "\x1b]0;title\x1b\\",
            "\x1b(B",
            "\x1b7",
            "\x1bPq#0\x1b\\",
        ] {
            for cut in 1..whole.len() {
                let (first, second) = whole.as_bytes().split_at(cut);
                let mut sequences = Sequences::default();
                assert_eq!(sequences.read(&[b"a", first].concat()), b"a", "{whole:?} {cut}");
                let rest = sequences.read(&[second, b"z"].concat());
                assert_eq!(rest, [whole.as_bytes(), b"z"].concat(), "{whole:?} {cut}");
                assert!(sequences.is_whole());
            }
        }
    }

    #[test]
    fn what_has_no_end_is_not_held_back_for_long() {
        let mut sequences = Sequences::default();
        let mut written = sequences.read(b"\x1b]52;c;");
        for _ in 0..LONGEST {
            written.extend(sequences.read(b"xyz"));
        }
        assert_eq!(written.len(), 7 + 3 * LONGEST);
        assert!(!sequences.is_whole());
        assert_eq!(sequences.read(b"x\x07\xe2"), b"x\x07");
        assert!(sequences.is_whole());
        // What is no text is shown as what it is.
        assert_eq!(sequences.read(b"\x82\xff\xe2a"), b"\xe2\x82\xff\xe2a");
        assert_eq!(sequences.rest(), b"");
    }
}
