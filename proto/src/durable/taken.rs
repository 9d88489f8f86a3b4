//! How much the peer has said that is not kept. What it may say by a grant is bounded by that; the rest is not, and whoever cannot keep it leaves
//! the connection (PROTOCOL, section 17).

use super::news::News;
use crate::wire::frame::Frame;

/// What frames that need no grant may take until they are kept.
const MOST_UNGRANTED: u64 = 256 << 10;

/// What stands for frames of the peer's, in bytes of the journal and of what waits in memory to be told of them, since the session began here.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    all: u64,
    /// Of frames that need no grant.
    ungranted: u64,
}

impl Taken {
    /// A frame took so many bytes of the journal, and waits to be told of or not.
    pub(crate) fn add(&mut self, frame: &Frame, bytes: usize, is_news: bool) {
        let told = if is_news { size_of::<(u64, News)>() } else { 0 };
        let size = (bytes + told) as u64;
        match frame {
            // They are bounded by the slots, which are not free before what was opened is kept.
            Frame::Open(_) => {}
            // Its charge is larger.
            Frame::Data(_) => self.all += size,
            _ => {
                self.all += size;
                self.ungranted += size;
            }
        }
    }

    /// Whether that is too much, of which `kept` is kept. An honest peer does not say more than it was granted, and has little else to say before
    /// it hears that something is kept.
    pub(crate) fn is_overrun(self, kept: Taken, granted: u64) -> bool {
        let ungranted = self.ungranted - kept.ungranted;
        ungranted > MOST_UNGRANTED || self.all - kept.all > granted.saturating_add(MOST_UNGRANTED)
    }
}
