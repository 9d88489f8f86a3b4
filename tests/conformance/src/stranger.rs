//! Somebody on a socket who is no peer, and what such people do.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tungstenite::handshake::derive_accept_key;
use unbroken_carriers::SUBPROTOCOL;
use unbroken_carriers::rustls::crypto::ring;
use unbroken_carriers::rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
};

use crate::block::LIMIT;
use crate::world::{Carrier, identity};

/// One thing to do to a peer; an error when it has let go.
pub type Attack = fn(&mut Stranger) -> io::Result<()>;

/// A masked pong, a masked empty fragment that continues, a masked text, half of a masked frame, and a masked goodbye.
const FRAMES: [&[u8]; 5] = [
    &[0x8a, 0x80, 1, 2, 3, 4],
    &[0x00, 0x80, 1, 2, 3, 4],
    &[0x81, 0x81, 0, 0, 0, 0, 65],
    &[0x82, 0xfe, 1],
    &[0x88, 0x80, 1, 2, 3, 4],
];

/// A stranger on its end of a socket.
#[derive(Debug)]
pub struct Stranger {
    socket: TcpStream,
    carrier: Carrier,
    /// Somebody dialled it, and not the other way round.
    dialled: bool,
    tls: Option<Connection>,
    read: Vec<u8>,
}

/// What strangers do who dial.
#[must_use]
pub fn dialling(carrier: Carrier) -> Vec<(&'static str, Attack)> {
    let mut attacks = below(carrier);
    let inside: &[(&str, Attack)] = match carrier {
        Carrier::Tcp | Carrier::Tls => PACKETS,
        Carrier::Ws | Carrier::Wss => &[
            ("a head without an end", |it| {
                it.inside(&[]).and_then(|()| it.forever(b"GET / HTTP/1.1\r\nx: y"))
            }),
            ("a slow head", |it| it.inside(&[]).and_then(|()| it.drip(&upgrade()))),
            ("half a head", |it| it.inside(&upgrade()[..50])),
            ("an upgrade and silence", |it| it.inside(&upgrade())),
            ("pongs", |it| it.inside(&upgrade()).and_then(|()| it.forever(FRAMES[0]))),
            ("fragments", |it| {
                it.inside(&upgrade()).and_then(|()| it.forever(FRAMES[1]))
            }),
            ("text", |it| it.inside(&upgrade()).and_then(|()| it.forever(FRAMES[2]))),
            ("half a frame", |it| {
                it.inside(&upgrade()).and_then(|()| it.say(FRAMES[3]))
            }),
            ("a goodbye and more", |it| {
                it.inside(&upgrade()).and_then(|()| it.forever(FRAMES[4]))
            }),
        ],
    };
    attacks.extend(inside);
    attacks
}

/// What strangers do who are dialled.
#[must_use]
pub fn listening(carrier: Carrier) -> Vec<(&'static str, Attack)> {
    let mut attacks = below(carrier);
    let inside: &[(&str, Attack)] = match carrier {
        Carrier::Tcp | Carrier::Tls => PACKETS,
        Carrier::Ws | Carrier::Wss => &[
            ("an answer without an end", |it| {
                it.inside(&[]).and_then(|()| it.forever(b"HTTP/1.1 101 X\r\nx: y"))
            }),
            ("half an answer", |it| it.inside(b"HTTP/1.1 101 Sw")),
            ("an upgrade and silence", Stranger::upgraded),
            ("pongs", |it| it.upgraded().and_then(|()| it.forever(&[0x8a, 0]))),
            ("fragments", |it| it.upgraded().and_then(|()| it.forever(&[0x00, 0]))),
            ("text", |it| it.upgraded().and_then(|()| it.forever(&[0x81, 1, 65]))),
            ("a goodbye and more", |it| {
                it.upgraded().and_then(|()| it.forever(&[0x88, 0]))
            }),
        ],
    };
    attacks.extend(inside);
    attacks
}

/// What can be done to any socket, and to TLS.
fn below(carrier: Carrier) -> Vec<(&'static str, Attack)> {
    let mut attacks: Vec<(&str, Attack)> = vec![
        ("silence", |_| Ok(())),
        ("an end at once", |it| it.socket.shutdown(Shutdown::Write)),
        ("noise", |it| it.below_forever(&[0x16, 3, 1, 0xff, 0xff, 0, 0x41])),
        ("a byte now and then", |it| it.drip(&[0x16, 3, 1, 0x40, 0])),
    ];
    if matches!(carrier, Carrier::Tls | Carrier::Wss) {
        attacks.extend::<[(&str, Attack); 9]>([
            ("half a handshake", |it| {
                it.socket.write_all(&[0x16, 3, 1, 0x40, 0, 1, 0, 0x3f])
            }),
            ("records of one byte", |it| it.below_forever(&[0x16, 3, 1, 0, 1, 1])),
            ("a handshake and silence", |it| it.inside(&[])),
            ("a handshake and a goodbye", |it| {
                it.inside(&[]).and_then(|()| it.goodbye())
            }),
            ("a goodbye and more", |it| {
                it.inside(b"\0")
                    .and_then(|()| it.goodbye())
                    .and_then(|()| it.below_forever(&[23]))
            }),
            ("an end without a goodbye", |it| {
                it.inside(b"\0").and_then(|()| it.socket.shutdown(Shutdown::Write))
            }),
            ("another handshake inside", |it| {
                it.inside(&[])
                    .and_then(|()| it.below_forever(&[0x16, 3, 3, 0, 4, 1, 0, 0, 0]))
            }),
            ("other keys, again and again", Stranger::new_keys),
            ("empty records", |it| {
                it.inside(&[]).and_then(|()| it.below_forever(&[0x17, 3, 3, 0, 0]))
            }),
        ]);
    }
    attacks
}

