use unbroken_driver::proto::Cause;
use unbroken_driver::proto::reconnect::Strategies;

use super::*;
use crate::error::AddressError;

fn parsed(address: &str) -> Address {
    Address::parse(address).expect("because it is an address")
}

fn with_token(address: &str) -> Address {
    let address = parsed(address).header("authorization", "Bearer 0123");
    address.expect("because it can be sent").subprotocol("bearer.45")
}

fn answered(status: u16, location: Option<&str>) -> ConnectError {
    let status = StatusCode::from_u16(status).expect("because it is one");
    let location = location.map(str::to_owned);
    UpgradeError::Status { status, location }.into()
}

/// Where a dial is led that began at `first`.
fn led(first: &Address, locations: &[&str]) -> Result<Address, ConnectError> {
    let mut others = Vec::new();
    for location in locations {
        others.push(follow(first, &others, answered(302, Some(location)))?);
    }
    Ok(others.pop().expect("because there is a location"))
}

fn why(led: Result<Address, ConnectError>) -> RedirectError {
    let error = led.expect_err("because it is not followed");
    assert_eq!(error.cause(), Cause::Refused);
    assert!(
        !Strategies::default().is_final(error.cause()),
        "a stranger ends nothing"
    );
    match error.source().and_then(|source| source.downcast_ref()) {
        Some(UpgradeError::NotFollowed { why, .. }) => *why,
        _ => panic!("{error}"),
    }
}

fn sends_credentials(address: &Address) -> bool {
    let ws = address.websocket.as_ref().expect("because it is a WebSocket's");
    assert_eq!(ws.headers.contains_key("authorization"), !ws.subprotocols.is_empty());
    ws.headers.contains_key("authorization")
}

#[test]
fn four_statuses_lead_elsewhere() {
    let first = parsed("ws://here/x");
    for status in 300..400 {
        let led = follow(&first, &[], answered(status, Some("/y")));
        match status {
            301 | 302 | 307 | 308 => assert_eq!(led.expect("it is").to_string(), "ws://here:80/y"),
            _ => {
                let error = led.expect_err("because it means something else");
                assert!(error.to_string().contains(&status.to_string()), "{error}");
                assert!(!error.to_string().contains("followed"), "{error}");
            }
        }
    }
    let other = follow(&first, &[], ConnectError::new(Cause::Timeout));
    assert_eq!(other.expect_err("because it is none").cause(), Cause::Timeout);
}

#[test]
fn the_same_host_is_its_name() {
    let first = with_token("ws://here/x");
    for (location, wanted) in [
        ("/y?z", "ws://here:80/y"),
        ("http://HERE:8/", "ws://HERE:8/"),
        ("//here:8", "ws://here:8/"),
        ("ws://here/x?again", "ws://here:80/x"),
    ] {
        let there = led(&first, &[location]).expect("because it is the same host");
        assert_eq!(there.to_string(), wanted);
        assert!(sends_credentials(&there));
    }
    for other in [
        "http://there/",
        "//there",
        "http://here.there/",
        "http://hereabouts/",
        "ws://xn--here/",
    ] {
        assert_eq!(why(led(&first, &[other])), RedirectError::OtherHost, "{other}");
    }
    let numbered = parsed("ws://[::1]:7/");
    assert!(led(&numbered, &["http://[::1]:8/"]).is_ok());
    assert_eq!(why(led(&numbered, &["http://127.0.0.1:7/"])), RedirectError::OtherHost);
}

#[test]
fn another_host_is_sent_credentials_if_that_is_said() {
    let first = with_token("ws://here/x")
        .redirects_to("trusted", Credentials::Send)
        .redirects_to("mirror", Credentials::Send)
        .redirects_to("mirror", Credentials::Withhold);
    let sends = |locations: &[&str]| sends_credentials(&led(&first, locations).expect("because it is allowed"));
    assert!(sends(&["http://trusted/"]));
    assert!(sends(&["http://Trusted:8/", "/y", "http://here/"]));
    assert!(!sends(&["http://mirror/"]), "the later word counts");
    assert!(!sends(&["http://mirror/", "/y"]));
    assert!(
        !sends(&["http://mirror/", "http://here/y"]),
        "the mirror chose where to"
    );
    assert!(!sends(&["http://mirror/", "http://trusted/"]));
    assert_eq!(
        why(led(&first, &["http://trusted/", "http://there/"])),
        RedirectError::OtherHost
    );
    assert!(
        led(&first.alternate(b"ws://there/"), &["http://mirror/"]).is_ok(),
        "an alternate keeps the words"
    );
}

#[test]
fn a_host_of_ones_own_stays_with_the_server() {
    let first = parsed("ws://here/x")
        .header("host", "virtual")
        .expect("because it can be sent");
    let sends_host = |location| {
        let there = led(&first, &[location]).expect("because it is the same host");
        there
            .websocket
            .expect("because it is a WebSocket's")
            .headers
            .contains_key(HOST)
    };
    assert!(sends_host("/y"));
    assert!(!sends_host("http://here:8/y"));
}

#[test]
fn circles_and_long_ways_have_an_end() {
    let first = parsed("ws://here/0?x");
    assert_eq!(why(led(&first, &[""])), RedirectError::Circle);
    assert_eq!(why(led(&first, &["http://HERE:80/0?x#y"])), RedirectError::Circle);
    assert_eq!(why(led(&first, &["/1", "/2", "/1"])), RedirectError::Circle);
    assert_eq!(
        led(&first, &["/1", "/2", "/3", "/4", "/5"])
            .expect("five are")
            .to_string(),
        "ws://here:80/5"
    );
    assert_eq!(
        why(led(&first, &["/1", "/2", "/3", "/4", "/5", "/6"])),
        RedirectError::TooMany
    );
}

#[test]
fn what_leads_nowhere_is_said_so() {
    let first = parsed("ws://here/x");
    assert_eq!(why(follow(&first, &[], answered(301, None))), RedirectError::NoLocation);
    for (location, error) in [
        ("http://me:secret@here/", AddressError::UserInfo),
        ("http://here:99999/", AddressError::PortOutOfRange),
        ("mailto:me@here", AddressError::Scheme),
        ("http://", AddressError::Malformed),
        ("/\\xe4", AddressError::Malformed),
    ] {
        assert_eq!(
            why(led(&first, &[location])),
            RedirectError::Malformed(error),
            "{location}"
        );
    }
    let error = led(&first, &["http://there/"]).expect_err("because it is another host");
    assert_eq!(
        error.to_string(),
        "refused: the upgrade was answered with 302 Found, to http://there/, which is not followed: it leads to another host"
    );
}

#[cfg(feature = "tls")]
#[test]
fn a_way_into_tls_has_none_back() {
    let plain = with_token("ws://here/");
    let secure = led(&plain, &["https://here/"]).expect("because it is the same host");
    assert!(secure.is_secure() && sends_credentials(&secure));
    assert_eq!(
        why(led(&plain, &["https://here/", "http://here/y"])),
        RedirectError::LeavesTls
    );
    assert_eq!(
        why(led(&parsed("wss://here/"), &["ws://here/"])),
        RedirectError::LeavesTls
    );
    let allowed = parsed("wss://here/").redirects_to("there", Credentials::Withhold);
    assert_eq!(why(led(&allowed, &["http://there/"])), RedirectError::LeavesTls);
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_way_into_tls_needs_the_feature() {
    let led = led(&parsed("ws://here/"), &["https://here/"]);
    assert_eq!(why(led), RedirectError::Malformed(AddressError::NoTls));
}
