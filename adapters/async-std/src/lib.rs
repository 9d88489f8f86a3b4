#![doc = include_str!("../README.md")]

mod socket;

use std::io;
use std::net::{IpAddr, SocketAddr};

use async_std::net::{TcpListener, TcpStream, ToSocketAddrs};
use proto::Duration;
pub use socket::Socket;
pub use unbroken_carriers::driver::FuturesIo;

/// async-std's timer, sockets and executor.
#[derive(Clone, Copy, Debug, Default)]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    type Stream = FuturesIo<Socket>;
    type Listener = TcpListener;

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        async_std::task::sleep(duration)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        async_std::task::spawn(task);
    }

    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send + 'static {
        let host = host.to_owned();
        async move { Ok((&*host, port).to_socket_addrs().await?.collect()) }
    }

    fn connect(&self, address: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let connecting = TcpStream::connect(address);
        async move {
            let stream = connecting.await?;
            carriers::prepare(&stream)?;
            Ok(FuturesIo::new(Socket(stream)))
        }
    }

    async fn accept(&self, listener: &TcpListener) -> io::Result<(Self::Stream, Option<IpAddr>)> {
        let (stream, peer) = listener.accept().await?;
        carriers::prepare(&stream)?;
        Ok((FuturesIo::new(Socket(stream)), Some(peer.ip())))
    }
}

pub use unbroken_carriers as carriers;

carriers::on_runtime!(AsyncStd);
