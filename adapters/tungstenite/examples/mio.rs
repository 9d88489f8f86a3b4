//! A client and a server in one thread and one `mio` loop, without blocking and without a runtime. In the middle of it
//! the connection is cut; the session goes on.
//!
//! `cargo run -p unbroken-tungstenite --example mio`

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};

use bytes::Bytes;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use tungstenite::ClientRequestBuilder;
use unbroken_tungstenite::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tungstenite::proto::server::Placement;
use unbroken_tungstenite::proto::stream::{Chunk, StreamOptions};
use unbroken_tungstenite::proto::{Carrier, ClientConfig, Event, Instant, ServerConfig, Session, SessionId, StreamId};
use unbroken_tungstenite::{ByteStream, StepServer, Stepper, WebSocket, fresh_seed, tungstenite, uptime};

type Failure = Box<dyn std::error::Error>;

const MESSAGES: usize = 1_000;

/// mio's socket as a byte stream. It is open once it is connected.
struct Plug(TcpStream);

impl Read for Plug {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl Write for Plug {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl ByteStream for Plug {
    fn open(&mut self) -> io::Result<()> {
        if let Some(error) = self.0.take_error()? {
            return Err(error);
        }
        match self.0.peer_addr() {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Err(io::ErrorKind::WouldBlock.into()),
            connected => connected.map(drop),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

/// Readiness is edge-triggered: registered once for both directions, a socket is used until it blocks.
struct Ports {
    poll: Poll,
    used: usize,
}

impl Ports {
    fn plug(&mut self, mut stream: TcpStream) -> io::Result<Plug> {
        self.used += 1;
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(self.used), both)?;
        stream.set_nodelay(true)?;
        Ok(Plug(stream))
    }
}

fn main() -> Result<(), Failure> {
    let secret = SharedSecret::from_key(b"example", [42; 32])?;
    let mut ports = Ports {
        poll: Poll::new()?,
        used: 0,
    };
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    ports
        .poll
        .registry()
        .register(&mut listener, Token(0), Interest::READABLE)?;
    let config = ServerConfig::new(ServerAuth::secrets(vec![secret.clone()]));
    let mut server = Server {
        server: StepServer::new(config, fresh_seed()?, uptime(), |_request| Ok(Placement::default()))?,
        listener,
        sessions: BTreeMap::new(),
        over: false,
    };
    let config = ClientConfig::new(Auth::secret(secret));
    let mut client = Client {
        stepper: Stepper::connect(config, fresh_seed()?, uptime())?,
        server: server.listener.local_addr()?,
        stream: None,
        echoed: 0,
        cut: false,
        over: false,
    };
    let mut events = Events::with_capacity(64);
    while !(client.over && server.over) {
        let now = uptime();
        let waits = [client.turn(now, &mut ports)?, server.turn(now, &mut ports)?];
        ports.poll.poll(&mut events, waits.into_iter().flatten().min())?;
    }
    let swaps = client.stepper.session().stats().attaches;
    println!("{} messages echoed over {swaps} connections", client.echoed);
    Ok(())
}

struct Client {
    stepper: Stepper<WebSocket<Plug>>,
    server: SocketAddr,
    stream: Option<StreamId>,
    echoed: usize,
    cut: bool,
    over: bool,
}

impl Client {
    /// Everything that can be done now; returns how long there is nothing to do.
    fn turn(&mut self, now: Instant, ports: &mut Ports) -> Result<Option<std::time::Duration>, Failure> {
        if let Some(intent) = self.stepper.poll_intent(now) {
            match self.dial(ports) {
                Ok(connection) => self.stepper.dialled(intent.attempt, Carrier::ordered(), connection),
                Err(error) => self.stepper.dial_failed(now, intent.attempt, &error),
            }
        }
        if self.stream.is_none() {
            let session = self.stepper.session_mut();
            let stream = session.open(now, StreamOptions::default())?;
            for number in 0..MESSAGES {
                session.send(now, stream, Bytes::from(number.to_string()))?;
            }
            session.finish(now, stream)?;
            self.stream = Some(stream);
            self.listen(now, stream);
        }
        let next = self.stepper.step(now);
        let mut news = false;
        while let Some(event) = self.stepper.session_mut().poll_event() {
            news = true;
            match event {
                Event::Readable(stream) => self.listen(now, stream),
                Event::Detached { cause } => println!("connection lost ({cause}), session goes on"),
                Event::Ended(ended) => {
                    println!(
                        "ended: {:?}, all delivered: {}",
                        ended.reason,
                        ended.fates.all_delivered()
                    );
                    self.over = true;
                }
                _ => {}
            }
        }
        Ok(if news {
            Some(std::time::Duration::ZERO)
        } else {
            next.wait(now)
        })
    }

    fn dial(&self, ports: &mut Ports) -> io::Result<WebSocket<Plug>> {
        let url = format!("ws://{}/", self.server).parse().map_err(io::Error::other)?;
        let plug = ports.plug(TcpStream::connect(self.server)?)?;
        WebSocket::dialled(plug, ClientRequestBuilder::new(url))
    }

    fn listen(&mut self, now: Instant, stream: StreamId) {
        while let Ok(Some(chunk)) = self.stepper.session_mut().recv(now, stream) {
            match chunk {
                Chunk::Data { payload, .. } => {
                    assert_eq!(payload, self.echoed.to_string());
                    self.echoed += 1;
                }
                Chunk::End => self.stepper.session_mut().close(now, 0, Bytes::from("done")),
            }
        }
        if self.echoed > 0 && !self.cut {
            self.cut = true;
            let sockets = self.stepper.connections().filter_map(WebSocket::get_ref);
            sockets.for_each(|plug| drop(plug.0.shutdown(Shutdown::Both)));
        }
    }
}

struct Server {
    server: StepServer<WebSocket<Plug>>,
    listener: TcpListener,
    /// What each session's streams still have to send back.
    sessions: BTreeMap<SessionId, BTreeMap<StreamId, Echo>>,
    over: bool,
}

#[derive(Default)]
struct Echo {
    refused: Option<Bytes>,
}

impl Server {
    fn turn(&mut self, now: Instant, ports: &mut Ports) -> io::Result<Option<std::time::Duration>> {
        while let Ok((stream, _)) = self.listener.accept() {
            let connection = WebSocket::accepted(ports.plug(stream)?);
            self.server.accept(now, Carrier::ordered(), connection);
        }
        let next = self.server.step(now);
        while let Some((id, _request)) = self.server.poll_established() {
            self.sessions.insert(id, BTreeMap::new());
        }
        let mut news = false;
        for (id, streams) in &mut self.sessions {
            news |= self
                .server
                .session_mut(*id)
                .is_some_and(|session| serve(now, session, streams));
        }
        let server = &mut self.server;
        self.sessions.retain(|id, _| server.remove(*id).is_none());
        self.over = self.sessions.is_empty() && server.registry().snapshot().ended > 0;
        Ok(if news {
            Some(std::time::Duration::ZERO)
        } else {
            next.wait(now)
        })
    }
}

/// Echoes one session's streams, as far as there is something to echo and room for it. True: it was called.
fn serve(now: Instant, session: &mut Session, streams: &mut BTreeMap<StreamId, Echo>) -> bool {
    let mut news = false;
    while session.poll_event().is_some() {
        news = true;
    }
    if !news {
        return false;
    }
    while let Some(accepted) = session.accept(now) {
        streams.insert(accepted.id, Echo::default());
    }
    streams.retain(|stream, echo| echo.turn(now, session, *stream));
    true
}

impl Echo {
    /// False once the stream is over.
    fn turn(&mut self, now: Instant, session: &mut Session, stream: StreamId) -> bool {
        loop {
            let payload = match self.refused.take() {
                Some(payload) => payload,
                None => match session.recv(now, stream) {
                    Ok(Some(Chunk::Data { payload, .. })) => payload,
                    Ok(None) => return true,
                    Ok(Some(Chunk::End)) => return session.finish(now, stream).is_err(),
                    Err(_) => return false,
                },
            };
            if let Err(full) = session.send(now, stream, payload) {
                self.refused = Some(full.payload);
                return true;
            }
        }
    }
}
