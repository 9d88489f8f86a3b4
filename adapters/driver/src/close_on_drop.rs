//! The end of a session that nobody holds any more.

use std::sync::Arc;

use bytes::Bytes;

use crate::state::Shared;

/// Held by every handle of a session and by its streams. When the last one goes, the session closes; a durable one is left as it is, since
/// handles go with their process, too.
pub(crate) struct CloseOnDrop {
    pub(crate) shared: Arc<Shared>,
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.shared.call(|state, now| {
            if state.machine.is_durable() {
                state.leave();
            } else {
                let _zero_fits = state.machine.close(now, 0, Bytes::new());
                state.notify_driver();
            }
        });
    }
}
