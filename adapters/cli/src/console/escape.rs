//! What a person types to the command itself: `~` at the beginning of a line, as with ssh, and a letter.

/// What to do with what was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// It goes to the program.
    Bytes(Vec<u8>),
    /// `~d`: leave, and let the program go on.
    Detach,
    /// `~.`: end the program, or the session.
    HangUp,
    /// `~?`: say what can be typed.
    Help,
}

/// What `~?` says.
pub(crate) const HELP: &str = "\
~d  detach: the program goes on, and can be attached again
~.  end the program
~~  a tilde
~?  this\r
These count at the beginning of a line. Enter tries at once to connect again where there is no connection.";

/// Looks for what is meant for the command in what is typed.
#[derive(Debug)]
pub(crate) struct Escapes {
    line_begins: bool,
    /// Whether a program can be left.
    detaches: bool,
    /// A tilde came at the beginning of a line.
    tilde: bool,
}

impl Escapes {
    /// `detaches`: whether `~d` means anything.
    pub(crate) fn new(detaches: bool) -> Escapes {
        Escapes {
            line_begins: true,
            detaches,
            tilde: false,
        }
    }

    /// What `typed` means, in its order.
    pub(crate) fn read(&mut self, typed: &[u8]) -> Vec<Typed> {
        let (mut all, mut bytes) = (Vec::new(), Vec::new());
        for &byte in typed {
            if std::mem::take(&mut self.tilde) {
                let own = match byte {
                    b'd' if self.detaches => Some(Typed::Detach),
                    b'.' => Some(Typed::HangUp),
                    b'?' => Some(Typed::Help),
                    b'~' => None,
                    _ => {
                        bytes.push(b'~');
                        None
                    }
                };
                if let Some(own) = own {
                    if !bytes.is_empty() {
                        all.push(Typed::Bytes(std::mem::take(&mut bytes)));
                    }
                    all.push(own);
                    self.line_begins = true;
                    continue;
                }
            } else if byte == b'~' && self.line_begins {
                self.tilde = true;
                continue;
            }
            bytes.push(byte);
            self.line_begins = matches!(byte, b'\r' | b'\n');
        }
        if !bytes.is_empty() {
            all.push(Typed::Bytes(bytes));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&str]) -> Vec<Typed> {
        let mut escapes = Escapes::new(true);
        pieces.iter().flat_map(|piece| escapes.read(piece.as_bytes())).collect()
    }

    fn bytes(text: &str) -> Typed {
        Typed::Bytes(text.into())
    }

    #[test]
    fn a_tilde_counts_at_the_beginning_of_a_line_only() {
        assert_eq!(read(&["~d"]), [Typed::Detach]);
        assert_eq!(read(&["~", "d"]), [Typed::Detach]);
        assert_eq!(read(&["ls\r~."]), [bytes("ls\r"), Typed::HangUp]);
        assert_eq!(read(&["~?~d"]), [Typed::Help, Typed::Detach]);
        assert_eq!(read(&["a~d"]), [bytes("a~d")]);
        assert_eq!(read(&["cd ~.\r"]), [bytes("cd ~.\r")]);
    }

    #[test]
    fn where_nothing_can_be_left_it_is_not_offered() {
        let mut escapes = Escapes::new(false);
        assert_eq!(escapes.read(b"~d"), [bytes("~d")]);
        assert_eq!(escapes.read(b"\r~."), [bytes("\r"), Typed::HangUp]);
    }

    #[test]
    fn what_else_follows_a_tilde_goes_to_the_program() {
        assert_eq!(read(&["~~."]), [bytes("~.")]);
        assert_eq!(read(&["~/bin\r"]), [bytes("~/bin\r")]);
        assert_eq!(read(&["~", "x~d"]), [bytes("~x~d")]);
        assert_eq!(read(&["~", "\r~d"]), [bytes("~\r"), Typed::Detach]);
    }
}
