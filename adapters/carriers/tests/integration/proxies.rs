//! Whom a connection from behind a proxy comes from: the PROXY protocol, and whatever else may stand where it should.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;
use unbroken_carriers::http::{HeaderMap, HeaderValue};
use unbroken_carriers::{Acceptor, ForwardingHeader, MAX_PROXY_HEADER, ProxyProtocolError, TrustedProxies};
use unbroken_driver::{BoxConnection, ConnectError};

use crate::common::{Ready, drip, request};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// A packet of one byte on a byte stream, of a type that exists.
const PACKET: &[u8] = &[0, 1, 7];

fn proxies() -> TrustedProxies {
    TrustedProxies::new(["10.0.0.0/8".parse().unwrap()])
}

/// Version 2's header with this command, family and addresses.
fn v2(command: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
    let length = u16::try_from(addresses.len()).unwrap();
    [SIGNATURE, &[command, family], &length.to_be_bytes(), addresses].concat()
}

/// Why there is no packet; `None`: the connection just ended.
type Failure = Option<Arc<dyn Error>>;

/// What becomes of a connection from `address` that says `bytes`: its peer, and the first packet or why there is none.
fn accepted(acceptor: &Acceptor, address: &str, bytes: Vec<u8>) -> (Option<IpAddr>, Result<Vec<u8>, Failure>) {
    let stream = Ready {
        source: drip(bytes),
        reads: Arc::default(),
    };
    let mut connection: BoxConnection = acceptor.accept_from(stream, address.parse().ok()).connection;
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..100_000 {
        match connection.as_mut().poll_next(&mut cx) {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(packet))) => return (connection.peer(), Ok(packet.to_vec())),
            Poll::Ready(Some(Err(error))) => return (connection.peer(), Err(Some(Arc::new(error)))),
            Poll::Ready(None) => return (connection.peer(), Err(None)),
        }
    }
    panic!("it never ends")
}

/// The error that stands at the bottom of this one.
fn why(error: Option<Arc<dyn Error>>) -> Option<ProxyProtocolError> {
    let error = error?;
    let io = error.downcast_ref::<std::io::Error>()?;
    let failed = io.get_ref()?.downcast_ref::<ConnectError>()?;
    failed.source()?.downcast_ref().copied()
}

fn behind_haproxy(bytes: &[u8]) -> (Option<IpAddr>, Result<Vec<u8>, Option<ProxyProtocolError>>) {
    let (peer, packet) = accepted(
        &Acceptor::tcp().behind(proxies().proxy_protocol()),
        "10.0.0.1",
        bytes.to_vec(),
    );
    (peer, packet.map_err(why))
}

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn headers_of_both_versions_are_read_and_nothing_behind_them() {
    let v4 = [192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80];
    let mut v6 = [0; 36];
    v6[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
    let with_extras = [&v4[..], &[4, 0, 3, 1, 2, 3]].concat();
    let headers: [(Vec<u8>, &str); 12] = [
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY TCP6 2001:db8:: ::1 65535 1\r\n".to_vec(), "2001:db8::"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 65535 1\r\n".to_vec(), "192.0.2.7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "10.0.0.1"),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n".to_vec(), "10.0.0.1"),
        (v2(0x21, 0x11, &v4), "192.0.2.7"),
        (v2(0x21, 0x21, &v6), "2001:db8::"),
        (v2(0x21, 0x11, &with_extras), "192.0.2.7"),
        (v2(0x21, 0x31, &[7; 216]), "10.0.0.1"),
        (v2(0x21, 0x00, &[7; 5]), "10.0.0.1"),
        (v2(0x20, 0x11, &v4), "10.0.0.1"),
        (v2(0x20, 0xff, &[]), "10.0.0.1"),
    ];
    for (header, source) in headers {
        let said = [&header[..], PACKET].concat();
        assert_eq!(
            behind_haproxy(&said),
            (ip(source), Ok(vec![7])),
            "{}",
            header.escape_ascii()
        );
        // A connection that ends within it never was one.
        for cut in 0..header.len() {
            let ended = (None, Err(Some(ProxyProtocolError::Ended)));
            assert_eq!(
                behind_haproxy(&header[..cut]),
                ended,
                "{}",
                header[..cut].escape_ascii()
            );
        }
    }
}

