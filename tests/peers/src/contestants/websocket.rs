//! Plain tokio-tungstenite: no encryption, no acknowledgements of its own, nothing kept.

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::contestant::{Contestant, End, Lane, Link, Receiver, Sender};
use crate::failure::Failure;
use crate::network::Network;

type Socket = WebSocketStream<TcpStream>;

/// `send` for each message.
#[derive(Debug)]
pub(crate) struct Ws;

/// `feed` for each message, `flush` for each 64 KiB.
#[derive(Debug)]
pub(crate) struct WsBatched;

/// So much is fed before it is flushed.
const BATCH: usize = 64 << 10;

/// Sends each message.
#[derive(Debug)]
pub(crate) struct Each(SplitSink<Socket, Message>);

/// Sends many messages at once.
#[derive(Debug)]
pub(crate) struct Batches {
    sink: SplitSink<Socket, Message>,
    fed: usize,
}

/// Takes messages, and nothing else.
#[derive(Debug)]
pub(crate) struct Binary(SplitStream<Socket>);

impl Sender for Each {
    async fn send(&mut self, message: Bytes) -> Result<(), Failure> {
        self.0.send(Message::Binary(message)).await.map_err(Failure::peer)
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        self.0.close().await.map_err(Failure::peer)
    }
}

impl Sender for Batches {
    async fn send(&mut self, message: Bytes) -> Result<(), Failure> {
        self.fed += message.len();
        self.sink.feed(Message::Binary(message)).await.map_err(Failure::peer)?;
        if self.fed < BATCH {
            return Ok(());
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Failure> {
        self.fed = 0;
        self.sink.flush().await.map_err(Failure::peer)
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        self.sink.close().await.map_err(Failure::peer)
    }
}

impl Receiver for Binary {
    async fn recv(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            match self.0.next().await.transpose().map_err(Failure::peer)? {
                Some(Message::Binary(message)) => return Ok(Some(message)),
                Some(Message::Close(_)) | None => return Ok(None),
                Some(_) => {}
            }
        }
    }
}

async fn open<S>(network: Network, wrap: impl Fn(SplitSink<Socket, Message>) -> S) -> Result<Link<S, Binary>, Failure> {
    let (near, far, door) = network.sockets().await?;
    let (near, far) = tokio::join!(
        tokio_tungstenite::client_async("ws://localhost/", near),
        tokio_tungstenite::accept_async(far)
    );
    let end = |socket: Socket| {
        let (sink, stream) = socket.split();
        End {
            sender: wrap(sink),
            receiver: Binary(stream),
        }
    };
    Ok(Link {
        lanes: vec![Lane {
            near: end(near.map_err(Failure::peer)?.0),
            far: end(far.map_err(Failure::peer)?),
        }],
        guard: vec![Box::new(door)],
    })
}

impl Contestant for Ws {
    type Sender = Each;
    type Receiver = Binary;

    async fn open(network: Network, _lanes: usize) -> Result<Link<Self::Sender, Self::Receiver>, Failure> {
        open(network, Each).await
    }
}

impl Contestant for WsBatched {
    type Sender = Batches;
    type Receiver = Binary;

    async fn open(network: Network, _lanes: usize) -> Result<Link<Self::Sender, Self::Receiver>, Failure> {
        open(network, |sink| Batches { sink, fed: 0 }).await
    }
}
