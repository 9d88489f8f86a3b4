//! The async adapters, each a few lines: their sessions are all the driver's.

use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use unbroken_carriers::Acceptor;
use unbroken_driver::{RecvError, RecvHalf, SendHalf, Session as SessionHandle, Stream};
use unbroken_proto::error::SendError;
use unbroken_proto::event::Ended;
use unbroken_proto::stats::Stats;
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::{ClientConfig, Duration, Event, ServerConfig, SessionId};

use crate::adapter::{Adapter, Pick, Receiver, Sender, Server, Session};
use crate::block::soon;

pub use crate::blocking::Blocking;
pub use crate::stepped::Stepped;

/// unbroken-tokio, on a runtime of two threads.
#[derive(Debug)]
pub struct Tokio;
/// unbroken-smol, on its global executor.
#[derive(Debug)]
pub struct Smol;
/// unbroken-async-std, on its global executor.
#[derive(Debug)]
pub struct AsyncStd;

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("because threads can be had")
    })
}

macro_rules! dials {
    ($adapter:ident, $pick:ident, $config:ident) => {{
        let connector = move |intent: unbroken_proto::ReconnectIntent| {
            let address = $pick(&intent);
            async move { $adapter::dial(&address).await }
        };
        $adapter::connect_with($config, connector).expect("because the configuration is sound")
    }};
}

impl Adapter for Tokio {
    fn connect(&self, mut pick: Pick, config: ClientConfig) -> Box<dyn Session> {
        let _in_the_runtime = runtime().enter();
        Box::new(dials!(unbroken_tokio, pick, config))
    }

    fn serve(&self, config: ServerConfig) -> Box<dyn Server> {
        let _in_the_runtime = runtime().enter();
        let server = unbroken_tokio::Server::new(config).expect("because the configuration is sound");
        Box::new(TokioServer(server))
    }
}

struct TokioServer(unbroken_tokio::Server);

impl Server for TokioServer {
    fn listen(&self, listener: TcpListener, acceptor: Acceptor) {
        let _in_the_runtime = runtime().enter();
        listener.set_nonblocking(true).expect("because it is a socket");
        let listener = tokio::net::TcpListener::from_std(listener).expect("because it is a socket");
        self.0.listen(listener, acceptor);
    }

    fn stop_listening(&self) {
        soon("the listeners' end", self.0.stop_listening());
    }

    fn accept(&mut self) -> Box<dyn Session> {
        Box::new(soon("a session", self.0.accept()).session)
    }

    fn sessions(&self) -> usize {
        self.0.handle().sessions().len()
    }
}

impl Adapter for Smol {
    fn connect(&self, mut pick: Pick, config: ClientConfig) -> Box<dyn Session> {
        Box::new(dials!(unbroken_smol, pick, config))
    }

    fn serve(&self, config: ServerConfig) -> Box<dyn Server> {
        Box::new(unbroken_smol::Server::new(config).expect("because the configuration is sound"))
    }
}

impl Server for unbroken_smol::Server {
    fn listen(&self, listener: TcpListener, acceptor: Acceptor) {
        let listener = smol::Async::new(listener).expect("because it is a socket");
        unbroken_smol::Server::listen(self, listener.into(), acceptor);
    }

    fn stop_listening(&self) {
        soon("the listeners' end", unbroken_smol::Server::stop_listening(self));
    }

    fn accept(&mut self) -> Box<dyn Session> {
        Box::new(soon("a session", unbroken_smol::Server::accept(self)).session)
    }

    fn sessions(&self) -> usize {
        self.handle().sessions().len()
    }
}

impl Adapter for AsyncStd {
    fn connect(&self, mut pick: Pick, config: ClientConfig) -> Box<dyn Session> {
        Box::new(dials!(unbroken_async_std, pick, config))
    }

    fn serve(&self, config: ServerConfig) -> Box<dyn Server> {
        Box::new(unbroken_async_std::Server::new(config).expect("because the configuration is sound"))
    }
}

impl Server for unbroken_async_std::Server {
    fn listen(&self, listener: TcpListener, acceptor: Acceptor) {
        unbroken_async_std::Server::listen(self, listener.into(), acceptor);
    }

    fn stop_listening(&self) {
        soon("the listeners' end", unbroken_async_std::Server::stop_listening(self));
    }

    fn accept(&mut self) -> Box<dyn Session> {
        Box::new(soon("a session", unbroken_async_std::Server::accept(self)).session)
    }

    fn sessions(&self) -> usize {
        self.handle().sessions().len()
    }
}

fn halves(stream: Stream) -> (Box<dyn Sender>, Box<dyn Receiver>) {
    let (send, recv) = stream.split();
    (Box::new(Tx(send)), Box::new(Rx(recv)))
}

impl Session for SessionHandle {
    fn another(&self) -> Box<dyn Session> {
        Box::new(self.clone())
    }

    fn established(&self) -> Result<SessionId, Arc<Ended>> {
        soon("an established session", SessionHandle::established(self))
    }

    fn open(&self) -> Option<(Box<dyn Sender>, Box<dyn Receiver>)> {
        soon("a stream", SessionHandle::open(self, StreamOptions::default()))
            .ok()
            .map(halves)
    }

    fn accept(&self) -> Option<(Box<dyn Sender>, Box<dyn Receiver>)> {
        soon("the peer's stream", SessionHandle::accept(self)).map(halves)
    }

    fn events(&self) -> Box<dyn FnMut() -> Option<Event> + Send> {
        let mut events = SessionHandle::events(self);
        Box::new(move || soon("an event", events.next()))
    }

    fn close(&self, code: u64) -> Arc<Ended> {
        soon("the end", SessionHandle::close(self, code, Bytes::new())).expect("because the code fits")
    }

    fn abort(&self) -> Arc<Ended> {
        soon("the end", SessionHandle::abort(self))
    }

    fn closed(&self) -> Arc<Ended> {
        soon("the end", SessionHandle::closed(self))
    }

    fn migrate(&self, within: Duration) {
        SessionHandle::migrate(self, within, Bytes::new());
    }

    fn stats(&self) -> Stats {
        SessionHandle::stats(self)
    }

    fn connect_error(&self) -> Option<String> {
        SessionHandle::connect_error(self).map(|error| error.to_string())
    }

    fn handle(&self) -> Option<SessionHandle> {
        Some(self.clone())
    }
}

struct Tx(SendHalf);

impl Sender for Tx {
    fn send(&mut self, message: Bytes) -> Result<(), SendError> {
        soon("room to send", self.0.send(message))
    }

    fn try_send(&mut self, message: Bytes) -> Result<(), SendError> {
        self.0.try_send(message)
    }

    fn finish(&mut self) {
        self.0.finish();
    }

    fn reset(&mut self, code: u64) {
        self.0.reset(code).expect("because the code fits");
    }
}

impl io::Write for Tx {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let write = poll_fn(|cx| futures_io::AsyncWrite::poll_write(Pin::new(&mut self.0), cx, buf));
        soon("room to write", write)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Rx(RecvHalf);

impl Receiver for Rx {
    fn recv(&mut self) -> Result<Option<Bytes>, RecvError> {
        soon("a message", self.0.recv())
    }

    fn stop(&mut self, code: u64) {
        self.0.stop(code).expect("because the code fits");
    }
}

impl io::Read for Rx {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = poll_fn(|cx| futures_io::AsyncRead::poll_read(Pin::new(&mut self.0), cx, buf));
        soon("bytes", read)
    }
}