/// What can be done where packets are expected.
const PACKETS: &[(&str, Attack)] = &[
    ("senseless packets", |it| {
        it.inside(&[]).and_then(|()| it.forever(&[0, 3, 99, 2, 3]))
    }),
    ("empty packets", |it| it.inside(&[]).and_then(|()| it.forever(&[0, 0]))),
    ("a packet that does not come", |it| it.inside(&[0xff, 0xff])),
    ("half a packet", |it| it.inside(&[0, 200, 1, 1, 1])),
    ("a slow packet", |it| it.inside(&[3, 0xe8]).and_then(|()| it.drip(&[1]))),
];

fn upgrade() -> Vec<u8> {
    let head = "GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: ";
    format!("{head}{SUBPROTOCOL}\r\n\r\n").into_bytes()
}

impl Stranger {
    /// Who dials.
    #[must_use]
    pub fn dialling(socket: TcpStream, carrier: Carrier) -> Stranger {
        Stranger::new(socket, carrier, false)
    }

    /// Who is dialled.
    #[must_use]
    pub fn dialled(socket: TcpStream, carrier: Carrier) -> Stranger {
        Stranger::new(socket, carrier, true)
    }

    fn new(socket: TcpStream, carrier: Carrier, dialled: bool) -> Stranger {
        let limits = (
            socket.set_read_timeout(Some(LIMIT)),
            socket.set_write_timeout(Some(LIMIT)),
        );
        assert!(limits.0.is_ok() && limits.1.is_ok(), "it is a socket");
        Stranger {
            socket,
            carrier,
            dialled,
            tls: None,
            read: Vec::new(),
        }
    }

    /// Does it, and waits to be let go.
    ///
    /// # Panics
    /// The peer does not let go.
    pub fn run(mut self, name: &str, attack: Attack) {
        let late = |error: &io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        let outcome = attack(&mut self).and_then(|()| io::copy(&mut self.socket, &mut io::sink()));
        assert!(!outcome.is_err_and(|error| late(&error)), "{name}: it was never let go");
    }

    /// Goes through TLS, where there is any, and says `first`.
    fn inside(&mut self, first: &[u8]) -> io::Result<()> {
        if matches!(self.carrier, Carrier::Tls | Carrier::Wss) && self.tls.is_none() {
            let mut tls = if self.dialled { server()? } else { client()? };
            while tls.is_handshaking() {
                tls.complete_io(&mut self.socket)?;
            }
            self.tls = Some(tls);
        }
        self.say(first)
    }

    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(tls) = &mut self.tls else {
            return self.socket.write_all(bytes);
        };
        tls.writer().write_all(bytes)?;
        while tls.wants_write() {
            tls.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    fn forever(&mut self, bytes: &[u8]) -> io::Result<()> {
        let many = bytes.repeat(500);
        loop {
            self.say(&many)?;
        }
    }

    fn below_forever(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tls = None;
        self.forever(bytes)
    }

    fn drip(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes.iter().cycle() {
            self.say(&[*byte])?;
            thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    fn goodbye(&mut self) -> io::Result<()> {
        self.tls.iter_mut().for_each(|tls| tls.send_close_notify());
        self.say(&[])
    }

    fn new_keys(&mut self) -> io::Result<()> {
        self.inside(&[])?;
        loop {
            if let Some(tls) = &mut self.tls {
                tls.refresh_traffic_keys().map_err(io::Error::other)?;
            }
            self.say(&[])?;
        }
    }

    /// Answers the request for an upgrade as a server does.
    fn upgraded(&mut self) -> io::Result<()> {
        self.inside(&[])?;
        while !self.read.ends_with(b"\r\n\r\n") {
            self.read_more()?;
        }
        let head = String::from_utf8_lossy(&self.read).into_owned();
        let key = head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.to_owned())
        });
        let accept = derive_accept_key(key.unwrap_or_default().as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-accept: {accept}\r\nsec-websocket-protocol: {SUBPROTOCOL}\r\n\r\n"
        );
        self.say(answer.as_bytes())
    }

    fn read_more(&mut self) -> io::Result<()> {
        let mut buffer = [0; 4_096];
        let read = match &mut self.tls {
            None => self.socket.read(&mut buffer)?,
            Some(tls) => {
                let read = tls.read_tls(&mut self.socket)?;
                tls.process_new_packets().map_err(io::Error::other)?;
                match tls.reader().read(&mut buffer) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock && read > 0 => return Ok(()),
                    read => read?,
                }
            }
        };
        self.read.extend_from_slice(&buffer[..read]);
        if read == 0 {
            Err(ErrorKind::UnexpectedEof.into())
        } else {
            Ok(())
        }
    }
}

fn client() -> io::Result<Connection> {
    let mut roots = RootCertStore::empty();
    roots.add(identity().0).map_err(io::Error::other)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().map_err(io::Error::other)?;
    let made = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    Ok(made.into())
}

fn server() -> io::Result<Connection> {
    let (certificate, key) = identity();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(vec![certificate], key))
        .map_err(io::Error::other)?;
    Ok(ServerConnection::new(Arc::new(config))
        .map_err(io::Error::other)?
        .into())
}
