//! slozhn-session: sessions that are resumed, over WebSocket; streams as gRPC has them; no encryption.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _};
use slozhn_frame::connection::{Config, bind_pre_negotiated};
use slozhn_frame::proto::v1::Metadata;
use slozhn_frame::{RecvHalf, SendHalf, Side, StreamEvent, TransportClosed};
use slozhn_session::SessionConfig;
use slozhn_session::client::{BoxFrameTransport, Factory, connect_session};
use slozhn_session::server::{ServerSessionConfig, SessionManager};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::contestant::{Contestant, End, Lane, Link, Receiver, Sender, greet, greeted};
use crate::failure::Failure;
use crate::network::Network;

/// Its default configuration, whose windows are 64 KiB, and whose replay buffer of 1 MiB is full before 16 large frames ask for
/// an acknowledgement.
#[derive(Debug)]
pub(crate) struct Slozhn;

/// Windows and a replay buffer that large messages and long round trips need.
#[derive(Debug)]
pub(crate) struct SlozhnTuned;

/// Of the tuned one, each window.
const WINDOW: u32 = 8 << 20;
/// Of the tuned one, the replay buffer.
const REPLAY: usize = 32 << 20;

/// A frame is a message of the WebSocket, as in `slozhn-ws`, which has no end for servers.
struct Duplex(WebSocketStream<TcpStream>);

impl Stream for Duplex {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            match ready!(self.0.poll_next_unpin(cx)) {
                Some(Ok(Message::Binary(frame))) => return Poll::Ready(Some(frame)),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return Poll::Ready(None),
                Some(Ok(_)) => {}
            }
        }
    }
}

impl Sink<Bytes> for Duplex {
    type Error = TransportClosed;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportClosed>> {
        self.0.poll_ready_unpin(cx).map_err(|_| TransportClosed)
    }

    fn start_send(mut self: Pin<&mut Self>, frame: Bytes) -> Result<(), TransportClosed> {
        self.0
            .start_send_unpin(Message::Binary(frame))
            .map_err(|_| TransportClosed)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportClosed>> {
        self.0.poll_flush_unpin(cx).map_err(|_| TransportClosed)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), TransportClosed>> {
        self.0.poll_close_unpin(cx).map_err(|_| TransportClosed)
    }
}

/// Sends on a stream, until it has finished.
pub(crate) struct Writer(Option<SendHalf>);

/// Receives on a stream.
pub(crate) struct Reader(RecvHalf);

impl Sender for Writer {
    async fn send(&mut self, message: Bytes) -> Result<(), Failure> {
        let half = self.0.as_ref().ok_or(Failure::Closed)?;
        half.send(message).await.map_err(Failure::peer)
    }

    async fn finish(&mut self) -> Result<(), Failure> {
        let half = self.0.take().ok_or(Failure::Closed)?;
        half.half_close().await.map_err(Failure::peer)
    }
}

impl Receiver for Reader {
    async fn recv(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            match self.0.next_event().await {
                Some(StreamEvent::Message(message)) => return Ok(Some(message)),
                Some(StreamEvent::Headers(_)) => {}
                Some(StreamEvent::RemoteHalfClose) => return Ok(None),
                Some(StreamEvent::Terminated(_) | StreamEvent::Cancelled) | None => return Err(Failure::Closed),
            }
        }
    }
}

fn end(send: SendHalf, recv: RecvHalf) -> End<Writer, Reader> {
    End {
        sender: Writer(Some(send)),
        receiver: Reader(recv),
    }
}

fn transport(socket: WebSocketStream<TcpStream>) -> BoxFrameTransport {
    Box::pin(slozhn_frame::codec::framed(Duplex(socket)))
}

async fn open(
    network: Network,
    lanes: usize,
    frames: Config,
    session: SessionConfig,
) -> Result<Link<Writer, Reader>, Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let door = network.door(listener.local_addr()?)?;
    let address = door.address;
    let factory: Factory = Arc::new(move || {
        Box::pin(async move {
            let socket = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
            socket.set_nodelay(true).map_err(|error| error.to_string())?;
            let (socket, _) = tokio_tungstenite::client_async("ws://localhost/", socket)
                .await
                .map_err(|error| error.to_string())?;
            Ok(transport(socket))
        })
    });
    let manager = SessionManager::new(ServerSessionConfig {
        session: session.clone(),
        frame: frames.clone(),
        ..ServerSessionConfig::default()
    });
    let accepting = async {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let socket = tokio_tungstenite::accept_async(socket).await.map_err(Failure::peer)?;
        let accepted = manager.accept(transport(socket)).await.map_err(Failure::peer)?;
        accepted.ok_or(Failure::Closed)
    };
    let connecting = connect_session(factory, frames.clone(), session);
    let (near, far) = tokio::join!(connecting, accepting);
    let ((near, server_hello), (far, client_hello)) = (near.map_err(Failure::peer)?, far?);
    let (near, driver) = bind_pre_negotiated(Side::Client, frames.clone(), server_hello, near);
    tokio::spawn(driver.run());
    let (far, driver) = bind_pre_negotiated(Side::Server, frames, client_hello, far);
    tokio::spawn(driver.run());
    let mut opened = Vec::new();
    for _ in 0..lanes {
        let (send, recv) = near
            .open("lane".to_owned(), Metadata::default())
            .await
            .map_err(Failure::peer)?;
        let mut here = end(send, recv);
        greet(&mut here.sender).await?;
        let incoming = far.accept().await.ok_or(Failure::Closed)?;
        let mut there = end(incoming.send, incoming.recv);
        greeted(&mut there.receiver).await?;
        opened.push(Lane { near: here, far: there });
    }
    Ok(Link {
        lanes: opened,
        guard: vec![Box::new((near, far)), Box::new(manager), Box::new((listener, door))],
    })
}
impl Contestant for Slozhn {
    type Sender = Writer;
    type Receiver = Reader;

    async fn open(network: Network, lanes: usize) -> Result<Link<Writer, Reader>, Failure> {
        open(network, lanes, Config::default(), SessionConfig::default()).await
    }
}

impl Contestant for SlozhnTuned {
    type Sender = Writer;
    type Receiver = Reader;

    async fn open(network: Network, lanes: usize) -> Result<Link<Writer, Reader>, Failure> {
        let frames = Config {
            initial_stream_window: WINDOW,
            initial_connection_window: 2 * WINDOW,
            ..Config::default()
        };
        let session = SessionConfig {
            replay_buffer_bytes: REPLAY,
            ..SessionConfig::default()
        };
        open(network, lanes, frames, session).await
    }
}
