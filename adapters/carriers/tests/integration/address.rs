//! Addresses: what is one, what is sent, and what is not shown.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::{SocketAddr, SocketAddrV6, ToSocketAddrs};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use tungstenite::handshake::server::{Request, Response};
use unbroken_carriers::{Address, AddressError, answer, parse_request};
use unbroken_driver::proto::reconnect::Strategies;
use unbroken_driver::{ByteStream, ConnectError};

/// Keeps what is written, and never answers.
#[derive(Clone, Default)]
struct Listening(Arc<Mutex<Vec<u8>>>);

impl ByteStream for Listening {
    fn poll_read_slice(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write(&mut self, _: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut written = self.0.lock().expect("because nothing panics");
        parts.iter().for_each(|part| written.extend_from_slice(part));
        Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The request that is sent to a WebSocket's address.
fn request(address: &Address) -> String {
    let stream = Listening::default();
    let mut connecting = pin!(address.connect(stream.clone()));
    let poll = connecting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_pending(), "it waits for the answer");
    let written = stream.0.lock().expect("because nothing panics");
    String::from_utf8_lossy(&written).into_owned()
}

fn parsed(address: &str) -> Address {
    Address::parse(address).expect("because it is an address")
}

#[test]
fn addresses_are_read() {
    for (text, address) in [
        ("here:7", ("here", 7)),
        ("127.0.0.1:7", ("127.0.0.1", 7)),
        ("[::1]:7", ("::1", 7)),
        ("tcp://here:7", ("here", 7)),
        ("tcp://here:7/", ("here", 7)),
        ("ws://here", ("here", 80)),
        ("ws://[::1]:8/x?y=z", ("::1", 8)),
        ("WS://Here:8", ("Here", 8)),
        ("ws://here:8?a=http://b:9/@", ("here", 8)),
    ] {
        assert_eq!(parsed(text).host_port(), address, "{text}");
    }
    for (text, error) in [
        ("", AddressError::Malformed),
        ("ws://here/#there", AddressError::Fragment),
        ("here:7#", AddressError::Fragment),
        ("ws://[fe80::1%25eth0]/", AddressError::Zone),
        ("ws://ex%61mple/", AddressError::Malformed),
        ("tcp://ex%61mple:7", AddressError::Malformed),
        ("[fe80::1%eth0]:7", AddressError::Zone),
        ("ws://[127.0.0.1]/", AddressError::Malformed),
        ("ws://[::1]x:7/", AddressError::PortOutOfRange),
        ("ws://[::1/", AddressError::Malformed),
        ("::1:7", AddressError::Malformed),
        ("ws://h\u{f6}re/", AddressError::Malformed),
        ("ws://here/\u{f6}", AddressError::Malformed),
        ("ws://here/a b", AddressError::Malformed),
        ("unix:///tmp/socket", AddressError::Scheme),
        ("unix:/tmp/socket", AddressError::Malformed),
        ("ws://:7/", AddressError::NoHost),
        ("ws://?x", AddressError::Malformed),
        ("ws://here:+7", AddressError::PortOutOfRange),
        ("ws://here:7:8", AddressError::Malformed),
        ("ws://me@here", AddressError::UserInfo),
        ("me:secret@here:7", AddressError::UserInfo),
        ("ws://m%65@here", AddressError::UserInfo),
        ("a b:7", AddressError::Malformed),
        ("http://here/", AddressError::Scheme),
        ("tcp://:7", AddressError::NoHost),
        ("here:7/x", AddressError::Malformed),
        ("tcp://here:7/x", AddressError::Malformed),
        ("tcp://here:7?x", AddressError::Malformed),
        ("tls://here:7/x", AddressError::Malformed),
        ("here", AddressError::NoPort),
        ("tcp://here", AddressError::NoPort),
        ("ws://", AddressError::Malformed),
        ("ws://here:99999", AddressError::PortOutOfRange),
        ("ws://here:0", AddressError::PortOutOfRange),
        ("here:", AddressError::PortOutOfRange),
        ("ws://me:secret@here/", AddressError::UserInfo),
    ] {
        assert_eq!(Address::parse(text).err(), Some(error), "{text}");
    }
    assert_eq!(Address::parse("wss://here").is_ok(), cfg!(feature = "tls"));
    assert_eq!(Address::parse("tls://here:7").is_ok(), cfg!(feature = "tls"));
}

#[test]
fn a_request_asks_for_a_path_and_what_stands_behind_it() {
    for (text, line) in [
        ("ws://here", "GET / HTTP/1.1"),
        ("ws://here?room=1", "GET /?room=1 HTTP/1.1"),
        ("ws://here/?room=1", "GET /?room=1 HTTP/1.1"),
        ("ws://[::1]:8?a=/b?c", "GET /?a=/b?c HTTP/1.1"),
        ("WS://here/a//b/../%20?", "GET /a//b/../%20? HTTP/1.1"),
    ] {
        let request = request(&parsed(text));
        assert_eq!(request.lines().next(), Some(line), "{text}");
    }
}

/// What tungstenite's server makes of a request: the path and query that it asks for.
fn accepted_by_tungstenite(request: &str) -> Option<String> {
    /// Has the request to read, and takes what is answered.
    struct Socket<'a>(&'a [u8]);
    impl io::Read for Socket<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl io::Write for Socket<'_> {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            Ok(buffer.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut asked = None;
    #[allow(clippy::result_large_err, reason = "tungstenite's own type")]
    let accepted = tungstenite::accept_hdr(Socket(request.as_bytes()), |request: &Request, response: Response| {
        asked = request.uri().path_and_query().map(|path| path.as_str().to_owned());
        Ok(response)
    });
    accepted.ok().and(asked)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_096))]
    /// Whatever is taken for an address has a request that servers take, ours and others.
    #[test]
    fn what_is_an_address_can_be_asked_for(
        host in "[a-zA-Z0-9._:%\\[\\]@!$&'*+,;=~-]{0,12}",
        port in "(:[0-9+]{0,6})?",
        path in "([/?][ -~\u{e4}]{0,24})?",
    ) {
        let text = format!("ws://{host}{port}{path}");
        let Ok(address) = Address::parse(&text) else {
            return Ok(());
        };
        let request = request(&address);
        let asked = if path.starts_with('/') { path } else { format!("/{path}") };
        let ours = parse_request(request.as_bytes()).expect("because it is a request");
        let (length, head) = ours.expect("because it is whole");
        prop_assert_eq!(length, request.len());
        prop_assert_eq!(head.uri().path_and_query().map(|path| path.as_str()), Some(asked.as_str()));
        prop_assert!(answer(&head).is_ok());
        prop_assert_eq!(accepted_by_tungstenite(&request), Some(asked));
        // It shows itself as an address, and as the same one.
        let shown = Address::parse(&address.to_string()).expect("because it is one");
        prop_assert_eq!(shown.host_port(), address.host_port());
    }
}

