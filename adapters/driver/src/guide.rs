//! Writing a carrier, and writing a runtime adapter.
//!
//! # Writing a carrier
//!
//! A carrier is whatever moves packets both ways, in order, until it breaks. Three rungs, the easiest first:
//!
//! 1. **It is a byte stream** with futures' `AsyncRead + AsyncWrite` (a socket, a pipe, a child's stdin and
//!    stdout): `Connected::ordered(Framed::new(FuturesIo::new(stream)))`, and [`Framed::accepted`](crate::Framed::accepted)
//!    on the accepting side. `unbroken-carriers` puts TLS and WebSocket between, over the same streams.
//! 2. **It is a byte stream with other traits**: implement [`ByteStream`](crate::ByteStream), three required methods and `poll_close`.
//!    What is pending must have arranged to wake the task.
//! 3. **It moves whole packets** (a message queue, a WebSocket of your own): anything that is
//!    `Stream<Item = io::Result<BytesMut>>` and `Sink<Bytes, Error = io::Error>` is a
//!    [`Connection`](crate::Connection). Its `poll_ready` must not wait for anything to be read, and bounds what it holds.
//!
//! A dial is any closure from a [`ReconnectIntent`](crate::proto::ReconnectIntent) to a future of a
//! [`Connected`](crate::Connected); it may be dropped at any point. Here both ends are in one process, and each dial is
//! a new pair of queues:
//!
//! ```
//! use std::{io, pin::Pin, task::{Context, Poll}};
//! use bytes::{Bytes, BytesMut};
//! use futures_channel::mpsc;
//! use unbroken_driver::Connected;
//!
//! /// One end of two bounded queues of packets.
//! struct Queues(mpsc::Sender<Bytes>, mpsc::Receiver<Bytes>);
//!
//! impl futures_core::Stream for Queues {
//!     type Item = io::Result<BytesMut>;
//!
//!     fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
//!         Pin::new(&mut self.1).poll_next(cx).map(|packet| packet.map(|packet| Ok(BytesMut::from(&packet[..]))))
//!     }
//! }
//!
//! impl futures_sink::Sink<Bytes> for Queues {
//!     type Error = io::Error;
//!
//!     fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
//!         self.0.poll_ready(cx).map_err(|_| io::ErrorKind::BrokenPipe.into())
//!     }
//!
//!     fn start_send(mut self: Pin<&mut Self>, packet: Bytes) -> io::Result<()> {
//!         self.0.start_send(packet).map_err(|_| io::ErrorKind::BrokenPipe.into())
//!     }
//!
//!     fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
//!         Poll::Ready(Ok(()))
//!     }
//!
//!     fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
//!         self.0.close_channel();
//!         Poll::Ready(Ok(()))
//!     }
//! }
//!
//! let ((to_far, from_near), (to_near, from_far)) = (mpsc::channel(8), mpsc::channel(8));
//! let near = Connected::ordered(Queues(to_far, from_far)); // what the connector returns
//! let far = Connected::ordered(Queues(to_near, from_near)); // what `ServerHandle::serve` takes
//! # drop((near, far));
//! ```
//!
//! **Errors decide.** The machine asks only *why* a connection broke or a dial failed. A dial says so with a
//! [`ConnectError`](crate::ConnectError); a connection's errors are I/O errors, of which [`cause_of`](crate::cause_of) reads the
//! kind, or a `ConnectError` inside. Say [`Cause::Authentication`](crate::proto::Cause::Authentication) when fresh credentials are
//! needed, [`ConnectError::later`](crate::ConnectError::later) when the other end asked for time, a cause that
//! [is final](crate::proto::Cause::is_final) when trying again cannot help, and leave the rest to the kind.
//!
//! **Say what you verified.** [`Connected::authenticated`](crate::Connected::authenticated) lets the client's credential out on this connection.
//!
//! **Set-up on the accepting side belongs into the connection**: [`Deferred`](crate::Deferred) runs it when the connection is first
//! read, so that a peer that hangs in it is bounded like any other stranger. A first packet is small: refuse
//! more than [`MAX_UNPROVEN`](crate::proto::wire::framing::MAX_UNPROVEN) bytes before allocating.
//!
//! **A loop over ready input has a budget.** A peer whose bytes are always there must not keep the task busy; take a step of a
//! [`Budget`](crate::Budget) before each read.
//!
//! # Writing a runtime adapter
//!
//! A runtime has to give time, tasks and sockets: the trait [`Runtime`](crate::Runtime). This is all of it for smol:
//!
//! ```
//! use std::io;
//! use std::net::IpAddr;
//!
//! use smol::net::{TcpListener, TcpStream};
//! use unbroken_driver::proto::Duration;
//! use unbroken_driver::{FuturesIo, Runtime};
//!
//! #[derive(Clone, Copy, Debug, Default)]
//! struct Smol;
//!
//! impl Runtime for Smol {
//!     type Stream = FuturesIo<TcpStream>;
//!     type Listener = TcpListener;
//!
//!     fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
//!         let timer = smol::Timer::after(duration);
//!         async move {
//!             timer.await;
//!         }
//!     }
//!
//!     fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
//!         smol::spawn(task).detach();
//!     }
//!
//!     fn connect(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
//!         let host = host.to_owned();
//!         async move {
//!             let stream = TcpStream::connect((host, port)).await?;
//!             stream.set_nodelay(true)?;
//!             Ok(FuturesIo::new(stream))
//!         }
//!     }
//!
//!     async fn accept(&self, listener: &TcpListener) -> io::Result<(Self::Stream, Option<IpAddr>)> {
//!         let (stream, peer) = listener.accept().await?;
//!         stream.set_nodelay(true)?;
//!         Ok((FuturesIo::new(stream), Some(peer.ip())))
//!     }
//! }
//!
//! // A session over it, by hand; `unbroken-carriers` has `connect` and `Server` for every runtime.
//! # smol::block_on(async {
//! use unbroken_driver::proto::security::{Auth, ServerAuth};
//! use unbroken_driver::proto::{ClientConfig, ServerConfig};
//! use unbroken_driver::{Connected, Framed, ServerHandle};
//!
//! let everybody = |_| -> unbroken_driver::Verdict { Box::pin(async { Ok(().into()) }) };
//! let config = ServerConfig::new(ServerAuth::anonymous());
//! let handle = ServerHandle::new(&Smol, config, Smol.seed()?, Box::new(everybody))?;
//! Smol.spawn(handle.clone().run_timers());
//!
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let port = listener.local_addr()?.port();
//! Smol.spawn(async move {
//!     while let Ok((stream, origin)) = Smol.accept(&listener).await {
//!         let accepted = Connected::ordered(Framed::accepted(stream));
//!         let accepted = match origin {
//!             Some(address) => accepted.from_peer(handle.peer_key(address)),
//!             None => accepted,
//!         };
//!         Smol.spawn(handle.clone().serve(accepted));
//!     }
//! });
//!
//! let connector = move |_| async move { Ok(Connected::ordered(Framed::new(Smol.connect("127.0.0.1", port).await?))) };
//! let config = ClientConfig::new(Auth::anonymous());
//! let (session, driver) = unbroken_driver::connect(&Smol, config, Smol.seed()?, connector)?;
//! Smol.spawn(driver);
//! let name = session.established().await.map_err(|ended| format!("{:?}", ended.reason))?;
//! println!("session {name}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! An adapter makes no decision about a session: an `if` about its state belongs into the machine. What it must get right
//! is small. Its clock and its sleep are one: a runtime whose time can be paused gives its own
//! [`now`](crate::Runtime::now). What it spawns runs until it is over, or until the runtime shuts down. Its sockets have no
//! Nagle's delay. Handles wake by [`Waker`](std::task::Waker) only, so any executor may poll them. The suite in
//! `tests/conformance` runs over whatever implements its trait `Adapter`, blocking ones included.
