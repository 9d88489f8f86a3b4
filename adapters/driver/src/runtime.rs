//! What a runtime gives to the host: time, tasks and sockets.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, ready};

use unbroken_proto::config::Seed;
use unbroken_proto::{Duration, Instant};

use crate::budget::Budget;
use crate::clock::{Timer, uptime};
use crate::framed::ByteStream;

/// A runtime: implement it once, and sessions, servers and carriers run there. The [guide](crate::guide) shows a whole one.
///
/// Values are cheap to clone: a unit struct where the runtime is global, a handle where it is not.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// A connected socket.
    type Stream: ByteStream + Unpin + Send + 'static;
    /// A listening socket.
    type Listener: Send + Sync + 'static;

    /// The time, by the clock that [`sleep`](Runtime::sleep) counts by. All clones count from the same origin. The
    /// clock should go on counting while the machine sleeps, as [`uptime`], the default, does where the system can.
    ///
    /// What a jump means stands at [`Instant`]; this host adds two things. When the clock goes back, sessions and servers
    /// go on counting from where it stood, and the instants that they show are ahead of it by as much from then on. When
    /// it jumps forward and a sleep under way does not notice, as after a suspension where `sleep` counts by another
    /// clock, what became due is seen to with the next packet or call, or when that sleep ends.
    fn now(&self) -> Instant {
        uptime()
    }

    /// 32 fresh random bytes, from which a session or a server draws all its randomness. By default they are the
    /// system's; a simulated runtime draws them from its own seed.
    ///
    /// # Errors
    /// The system has none.
    fn seed(&self) -> io::Result<Seed> {
        fresh_seed()
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
    /// As the system says. Who accepts rests for a moment before it asks again.
    fn accept(
        &self,
        listener: &Self::Listener,
    ) -> impl Future<Output = io::Result<(Self::Stream, Option<IpAddr>)>> + Send;
}

/// 32 fresh random bytes of the system.
///
/// # Errors
/// The system has none.
pub fn fresh_seed() -> io::Result<Seed> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(Seed(seed))
}

/// A [`Timer`] on a runtime's clock and sleep.
///
/// The clock decides what is due, not the sleep: a sleep that does not notice that the machine was suspended delays
/// nothing that another wake-up brings to light. A deadline that moves later costs nothing until the old one passes.
pub struct RuntimeTimer<R> {
    runtime: R,
    clock: Clock,
    armed: Option<(Instant, Sleep)>,
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<R: Runtime> RuntimeTimer<R> {
    /// A timer of `runtime`.
    pub fn new(runtime: R) -> RuntimeTimer<R> {
        let clock = clock(&runtime);
        RuntimeTimer::with_clock(runtime, clock)
    }

    /// A timer of `runtime` that shares its clock.
    pub(crate) fn with_clock(runtime: R, clock: Clock) -> RuntimeTimer<R> {
        let armed = None;
        RuntimeTimer { runtime, clock, armed }
    }
}

impl<R> fmt::Debug for RuntimeTimer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeTimer")
            .field("armed", &self.armed.as_ref().map(|(deadline, _)| deadline))
            .finish_non_exhaustive()
    }
}

impl<R: Runtime> Timer for RuntimeTimer<R> {
    fn now(&self) -> Instant {
        (self.clock)()
    }

    fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        // A sleep on another clock than ours may be over as soon as it begins; that must not keep the task busy.
        let mut budget = Budget::new();
        loop {
            let now = (self.clock)();
            if deadline <= now {
                return Poll::Ready(());
            }
            match &mut self.armed {
                Some((at, sleep)) if *at <= deadline => {
                    ready!(sleep.as_mut().poll(cx));
                    self.armed = None;
                }
                _ => {
                    ready!(budget.poll_step(cx));
                    let sleep = self.runtime.sleep(deadline.saturating_since(now));
                    self.armed = Some((deadline, Box::pin(sleep)));
                }
            }
        }
    }
}

/// How exactly clocks notice that they went back, in nanoseconds.
const GRAIN: u64 = 1_000_000;

/// A clock that handles and drivers share.
pub(crate) type Clock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// The clock of `runtime`, going on from where it stood whenever that goes back. Who shares sessions, deadlines or a
/// registry shares one of these.
pub(crate) fn clock<R: Runtime>(runtime: &R) -> Clock {
    let (runtime, latest, ahead) = (runtime.clone(), AtomicU64::new(0), AtomicU64::new(0));
    Arc::new(move || {
        let known = ahead.load(Relaxed);
        let now = runtime.now().as_nanos().saturating_add(known);
        let before = latest.load(Relaxed);
        if now.saturating_add(GRAIN) < before {
            // If another thread saw it first, `known` is outdated, and what is right stands there already.
            let _seen = ahead.compare_exchange(known, known.saturating_add(before - now), Relaxed, Relaxed);
        } else if now > before.saturating_add(GRAIN) {
            // Seldom, so that the sessions of a server do not fight for it.
            latest.fetch_max(now, Relaxed);
        }
        Instant::from_nanos(now.max(before))
    })
}
