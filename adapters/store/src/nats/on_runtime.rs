//! Polls a future where tokio's timers and tasks are at hand, whoever polls it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

pub(super) struct OnRuntime<'a, T> {
    runtime: Handle,
    /// `None`: it is over.
    future: Option<Boxed<'a, T>>,
}

impl<'a, T> OnRuntime<'a, T> {
    pub(super) fn new(runtime: &Handle, future: impl Future<Output = T> + Send + 'a) -> OnRuntime<'a, T> {
        OnRuntime {
            runtime: runtime.clone(),
            future: Some(Box::pin(future)),
        }
    }
}

impl<T> Future for OnRuntime<'_, T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        let _entered = this.runtime.enter();
        match &mut this.future {
            Some(future) => future.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<T> Drop for OnRuntime<'_, T> {
    fn drop(&mut self) {
        // What it holds may end timers and begin tasks of its own when it is dropped.
        let _entered = self.runtime.enter();
        self.future = None;
    }
}
