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
//! **Errors decide.** The machine asks only *why* it broke: [`cause_of`](crate::cause_of) reads an I/O error's kind, or a
//! [`ConnectError`](crate::ConnectError) inside it. Say [`Cause::Authentication`](crate::proto::Cause::Authentication) when fresh
//! credentials are needed, [`ConnectError::later`](crate::ConnectError::later) when the other end asked for time, a cause that
//! [is final](crate::proto::Cause::is_final) when trying again cannot help, and leave the rest to the kind.
//!
//! **Say what you verified.** [`Connected::authenticated`](crate::Connected::authenticated) lets the client's credential out on this connection.
//!
//! **Set-up on the accepting side belongs into the connection**: [`Deferred`](crate::Deferred) runs it when the connection is first
//! read, so that a peer that hangs in it is bounded like any other stranger. A first packet is small: refuse
//! more than [`MAX_UNPROVEN`](crate::proto::wire::framing::MAX_UNPROVEN) bytes before allocating.
//!
//! # Writing a runtime adapter
//!
//! What a runtime has to give is a [`Timer`](crate::Timer) ([`SleepTimer`](crate::SleepTimer) makes one of its `sleep`), a way to spawn, a
//! socket to dial and one to accept. The rest is here:
//!
//! | an adapter's | is |
//! |---|---|
//! | `connect_with` | [`connect`](crate::connect) with [`fresh_seed`](crate::fresh_seed), and the driver spawned |
//! | `dial` | a connected socket given to `Address::connect` of `unbroken-carriers` |
//! | `Server::new` | a [`Gate`](crate::Gate), and its handle's [`run_timers`](crate::ServerHandle::run_timers) spawned |
//! | `Server::listen` | a loop: accept, `Acceptor::accept`, [`from_peer`](crate::Connected::from_peer), spawn [`ServerHandle::serve`](crate::ServerHandle::serve) |
//!
//! Handles wake by [`Waker`](std::task::Waker) only, so any executor may poll them. An adapter makes no decision about a
//! session: an `if` about its state belongs into the machine. The suite in `tests/conformance` runs over whatever
//! implements its trait `Adapter`, blocking ones included; `unbroken-smol` is the example to copy.
