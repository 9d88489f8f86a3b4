//! What every contestant can do: open a link between two ends in this process, send messages and receive them.

use std::any::Any;

use bytes::Bytes;

use crate::failure::Failure;
use crate::network::Network;

/// Sends messages.
pub(crate) trait Sender: Send + 'static {
    /// Sends one message, or lays it into a buffer of the contestant's.
    fn send(&mut self, message: Bytes) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Makes sure that nothing waits in a buffer that only more messages would empty.
    fn flush(&mut self) -> impl Future<Output = Result<(), Failure>> + Send {
        async { Ok(()) }
    }

    /// Tells the other end that no more comes.
    fn finish(&mut self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// Receives messages.
pub(crate) trait Receiver: Send + 'static {
    /// The next message; `None` when the other end has finished.
    fn recv(&mut self) -> impl Future<Output = Result<Option<Bytes>, Failure>> + Send;
}

/// One end of a lane.
#[derive(Debug)]
pub(crate) struct End<S, R> {
    pub(crate) sender: S,
    pub(crate) receiver: R,
}

/// Both ends of what carries messages in order: a connection, or one of its streams.
#[derive(Debug)]
pub(crate) struct Lane<S, R> {
    pub(crate) near: End<S, R>,
    pub(crate) far: End<S, R>,
}

/// What has to live as long as a link: relays, endpoints, sessions.
pub(crate) type Guard = Vec<Box<dyn Any + Send>>;

/// Lanes over one connection.
pub(crate) struct Link<S, R> {
    /// As many as were asked for, the most urgent last; one where the contestant has no streams.
    pub(crate) lanes: Vec<Lane<S, R>>,
    pub(crate) guard: Guard,
}

impl<S, R> Link<S, R> {
    /// The first lane, and what has to live as long.
    pub(crate) fn one(self) -> Result<(Lane<S, R>, Guard), Failure> {
        let first = self.lanes.into_iter().next().ok_or(Failure::Closed)?;
        Ok((first, self.guard))
    }
}

/// A way to carry messages.
pub(crate) trait Contestant: 'static {
    type Sender: Sender;
    type Receiver: Receiver;

    /// Connects two ends through `network`, with `lanes` streams if it has streams. When this returns, each lane has
    /// carried something.
    fn open(
        network: Network,
        lanes: usize,
    ) -> impl Future<Output = Result<Link<Self::Sender, Self::Receiver>, Failure>> + Send;
}

/// What opens a lane where the accepting end learns of it by its first message only.
pub(crate) const HELLO: Bytes = Bytes::from_static(b"hello");

/// Sends the hello of a lane.
pub(crate) async fn greet(sender: &mut impl Sender) -> Result<(), Failure> {
    sender.send(HELLO).await?;
    sender.flush().await
}

/// Takes the hello of a lane.
pub(crate) async fn greeted(receiver: &mut impl Receiver) -> Result<(), Failure> {
    match receiver.recv().await? {
        Some(_) => Ok(()),
        None => Err(Failure::Closed),
    }
}
