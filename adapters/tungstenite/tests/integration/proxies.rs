//! Limits on each origin behind a proxy, with a thread for each connection.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use unbroken_tungstenite::proto::Cause;
use unbroken_tungstenite::proto::config::Rate;
use unbroken_tungstenite::{
    Acceptor, ConnectError, Connected, Framed, Server, Session, Socket, TrustedProxies, blocking, connect_with,
};

use crate::common::{LIMIT, client_config, eventually, free_port, server_config};

/// A server that lets each peer begin one session, and trusts proxies of this prefix.
fn server(trusted: &str) -> (Server, SocketAddr) {
    let (listener, address) = free_port();
    let mut config = server_config();
    config.peer_hellos = Some(Rate {
        per_second: 1,
        burst: 1,
    });
    let server = Server::new(config).unwrap();
    let proxies = TrustedProxies::new([trusted.parse().unwrap()]).proxy_protocol();
    server.listen(listener, Acceptor::tcp().behind(proxies)).unwrap();
    (server, address)
}

/// A client that says `before` first, and dials once.
fn client(server: SocketAddr, before: String) -> Session {
    let dialled = AtomicBool::new(false);
    let dial = blocking(move |_| {
        if dialled.swap(true, Ordering::Relaxed) {
            return Err(ConnectError::new(Cause::NoService));
        }
        let mut socket = TcpStream::connect(server)?;
        socket.write_all(before.as_bytes())?;
        Ok(Connected::ordered(Framed::new(Socket::new(socket)?)))
    });
    connect_with(client_config(), dial).unwrap()
}

#[test]
fn clients_behind_one_proxy_do_not_share_a_limit() {
    let (server, address) = server("127.0.0.0/8");
    for number in 1..=8 {
        let _session = client(address, format!("PROXY TCP4 192.0.{number}.7 127.0.0.1 4711 80\r\n"));
        server.accept_within(LIMIT).unwrap();
    }
    assert_eq!(server.handle().snapshot().refused.peer_limit, 0);
}

#[test]
fn whoever_is_not_trusted_is_limited_as_himself() {
    let (server, address) = server("10.0.0.0/8");
    let _sessions: Vec<_> = (0..20).map(|_| client(address, String::new())).collect();
    server.accept_within(LIMIT).unwrap();
    eventually("the others share its limit", || {
        server.handle().snapshot().refused.peer_limit > 0
    });
}
