//! Plain TCP: no encryption, no acknowledgements of its own, nothing kept.

use bytes::Bytes;
use tokio::io::{AsyncWriteExt as _, BufWriter};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::contestant::{Contestant, End, Lane, Link, Sender};
use crate::failure::Failure;
use crate::framing::{self, Messages};
use crate::network::Network;

/// A write for each message.
#[derive(Debug)]
pub(crate) struct Tcp;

/// Messages through a `BufWriter`.
#[derive(Debug)]
pub(crate) struct TcpBuffered;

/// What the `BufWriter` holds.
const BUFFER: usize = 64 << 10;

/// Length and message in one write.
#[derive(Debug)]
pub(crate) struct Unbuffered(OwnedWriteHalf);

/// Length and message into the buffer.
#[derive(Debug)]
pub(crate) struct Buffered(BufWriter<OwnedWriteHalf>);

impl Sender for Unbuffered {
    async fn send(&mut self, message: Bytes) -> Result<(), Failure> {
        framing::write_vectored(&mut self.0, message).await
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.0.shutdown().await?)
    }
}

impl Sender for Buffered {
    async fn send(&mut self, message: Bytes) -> Result<(), Failure> {
        self.0.write_all(&framing::prefix(&message)).await?;
        Ok(self.0.write_all(&message).await?)
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.0.flush().await?)
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.0.shutdown().await?)
    }
}

/// The end of a socket, with what `wrap` makes of its writing half.
fn end<W>(socket: TcpStream, wrap: impl Fn(OwnedWriteHalf) -> W) -> End<W, Messages<OwnedReadHalf>> {
    let (reader, writer) = socket.into_split();
    End {
        sender: wrap(writer),
        receiver: Messages::new(reader),
    }
}

async fn open<W>(
    network: Network,
    wrap: impl Fn(OwnedWriteHalf) -> W,
) -> Result<Link<W, Messages<OwnedReadHalf>>, Failure> {
    let (near, far, door) = network.sockets().await?;
    Ok(Link {
        lanes: vec![Lane {
            near: end(near, &wrap),
            far: end(far, &wrap),
        }],
        guard: vec![Box::new(door)],
    })
}

impl Contestant for Tcp {
    type Sender = Unbuffered;
    type Receiver = Messages<OwnedReadHalf>;

    async fn open(network: Network, _lanes: usize) -> Result<Link<Self::Sender, Self::Receiver>, Failure> {
        open(network, Unbuffered).await
    }
}

impl Contestant for TcpBuffered {
    type Sender = Buffered;
    type Receiver = Messages<OwnedReadHalf>;

    async fn open(network: Network, _lanes: usize) -> Result<Link<Self::Sender, Self::Receiver>, Failure> {
        open(network, |writer| Buffered(BufWriter::with_capacity(BUFFER, writer))).await
    }
}
