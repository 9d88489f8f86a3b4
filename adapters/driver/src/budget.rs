//! How much one poll may do before other tasks get a turn.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};

/// The steps that a loop over ready input may still take before other tasks get a turn.
///
/// A peer whose bytes are always there would otherwise keep its task running, and on a single-threaded executor every
/// other task waiting, for as long as it likes. Every such loop therefore takes a step before it reads once more. In a
/// poll function the budget is a local variable, and each poll has its own; a loop with `await` keeps one.
///
/// ```
/// use std::task::{Context, Poll, Waker, ready};
/// use unbroken_driver::Budget;
///
/// fn poll_drain(cx: &mut Context<'_>, mut read: impl FnMut() -> Poll<usize>) -> Poll<()> {
///     let mut budget = Budget::new();
///     loop {
///         ready!(budget.poll_step(cx));
///         if ready!(read()) == 0 {
///             return Poll::Ready(());
///         }
///     }
/// }
///
/// let mut reads = 0;
/// let mut endless = || { reads += 1; Poll::Ready(1) };
/// assert!(poll_drain(&mut Context::from_waker(Waker::noop()), &mut endless).is_pending());
/// assert_eq!(reads, Budget::STEPS);
/// ```
#[derive(Debug)]
pub struct Budget {
    left: u32,
}

impl Budget {
    /// Steps in one poll.
    pub const STEPS: u32 = 32;

    /// A fresh budget.
    #[must_use]
    pub fn new() -> Budget {
        Budget { left: Budget::STEPS }
    }

    /// Ready if there was a step left, which is taken. Pending if there was none: the task is woken at once, so that it
    /// goes on behind the others. The budget stays used up until it is dropped with the end of the poll.
    pub fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Poll::Ready(())
            }
            None => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Takes a step and asks `io`; again, with a step each, while a signal interrupts it, which is no error. A socket that is not ready says so by
    /// being pending: one that says `WouldBlock` instead has a time limit of its own (`SO_RCVTIMEO`), which is over, and has
    /// arranged for no waking. That is no error either: it is asked again, once other tasks had a turn.
    ///
    /// # Errors
    /// As `io` says, and never of kind `Interrupted` or `WouldBlock`.
    pub fn poll_io<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut io: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        loop {
            ready!(self.poll_step(cx));
            return match ready!(io(cx)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                done => Poll::Ready(done),
            };
        }
    }

    /// The same in a loop with `await`. Cancel safe if `io` is.
    ///
    /// # Errors
    /// As [`poll_io`](Budget::poll_io).
    pub async fn io<T>(&mut self, mut io: impl FnMut(&mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
        poll_fn(|cx| {
            let done = self.poll_io(cx, &mut io);
            if done.is_pending() && self.left == 0 {
                self.left = Budget::STEPS;
            }
            done
        })
        .await
    }

    /// Takes a step in a loop with `await`; when none is left, lets others have their turn and begins anew. Cancel safe.
    pub async fn step(&mut self) {
        poll_fn(|cx| {
            let step = self.poll_step(cx);
            if step.is_pending() {
                self.left = Budget::STEPS;
            }
            step
        })
        .await;
    }
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::new()
    }
}
