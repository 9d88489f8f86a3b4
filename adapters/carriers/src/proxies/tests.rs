use super::*;
use tungstenite::http::{HeaderName, HeaderValue};

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Trusts 10.0.0.0/8 and 2001:db8:7::/48.
fn proxies(header: ForwardingHeader) -> TrustedProxies {
    let prefixes = ["10.0.0.0/8", "2001:db8:7::/48"].map(|prefix| prefix.parse().expect("a prefix"));
    TrustedProxies::new(prefixes).header(header)
}

/// Whom a request with these lines comes from, which came from 10.0.0.1.
fn client(header: ForwardingHeader, lines: &[&str]) -> IpAddr {
    let name = match header {
        ForwardingHeader::Forwarded => "forwarded",
        ForwardingHeader::XForwardedFor => "x-forwarded-for",
    };
    let name = HeaderName::from_static(name);
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(&name, HeaderValue::from_bytes(line.as_bytes()).expect("a value"));
    }
    proxies(header).client(ip("10.0.0.1"), &headers)
}

fn assert_clients(header: ForwardingHeader, cases: &[(&[&str], &str)]) {
    for (lines, expected) in cases {
        assert_eq!(client(header, lines), ip(expected), "{lines:?}");
    }
}

#[test]
fn nobody_is_believed_who_is_not_trusted() {
    let mut headers = HeaderMap::new();
    headers.append("x-forwarded-for", HeaderValue::from_static("192.0.2.7"));
    let proxies = proxies(ForwardingHeader::XForwardedFor);
    assert_eq!(proxies.client(ip("198.51.100.1"), &headers), ip("198.51.100.1"));
    assert_eq!(proxies.client(ip("10.0.0.1"), &headers), ip("192.0.2.7"));
    // The header that was not named says nothing, nor does any if none is named.
    headers.append("forwarded", HeaderValue::from_static("for=192.0.2.8"));
    assert_eq!(proxies.client(ip("10.0.0.1"), &headers), ip("192.0.2.7"));
    let silent = TrustedProxies::new(["10.0.0.0/8".parse().expect("a prefix")]);
    assert_eq!(silent.client(ip("10.0.0.1"), &headers), ip("10.0.0.1"));
}

#[test]
fn ipv4_mapped_addresses_are_ipv4() {
    let mapped = TrustedProxies::new(["::ffff:10.0.0.0/104".parse().expect("a prefix")]);
    for trusting in [mapped, proxies(ForwardingHeader::Forwarded)] {
        assert!(trusting.trusts(ip("10.1.2.3")));
        assert!(trusting.trusts(ip("::ffff:10.1.2.3")));
        assert!(!trusting.trusts(ip("11.1.2.3")));
        assert!(!trusting.trusts(ip("::ffff:11.1.2.3")));
    }
    let all_of_ipv6 = TrustedProxies::new(["::/0".parse().expect("a prefix")]);
    assert!(all_of_ipv6.trusts(ip("2001:db8::1")));
    assert!(!all_of_ipv6.trusts(ip("::ffff:10.1.2.3")), "that is IPv4");
    let x = ForwardingHeader::XForwardedFor;
    assert_eq!(client(x, &["192.0.2.7, ::ffff:10.9.9.9"]), ip("192.0.2.7"));
    assert_eq!(client(x, &["::ffff:192.0.2.7"]), ip("192.0.2.7"));
}

