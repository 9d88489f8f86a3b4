//! A client and a server in one thread and one `mio` loop, without blocking and without a runtime. In the middle of it
//! the connection is cut; the session goes on.
//!
//! `cargo run -p unbroken-tungstenite --example mio`

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use bytes::Bytes;
use mio::unix::SourceFd;
use mio::{Events, Poll, Token};
use unbroken_tungstenite::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tungstenite::proto::stream::StreamOptions;
use unbroken_tungstenite::proto::{Cause, ClientConfig, ServerConfig};
use unbroken_tungstenite::{Acceptor, Address, Interest, RecvHalf, SendHalf, Server, Session, Stepper, carriers};

type Failure = Box<dyn Error>;

const MESSAGES: usize = 1_000;
/// Calls with this limit look once and never block.
const NOW: Duration = Duration::ZERO;

fn main() -> Result<(), Failure> {
    let secret = SharedSecret::from_key(b"example", [42; 32])?;
    let mut stepper = Stepper::new()?;
    let runtime = stepper.runtime();

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = Address::parse(&format!("ws://{}/", listener.local_addr()?))?;
    let config = ServerConfig::new(ServerAuth::secrets(vec![secret.clone()]));
    let server = Server::with_runtime(runtime.clone(), config, |_request| Ok(()))?;
    server.listen(listener, Acceptor::websocket())?;
    let mut echo = Echo {
        server,
        session: None,
        stream: None,
    };
    let mut client = Client {
        session: carriers::connect(runtime, address, ClientConfig::new(Auth::secret(secret)))?.into(),
        stream: None,
        sent: 0,
        echoed: 0,
    };

    let mut watched = Watched {
        poll: Poll::new()?,
        interests: HashMap::new(),
    };
    let mut events = Events::with_capacity(64);
    while client.session.get_ref().ended().is_none() {
        stepper.step();
        client.turn()?;
        echo.turn();
        watched.update(&stepper)?;
        match watched.poll.poll(&mut events, stepper.timeout()) {
            // A signal is no error: the next turn finds out how long to wait.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            polled => polled?,
        }
    }
    let (swaps, ended) = (client.session.get_ref().stats().attaches, client.session.closed());
    println!("{} messages echoed over {swaps} connections", client.echoed);
    println!("all delivered: {}", ended.fates.all_delivered());
    Ok(())
}

/// What mio waits for: each descriptor is registered once, for both directions, and tells by edges.
struct Watched {
    poll: Poll,
    interests: HashMap<u64, Interest>,
}

impl Watched {
    fn update(&mut self, stepper: &Stepper) -> io::Result<()> {
        let wanted: HashMap<_, _> = stepper
            .interests()
            .into_iter()
            .map(|interest| (interest.token(), interest))
            .collect();
        let registry = self.poll.registry();
        for (_, gone) in self.interests.iter().filter(|(token, _)| !wanted.contains_key(token)) {
            registry.deregister(&mut SourceFd(&gone.as_fd().as_raw_fd()))?;
        }
        for (token, new) in wanted.iter().filter(|(token, _)| !self.interests.contains_key(token)) {
            let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
            let token = Token(usize::try_from(*token).map_err(io::Error::other)?);
            registry.register(&mut SourceFd(&new.as_fd().as_raw_fd()), token, both)?;
        }
        self.interests = wanted;
        Ok(())
    }
}

struct Client {
    session: Session,
    stream: Option<(SendHalf, RecvHalf)>,
    sent: usize,
    echoed: usize,
}

impl Client {
    /// Everything that can be done now.
    fn turn(&mut self) -> Result<(), Failure> {
        let Some((send, recv)) = &mut self.stream else {
            if let Some(opened) = self.session.open_within(StreamOptions::default(), NOW) {
                let mut opened = opened?;
                opened.set_timeout(Some(NOW));
                self.stream = Some(opened.split());
            }
            return Ok(());
        };
        while self.sent < MESSAGES && send.send(Bytes::from(self.sent.to_string())).is_ok() {
            self.sent += 1;
        }
        while let Ok(Some(message)) = recv.recv() {
            assert_eq!(message, self.echoed.to_string());
            self.echoed += 1;
            if self.echoed == MESSAGES / 2 {
                println!("the connection is lost, the session goes on");
                self.session.get_ref().report_failure(Cause::Network);
            }
        }
        if self.echoed == MESSAGES {
            let _not_yet = self.session.close_within(0, Bytes::from("done"), NOW);
        }
        Ok(())
    }
}

/// Echoes the first stream of the first session.
struct Echo {
    server: Server,
    session: Option<Session>,
    stream: Option<(SendHalf, RecvHalf)>,
}

impl Echo {
    fn turn(&mut self) {
        if self.session.is_none() {
            self.session = self.server.accept_within(NOW).map(|accepted| accepted.session);
        }
        if let (Some(session), None) = (&self.session, &self.stream)
            && let Some(Some(mut stream)) = session.accept_within(NOW)
        {
            stream.set_timeout(Some(NOW));
            self.stream = Some(stream.split());
        }
        if let Some((send, recv)) = &mut self.stream {
            // Small messages, of which all fit.
            while let Ok(Some(message)) = recv.recv() {
                send.send(message).expect("because there is room");
            }
        }
    }
}
