use std::sync::Arc;

use hyper_util::client::proxy::matcher::Matcher;
use unbroken_tokio::carriers::Tls;

use super::{Way, is_loopback, is_on_this_link};
use crate::dialling::Place;

#[test]
fn each_scheme_has_its_proxy() {
    let proxies = Matcher::builder()
        .http("http://clear.example:1")
        .https("http://secure.example:2")
        .no("direct.example, 10.0.0.0/8, fd00::/8")
        .build();
    let way = Way {
        tls: Tls::trusting([]).expect("TLS"),
        proxies: Some(Arc::new(proxies)),
    };
    let proxy = |url: &str| {
        let url = url.parse().expect("a URL");
        let proxy = way.proxy(&Place::of(&url).expect("a place"));
        proxy.map(|proxy| proxy.uri().to_string())
    };
    let (clear, secure) = ("http://clear.example:1/", "http://secure.example:2/");
    for (url, expected) in [
        ("ws://a.example/", Some(clear)),
        ("http://a.example:8080/x?y", Some(clear)),
        ("wss://a.example/v1?role=x", Some(secure)),
        ("https://[fe00::1]/", Some(secure)),
        ("wss://direct.example/", None),
        ("wss://a.direct.example:8443/", None),
        ("ws://10.1.2.3/", None),
        ("wss://[fd00::1]/", None),
        ("wss://127.0.0.1/", None),
        ("ws://169.254.169.254/", None),
        ("wss://[::1]:443/", None),
    ] {
        assert_eq!(proxy(url).as_deref(), expected, "{url}");
    }
}

#[test]
fn loopback_hosts_are_told_from_others() {
    for host in [
        "127.0.0.1",
        "127.8.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LOCALHOST.",
        "aws.localhost",
    ] {
        assert!(is_loopback(host), "{host}");
    }
    for host in [
        "128.0.0.1",
        "[::2]",
        "localhost.example.org",
        "notlocalhost",
        "169.254.169.254",
        "",
    ] {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn metadata_are_asked_without_a_proxy() {
    for host in [
        "169.254.169.254",
        "169.254.170.2",
        "[fd00:ec2::254]",
        "[fd00:ec2::23]",
        "[fe80::1]",
        "127.0.0.1",
    ] {
        assert!(is_on_this_link(host), "{host}");
    }
    for host in ["10.0.0.1", "[fd00:ec3::254]", "ssm.eu-west-1.amazonaws.com"] {
        assert!(!is_on_this_link(host), "{host}");
    }
}
