//! Sleeping, in virtual time.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::Kernel;
use super::core::TimerId;

/// Ready at a moment of the kernel's own clock.
#[derive(Debug)]
pub struct Sleep {
    pub(super) kernel: Arc<Kernel>,
    pub(super) timer: TimerId,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.kernel.with(|core| core.poll_timer(self.timer, cx.waker()))
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.kernel.with(|core| core.timers.remove(&self.timer));
    }
}
