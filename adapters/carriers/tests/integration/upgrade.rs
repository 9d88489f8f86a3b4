//! The upgrade to WebSocket: what is sent, and how an answer is judged.

use std::time::Duration;

use tungstenite::handshake::derive_accept_key;
use unbroken_carriers::http::{HeaderMap, HeaderValue, StatusCode};
use unbroken_carriers::{MAX_HEAD, Upgrade, UpgradeError};
use unbroken_driver::proto::Cause;

/// In how many seconds a server that is busy wants to be asked again.
fn later(value: &str, date: Option<&str>) -> Option<u64> {
    let date = date.map(|date| format!("date: {date}\r\n")).unwrap_or_default();
    let answer = format!("HTTP/1.1 503 Busy\r\n{date}retry-after: {value}\r\n\r\n");
    let refused = upgrade().0.answered(answer.as_bytes());
    let error = refused.expect_err("because it is no upgrade");
    error.after().map(|after| after.as_secs())
}

#[test]
fn retry_after_is_seconds_or_a_date_by_the_servers_clock() {
    assert_eq!(later("7", None), Some(7));
    assert_eq!(later(" 0 ", None), Some(0));
    let (now, then) = ("Tue, 03 Nov 2026 08:49:00 GMT", "Tue, 03 Nov 2026 08:49:37 GMT");
    assert_eq!(later(then, Some(now)), Some(37));
    assert_eq!(later(now, Some(then)), Some(0), "it is past");
    assert_eq!(later("Thu, 01 Jan 1970 00:01:00 GMT", None), Some(0), "by our own");
    assert!(later("Tue, 01 Jan 2126 00:00:00 GMT", None).is_some_and(|after| after > 365 * 86_400));
    assert_eq!(later("soon", None), None);
    assert_eq!(later("-1", None), None);
}

fn upgrade() -> (Upgrade, String) {
    let uri = "ws://here/x".parse().expect("because it is one");
    let upgrade = Upgrade::new(&uri, &HeaderMap::new(), &["more".to_owned()]).expect("because it can be sent");
    let request = String::from_utf8_lossy(upgrade.request()).into_owned();
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "));
    let accept = derive_accept_key(key.expect("because there is a key").as_bytes());
    let fine = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: unbroken.v1\r\n\r\n"
    );
    (upgrade, fine)
}

#[test]
fn an_answer_is_judged_once_it_is_whole() {
    let (upgrade, fine) = upgrade();
    let request = String::from_utf8_lossy(upgrade.request()).into_owned();
    assert!(
        request.contains("Sec-WebSocket-Protocol: unbroken.v1, more\r\n"),
        "{request}"
    );
    for cut in 0..fine.len() {
        assert!(
            upgrade
                .answered(&fine.as_bytes()[..cut])
                .is_ok_and(|head| head.is_none()),
            "{cut}"
        );
    }
    let with_more = [fine.as_bytes(), b"\x82\x01x"].concat();
    assert_eq!(
        upgrade.answered(&with_more).expect("because it is fine"),
        Some(fine.len())
    );
    let endless = format!("HTTP/1.1 101 Switching Protocols\r\nx: {}", "y".repeat(MAX_HEAD));
    assert!(upgrade.answered(endless.as_bytes()).is_err());
}

#[test]
fn every_flaw_of_an_answer_has_its_cause() {
    let (upgrade, fine) = upgrade();
    let cause = |from: &str, to: &str| {
        assert!(fine.contains(from));
        let error = upgrade
            .answered(fine.replace(from, to).as_bytes())
            .expect_err("because it is flawed");
        error.cause()
    };
    assert_eq!(cause("WebSocket\r", "h2c\r"), Cause::NoService);
    assert_eq!(cause("keep-alive, Upgrade", "keep-alive"), Cause::NoService);
    assert_eq!(cause("unbroken.v1", "more"), Cause::NoService);
    assert_eq!(cause("Sec-WebSocket-Protocol: unbroken.v1\r\n", ""), Cause::NoService);
    assert_eq!(cause("Accept: ", "Accept: x"), Cause::Protocol);
    assert_eq!(cause("101 Switching", "302 Found"), Cause::Refused);
    assert_eq!(cause("101 Switching", "407 Proxy"), Cause::Denied);
    assert_eq!(cause("HTTP/1.1", "SSH-2.0"), Cause::Protocol);
}

#[test]
fn an_error_names_the_status_and_a_redirection() {
    let (upgrade, _) = upgrade();
    let answer = b"HTTP/1.1 302 Found\r\nlocation: https://login.example/\r\n\r\n";
    let error = upgrade.answered(answer).expect_err("because it is no upgrade");
    assert_eq!(
        error.to_string(),
        "refused: the upgrade was answered with 302 Found, to https://login.example/"
    );
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref());
    assert!(matches!(
        source,
        Some(UpgradeError::Status {
            status: StatusCode::FOUND,
            ..
        })
    ));
    let answer = b"HTTP/1.1 503 Busy\r\nretry-after: 7\r\n\r\n";
    let error = upgrade.answered(answer).expect_err("because it is no upgrade");
    assert_eq!(error.after(), Some(Duration::from_secs(7)));
    assert_eq!(error.cause(), Cause::ServerAsked);
}

#[test]
fn a_token_is_not_shown() {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_static("Bearer 0123"));
    let uri = "ws://here/x?token=4567".parse().expect("because it is one");
    let upgrade = Upgrade::new(&uri, &headers, &["bearer.89".to_owned()]).expect("because it can be sent");
    assert_eq!(format!("{upgrade:?}"), "Upgrade { .. }");
}

#[test]
fn interim_answers_are_passed_over() {
    let (upgrade, fine) = upgrade();
    let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let all = format!("{interim}{fine}");
    for cut in 0..all.len() {
        let judged = upgrade.answered(&all.as_bytes()[..cut]);
        assert!(judged.is_ok_and(|head| head.is_none()), "{cut}");
    }
    let judged = upgrade.answered(format!("{all}behind").as_bytes());
    assert_eq!(judged.expect("because it is fine"), Some(all.len()));
    let refused = upgrade.answered(format!("{interim}HTTP/1.1 404 None\r\n\r\n").as_bytes());
    assert_eq!(refused.expect_err("because it is no upgrade").cause(), Cause::NoService);
    // But not for ever.
    let endless = upgrade.answered(interim.repeat(MAX_HEAD / interim.len() + 1).as_bytes());
    assert_eq!(endless.expect_err("because it is too long").cause(), Cause::Protocol);
}

#[test]
fn an_answer_in_http_1_0_is_judged_by_its_status() {
    let (upgrade, fine) = upgrade();
    let refused = |answer: &str| {
        upgrade
            .answered(answer.as_bytes())
            .expect_err("because it is no upgrade")
    };
    assert_eq!(refused("HTTP/1.0 404 Not Found\r\n\r\n").cause(), Cause::NoService);
    assert_eq!(refused("HTTP/1.0 407 Who\nx: y\n\n").cause(), Cause::Denied);
    let later = refused("HTTP/1.0 503\r\nRetry-After: 7\r\n\r\n");
    assert_eq!(later.after(), Some(Duration::from_secs(7)));
    let old = refused(&fine.replace("HTTP/1.1", "HTTP/1.0"));
    assert_eq!(old.cause(), Cause::Protocol);
    assert!(old.to_string().contains("HTTP/1.0"), "{old}");
    for other in [
        "HTTP/2 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 1000 x\r\n\r\n",
        "\x15\x03\x01\x00\x02\x02\x46",
    ] {
        assert_eq!(refused(other).to_string(), "protocol: this is not HTTP");
    }
}
