//! unbroken-tungstenite, whose calls block as they are.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use unbroken_carriers::{Acceptor, Address};
use unbroken_driver::{RecvError, Session as SessionHandle};
use unbroken_proto::error::SendError;
use unbroken_proto::event::Ended;
use unbroken_proto::stats::Stats;
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::{ClientConfig, Duration, Event, ReconnectIntent, ServerConfig, SessionId};
use unbroken_tungstenite as blocking;

use crate::adapter::{Adapter, Pick, Receiver, Sender, Server, Session};
use crate::block::LIMIT;
use crate::world::identity;

/// unbroken-tungstenite, a thread for each session.
pub struct Blocking;

/// The same place, as the blocking adapter says it.
#[must_use]
pub fn address(place: &Address) -> blocking::Address {
    let scheme = match (place.is_websocket(), place.is_secure()) {
        (true, true) => "wss",
        (true, false) => "ws",
        (false, true) => "tls",
        (false, false) => "tcp",
    };
    let (host, port) = place.host_port();
    let path = if place.is_websocket() { "/sessions?of=tests" } else { "" };
    let address = blocking::Address::parse(&format!("{scheme}://{host}:{port}{path}"));
    address.expect("because it is an address").tls(tls().0.clone())
}

/// The certificate of these tests, as the blocking adapter takes it.
pub fn tls() -> &'static (blocking::Tls, blocking::TlsServer) {
    static MADE: OnceLock<(blocking::Tls, blocking::TlsServer)> = OnceLock::new();
    MADE.get_or_init(|| {
        let (certificate, key) = identity();
        let client = blocking::Tls::trusting([certificate.clone()]);
        let server = blocking::TlsServer::new(vec![certificate], key);
        (
            client.expect("because it is a certificate"),
            server.expect("because they belong together"),
        )
    })
}

impl Adapter for Blocking {
    fn connect(&self, pick: Pick, config: ClientConfig) -> Box<dyn Session> {
        let pick = Mutex::new(pick);
        let connector = move |intent: &ReconnectIntent| {
            let place = pick.lock().unwrap_or_else(PoisonError::into_inner)(intent);
            address(&place).dial(intent)
        };
        Box::new(blocking::connect_with(config, connector).expect("because the configuration is sound"))
    }

    fn serve(&self, config: ServerConfig) -> Box<dyn Server> {
        Box::new(blocking::Server::new(config).expect("because the configuration is sound"))
    }
}

impl Server for blocking::Server {
    fn listen(&self, listener: TcpListener, acceptor: Acceptor) {
        let tls = tls().1.clone();
        match (acceptor.is_websocket(), acceptor.is_secure()) {
            (true, true) => self.listen_wss(listener, tls),
            (true, false) => self.listen_ws(listener),
            (false, true) => self.listen_tls(listener, tls),
            (false, false) => self.listen_tcp(listener),
        }
        .expect("because it is a socket");
    }

    fn stop_listening(&self) {
        blocking::Server::stop_listening(self);
    }

    fn accept(&mut self) -> Box<dyn Session> {
        Box::new(self.accept_within(LIMIT).expect("a session").session)
    }

    fn sessions(&self) -> usize {
        blocking::Server::sessions(self).len()
    }
}

fn halves(mut stream: blocking::Stream) -> (Box<dyn Sender>, Box<dyn Receiver>) {
    stream.set_timeout(Some(LIMIT));
    let (send, recv) = stream.split();
    (Box::new(send), Box::new(recv))
}

impl Session for blocking::Session {
    fn another(&self) -> Box<dyn Session> {
        Box::new(self.clone())
    }

    fn established(&self) -> Result<SessionId, Arc<Ended>> {
        self.established_within(LIMIT).expect("an established session")
    }

    fn open(&self) -> Option<(Box<dyn Sender>, Box<dyn Receiver>)> {
        self.open_within(StreamOptions::default(), LIMIT).ok().map(halves)
    }

    fn accept(&self) -> Option<(Box<dyn Sender>, Box<dyn Receiver>)> {
        self.accept_within(LIMIT).expect("the peer's stream").map(halves)
    }

    fn events(&self) -> Box<dyn FnMut() -> Option<Event> + Send> {
        let mut events = blocking::Session::events(self);
        Box::new(move || events.next_within(LIMIT))
    }

    fn close(&self, code: u64) -> Arc<Ended> {
        blocking::Session::close(self, code, Bytes::new())
    }

    fn abort(&self) -> Arc<Ended> {
        blocking::Session::abort(self)
    }

    fn closed(&self) -> Arc<Ended> {
        self.closed_within(LIMIT).expect("the end")
    }

    fn migrate(&self, within: Duration) {
        blocking::Session::migrate(self, within, Bytes::new());
    }

    fn stats(&self) -> Stats {
        blocking::Session::stats(self)
    }

    fn connect_error(&self) -> Option<String> {
        blocking::Session::connect_error(self).map(|error| error.to_string())
    }

    fn handle(&self) -> Option<SessionHandle> {
        None
    }
}

impl Sender for blocking::SendHalf {
    fn send(&mut self, message: Bytes) -> Result<(), SendError> {
        blocking::SendHalf::send(self, message)
    }

    fn try_send(&mut self, message: Bytes) -> Result<(), SendError> {
        blocking::SendHalf::try_send(self, message)
    }

    fn finish(&mut self) {
        blocking::SendHalf::finish(self);
    }

    fn reset(&mut self, code: u64) {
        blocking::SendHalf::reset(self, code);
    }
}

impl Receiver for blocking::RecvHalf {
    fn recv(&mut self) -> Result<Option<Bytes>, RecvError> {
        blocking::RecvHalf::recv(self).map_err(|failure| match failure {
            blocking::RecvFailure::Stream(error) => error.into(),
            blocking::RecvFailure::Truncated => RecvError::Truncated,
            blocking::RecvFailure::TooLarge(most) => RecvError::TooLarge(most),
            other => panic!("never happened: a message ({other})"),
        })
    }

    fn stop(&mut self, code: u64) {
        blocking::RecvHalf::stop(self, code);
    }
}
