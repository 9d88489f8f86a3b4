//! Peers that are none: they flood, dawdle and break off, below TLS, inside it, and inside a WebSocket. Who behaves is
//! served beside them, and they are let go.

use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::adapter::{Server, Session};
use crate::block::eventually;
use crate::relay::{Plan, Relay};
use crate::stranger::{Stranger, dialling, listening};
use crate::suite::streams::{echo_streams, round_trip};
use crate::world::{World, client_config, free_port, pattern, server_config};

/// How long strangers may take.
const PATIENCE: Duration = Duration::from_millis(250);

/// Messages there and back, once and in order.
fn talk(session: &dyn Session, seed: u64) {
    let (send, mut recv) = session.open().expect("because the session lives");
    let messages = (0..60).map(|number| pattern(seed + number, 4_000)).collect();
    round_trip(messages, send, &mut *recv);
}

/// A server that strangers attack all at once still serves its clients, those that come now among them.
pub fn strangers_beside_clients(world: &World) {
    let mut config = server_config();
    config.session.handshake_timeout = PATIENCE;
    let (mut server, address) = world.serve_with(config);
    let early = world.connect(address);
    early.established().expect("because a server is there");
    echo_streams(server.accept());
    let attackers: Vec<_> = dialling(world.carrier)
        .into_iter()
        .map(|(name, attack)| {
            let carrier = world.carrier;
            thread::spawn(move || {
                let socket = TcpStream::connect(address).expect("because somebody listens");
                Stranger::dialling(socket, carrier).run(name, attack);
            })
        })
        .collect();
    talk(&*early, 1_000);
    let late = world.connect(address);
    late.established().expect("because there is room");
    echo_streams(server.accept());
    talk(&*late, 2_000);
    for attacker in attackers {
        attacker.join().expect("because each was let go");
    }
    talk(&*early, 3_000);
    assert_eq!(early.stats().attaches, 1, "nobody disturbed it");
    assert_eq!(server.sessions(), 2, "no stranger got in");
    for session in [early, late] {
        assert!(session.close(0).fates.all_delivered());
    }
}

/// A client whose first dial ends at somebody who is no server gets through with the next. Each stranger has one.
pub fn dials_that_end_at_strangers(world: &World) {
    let (mut server, address) = world.serve();
    let mut config = client_config();
    config.session.handshake_timeout = PATIENCE;
    config.session.dial_timeout = PATIENCE;
    let carrier = world.carrier;
    let mut sessions = Vec::new();
    let mut strangers = Vec::new();
    for (name, attack) in listening(carrier) {
        let (listener, strange) = free_port();
        strangers.push(thread::spawn(move || {
            let (socket, _) = listener.accept().expect("because somebody dials");
            Stranger::dialled(socket, carrier).run(name, attack);
        }));
        let (mut first, home) = (Some(carrier.address(strange)), carrier.address(address));
        let pick = move |_: &_| first.take().unwrap_or_else(|| home.clone());
        sessions.push((name, world.client.connect(Box::new(pick), config.clone())));
    }
    sessions.iter().for_each(|_| echo_streams(server.accept()));
    for (seed, (name, session)) in (0..).zip(&sessions) {
        assert!(session.established().is_ok(), "{name}");
        talk(&**session, seed * 100);
        assert_eq!(session.stats().attaches, 1, "{name}");
    }
    for stranger in strangers {
        stranger.join().expect("because each was let go");
    }
}

/// Connections that end in an orderly way after each number of bytes, in one direction and in the other, up to and beyond
/// the end of all handshakes. Sixteen sessions share the numbers.
pub fn ends_within_every_handshake(world: &World) {
    let (mut server, address) = world.serve();
    let longest = measure(world, &mut *server, address);
    let sessions: Vec<_> = (0..16)
        .map(|lane| {
            let cuts = (0..6).map(|cut| 1 + (cut * 16 + lane) * longest / 96).collect();
            world.connect(ending(address, cuts))
        })
        .collect();
    sessions.iter().for_each(|_| echo_streams(server.accept()));
    for (seed, session) in (0..).zip(&sessions) {
        session.established().expect("because it gets through in the end");
        talk(&**session, seed * 100);
    }
    for session in sessions {
        assert!(session.close(0).fates.all_delivered());
    }
    eventually("the server forgot them", || server.sessions() == 0);
}

/// How many bytes go one way until a session is established, at most.
fn measure(world: &World, server: &mut dyn Server, address: SocketAddr) -> u64 {
    let relay = Relay::new(address, Plan::CALM);
    let session = world.connect(relay.address());
    session.established().expect("because a server is there");
    let _remote = server.accept();
    session.close(0);
    relay.bytes()
}

/// Where connections end that are passed on to `server`: the first after the first number of bytes, and so on.
fn ending(server: SocketAddr, cuts: Vec<u64>) -> SocketAddr {
    let (listener, address) = free_port();
    thread::spawn(move || pass_on(&listener, server, cuts));
    address
}

fn pass_on(listener: &TcpListener, server: SocketAddr, cuts: Vec<u64>) {
    let mut cuts = cuts.into_iter();
    for local in listener.incoming().flatten() {
        let remote = TcpStream::connect(server).expect("because somebody listens");
        let cut = cuts.next().unwrap_or(u64::MAX);
        for (from, to) in [(&local, &remote), (&remote, &local)] {
            let _late = (from.set_nodelay(true), to.set_nodelay(true));
            let (from, to) = (from.try_clone().expect("a copy"), to.try_clone().expect("a copy"));
            thread::spawn(move || {
                use std::io::Read;
                let _gone = std::io::copy(&mut (&from).take(cut), &mut &to);
                let _gone = (to.shutdown(Shutdown::Write), from.shutdown(Shutdown::Read));
            });
        }
    }
}
