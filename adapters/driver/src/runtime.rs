//! What a runtime gives to the host: time, tasks and sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};

use unbroken_proto::config::Seed;
use unbroken_proto::{Duration, Instant};

use crate::framed::ByteStream;
use crate::uptime::uptime;

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

    /// The addresses of `host` (a name, or an IP address without brackets) with `port`, in the order in which the system would try
    /// them (RFC 6724).
    ///
    /// # Errors
    /// As the system says.
    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static;

    /// Connects a socket to `address`, without Nagle's delay (`TCP_NODELAY`). Dropping the future gives the attempt up. To a host
    /// by its name: [`connect_host`](crate::connect_host).
    ///
    /// # Errors
    /// As the system says.
    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;

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
