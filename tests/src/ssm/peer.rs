//! What can be put at either end of a data channel: a model of a real program, or a machine of this project.

use bytes::Bytes;
use unbroken_proto::Instant;

/// One WebSocket message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A TEXT message: the first of each connection.
    Text(String),
    /// A binary message: a frame.
    Binary(Bytes),
}

impl Message {
    /// What is in it, whatever its kind.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        match self {
            Message::Text(text) => Bytes::copy_from_slice(text.as_bytes()),
            Message::Binary(bytes) => bytes.clone(),
        }
    }
}

/// Why a dial came to nothing. A dial is everything that leads to an open connection, the HTTP call for its token too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialError {
    /// The HTTP call answered 4xx, or nobody accepted the connection.
    Refused,
    /// The HTTP call answered 5xx.
    ServerError,
    /// There are no credentials to call with.
    NoCredentials,
    /// The service knows no such session any more.
    NoSession,
}

/// What an end asks of the service outside of the data channel, and a new connection aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// The API TerminateSession.
    TerminateSession,
}

/// One end. It does nothing by itself: its host tells it what happened and asks what it wants, in virtual time.
///
/// After each call the host asks [`poll_transmit`](Self::poll_transmit) until there is nothing, so that a message is on its
/// way at the instant at which it was made.
pub trait Peer {
    /// When it wants a connection dialled; `None` when it has one or wants none. The host does not ask while it dials. An
    /// end that wants a dial although it has a connection has given that up, and its host closes it.
    fn wants_connection(&self) -> Option<Instant>;

    /// Its dial succeeded.
    fn connected(&mut self, now: Instant);

    /// Its dial failed.
    fn dial_failed(&mut self, now: Instant, error: DialError);

    /// Its connection is no more.
    fn disconnected(&mut self, now: Instant);

    /// A message has come.
    fn handle_input(&mut self, now: Instant, message: Message);

    /// What it sends next.
    fn poll_transmit(&mut self, now: Instant) -> Option<Message>;

    /// What it asks of the service.
    fn poll_call(&mut self) -> Option<Call> {
        None
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next. An end that refused a write because it is not
    /// yet time names the time here.
    fn poll_timeout(&self) -> Option<Instant>;

    /// The time of [`poll_timeout`](Self::poll_timeout) has come.
    fn handle_timeout(&mut self, now: Instant);

    /// The application has bytes to send; how many were taken. The host offers the rest again after whatever happens next.
    fn write(&mut self, now: Instant, bytes: &[u8]) -> usize;

    /// The application has no more to send, and is gone: stdin is at its end, the program on the instance has exited.
    fn close(&mut self, now: Instant);

    /// What was delivered to the application since the last call.
    fn read(&mut self, now: Instant) -> Vec<u8>;

    /// Why it has ended, once its process would have exited.
    fn ended(&self) -> Option<String>;
}
