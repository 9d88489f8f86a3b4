//! What the two ends of a stream to a terminal say. Each says one thing in JSON first, the client a [`Request`] and the server an [`Answer`];
//! after that a message is data behind a zero byte, a [`Control`] in JSON behind a byte of one, or what a program says on standard error behind a byte of two.

use std::num::NonZeroU16;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// No message is longer.
pub(crate) const LONGEST: usize = 64 << 10;
/// Data in one message.
pub(crate) const PIECE: usize = 16 << 10;

const DATA: u8 = 0;
const CONTROL: u8 = 1;
const ERRORS: u8 = 2;

/// What the client wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) action: Action,
    pub(crate) size: Size,
    /// The client's `TERM`.
    pub(crate) term: String,
    /// Its locale, as `LANG` and `LC_…`.
    pub(crate) locale: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Action {
    /// A new terminal. Without a command its program is the user's shell, without a name the server makes one up.
    Start {
        name: Option<String>,
        command: Option<String>,
    },
    /// One that is there.
    Attach { name: String },
    /// None: a program between pipes, which ends with its stream.
    Run { command: String },
    /// The program of this terminal is to end.
    End { name: String },
    /// None; the answer says which there are.
    List,
}

/// In characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) columns: u16,
    pub(crate) rows: u16,
}

impl Size {
    /// Who has no terminal, or one that says nonsense, is served as if by one of this size.
    pub(crate) const USUAL: Size = Size { columns: 80, rows: 24 };
    const LARGEST: u16 = 1_000;
    /// So many characters a screen may have.
    const LARGEST_AREA: u32 = 1 << 18;

    /// Rows and columns as an emulator has them, which has one at least.
    pub(crate) fn cells(self) -> (NonZeroU16, NonZeroU16) {
        let at_least_one = |cells| NonZeroU16::new(cells).unwrap_or(NonZeroU16::MIN);
        (at_least_one(self.rows), at_least_one(self.columns))
    }

    /// The size within bounds: memory is taken for it.
    pub(crate) fn bounded(self) -> Size {
        if self.columns == 0 || self.rows == 0 {
            return Size::USUAL;
        }
        let columns = self.columns.min(Size::LARGEST);
        let tallest = Size::LARGEST_AREA / u32::from(columns);
        let tallest = u16::try_from(tallest).unwrap_or(u16::MAX).min(Size::LARGEST);
        Size {
            columns,
            rows: self.rows.min(tallest),
        }
    }
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    /// What the terminal prints follows.
    Attached {
        name: String,
    },
    /// What the program prints follows, and what it is to read.
    Started,
    /// The program is told to end.
    Ending,
    /// Nothing follows.
    Terminals(Vec<Listed>),
    NotAllowed,
    /// No terminal of the client's has that name.
    Unknown,
    /// One has it already.
    NameTaken,
    /// A name has 1 to 64 letters, digits, dots, dashes and underscores.
    BadName,
    /// The client has as many as it may have.
    TooMany,
    /// The program does not start.
    Failed(String),
}

/// A terminal of the client's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) command: Option<String>,
    /// Since it was started, in seconds.
    pub(crate) age: u64,
    pub(crate) attached: bool,
    pub(crate) exited: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Control {
    /// The client's terminal has this size now.
    Resize(Size),
    /// All that a program between pipes is to read was sent.
    EndOfInput,
    /// The client leaves; the program goes on.
    Detach,
    /// The program ended with this status: 128 and the signal's number if by one, as shells have it.
    Exited(u8),
    /// The terminal was attached elsewhere.
    Displaced,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Message {
    Data(Bytes),
    /// What a program between pipes says on standard error.
    Errors(Bytes),
    Control(Control),
}

impl Message {
    /// `None`: it is none that this version knows.
    pub(crate) fn decode(mut message: Bytes) -> Option<Message> {
        let kind = message.first().copied()?;
        let content = message.split_off(1);
        match kind {
            DATA => Some(Message::Data(content)),
            ERRORS => Some(Message::Errors(content)),
            CONTROL => serde_json::from_slice(&content).ok().map(Message::Control),
            _ => None,
        }
    }
}

/// Data as a message.
pub(crate) fn data(bytes: &[u8]) -> Bytes {
    behind(DATA, bytes)
}

/// What a program says on standard error as a message.
pub(crate) fn errors(bytes: &[u8]) -> Bytes {
    behind(ERRORS, bytes)
}

fn behind(kind: u8, bytes: &[u8]) -> Bytes {
    let mut message = BytesMut::with_capacity(bytes.len() + 1);
    message.put_u8(kind);
    message.put_slice(bytes);
    message.freeze()
}

impl Control {
    pub(crate) fn encode(&self) -> Bytes {
        let mut message = vec![CONTROL];
        message.extend(json(self));
        message.into()
    }
}

/// What has no maps and no foreign types always is some JSON.
pub(crate) fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// What a client may say of its own environment, and nothing that a program would obey.
pub(crate) fn is_locale(name: &str) -> bool {
    name == "LANG" || name == "COLORTERM" || name.starts_with("LC_") && name.len() < 32
}

/// What the client says of its locale.
pub(crate) fn locale(request: &Request) -> impl Iterator<Item = (&String, &String)> {
    let all = request.locale.iter().filter(|(name, _)| is_locale(name));
    all.map(|(name, value)| (name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_are_written() {
        for control in [
            Control::Resize(Size::USUAL),
            Control::EndOfInput,
            Control::Detach,
            Control::Exited(255),
            Control::Displaced,
        ] {
            assert_eq!(Message::decode(control.encode()), Some(Message::Control(control)));
        }
        assert_eq!(
            Message::decode(data(b"\x01x")),
            Some(Message::Data(Bytes::from_static(b"\x01x")))
        );
        for nonsense in [&b""[..], b"\x01", b"\x01{}", b"\x01\"x\"", b"\x03x"] {
            assert_eq!(Message::decode(Bytes::from_static(nonsense)), None, "{nonsense:?}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let size = |columns, rows| Size { columns, rows };
        assert_eq!(size(0, 9).bounded(), Size::USUAL);
        assert_eq!(size(9, 0).bounded(), Size::USUAL);
        assert_eq!(size(65_535, 1).bounded(), size(1_000, 1));
        assert_eq!(size(1, 65_535).bounded(), size(1, 1_000));
        assert_eq!(size(9_999, 9_999).bounded(), size(1_000, 262));
        assert_eq!(
            size(960, 270).bounded(),
            size(960, 270),
            "a large screen in the smallest letters"
        );
    }
}
