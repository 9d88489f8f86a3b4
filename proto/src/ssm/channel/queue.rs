//! What the application has said and has no number yet.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::ssm::PayloadType;

/// What a piece costs beyond its bytes while it is kept.
const PIECE: usize = 64;

/// Payloads in their order. Those of one type that are bytes are one stream, which is cut anew into frames.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pieces: VecDeque<(PayloadType, Bytes)>,
    bytes: usize,
}

impl Queue {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What it all counts for, so that a great many small pieces have a bound, too.
    pub(crate) fn charge(&self) -> usize {
        self.bytes + self.pieces.len() * PIECE
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(crate) fn push(&mut self, payload_type: PayloadType, payload: Bytes) {
        self.bytes += payload.len();
        self.pieces.push_back((payload_type, payload));
    }

    /// Takes the last one out if it is of this type, since it is to be said otherwise.
    pub(crate) fn replace_last(&mut self, payload_type: PayloadType) {
        if self.next_back() == Some(payload_type)
            && let Some((_, payload)) = self.pieces.pop_back()
        {
            self.bytes -= payload.len();
        }
    }

    fn next_back(&self) -> Option<PayloadType> {
        self.pieces.back().map(|(payload_type, _)| *payload_type)
    }

    /// The type of what comes next.
    pub(crate) fn next_type(&self) -> Option<PayloadType> {
        self.pieces.front().map(|(payload_type, _)| *payload_type)
    }

    /// Moves the next payload to `out`: at most `most` bytes if it may be cut, and as much of what follows as belongs to the same stream.
    pub(crate) fn take(&mut self, most: usize, out: &mut Vec<u8>) {
        let Some(kind) = self.next_type() else { return };
        let (begun, is_stream) = (out.len(), is_stream(kind));
        while let Some((_, payload)) = self.pieces.front_mut().filter(|(next, _)| *next == kind) {
            let room = most.saturating_sub(out.len() - begun);
            let piece = match is_stream && payload.len() > room {
                true => payload.split_to(room),
                false => core::mem::take(payload),
            };
            out.extend_from_slice(&piece);
            self.bytes -= piece.len();
            if !payload.is_empty() {
                return;
            }
            self.pieces.pop_front();
            if !is_stream || out.len() - begun >= most {
                return;
            }
        }
    }
}

/// Whether the bytes of several payloads mean the same in one.
fn is_stream(payload_type: PayloadType) -> bool {
    matches!(payload_type, PayloadType::Output | PayloadType::StdErr)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_cut_anew_and_nothing_else_is() {
        let mut queue = Queue::default();
        for (kind, text) in [
            (PayloadType::Output, "abc"),
            (PayloadType::Output, "defgh"),
            (PayloadType::Size, "{}{}{}{}"),
            (PayloadType::Size, "{}"),
            (PayloadType::Output, "i"),
            (PayloadType::StdErr, "j"),
        ] {
            queue.push(kind, Bytes::from(text));
        }
        assert_eq!(queue.bytes(), 20);
        let mut frames = Vec::new();
        while let Some(kind) = queue.next_type() {
            let mut out = b"#".to_vec();
            queue.take(6, &mut out);
            frames.push((kind, alloc::string::String::from_utf8(out).unwrap_or_default()));
        }
        let expected = [
            (PayloadType::Output, "#abcdef"),
            (PayloadType::Output, "#gh"),
            (PayloadType::Size, "#{}{}{}{}"),
            (PayloadType::Size, "#{}"),
            (PayloadType::Output, "#i"),
            (PayloadType::StdErr, "#j"),
        ];
        assert_eq!(frames, expected.map(|(kind, text)| (kind, text.into())));
        assert!(queue.is_empty() && queue.bytes() == 0);
    }

    #[test]
    fn what_changed_before_it_was_said_is_said_once() {
        let mut queue = Queue::default();
        queue.push(PayloadType::Output, Bytes::from("x"));
        queue.replace_last(PayloadType::Size);
        queue.push(PayloadType::Size, Bytes::from("80x24"));
        queue.replace_last(PayloadType::Size);
        queue.push(PayloadType::Size, Bytes::from("81x25"));
        assert_eq!(queue.bytes(), 6);
    }
}
