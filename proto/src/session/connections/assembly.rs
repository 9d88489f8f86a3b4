//! A frame that arrives in parts (PROTOCOL.md, "Frames", PART).

use alloc::boxed::Box;

use bytes::{Bytes, BytesMut};

use crate::error::ProtocolError;
use crate::wire::frame::{Data, Part};

/// The parts of the frame under way on one connection. They hold 64,000 bytes at most, which is what the reader of frames lets
/// through, and go with the connection: on the next one the frame comes again.
#[derive(Debug, Default)]
pub(crate) struct Assembly(Option<Box<Begun>>);

#[derive(Debug)]
struct Begun {
    /// The frame but for its payload.
    frame: Data,
    total: u64,
    payload: BytesMut,
}

impl Assembly {
    /// Whether a frame is under way of which parts are missing.
    pub(crate) fn is_begun(&self) -> bool {
        self.0.is_some()
    }

    /// What came of it is of no use: the sender goes on elsewhere.
    pub(crate) fn abandon(&mut self) {
        self.0 = None;
    }

    /// The next part; the frame, once it is whole.
    ///
    /// # Errors
    /// It is not the next one, or is of another frame.
    pub(crate) fn add(&mut self, part: Part) -> Result<Option<Data>, ProtocolError> {
        let Part { data, offset, total } = part;
        let payload = data.payload.clone();
        let frame = Data {
            payload: Bytes::new(),
            ..data
        };
        let begun = self.0.get_or_insert_with(|| {
            Box::new(Begun {
                frame: frame.clone(),
                total,
                payload: BytesMut::with_capacity(usize::try_from(total).unwrap_or(0)),
            })
        });
        if begun.frame != frame || begun.total != total || begun.payload.len() as u64 != offset {
            return Err(ProtocolError::Part);
        }
        begun.payload.extend_from_slice(&payload);
        if (begun.payload.len() as u64) < total {
            return Ok(None);
        }
        Ok(self.0.take().map(|whole| Data {
            payload: whole.payload.freeze(),
            ..whole.frame
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::StreamId;

    fn part(offset: u64, total: u64, payload: &'static [u8]) -> Part {
        let data = Data {
            stream: StreamId(1),
            payload: Bytes::from_static(payload),
            message_end: true,
            stream_end: false,
        };
        Part { data, offset, total }
    }

    // PROTOCOL R4.23
    #[test]
    fn a_frame_is_whole_with_its_last_part() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.add(part(0, 5, b"he")), Ok(None));
        assert_eq!(assembly.add(part(2, 5, b"l")), Ok(None));
        assert!(assembly.is_begun());
        let whole = assembly.add(part(3, 5, b"lo")).expect("good").expect("whole");
        assert_eq!((&whole.payload[..], whole.message_end), (&b"hello"[..], true));
        assert!(!assembly.is_begun());
        assert_eq!(assembly.add(part(0, 2, b"a")), Ok(None));
    }

    // PROTOCOL R4.23
    #[test]
    fn what_is_not_the_next_part_is_refused() {
        let wrong = |second: Part| {
            let mut assembly = Assembly::default();
            assert_eq!(assembly.add(part(0, 5, b"he")), Ok(None));
            assembly.add(second)
        };
        let other = |change: fn(&mut Part)| {
            let mut part = part(2, 5, b"llo");
            change(&mut part);
            part
        };
        for second in [
            part(0, 5, b"he"),
            part(1, 5, b"llo"),
            part(3, 5, b"lo"),
            part(2, 6, b"llo"),
            other(|part| part.data.stream = StreamId(3)),
            other(|part| part.data.message_end = false),
            other(|part| part.data.stream_end = true),
        ] {
            assert_eq!(wrong(second.clone()), Err(ProtocolError::Part), "{second:?}");
        }
        assert_eq!(Assembly::default().add(part(2, 5, b"llo")), Err(ProtocolError::Part));
    }

    #[test]
    fn one_that_is_abandoned_begins_anew() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.add(part(0, 5, b"he")), Ok(None));
        assembly.abandon();
        assert_eq!(assembly.add(part(0, 3, b"y")), Ok(None));
        assert!(assembly.add(part(1, 3, b"ou")).expect("good").is_some());
    }
}
