//! Sessions through a gateway that takes no long messages, on every adapter: it closes the connection above some length, with
//! the close code 1009 or without a word. The session sends shorter packets then, and nothing is lost.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use bytes::Bytes;
use unbroken_conformance::suite::streams::{echo_streams, round_trip};
use unbroken_conformance::world::{client_config, free_port, pattern, server_config};
use unbroken_conformance::{Adapter, Carrier};

/// What its gateway lets through, type byte and tag included.
const LONGEST: usize = 3_000;

/// The two halves of a connection, as one direction sees them.
struct Way {
    from: TcpStream,
    to: TcpStream,
    /// Frames to the server are masked, and so would be a close from there.
    masked: bool,
}

impl Way {
    /// Forwards the head of a request or an answer.
    fn head(&mut self) -> io::Result<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            self.from.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        self.to.write_all(&head)
    }

    /// Forwards one frame of a WebSocket. False: it was too long, and is not forwarded.
    fn frame(&mut self) -> io::Result<bool> {
        let mut header = vec![0; 2];
        self.from.read_exact(&mut header)?;
        let length = match header[1] & 0x7f {
            126 => {
                let mut length = [0; 2];
                self.from.read_exact(&mut length)?;
                header.extend(length);
                usize::from(u16::from_be_bytes(length))
            }
            length => usize::from(length),
        };
        let mut rest = vec![0; length + if self.masked { 4 } else { 0 }];
        self.from.read_exact(&mut rest)?;
        let fits = length <= LONGEST;
        if fits {
            header.extend(rest);
            self.to.write_all(&header)?;
        }
        Ok(fits)
    }

    /// Forwards one packet of a byte stream.
    fn packet(&mut self) -> io::Result<bool> {
        let mut prefix = [0; 2];
        self.from.read_exact(&mut prefix)?;
        let length = usize::from(u16::from_be_bytes(prefix));
        let mut packet = prefix.to_vec();
        packet.resize(2 + length, 0);
        self.from.read_exact(&mut packet[2..])?;
        if length <= LONGEST {
            self.to.write_all(&packet)?;
        }
        Ok(length <= LONGEST)
    }

    fn forward(&mut self, carrier: Carrier, tells: bool) -> io::Result<()> {
        if carrier == Carrier::Ws {
            self.head()?;
        }
        loop {
            let fits = match carrier {
                Carrier::Ws => self.frame()?,
                _ => self.packet()?,
            };
            if fits {
                continue;
            }
            if tells {
                // 1009, to who sent it: in clear from a server, masked with zeros from a client.
                let close: &[u8] = match self.masked {
                    true => &[0x88, 2, 0x03, 0xf1],
                    false => &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xf1],
                };
                self.from.write_all(close)?;
                self.from.shutdown(Shutdown::Write)?;
                // What comes meanwhile is of no interest; a reset would overtake the close.
                io::copy(&mut self.from, &mut io::sink())?;
            }
            return Ok(());
        }
    }
}

/// Where it listens, and how many connections it has seen.
fn gateway(server: SocketAddr, carrier: Carrier, tells: bool) -> (SocketAddr, Arc<AtomicU32>) {
    let (listener, address) = free_port();
    let seen = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&seen);
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            count.fetch_add(1, Ordering::Relaxed);
            let server = TcpStream::connect(server).expect("because it listens");
            for masked in [true, false] {
                let clone = |socket: &TcpStream| socket.try_clone().expect("because there are files");
                let (from, to) = if masked { (&client, &server) } else { (&server, &client) };
                let mut way = Way {
                    from: clone(from),
                    to: clone(to),
                    masked,
                };
                thread::spawn(move || {
                    let _over = way.forward(carrier, tells);
                    for socket in [&way.from, &way.to] {
                        let _closed = socket.shutdown(Shutdown::Both);
                    }
                });
            }
        }
    });
    (address, seen)
}

fn long_messages_pass_a_gateway_that_takes_none(adapter: &'static dyn Adapter, carrier: Carrier, tells: bool) {
    let (listener, address) = free_port();
    let mut server = adapter.serve(server_config());
    server.listen(listener, carrier.acceptor());
    let (address, seen) = gateway(address, carrier, tells);
    let there = carrier.address(address);
    let session = adapter.connect(Box::new(move |_: &_| there.clone()), client_config());
    // What it says first is long already.
    thread::spawn(move || {
        echo_streams(server.accept());
        // The server is not dropped before the process ends.
        loop {
            thread::park();
        }
    });
    let messages: Vec<Bytes> = (0..40).map(|n| pattern(n, 30_000)).collect();
    let (send, mut recv) = session.open().expect("because there is room");
    round_trip(messages, send, &mut *recv);
    let seen = seen.load(Ordering::Relaxed);
    // Each end finds out for itself, in three halvings; who is not told needs one connection more.
    assert!((2..=if tells { 8 } else { 11 }).contains(&seen), "{seen} connections");
    session.abort();
}

macro_rules! on {
    ($($room:ident: $adapter:ident),*) => {
        $(mod $room {
            use unbroken_conformance::Carrier;
            use unbroken_conformance::adapters::$adapter;

            use super::long_messages_pass_a_gateway_that_takes_none;

            #[test]
            fn one_that_says_so() {
                long_messages_pass_a_gateway_that_takes_none(&$adapter, Carrier::Ws, true);
            }

            #[test]
            fn one_that_closes() {
                long_messages_pass_a_gateway_that_takes_none(&$adapter, Carrier::Ws, false);
                long_messages_pass_a_gateway_that_takes_none(&$adapter, Carrier::Tcp, false);
            }
        })*
    };
}

on!(tokio: Tokio, smol: Smol, async_std: AsyncStd, blocking: Blocking, stepped: Stepped);
