//! The header of a message: what it is, and what is kept once it is stored. The last message of a subject tells all that there
//! is to know about a journal but what is in it.

use std::fmt;

use async_nats::HeaderMap;

/// The name of the header.
pub(super) const HEADER: &str = "Unbroken-Journal";
/// What is said first, so that a later format can be told from this one.
const VERSION: &str = "v=1";

/// What a message does to its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A new owner, whose fence is the sequence of this message.
    Fence,
    /// Records behind those that are kept.
    Records,
    /// A snapshot in the place of what it stands for.
    Snapshot,
    /// The beginning of what a later message ends; alone it says nothing.
    Part,
    /// Nobody owns it any more.
    Released,
    /// Nobody owns it any more, and nothing is kept.
    Removed,
}

const KINDS: [(Kind, &str); 6] = [
    (Kind::Fence, "fence"),
    (Kind::Records, "records"),
    (Kind::Snapshot, "snapshot"),
    (Kind::Part, "part"),
    (Kind::Released, "released"),
    (Kind::Removed, "removed"),
];

/// What is kept of a journal up to a message and with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    /// The sequence of the message that was to come before it in its subject; 0: none.
    pub(super) prev: u64,
    /// The sequence of the message by which the owner became the owner; of one that is not stored yet, 0.
    pub(super) fence: u64,
    /// The node of the owner.
    pub(super) node: String,
    /// The number of the last record, or of the snapshot; `None`: nothing is kept.
    pub(super) kept: Option<u64>,
    /// The number of the snapshot; `None`: there is none.
    pub(super) base: Option<u64>,
    /// When records or a snapshot were last written, in milliseconds since 1970 by the clock of their owner; 0: never.
    pub(super) at: u64,
    /// When the journal may be deleted, by the same clock; `None`: never.
    pub(super) expires: Option<u64>,
    /// Of a part: how many are before it. Of records or a snapshot: how many parts come before the message itself.
    pub(super) parts: u64,
    /// How many records it has.
    pub(super) count: u64,
}

impl Head {
    /// The head of a journal of which nothing is kept.
    pub(super) fn empty(node: &str) -> Head {
        Head {
            kind: Kind::Fence,
            prev: 0,
            fence: 0,
            node: node.to_owned(),
            kept: None,
            base: None,
            at: 0,
            expires: None,
            parts: 0,
            count: 0,
        }
    }

    /// The end of a journal that nobody owns and of which nothing is kept, at that time.
    pub(super) fn removed(node: &str, at: u64) -> Head {
        Head {
            kind: Kind::Removed,
            at,
            ..Head::empty(node)
        }
    }

    /// The same journal, as a message of that kind leaves it that changes nothing of what is kept.
    pub(super) fn with(&self, kind: Kind) -> Head {
        Head {
            kind,
            parts: 0,
            count: 0,
            ..self.clone()
        }
    }

    /// Whether somebody may write it.
    pub(super) fn is_owned(&self) -> bool {
        !matches!(self.kind, Kind::Released | Kind::Removed)
    }

    pub(super) fn is_expired(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// Reads the header of the message with that sequence; in words, what is wrong with it.
    pub(super) fn of(headers: Option<&HeaderMap>, sequence: u64) -> Result<Head, String> {
        let value = headers.and_then(|headers| headers.get(HEADER));
        let value = value.ok_or_else(|| format!("message {sequence} has no header {HEADER}"))?;
        let mut head = Head::parse(value.as_str())
            .ok_or_else(|| format!("message {sequence} has a header that says {value:?}"))?;
        if head.kind == Kind::Fence {
            head.fence = sequence;
        }
        if head.fence == 0 || head.fence > sequence || head.prev >= sequence {
            return Err(format!(
                "message {sequence} was written under the fence {}, behind {}",
                head.fence, head.prev
            ));
        }
        Ok(head)
    }

    fn parse(text: &str) -> Option<Head> {
        let mut words = text.split(' ');
        if words.next() != Some(VERSION) {
            return None;
        }
        let kind = words.next()?;
        let &(kind, _) = KINDS.iter().find(|(_, name)| *name == kind)?;
        let mut head = Head {
            kind,
            ..Head::empty("")
        };
        for word in words {
            let (name, value) = word.split_once('=')?;
            if name == "node" {
                head.node = value.to_owned();
                continue;
            }
            let value = value.parse().ok()?;
            match name {
                "prev" => head.prev = value,
                "fence" => head.fence = value,
                "kept" => head.kept = Some(value),
                "base" => head.base = Some(value),
                "at" => head.at = value,
                "expires" => head.expires = Some(value),
                "parts" => head.parts = value,
                "count" => head.count = value,
                _ => return None,
            }
        }
        let is_base_kept = head.base.is_none_or(|base| head.kept.is_some_and(|kept| base <= kept));
        (!head.node.is_empty() && is_base_kept).then_some(head)
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = KINDS
            .iter()
            .find(|(kind, _)| *kind == self.kind)
            .map_or("", |(_, name)| name);
        write!(f, "{VERSION} {name} node={}", self.node)?;
        let given = |number: u64| (number != 0).then_some(number);
        let numbers = [
            ("prev", given(self.prev)),
            // The message that makes an owner is its fence, and cannot know its own sequence.
            ("fence", given(self.fence).filter(|_| self.kind != Kind::Fence)),
            ("kept", self.kept),
            ("base", self.base),
            ("at", given(self.at)),
            ("expires", self.expires),
            ("parts", given(self.parts)),
            ("count", given(self.count)),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                write!(f, " {name}={number}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_read() {
        let full = Head {
            kind: Kind::Snapshot,
            prev: 8,
            fence: 7,
            node: "a1".to_owned(),
            kept: Some(u64::MAX),
            base: Some(0),
            at: 5,
            expires: Some(u64::MAX),
            parts: 2,
            count: 0,
        };
        for (kind, _) in KINDS {
            for head in [
                Head { kind, ..full.clone() },
                Head {
                    kind,
                    fence: 7,
                    ..Head::empty("b")
                },
            ] {
                let mut headers = HeaderMap::new();
                headers.insert(HEADER, head.to_string());
                let fence = if kind == Kind::Fence { 9 } else { 7 };
                assert_eq!(Head::of(Some(&headers), 9), Ok(Head { fence, ..head }));
            }
        }
    }

    #[test]
    fn what_others_wrote_is_refused() {
        for text in [
            "",
            "v=2 fence node=a",
            "v=1",
            "v=1 other node=a fence=1",
            "v=1 records fence=1",
            "v=1 records node=a",
            "v=1 records node=a fence=10",
            "v=1 records node=a fence=1 prev=9",
            "v=1 records node=a fence=-1",
            "v=1 records node=a fence=1 kept=99999999999999999999",
            "v=1 records node=a fence=1 base=2 kept=1",
            "v=1 records node=a fence=1 unknown=2",
            "v=1 records  node=a fence=1",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, text);
            assert!(Head::of(Some(&headers), 9).is_err(), "{text:?}");
        }
        assert!(Head::of(None, 9).is_err());
    }
}