#[test]
fn headers_are_those_that_can_be_sent() {
    let address = parsed("ws://here");
    assert!(address.clone().header("cookie", "a=b").is_ok());
    assert!(address.clone().header("host", "there").is_ok());
    for (name, value) in [
        ("cookie", "a\r\nb"),
        ("co okie", "a"),
        ("Upgrade", "h2c"),
        ("sec-websocket-key", "x"),
    ] {
        assert!(address.clone().header(name, value).is_err(), "{name}");
    }
    assert!(parsed("here:7").header("cookie", "a=b").is_err());
}

#[test]
fn a_server_may_send_elsewhere_but_not_out_of_tls() {
    let address = parsed("ws://here").header("cookie", "a=b").expect("because it is fine");
    let there = address.alternate(b"ws://there:8/x");
    assert_eq!(there.host_port(), ("there", 8));
    let request = request(&there);
    assert!(request.contains("\r\ncookie: a=b\r\n"), "{request}");
    assert_eq!(parsed("here:7").alternate(b"there:8").host_port(), ("there", 8));
    for nonsense in [&b""[..], b"\xff\xfe", b"the other server", b"http://there"] {
        assert_eq!(address.alternate(nonsense).host_port(), ("here", 80));
    }
    #[cfg(feature = "tls")]
    {
        let secure = parsed("wss://here");
        assert_eq!(secure.alternate(b"ws://there").host_port(), ("here", 443));
        assert_eq!(secure.alternate(b"tls://there:7").host_port(), ("there", 7));
    }
}

#[test]
fn an_address_is_of_one_kind() {
    assert!(parsed("ws://here").only_websocket().is_ok());
    assert!(parsed("ws://here").only_tcp().is_err());
    assert!(parsed("here:7").only_tcp().is_ok());
    assert!(parsed("here:7").only_websocket().is_err());
}

#[test]
fn an_address_shows_no_token() {
    let address = parsed("ws://here/rooms?token=0123")
        .header("authorization", "Bearer 4567")
        .expect("because it is fine")
        .subprotocol("bearer.89");
    assert_eq!(format!("{address:?}"), "Address(ws://here:80/rooms)");
    assert_eq!(parsed("[::1]:7").to_string(), "tcp://[::1]:7");
}

#[test]
fn a_socket_address_keeps_its_zone() {
    let local = SocketAddrV6::new("fe80::1".parse().expect("because it is one"), 7, 0, 3);
    let address = Address::from(SocketAddr::from(local));
    assert_eq!(address.host_port(), ("fe80::1%3", 7));
    assert_eq!(address.to_string(), "tcp://[fe80::1%3]:7");
    // The look-up of every runtime is the system's.
    let found = ("fe80::1%3", 7).to_socket_addrs().expect("because it is a number");
    assert_eq!(found.collect::<Vec<_>>(), [SocketAddr::from(local)]);
}

#[test]
fn a_wrong_address_is_a_final_cause() {
    let error = ConnectError::from(AddressError::NoPort);
    assert!(Strategies::default().is_final(error.cause()));
    assert_eq!(error.to_string(), "no service: no port in the address");
}
