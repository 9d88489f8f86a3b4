#![doc = include_str!("../README.md")]

use std::io;
use std::net::{IpAddr, SocketAddr};

use proto::Duration;
use smol::net::{TcpListener, TcpStream};
pub use unbroken_carriers::driver::FuturesIo;

/// smol's timer, sockets and global executor.
#[derive(Clone, Copy, Debug, Default)]
pub struct Smol;

impl Runtime for Smol {
    type Stream = FuturesIo<TcpStream>;
    type Listener = TcpListener;

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        let timer = smol::Timer::after(duration);
        async move {
            timer.await;
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        smol::spawn(task).detach();
    }

    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        let host = host.to_owned();
        async move { smol::net::resolve((host, port)).await }
    }

    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let connecting = TcpStream::connect(address);
        async move {
            let stream = connecting.await?;
            carriers::prepare(&stream)?;
            Ok(FuturesIo::new(stream))
        }
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(Self::Stream, Option<IpAddr>)> {
        let (stream, peer) = listener.accept().await?;
        carriers::prepare(&stream)?;
        Ok((FuturesIo::new(stream), Some(peer.ip())))
    }
}

pub use unbroken_carriers as carriers;

carriers::on_runtime!(Smol);
