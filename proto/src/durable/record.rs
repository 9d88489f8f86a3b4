//! What a journal is made of, byte for byte (PROTOCOL.md, "Journals").

use alloc::vec::Vec;

use bytes::Bytes;

use crate::security::{JournalSeal, SEAL};

/// What a host is to keep of a durable session next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// The number of the record, one more than that of the record before; the first is 1.
    pub number: u64,
    /// Whether it stands for the whole session up to here, so that nothing before it is needed any more.
    pub is_snapshot: bool,
    /// What is to be kept: opaque, sealed, and delimited, so that a journal may be a file of records one behind the other.
    pub bytes: Bytes,
}

/// The first byte of a record: what it is, and how it is protected. Another version has others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) is_snapshot: bool,
    pub(super) is_sealed: bool,
}

impl Kind {
    fn byte(self) -> u8 {
        0xD0 | u8::from(self.is_snapshot) << 1 | u8::from(self.is_sealed)
    }

    fn of(byte: u8) -> Option<Kind> {
        (byte & 0xFC == 0xD0).then_some(Kind {
            is_snapshot: byte & 2 != 0,
            is_sealed: byte & 1 != 0,
        })
    }
}

/// What stands before the content of a record, in the clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    pub(super) number: u64,
    /// The highest number that was known to be kept when this was written: what is damaged up to there was not just cut off.
    pub(super) kept: u64,
    /// Names the life of a process: no two seal under one nonce.
    pub(super) run: [u8; 16],
    /// Names the journal; only a snapshot says it.
    pub(super) journal: Option<[u8; 16]>,
}

/// The kind and the length.
const PREFIX: usize = 1 + 4;
const FIXED: usize = PREFIX + 8 + 8 + 16;
const JOURNAL: usize = 16;

/// What is behind the first bytes of a piece of a journal.
pub(super) enum Parsed {
    /// A whole record, by its looks.
    Whole(Header),
    /// The beginning of one.
    Cut,
    /// Something else.
    Other,
}

impl Header {
    fn len(&self) -> usize {
        FIXED + self.journal.map_or(0, |_| JOURNAL)
    }

    fn nonce(&self) -> [u8; 24] {
        let mut nonce = [0; 24];
        nonce[..16].copy_from_slice(&self.run);
        nonce[16..].copy_from_slice(&self.number.to_be_bytes());
        nonce
    }

    /// A record with that content, which comes in parts.
    pub(super) fn seal(&self, seal: &JournalSeal, content: &[&[u8]]) -> Bytes {
        let header = self.len();
        let total = header + content.iter().map(|part| part.len()).sum::<usize>() + SEAL;
        let mut buf = Vec::with_capacity(total);
        buf.push(self.kind.byte());
        let rest = u32::try_from(total - PREFIX).unwrap_or(u32::MAX);
        buf.extend_from_slice(&rest.to_be_bytes());
        buf.extend_from_slice(&self.number.to_be_bytes());
        buf.extend_from_slice(&self.kept.to_be_bytes());
        buf.extend_from_slice(&self.run);
        if let Some(journal) = &self.journal {
            buf.extend_from_slice(journal);
        }
        content.iter().for_each(|part| buf.extend_from_slice(part));
        seal.seal(&self.nonce(), &mut buf, header);
        buf.into()
    }

    /// What of `piece` begins at its first byte.
    pub(super) fn parse(piece: &[u8]) -> Parsed {
        let Some((&kind, rest)) = piece.split_first() else {
            return Parsed::Cut;
        };
        let Some(kind) = Kind::of(kind) else {
            return Parsed::Other;
        };
        let Some((len, rest)) = rest.split_first_chunk() else {
            return Parsed::Cut;
        };
        let len = usize::try_from(u32::from_be_bytes(*len)).unwrap_or(usize::MAX);
        let least = FIXED - PREFIX + SEAL + if kind.is_snapshot { JOURNAL } else { 0 };
        if len < least {
            return Parsed::Other;
        }
        if rest.len() < len {
            return Parsed::Cut;
        }
        Header::fields(kind, rest).map_or(Parsed::Other, Parsed::Whole)
    }

    fn fields(kind: Kind, rest: &[u8]) -> Option<Header> {
        let (number, rest) = rest.split_first_chunk()?;
        let (kept, rest) = rest.split_first_chunk()?;
        let (run, rest) = rest.split_first_chunk()?;
        let journal = match kind.is_snapshot {
            true => Some(*rest.first_chunk()?),
            false => None,
        };
        Some(Header {
            kind,
            number: u64::from_be_bytes(*number),
            kept: u64::from_be_bytes(*kept),
            run: *run,
            journal,
        })
    }

    /// The content of the record of that header at the front of `piece`, and its length there; `None`: it does not open.
    pub(super) fn open(&self, seal: &JournalSeal, piece: &[u8]) -> Option<(Bytes, usize)> {
        let len: [u8; 4] = *piece.get(1..)?.first_chunk()?;
        let total = PREFIX + usize::try_from(u32::from_be_bytes(len)).ok()?;
        let (header, rest) = piece.get(..total)?.split_at_checked(self.len())?;
        let (content, tag) = rest.split_at_checked(rest.len().checked_sub(SEAL)?)?;
        let mut content = content.to_vec();
        seal.open(&self.nonce(), header, &mut content, tag.try_into().ok()?)?;
        Some((content.into(), total))
    }
}
