//! unbroken over TCP and over WebSocket, as a user of the tokio adapter has it.

use bytes::Bytes;
use tokio::net::TcpListener;
use unbroken_tokio::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ServerConfig, SessionConfig};
use unbroken_tokio::{RecvHalf, SendHalf, Server, Stream};

use crate::contestant::{Contestant, End, Lane, Link, Receiver, Sender, greet, greeted};
use crate::failure::Failure;
use crate::network::Network;

/// A session over TCP, in its default configuration.
#[derive(Debug)]
pub(crate) struct UnbrokenTcp;

/// A session over WebSocket, in its default configuration.
#[derive(Debug)]
pub(crate) struct UnbrokenWs;

/// A session over TCP, with windows and an outbox that long round trips need.
#[derive(Debug)]
pub(crate) struct UnbrokenTuned;

/// Of the tuned one, a stream's window.
const WINDOW: u32 = 8 << 20;
/// Of the tuned one, the outbox.
const OUTBOX: usize = 32 << 20;

impl Sender for SendHalf {
    async fn send(&mut self, message: Bytes) -> Result<(), Failure> {
        SendHalf::send(self, message).await.map_err(Failure::peer)
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        SendHalf::finish(self);
        Ok(())
    }
}

impl Receiver for RecvHalf {
    async fn recv(&mut self) -> Result<Option<Bytes>, Failure> {
        RecvHalf::recv(self).await.map_err(Failure::peer)
    }
}

fn end(stream: Stream) -> End<SendHalf, RecvHalf> {
    let (sender, receiver) = stream.split();
    End { sender, receiver }
}

/// The first lane has the default priority, each further one is the most urgent.
fn options(lane: usize) -> StreamOptions {
    let options = StreamOptions::default();
    if lane == 0 { options } else { options.with_priority(0) }
}

async fn open(
    network: Network,
    lanes: usize,
    websocket: bool,
    session: SessionConfig,
) -> Result<Link<SendHalf, RecvHalf>, Failure> {
    let secret = SharedSecret::from_key(b"peers", [1; 32]).map_err(Failure::peer)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let door = network.door(listener.local_addr()?)?;
    let mut config = ServerConfig::new(ServerAuth::secrets(vec![secret.clone()]));
    config.session = session.clone();
    let mut server = Server::new(config).map_err(Failure::peer)?;
    let mut config = ClientConfig::new(Auth::secret(secret));
    config.session = session;
    let near = if websocket {
        server.listen_ws(listener);
        unbroken_tokio::connect_ws(format!("ws://{}/", door.address), config)
    } else {
        server.listen_tcp(listener);
        unbroken_tokio::connect_tcp(door.address.to_string(), config)
    }
    .map_err(Failure::peer)?;
    let far = server.accept().await.session;
    let mut opened = Vec::new();
    for lane in 0..lanes {
        let mut here = end(near.open(options(lane)).await.map_err(Failure::peer)?);
        greet(&mut here.sender).await?;
        let mut there = end(far.accept().await.ok_or(Failure::Closed)?);
        greeted(&mut there.receiver).await?;
        opened.push(Lane { near: here, far: there });
    }
    Ok(Link {
        lanes: opened,
        guard: vec![Box::new((near, far)), Box::new(server), Box::new(door)],
    })
}

impl Contestant for UnbrokenTcp {
    type Sender = SendHalf;
    type Receiver = RecvHalf;

    async fn open(network: Network, lanes: usize) -> Result<Link<SendHalf, RecvHalf>, Failure> {
        open(network, lanes, false, SessionConfig::default()).await
    }
}

impl Contestant for UnbrokenWs {
    type Sender = SendHalf;
    type Receiver = RecvHalf;

    async fn open(network: Network, lanes: usize) -> Result<Link<SendHalf, RecvHalf>, Failure> {
        open(network, lanes, true, SessionConfig::default()).await
    }
}

impl Contestant for UnbrokenTuned {
    type Sender = SendHalf;
    type Receiver = RecvHalf;

    async fn open(network: Network, lanes: usize) -> Result<Link<SendHalf, RecvHalf>, Failure> {
        let session = SessionConfig::default()
            .with_outbox_limit(OUTBOX)
            .with_stream_window(u64::from(WINDOW))
            .with_session_window(u64::from(2 * WINDOW));
        open(network, lanes, false, session).await
    }
}
