//! yamux over TCP: streams and credit, no encryption, nothing kept.

use std::future::poll_fn;

use ::yamux::{Config, Connection, ConnectionError, Mode, Stream};
use bytes::Bytes;
use tokio::io::{AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::compat::{Compat, FuturesAsyncReadCompatExt as _, TokioAsyncReadCompatExt as _};

use crate::contestant::{Contestant, End, Lane, Link, Sender, greet, greeted};
use crate::failure::Failure;
use crate::framing::{self, Messages};
use crate::network::Network;

/// Its default configuration.
#[derive(Debug)]
pub(crate) struct Yamux;

type Io = Compat<Stream>;

/// A write for each message; length and message are put together first, because each write becomes a frame.
#[derive(Debug)]
pub(crate) struct Writer {
    stream: WriteHalf<Io>,
    whole: Vec<u8>,
}

impl Sender for Writer {
    async fn send(&mut self, message: Bytes) -> Result<(), Failure> {
        self.whole.clear();
        self.whole.extend_from_slice(&framing::prefix(&message));
        self.whole.extend_from_slice(&message);
        Ok(self.stream.write_all(&self.whole).await?)
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.stream.flush().await?)
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.stream.shutdown().await?)
    }
}

fn end(stream: Stream) -> End<Writer, Messages<ReadHalf<Io>>> {
    let (reader, writer) = tokio::io::split(stream.compat());
    End {
        sender: Writer {
            stream: writer,
            whole: Vec::new(),
        },
        receiver: Messages::new(reader),
    }
}

/// Moves a connection's frames, and hands on the streams that the peer opens.
async fn drive(mut connection: Connection<Compat<TcpStream>>, opened: mpsc::UnboundedSender<Stream>) {
    while let Some(Ok(stream)) = poll_fn(|cx| connection.poll_next_inbound(cx)).await {
        // Nobody takes them any more when the run is over.
        let _ = opened.send(stream);
    }
}

async fn outbound(connection: &mut Connection<Compat<TcpStream>>) -> Result<Stream, ConnectionError> {
    poll_fn(|cx| connection.poll_new_outbound(cx)).await
}

impl Contestant for Yamux {
    type Sender = Writer;
    type Receiver = Messages<ReadHalf<Io>>;

    async fn open(network: Network, lanes: usize) -> Result<Link<Self::Sender, Self::Receiver>, Failure> {
        let (near, far, door) = network.sockets().await?;
        let mut near = Connection::new(near.compat(), Config::default(), Mode::Client);
        let far = Connection::new(far.compat(), Config::default(), Mode::Server);
        let mut streams = Vec::new();
        for _ in 0..lanes {
            streams.push(outbound(&mut near).await.map_err(Failure::peer)?);
        }
        let (unused, _) = mpsc::unbounded_channel();
        let (opened, mut accepted) = mpsc::unbounded_channel();
        tokio::spawn(drive(near, unused));
        tokio::spawn(drive(far, opened));
        let mut opened = Vec::new();
        for stream in streams {
            let mut near = end(stream);
            greet(&mut near.sender).await?;
            let mut far = end(accepted.recv().await.ok_or(Failure::Closed)?);
            greeted(&mut far.receiver).await?;
            opened.push(Lane { near, far });
        }
        Ok(Link {
            lanes: opened,
            guard: vec![Box::new(door)],
        })
    }
}
