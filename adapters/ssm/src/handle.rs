//! What keeps a session going.

use std::fmt;
use std::sync::Arc;

use crate::end::End;
use crate::state::Shared;

/// The last handle's end is the session's.
pub(crate) struct Handle<R: End> {
    pub(crate) shared: Arc<Shared<R>>,
}

impl<R: End> fmt::Debug for Handle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl<R: End> Drop for Handle<R> {
    fn drop(&mut self) {
        self.shared.call(|state, now| {
            state.machine.abort(now);
            state.notify_driver();
        });
    }
}