#[test]
fn a_connection_from_a_proxy_begins_with_a_header_or_is_closed() {
    let long = [b"PROXY UNKNOWN ", &[b'x'; 91][..], b"\r\n"].concat();
    assert_eq!(long.len(), 107);
    assert_eq!(behind_haproxy(&[&long[..], PACKET].concat()).1, Ok(vec![7]));
    let longer = [b"PROXY UNKNOWN ", &[b'x'; 92][..], b"\r\n"].concat();
    let cases: [(Vec<u8>, ProxyProtocolError); 11] = [
        ([PACKET, &[0; 40]].concat(), ProxyProtocolError::Missing),
        (request(), ProxyProtocolError::Missing),
        (
            b"PROXYTCP4 192.0.2.7 10.0.0.1 1 80\r\n".to_vec(),
            ProxyProtocolError::Missing,
        ),
        (
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n".to_vec(),
            ProxyProtocolError::Malformed,
        ),
        (
            b"PROXY TCP4 192.0.2.7 10.0.0.1 1 80\n".to_vec(),
            ProxyProtocolError::Malformed,
        ),
        (b"PROXY TCP4 ::1 ::2 1 80\r\n".to_vec(), ProxyProtocolError::Malformed),
        (
            b"PROXY UDP4 192.0.2.7 10.0.0.1 1 80\r\n".to_vec(),
            ProxyProtocolError::Malformed,
        ),
        (longer, ProxyProtocolError::TooLong),
        (v2(0x11, 0x11, &[0; 12]), ProxyProtocolError::Malformed),
        (v2(0x21, 0x11, &[0; 11]), ProxyProtocolError::Malformed),
        (v2(0x21, 0x11, &[0; MAX_PROXY_HEADER - 15]), ProxyProtocolError::TooLong),
    ];
    for (said, error) in cases {
        assert_eq!(
            behind_haproxy(&said),
            (None, Err(Some(error))),
            "{}",
            said.escape_ascii()
        );
    }
    let longest = v2(0x21, 0x11, &[0; MAX_PROXY_HEADER - 16]);
    assert_eq!(behind_haproxy(&[&longest[..], PACKET].concat()).1, Ok(vec![7]));
}

#[test]
fn no_header_is_looked_for_where_none_is_to_be() {
    let said = b"PROXY TCP4 192.0.2.7 10.0.0.1 4711 80\r\n".to_vec();
    // By default, and from whoever is not trusted, these are the first bytes of a packet.
    for acceptor in [Acceptor::tcp(), Acceptor::tcp().behind(proxies().proxy_protocol())] {
        let (peer, packet) = accepted(&acceptor, "198.51.100.1", [PACKET, &said].concat());
        assert_eq!((peer, packet.unwrap()), (ip("198.51.100.1"), vec![7]));
        let (peer, packet) = accepted(&acceptor, "198.51.100.1", said.clone());
        assert_eq!((peer, packet.is_err()), (ip("198.51.100.1"), true));
    }
    let (peer, _) = accepted(&Acceptor::tcp(), "10.0.0.1", PACKET.to_vec());
    assert_eq!(peer, ip("10.0.0.1"));
    // Without an address there is nobody to trust.
    let acceptor = Acceptor::tcp().behind(proxies().proxy_protocol());
    let (peer, packet) = accepted(&acceptor, "a Unix socket", PACKET.to_vec());
    assert_eq!((peer, packet.unwrap()), (None, vec![7]));
}

/// A request for an upgrade with `header`, and a packet behind it.
fn forwarded(header: &str) -> Vec<u8> {
    let request = String::from_utf8(request()).unwrap();
    let request = request.replacen("\r\n", &format!("\r\n{header}\r\n"), 1);
    [request.as_bytes(), &[0x82, 0x81, 0, 0, 0, 0, 7]].concat()
}

#[test]
fn a_request_says_whom_a_proxy_passes_on() {
    let trusting = proxies().header(ForwardingHeader::XForwardedFor);
    let acceptor = Acceptor::websocket().behind(trusting.clone());
    let said = forwarded("X-Forwarded-For: 6.6.6.6, 192.0.2.7");
    for (address, peer) in [("10.0.0.1", "192.0.2.7"), ("198.51.100.1", "198.51.100.1")] {
        let (learnt, packet) = accepted(&acceptor, address, said.clone());
        assert_eq!((learnt, packet.unwrap()), (ip(peer), vec![7]));
    }
    // From one proxy that speaks the PROXY protocol to another one that writes headers, and to a client that does.
    let acceptor = Acceptor::websocket().behind(trusting.proxy_protocol());
    for (source, peer) in [("10.0.0.9", "192.0.2.7"), ("198.51.100.1", "198.51.100.1")] {
        let header = format!("PROXY TCP4 {source} 10.0.0.1 4711 80\r\n");
        let (learnt, packet) = accepted(&acceptor, "10.0.0.1", [header.as_bytes(), &said].concat());
        assert_eq!((learnt, packet.unwrap()), (ip(peer), vec![7]));
    }
}

