//! What the peer's frames have for the application, until they are kept.

use crate::id::StreamId;
use crate::wire::frame::Frame;

/// What the application is to see of one frame, once that is kept: it acts upon what it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// There is a stream to accept.
    Opened(StreamId),
    /// There is more to read of it.
    Data {
        stream: StreamId,
        /// Something, and not only the end.
        chunk: bool,
        /// The peer's half ends with it.
        end: bool,
    },
    /// The peer wants no more of it.
    Stopped(StreamId),
    /// The peer closes the session.
    Closing,
}

impl News {
    /// `None`: there is nothing in it for the application but room.
    pub(crate) fn of(frame: &Frame) -> Option<News> {
        match frame {
            Frame::Open(open) => Some(News::Opened(open.stream)),
            Frame::Data(data) => Some(News::Data {
                stream: data.stream,
                chunk: !data.is_bare_end(),
                end: data.stream_end,
            }),
            Frame::Reset { stream, .. } => Some(News::Data {
                stream: *stream,
                chunk: false,
                end: true,
            }),
            Frame::Stop { stream, .. } => Some(News::Stopped(*stream)),
            _ => None,
        }
    }
}
