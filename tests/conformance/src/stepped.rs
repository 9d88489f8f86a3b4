//! unbroken-tungstenite, stepped: a loop that polls sockets and drives machines, as a host of its own would. What the
//! suite waits for it looks for again and again, so that no wake-up of ours hides one that the loop lost.

mod host;
mod session;

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use unbroken_carriers::Acceptor;
use unbroken_proto::{ClientConfig, ServerConfig, SessionId};
use unbroken_tungstenite::{Framed, StepServer, Stepper, WebSocket, Wire, fresh_seed, uptime};

use crate::adapter::{Adapter, Pick, Server, Session};
use crate::block::eventually;
use crate::blocking::tls;

use host::{Client, House, Loop};
use session::Handle;

/// unbroken-tungstenite, a loop for each client and server.
pub struct Stepped;

impl Adapter for Stepped {
    fn connect(&self, pick: Pick, config: ClientConfig) -> Box<dyn Session> {
        let seed = fresh_seed().expect("because the system has entropy");
        let stepper = Stepper::connect(config, seed, uptime()).expect("because the configuration is sound");
        let home = Loop::start(Client::new(stepper, pick));
        Box::new(Handle::new(home, SessionId([0; 16])))
    }

    fn serve(&self, config: ServerConfig) -> Box<dyn Server> {
        let seed = fresh_seed().expect("because the system has entropy");
        let server = StepServer::new(config, seed, uptime(), |_| Ok(Default::default()));
        let server = server.expect("because the configuration is sound");
        Box::new(SteppedServer(Loop::start(House::new(server))))
    }
}

struct SteppedServer(Arc<Loop<House>>);

impl Server for SteppedServer {
    fn listen(&self, listener: TcpListener, acceptor: Acceptor) {
        listener.set_nonblocking(true).expect("because it is a socket");
        self.0.with(|house| house.listeners.push((listener, acceptor)));
    }

    fn stop_listening(&self) {
        self.0.with(|house| house.listeners.clear());
    }

    fn accept(&mut self) -> Box<dyn Session> {
        let mut found = None;
        eventually("a session", || {
            found = self.0.with(|house| house.established.pop_front());
            found.is_some()
        });
        let id = found.expect("because it is there");
        Box::new(Handle::new(Arc::clone(&self.0), id))
    }

    fn sessions(&self) -> usize {
        self.0.with(|house| house.server.registry().sessions().count())
    }
}

impl Drop for SteppedServer {
    fn drop(&mut self) {
        self.stop_listening();
    }
}

/// An accepted socket, as a connection that does not block.
fn admit(stream: TcpStream, acceptor: &Acceptor) -> io::Result<Wire> {
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    let tls = &tls().1;
    match (acceptor.is_websocket(), acceptor.is_secure()) {
        (true, true) => Wire::new(stream, |socket| Ok(WebSocket::accepted(tls.accept(socket)?))),
        (true, false) => Wire::new(stream, |socket| Ok(WebSocket::accepted(socket))),
        (false, true) => Wire::new(stream, |socket| Ok(Framed::accepted(tls.accept(socket)?))),
        (false, false) => Wire::new(stream, |socket| Ok(Framed::accepted(socket))),
    }
}