fn one_line(name: &'static str, value: &[u8]) -> Option<HeaderMap> {
    let value = HeaderValue::from_bytes(value).ok()?;
    Some(HeaderMap::from_iter([(name.parse().unwrap(), value)]))
}

/// Text that is much like the value of one of these headers.
fn likely() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("for=".to_owned()),
        Just("host=".to_owned()),
        Just("6.6.6.6".to_owned()),
        Just("[2001:db8::6]:1".to_owned()),
        Just("10.0.0.6".to_owned()),
        "[,;=\"\\\\ ]",
        "[ -~]{0,4}",
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

/// As `Forwarded` wants quoted strings.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

proptest! {
    #[test]
    fn what_stands_left_of_an_untrusted_hop_is_never_the_peer(
        forged in likely(), host in likely(), lines in any::<bool>(), hops in 0..3_usize,
    ) {
        let socket: IpAddr = "10.0.0.1".parse().unwrap();
        let own: [(ForwardingHeader, &str, String); 2] = [
            (ForwardingHeader::Forwarded, "forwarded", format!("for=\"192.0.2.7:80\";host={}", quoted(&host))),
            (ForwardingHeader::XForwardedFor, "x-forwarded-for", "192.0.2.7".into()),
        ];
        for (header, name, own) in own {
            let proxy = if header == ForwardingHeader::Forwarded { "for=10.0.0.2" } else { "10.0.0.2" };
            let mut headers = one_line("x-other", b"").unwrap();
            let written = [own.as_str()].into_iter().chain(std::iter::repeat_n(proxy, hops));
            let written = written.collect::<Vec<_>>().join(", ");
            match lines {
                true => {
                    headers.append(name, HeaderValue::from_str(&forged).unwrap());
                    headers.append(name, HeaderValue::from_str(&written).unwrap());
                }
                false => {
                    headers.append(name, HeaderValue::from_str(&format!("{forged}, {written}")).unwrap());
                }
            }
            let client = proxies().header(header).client(socket, &headers);
            let found = client.to_string() == "192.0.2.7";
            // Who spoils the line of `Forwarded` that his proxy adds to is counted as the proxy.
            let spoilt = header == ForwardingHeader::Forwarded && !lines && client == socket;
            prop_assert!(found || spoilt, "{client} of {headers:?}");
        }
    }

    #[test]
    fn no_header_is_too_strange(value in prop::collection::vec(any::<u8>(), 0..200), likely in likely()) {
        for value in [&value[..], likely.as_bytes()] {
            for (header, name) in [
                (ForwardingHeader::Forwarded, "forwarded"),
                (ForwardingHeader::XForwardedFor, "x-forwarded-for"),
            ] {
                let Some(headers) = one_line(name, value) else { continue };
                let strange = "198.51.100.1".parse().unwrap();
                prop_assert_eq!(proxies().header(header).client(strange, &headers), strange);
                let _ = proxies().header(header).client("10.0.0.1".parse().unwrap(), &headers);
            }
        }
    }

    #[test]
    fn no_bytes_are_too_strange(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        like in prop::option::of(prop_oneof![
            Just(SIGNATURE.to_vec()),
            Just(b"PROXY ".to_vec()),
            Just(b"PROXY TCP4 192.0.2.7 ".to_vec()),
            Just(v2(0x21, 0x11, &[1; 12])),
            Just(v2(0x21, 0x21, &[1; 36])),
        ]),
        changed in any::<prop::sample::Index>(), to in any::<u8>(),
    ) {
        if let Some(like) = like {
            bytes.splice(0..0, like);
        }
        if !bytes.is_empty() {
            let at = changed.index(bytes.len());
            bytes[at] = to;
        }
        let (peer, packet) = behind_haproxy(&bytes);
        // Whoever gets as far as a packet has a peer to be limited as.
        prop_assert!(peer.is_some() || packet.is_err());
    }
}
