//! unbroken-tungstenite, whose calls block as they are.

use std::net::TcpListener;
use std::sync::Arc;

use bytes::Bytes;
use unbroken_carriers::Acceptor;
use unbroken_driver::{self as driver, RecvError};
use unbroken_proto::error::SendError;
use unbroken_proto::event::Ended;
use unbroken_proto::stats::Stats;
use unbroken_proto::stream::StreamOptions;
use unbroken_proto::{ClientConfig, Duration, Event, ReconnectIntent, ServerConfig, SessionId};
use unbroken_tungstenite as blocking;

use crate::adapter::{Adapter, Pick, Receiver, Sender, Server, Session};
use crate::block::LIMIT;

/// unbroken-tungstenite, a thread for each task.
#[derive(Debug)]
pub struct Blocking;

impl Adapter for Blocking {
    fn connect(&self, mut pick: Pick, config: ClientConfig) -> Box<dyn Session> {
        let connector = move |intent: ReconnectIntent| {
            let place = pick(&intent);
            async move { blocking::carriers::dial(&blocking::PollRuntime::default(), &place).await }
        };
        Box::new(blocking::connect_with(config, connector).expect("because the configuration is sound"))
    }

    fn serve(&self, config: ServerConfig) -> Box<dyn Server> {
        Box::new(blocking::Server::new(config).expect("because the configuration is sound"))
    }
}

impl Server for blocking::Server {
    fn listen(&self, listener: TcpListener, acceptor: Acceptor) {
        blocking::Server::listen(self, listener, acceptor).expect("because it is a socket");
    }

    fn stop_listening(&self) {
        blocking::Server::stop_listening(self, LIMIT);
    }

    fn accept(&mut self) -> Box<dyn Session> {
        Box::new(self.accept_within(LIMIT).expect("a session").session)
    }

    fn sessions(&self) -> usize {
        self.handle().sessions().len()
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
        let opened = self.open_within(StreamOptions::default(), LIMIT);
        opened.expect("a stream").ok().map(halves)
    }

    fn accept(&self) -> Option<(Box<dyn Sender>, Box<dyn Receiver>)> {
        self.accept_within(LIMIT).expect("the peer's stream").map(halves)
    }

    fn events(&self) -> Box<dyn FnMut() -> Option<Event> + Send> {
        let mut events = blocking::Session::events(self);
        Box::new(move || events.next_within(LIMIT))
    }

    fn close(&self, code: u64) -> Arc<Ended> {
        let ended = self.close_within(code, Bytes::new(), LIMIT);
        ended.expect("because the code fits").expect("the end")
    }

    fn abort(&self) -> Arc<Ended> {
        blocking::Session::abort(self)
    }

    fn closed(&self) -> Arc<Ended> {
        self.closed_within(LIMIT).expect("the end")
    }

    fn migrate(&self, within: Duration) {
        self.get_ref().migrate(within, Bytes::new());
    }

    fn stats(&self) -> Stats {
        self.get_ref().stats()
    }

    fn connect_error(&self) -> Option<String> {
        self.get_ref().connect_error().map(|error| error.to_string())
    }

    fn handle(&self) -> Option<driver::Session> {
        Some(self.get_ref().clone())
    }
}

impl Sender for blocking::SendHalf {
    fn send(&mut self, message: Bytes) -> Result<(), SendError> {
        blocking::SendHalf::send(self, message)
    }

    fn try_send(&mut self, message: Bytes) -> Result<(), SendError> {
        self.get_mut().try_send(message)
    }

    fn finish(&mut self) {
        blocking::SendHalf::finish(self);
    }

    fn reset(&mut self, code: u64) {
        self.get_mut().reset(code).expect("because the code fits");
    }
}

impl Receiver for blocking::RecvHalf {
    fn recv(&mut self) -> Result<Option<Bytes>, RecvError> {
        blocking::RecvHalf::recv(self).map_err(|failure| match failure {
            blocking::RecvError::Stream(error) => error,
            late => panic!("never happened: a message ({late})"),
        })
    }

    fn stop(&mut self, code: u64) {
        self.get_mut().stop(code).expect("because the code fits");
    }
}
