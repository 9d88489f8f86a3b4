//! What a runtime gives to the host: time, tasks and sockets.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use unbroken_proto::{Duration, Instant};

use crate::clock::{Timer, uptime};
use crate::framed::ByteStream;

/// A runtime: implement it once, and sessions, servers and carriers run there.
///
/// Values are cheap to clone: a unit struct where the runtime is global, a handle where it is not.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connected socket.
    type Stream: ByteStream + Unpin + Send + 'static;
    /// A listening socket.
    type Listener: Send + Sync + 'static;

    /// The time, by the clock that [`sleep`](Runtime::sleep) counts by. All clones count from the same origin. The
    /// clock should go on counting while the machine sleeps, as [`uptime`], the default, does where the system can.
    fn now(&self) -> Instant {
        uptime()
    }

    /// Ready after `duration`. Waking early or late delays nothing but itself, since [`now`](Runtime::now) decides
    /// what is due.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static;

    /// Runs `task` to its end, or until the runtime shuts down.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Connects a socket to `host` (a name, or an IP address without brackets) at `port`, without Nagle's delay
    /// (`TCP_NODELAY`). Dropping the future gives the attempt up.
    ///
    /// # Errors
    /// As the system says.
    fn connect(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;

    /// The next connection that `listener` accepts, without Nagle's delay, and where it comes from, if that is an
    /// IP address. Cancel safe.
    ///
    /// # Errors
    /// As the system says. The caller waits for a moment before it asks again.
    fn accept(
        &self,
        listener: &Self::Listener,
    ) -> impl Future<Output = io::Result<(Self::Stream, Option<IpAddr>)>> + Send;
}

/// A [`Timer`] on a runtime's clock and sleep.
///
/// The clock decides what is due, not the sleep. A deadline that moves later costs nothing until the old one passes.
pub struct RuntimeTimer<R> {
    runtime: R,
    armed: Option<(Instant, Pin<Box<dyn Future<Output = ()> + Send>>)>,
}

impl<R: Runtime> RuntimeTimer<R> {
    /// A timer of `runtime`.
    pub fn new(runtime: R) -> RuntimeTimer<R> {
        RuntimeTimer { runtime, armed: None }
    }
}

impl<R: Runtime> Timer for RuntimeTimer<R> {
    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        loop {
            let now = self.runtime.now();
            if deadline <= now {
                return Poll::Ready(());
            }
            match &mut self.armed {
                Some((at, sleep)) if *at <= deadline => match sleep.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => self.armed = None,
                },
                _ => {
                    let sleep = self.runtime.sleep(deadline.saturating_since(now));
                    self.armed = Some((deadline, Box::pin(sleep)));
                }
            }
        }
    }
}

/// A clock that handles and drivers share.
pub(crate) type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The clock of `runtime`.
pub(crate) fn clock<R: Runtime>(runtime: &R) -> Clock {
    let runtime = runtime.clone();
    Arc::new(move || runtime.now())
}
