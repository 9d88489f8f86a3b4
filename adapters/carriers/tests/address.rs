//! Addresses: what is one, what is sent, and what is not shown.
#![allow(clippy::expect_used, reason = "a test")]

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use unbroken_carriers::{Address, AddressError};
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
    ] {
        assert_eq!(parsed(text).host_port(), address, "{text}");
    }
    for (text, error) in [
        ("", AddressError::Malformed),
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
fn a_wrong_address_is_a_final_cause() {
    let error = ConnectError::from(AddressError::NoPort);
    assert!(error.cause().is_final());
    assert_eq!(error.to_string(), "no service: no port in the address");
}
