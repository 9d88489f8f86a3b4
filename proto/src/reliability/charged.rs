//! What keeping something costs.

use crate::wire::frame::Frame;

/// Something that is kept, and counts against a limit.
pub(crate) trait Charged {
    /// In bytes, with what it costs beyond its payload.
    fn charge(&self) -> usize;
}

impl Charged for Frame {
    fn charge(&self) -> usize {
        Frame::charge(self)
    }
}
