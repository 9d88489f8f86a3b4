//! What the suite asks of an adapter: the least that sessions can do, in calls that block.

use std::fmt::Debug;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use bytes::Bytes;
use unbroken_carriers::{Acceptor, Address};
use unbroken_driver::{RecvError, Session as SessionHandle};
use unbroken_proto::error::SendError;
use unbroken_proto::event::Ended;
use unbroken_proto::stats::Stats;
use unbroken_proto::{ClientConfig, Duration, Event, ReconnectIntent, ServerConfig, SessionId};

/// Where to dial, for each attempt.
pub type Pick = Box<dyn FnMut(&ReconnectIntent) -> Address + Send>;

/// A way to run sessions.
pub trait Adapter: Debug + Send + Sync {
    /// A session that dials where `pick` says.
    fn connect(&self, pick: Pick, config: ClientConfig) -> Box<dyn Session>;
    /// A server that listens nowhere yet.
    fn serve(&self, config: ServerConfig) -> Box<dyn Server>;
}

/// The accepting side.
pub trait Server: Send {
    /// Accepts connections on `listener`, through `acceptor`.
    fn listen(&self, listener: TcpListener, acceptor: Acceptor);
    /// Closes all listeners, and no connection.
    fn stop_listening(&self);
    /// The next session to be established.
    fn accept(&mut self) -> Box<dyn Session>;
    /// How many sessions it knows.
    fn sessions(&self) -> usize;
}

/// A session, at either end.
pub trait Session: Send + Sync {
    /// Another handle of it.
    fn another(&self) -> Box<dyn Session>;
    /// Waits for the first handshake.
    ///
    /// # Errors
    /// It ended before.
    fn established(&self) -> Result<SessionId, Arc<Ended>>;
    /// Opens a stream; `None` if the session is over.
    fn open(&self) -> Option<(Box<dyn Sender>, Box<dyn Receiver>)>;
    /// The next stream the peer opened; `None` once the session is over.
    fn accept(&self) -> Option<(Box<dyn Sender>, Box<dyn Receiver>)>;
    /// What happens from now on, an event a call; `None` behind the last.
    fn events(&self) -> Box<dyn FnMut() -> Option<Event> + Send>;
    /// Closes behind what was sent.
    fn close(&self, code: u64) -> Arc<Ended>;
    /// Ends at once.
    fn abort(&self) -> Arc<Ended>;
    /// Waits for the end.
    fn closed(&self) -> Arc<Ended>;
    /// Begins a planned swap.
    fn migrate(&self, within: Duration);
    /// Its counters.
    fn stats(&self) -> Stats;
    /// Why the last dial failed, in words.
    fn connect_error(&self) -> Option<String>;
    /// For what only futures can show; `None` where there are none.
    fn handle(&self) -> Option<SessionHandle>;
}

/// A sending half: also writes bytes.
pub trait Sender: io::Write + Send {
    /// Sends a message; waits for room.
    ///
    /// # Errors
    /// The message comes back.
    fn send(&mut self, message: Bytes) -> Result<(), SendError>;
    /// Sends a message if there is room.
    ///
    /// # Errors
    /// The message comes back.
    fn try_send(&mut self, message: Bytes) -> Result<(), SendError>;
    /// Nothing more follows.
    fn finish(&mut self);
    /// Abandons it.
    fn reset(&mut self, code: u64);
}

/// A receiving half: also reads bytes.
pub trait Receiver: io::Read + Send {
    /// The next message; `None` at the end.
    ///
    /// # Errors
    /// The stream broke off.
    fn recv(&mut self) -> Result<Option<Bytes>, RecvError>;
    /// Asks the peer to stop.
    fn stop(&mut self, code: u64);
}
