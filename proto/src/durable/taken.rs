//! How much the peer has said that is not kept. What it may say by a grant is bounded by that; the rest is not, and whoever cannot keep it leaves
//! the connection (PROTOCOL, section 17).

use super::news::News;
use crate::wire::frame::Frame;

/// What frames that need no grant may take until they are kept, as the journal has them.
const MOST_UNGRANTED: u64 = 256 << 10;

/// Bytes of a journal that stand for frames of the peer's, since the session began here.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    all: u64,
    /// Of frames that need no grant, with what waits in memory to be told of them.
    ungranted: u64,
}

impl Taken {
    /// A frame took so many bytes.
    pub(crate) fn add(&mut self, frame: &Frame, bytes: usize) {
        self.all += bytes as u64;
        if !matches!(frame, Frame::Data(_) | Frame::Open(_)) {
            self.ungranted += (bytes + size_of::<(u64, News)>()) as u64;
        }
    }

    /// Whether that is too much, of which `kept` is kept. An honest peer uses what it was granted (`window`, at most), but for frames that the
    /// application discarded, which it may not know yet.
    pub(crate) fn is_overrun(self, kept: Taken, window: u64) -> bool {
        let ungranted = self.ungranted - kept.ungranted;
        ungranted > MOST_UNGRANTED || self.all - kept.all > window.saturating_add(MOST_UNGRANTED)
    }
}