#[test]
fn x_forwarded_for_is_read_from_right_to_left() {
    let cases: &[(&[&str], &str)] = &[
        (&[], "10.0.0.1"),
        (&["192.0.2.7"], "192.0.2.7"),
        (&["6.6.6.6, 192.0.2.7"], "192.0.2.7"),
        (&["6.6.6.6,192.0.2.7 , 10.0.0.3,\t2001:db8:7::1"], "192.0.2.7"),
        (&["6.6.6.6, 192.0.2.7", "10.0.0.3"], "192.0.2.7"),
        (&["6.6.6.6", "192.0.2.7"], "192.0.2.7"),
        (&["10.0.0.9, 10.0.0.3"], "10.0.0.9"),
        (&["192.0.2.7:4711"], "192.0.2.7"),
        (&["2001:db8::1"], "2001:db8::1"),
        (&["[2001:db8::1]"], "2001:db8::1"),
        (&["[2001:db8::1]:4711, 10.0.0.3:80"], "2001:db8::1"),
        // What is no address ends the walk.
        (&["6.6.6.6, unknown"], "10.0.0.1"),
        (&["6.6.6.6, unknown, 10.0.0.3"], "10.0.0.3"),
        (&["6.6.6.6, _hidden, 10.0.0.3"], "10.0.0.3"),
        (&["6.6.6.6, , 10.0.0.3"], "10.0.0.3"),
        (&["6.6.6.6, 192.0.2.7:"], "10.0.0.1"),
        (&["6.6.6.6, 192.0.2.7:port"], "10.0.0.1"),
        (&["6.6.6.6, [192.0.2.7]"], "10.0.0.1"),
        (&["6.6.6.6, [2001:db8::1]4711"], "10.0.0.1"),
        (&["6.6.6.6, \"192.0.2.7\""], "10.0.0.1"),
        (&["6.6.6.6, \u{e4}"], "10.0.0.1"),
    ];
    assert_clients(ForwardingHeader::XForwardedFor, cases);
}

#[test]
fn forwarded_is_read_as_its_grammar_says() {
    let cases: &[(&[&str], &str)] = &[
        (&["for=192.0.2.7"], "192.0.2.7"),
        (&["For=\"192.0.2.7:4711\";proto=https;by=10.0.0.3"], "192.0.2.7"),
        (&["proto=https;FOR=\"[2001:db8::1]:4711\""], "2001:db8::1"),
        (&["for=\"[2001:db8::1]\";host=\"a,b;c=\\\"d\""], "2001:db8::1"),
        (&["for=\"192.0.2.7:_port\""], "192.0.2.7"),
        (&["for=\"192\\.0.2.7\""], "192.0.2.7"),
        (&["for=192.0.2.7:4711; proto=http"], "192.0.2.7"),
        (&["for=6.6.6.6, for=192.0.2.7 ,for=10.0.0.3;;"], "192.0.2.7"),
        (&["for=6.6.6.6", "for=192.0.2.7", "for=10.0.0.3"], "192.0.2.7"),
        (&["@@", "for=192.0.2.7"], "192.0.2.7"),
        // What a proxy quotes is not an element of its own.
        (&["for=192.0.2.7;host=\"x,for=6.6.6.6\""], "192.0.2.7"),
        (&["for=192.0.2.7;host=\"x\\\",for=6.6.6.6\""], "192.0.2.7"),
        // No address.
        (&["for=6.6.6.6, for=unknown"], "10.0.0.1"),
        (&["for=6.6.6.6, for=_hidden, for=10.0.0.3"], "10.0.0.3"),
        (&["for=6.6.6.6, proto=https"], "10.0.0.1"),
        (&["for=6.6.6.6, "], "10.0.0.1"),
        (&["for=6.6.6.6, for=\"\""], "10.0.0.1"),
        (&["for=6.6.6.6, for=\"192.0.2.7:123456\""], "10.0.0.1"),
        // Malformed, and somewhere in the line.
        (&["for=6.6.6.6;x=\", for=192.0.2.7"], "10.0.0.1"),
        (&["for=6.6.6.6;x=\", for=\"192.0.2.7\""], "10.0.0.1"),
        (&["for=6.6.6.6;for=192.0.2.7"], "10.0.0.1"),
        (&["for = 192.0.2.7"], "10.0.0.1"),
        (&["for=192.0.2.7 x"], "10.0.0.1"),
        (&["for="], "10.0.0.1"),
        (&["for=;proto=http"], "10.0.0.1"),
        (&["for"], "10.0.0.1"),
        (&["=192.0.2.7"], "10.0.0.1"),
        (&["for=\"192.0.2.7"], "10.0.0.1"),
        (&["for=\"192.0.2.7\\"], "10.0.0.1"),
    ];
    assert_clients(ForwardingHeader::Forwarded, cases);
}
