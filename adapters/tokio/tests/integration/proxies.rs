//! Limits on each origin behind a proxy, over real sockets: everybody here is on loopback, the proxy and whoever forges its words.

use std::net::SocketAddr;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use unbroken_tokio::proto::config::Rate;
use unbroken_tokio::{
    Acceptor, Address, Compat, ConnectError, Connected, ForwardingHeader, Server, Session, TrustedProxies, connect_with,
};

use crate::common::{self, client_config, server_config, soon};

/// How a client comes in.
#[derive(Clone, Copy, Debug)]
enum Way {
    V1,
    V2,
    Forwarded,
    XForwardedFor,
}

const WAYS: [Way; 4] = [Way::V1, Way::V2, Way::Forwarded, Way::XForwardedFor];

impl Way {
    fn acceptor(self, trusted: &str) -> Acceptor {
        let proxies = TrustedProxies::new([trusted.parse().unwrap()]);
        match self {
            Way::V1 | Way::V2 => Acceptor::tcp().behind(proxies.proxy_protocol()),
            Way::Forwarded => Acceptor::websocket().behind(proxies.header(ForwardingHeader::Forwarded)),
            Way::XForwardedFor => Acceptor::websocket().behind(proxies.header(ForwardingHeader::XForwardedFor)),
        }
    }

    /// What a proxy says that passes on a client of this address.
    fn said(self, client: [u8; 4]) -> (Vec<u8>, Option<(&'static str, String)>) {
        let [a, b, c, d] = client;
        let text = format!("{a}.{b}.{c}.{d}");
        match self {
            Way::V1 => (format!("PROXY TCP4 {text} 127.0.0.1 4711 80\r\n").into_bytes(), None),
            Way::V2 => {
                let addresses = [a, b, c, d, 127, 0, 0, 1, 1, 1, 0, 80];
                ([&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &addresses].concat(), None)
            }
            Way::Forwarded => (
                Vec::new(),
                Some(("forwarded", format!("for=6.6.6.6, for=\"{text}:4711\""))),
            ),
            Way::XForwardedFor => (Vec::new(), Some(("x-forwarded-for", format!("6.6.6.6, {text}")))),
        }
    }

    /// Dials once, so that nobody who was refused comes again.
    async fn dial(self, server: SocketAddr, client: [u8; 4]) -> Result<Connected, ConnectError> {
        let (before, header) = self.said(client);
        let mut socket = TcpStream::connect(server).await?;
        socket.write_all(&before).await?;
        let address = match header {
            Some((name, value)) => Address::parse(&format!("ws://{server}/")).unwrap().header(name, &value),
            None => Address::parse(&format!("tcp://{server}")),
        };
        address.unwrap().connect(Compat(socket)).await
    }

    fn client(self, server: SocketAddr, client: [u8; 4]) -> Session {
        let dialled = std::sync::atomic::AtomicBool::new(false);
        let connector = move |_| {
            let again = dialled.swap(true, std::sync::atomic::Ordering::Relaxed);
            async move {
                if again {
                    std::future::pending::<()>().await;
                }
                self.dial(server, client).await
            }
        };
        connect_with(client_config(), connector).unwrap()
    }
}

/// A server that lets each peer begin one session, and does not forget that soon.
async fn server(acceptor: Acceptor) -> (Server, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = server_config();
    config.peer_hellos = Some(Rate {
        per_second: 1,
        burst: 1,
    });
    let server = Server::new(config).unwrap();
    server.listen(listener, acceptor);
    (server, address)
}

fn over_the_limit(server: &Server) -> u64 {
    server.handle().snapshot().refused.peer_limit
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_behind_one_proxy_do_not_share_a_limit() {
    for way in WAYS {
        let (mut server, address) = server(way.acceptor("127.0.0.0/8")).await;
        for client in 1..=8 {
            let _session = way.client(address, [192, 0, client, 7]);
            soon("a session", server.accept()).await;
        }
        assert_eq!(over_the_limit(&server), 0, "{way:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_forges_a_proxys_words_is_limited_as_himself() {
    for way in [Way::Forwarded, Way::XForwardedFor] {
        let (mut server, address) = server(way.acceptor("10.0.0.0/8")).await;
        // One a second may begin a session: of so many at once not all do.
        let sessions: Vec<_> = (1..=50)
            .map(|client| way.client(address, [192, 0, client, 7]))
            .collect();
        soon("a session", server.accept()).await;
        common::eventually("the others share its limit", || over_the_limit(&server) > 0).await;
        drop(sessions);
    }
    // The PROXY protocol is not looked for: its header is no packet.
    for way in [Way::V1, Way::V2] {
        let (server, address) = server(way.acceptor("10.0.0.0/8")).await;
        let mut connection = way.dial(address, [192, 0, 2, 7]).await.unwrap().connection;
        let ended = soon("the end", std::future::poll_fn(|cx| connection.as_mut().poll_next(cx))).await;
        assert!(ended.is_none_or(|packet| packet.is_err()), "{way:?}");
        assert_eq!(server.handle().sessions().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_says_nothing_is_let_go_in_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut config = server_config();
    config.session.handshake_timeout = std::time::Duration::from_millis(50);
    let server = Server::new(config).unwrap();
    server.listen(listener, Way::V1.acceptor("127.0.0.0/8"));
    for said in [&b""[..], b"PROXY TCP4 ", b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n"] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(said).await.unwrap();
        let mut heard = Vec::new();
        let end = tokio::io::AsyncReadExt::read_to_end(&mut socket, &mut heard);
        let _reset_or_closed = soon("the end", end).await;
        assert!(heard.is_empty());
    }
}
