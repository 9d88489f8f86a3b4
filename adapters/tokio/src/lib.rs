#![doc = include_str!("../README.md")]

mod clock;
mod compat;

use std::io;
use std::net::{IpAddr, SocketAddr};

use proto::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
#[cfg(feature = "trace")]
pub use unbroken_carriers::driver::trace;

pub use compat::Compat;

/// tokio's timer, sockets and the runtime that is current where it is used.
///
/// # Panics
/// What spawns panics outside a runtime, as `tokio::spawn` does: all that connect, and [`Server`]'s `new`, `listen` and
/// `serve`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio;

impl Runtime for Tokio {
    type Stream = Compat<TcpStream>;
    type Listener = TcpListener;

    fn now(&self) -> Instant {
        clock::now()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(duration)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        let host = host.to_owned();
        async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }
    }

    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let connecting = TcpStream::connect(address);
        async move {
            let stream = connecting.await?;
            carriers::prepare(&stream)?;
            Ok(Compat(stream))
        }
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(Self::Stream, Option<IpAddr>)> {
        let (stream, peer) = listener.accept().await?;
        carriers::prepare(&stream)?;
        Ok((Compat(stream), Some(peer.ip())))
    }
}

pub use unbroken_carriers as carriers;

carriers::on_runtime!(Tokio);

/// [`connect_with`], with a record of the session in `writer`, which is a secret: [`carriers::connect_traced`].
///
/// # Errors
/// As there.
#[cfg(feature = "trace")]
pub fn connect_traced(
    config: proto::ClientConfig,
    connector: impl Connector + 'static,
    writer: impl io::Write + Send + 'static,
) -> Result<Session, StartError> {
    carriers::connect_traced(Tokio, config, connector, writer)
}
