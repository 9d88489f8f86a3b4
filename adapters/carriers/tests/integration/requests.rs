//! What a WebSocket's port answers to requests of all kinds, and to what is none.

use std::sync::{Arc, Mutex};

use unbroken_carriers::http::{Response, StatusCode};
use unbroken_carriers::{Acceptor, MAX_HEAD, MAX_HEADERS, SUBPROTOCOL, answer, parse_request};

use crate::common::peer::{answered, meet, upgrade};

/// Well-formed requests that are for no WebSocket, and what they are answered with where nobody is asked.
const REQUESTS: [(&str, u16); 21] = [
    ("HEAD /healthz HTTP/1.1\r\nHost: here\r\n\r\n", 405),
    ("POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5\r\n\r\nhello", 405),
    (
        "POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        405,
    ),
    (
        "PUT /x HTTP/1.1\r\nHost: here\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
        405,
    ),
    ("OPTIONS / HTTP/1.0\r\n\r\n", 405),
    ("OPTIONS * HTTP/1.1\r\nHost: here\r\n\r\n", 405),
    ("CONNECT there:443 HTTP/1.1\r\nHost: there:443\r\n\r\n", 405),
    ("CONNECT [::1]:443 HTTP/1.0\r\n\r\n", 405),
    ("DELETE http://here/x?y HTTP/1.1\r\nHost: here\r\n\r\n", 405),
    ("PROPFIND / HTTP/1.1\r\nHost: here\r\n\r\n", 405),
    ("x-!#$%&'*+.^_`|~9 / HTTP/1.1\r\nHost: here\r\n\r\n", 405),
    ("TRACE / HTTP/1.0\r\nHost: here\r\n\r\n", 405),
    ("GET / HTTP/1.0\r\n\r\n", 426),
    ("GET / HTTP/1.0\nHost: here\n\n", 426),
    ("\r\n\r\nGET / HTTP/1.1\r\nHost:\r\n\r\n", 426),
    ("GET http://here:80/x HTTP/1.1\r\nHost: other\r\n\r\n", 426),
    ("GET https://here HTTP/1.1\r\nHost: [::1]:8\r\n\r\n", 426),
    ("GET /%20?a=b&c=%C3%A4 HTTP/1.1\r\nHost: here\r\nX: \u{e4}\r\n\r\n", 426),
    ("GET / HTTP/1.1\r\nHost: here\r\nContent-Length: 3, 3\r\n\r\nabc", 426),
    (
        "GET / HTTP/1.1\r\nHost: here\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        426,
    ),
    (
        "GET / HTTP/1.1\r\nHost: here\r\n\r\nGET /again HTTP/1.1\r\nHost: here\r\n\r\n",
        426,
    ),
];

/// Requests that are HTTP, and break its rules.
const BROKEN: [(&str, u16); 27] = [
    ("GET / HTTP/2.0\r\n\r\n", 505),
    ("GET / HTTP/3\r\n\r\n", 505),
    ("GET / HTTP/1.2\r\nHost: here\r\n\r\n", 505),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("PROPFIND / HTTP/0.9\r\n\r\n", 505),
    ("GET /\r\n\r\n", 400),
    ("GET / HTTP/x\r\n\r\n", 400),
    ("GET / HTTP/1.\r\n\r\n", 400),
    ("GET / http/1.1\r\nHost: here\r\n\r\n", 400),
    ("GET  / HTTP/1.1\r\nHost: here\r\n\r\n", 400),
    ("GET / x HTTP/1.1\r\nHost: here\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: here\r\nHost: here\r\n\r\n", 400),
    ("GET / HTTP/1.0\r\nHost: here\r\nHost: there\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: he re\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: me@here\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: here\r\nno colon\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: here\r\nx : y\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: here\r\nx: y\r\n folded\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: here\r\nx: \0\r\n\r\n", 400),
    ("GET here HTTP/1.1\r\nHost: here\r\n\r\n", 400),
    ("GET * HTTP/1.1\r\nHost: here\r\n\r\n", 400),
    ("GET /#x HTTP/1.1\r\nHost: here\r\n\r\n", 400),
    ("CONNECT / HTTP/1.1\r\nHost: here\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 5, 6\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nHost: here\r\nContent-Length: +5\r\n\r\n", 400),
    (
        "POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        400,
    ),
];

fn status(answer: &str) -> Option<u16> {
    answer.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("because the head has an end").1
}

#[test]
fn every_well_formed_request_is_answered() {
    for (request, wanted) in REQUESTS {
        let answer = answered(&Acceptor::websocket(), request.as_bytes());
        assert_eq!(status(&answer), Some(wanted), "{request}{answer}");
        assert!(answer.contains("\r\nupgrade: websocket\r\n"), "{answer}");
        assert!(answer.contains("\r\nconnection: close, upgrade\r\n"), "{answer}");
        assert_eq!(answer.contains("\r\nallow: GET\r\n"), wanted == 405, "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "one is answered: {answer}");
        let length = format!("\r\ncontent-length: {}\r\n", body(&answer).len());
        let is_head = request.starts_with("HEAD");
        assert_eq!(body(&answer).is_empty(), is_head, "{answer}");
        assert!(answer.contains(&length) || is_head, "{answer}");
    }
}

#[test]
fn the_host_is_asked_before_anything_is_answered() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&asked);
    let acceptor = Acceptor::websocket().checking(move |request| {
        let line = format!("{} {} {:?}", request.method(), request.uri(), request.version());
        seen.lock().expect("because nothing panics").push(line);
        let answer = Response::builder().status(StatusCode::OK).header("x-well", "yes");
        Err(Box::new(answer.body("well\n".to_owned()).expect("because it is one")))
    });
    for (request, _) in REQUESTS {
        let line = request.trim_start().lines().next().expect("because there is one");
        let answer = answered(&acceptor, request.as_bytes());
        let (head, said) = answer.split_once("\r\n\r\n").expect("because the head has an end");
        assert!(
            head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains("\r\nx-well: yes\r\n"),
            "{request}{answer}"
        );
        // To CONNECT a success is the beginning of a tunnel, and has no length.
        let is_tunnel = line.starts_with("CONNECT");
        assert_eq!(head.contains("\r\ncontent-length: 5"), !is_tunnel, "{request}{answer}");
        assert_eq!(
            said,
            if is_tunnel || line.starts_with("HEAD") {
                ""
            } else {
                "well\n"
            },
            "{request}"
        );
        let asked = asked.lock().expect("because nothing panics").pop();
        let asked = asked.expect("because it is asked about everything");
        assert!(
            asked.replace("https://here/", "https://here").starts_with(line),
            "{asked}"
        );
    }
    let before = answered(&acceptor, upgrade("GET /healthz HTTP/1.1").as_bytes());
    assert_eq!(status(&before), Some(200), "also of an upgrade");
    asked.lock().expect("because nothing panics").clear();
    for (request, _) in BROKEN {
        answered(&acceptor, request.as_bytes());
    }
    assert!(
        asked.lock().expect("because nothing panics").is_empty(),
        "of what is none it is not asked"
    );
}

#[test]
fn a_host_may_answer_what_has_no_body() {
    let acceptor = Acceptor::websocket().checking(|request| {
        let status = request.uri().path().trim_start_matches('/').parse().unwrap_or(200);
        let answer = Response::builder()
            .status(status)
            .header("transfer-encoding", "chunked");
        let answer = answer.header("x", b"\xc3\xa4".as_slice()).body("text".to_owned());
        Err(Box::new(answer.expect("because it is one")))
    });
    for (status, length, said) in [("204", None, ""), ("304", Some("4"), ""), ("200", Some("4"), "text")] {
        let request = format!("GET /{status} HTTP/1.1\r\nHost: here\r\n\r\n");
        let answer = answered(&acceptor, request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(body(&answer), said);
        let line = length.map(|length| format!("\r\ncontent-length: {length}\r\n"));
        assert_eq!(
            line.is_some_and(|line| answer.contains(&line)),
            length.is_some(),
            "{answer}"
        );
        assert!(
            !answer.contains("transfer-encoding") && answer.contains("\r\nx: \u{e4}\r\n"),
            "{answer}"
        );
    }
}

#[test]
fn what_breaks_the_rules_is_told_so() {
    for (request, wanted) in BROKEN {
        let answer = answered(&Acceptor::websocket(), request.as_bytes());
        assert_eq!(status(&answer), Some(wanted), "{request}{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
    let head = answered(&Acceptor::websocket(), b"HEAD / HTTP/1.1\r\n\r\n");
    assert_eq!((status(&head), body(&head)), (Some(400), ""));
}

#[test]
fn what_is_too_long_is_told_so() {
    let long = "y".repeat(MAX_HEAD);
    let many = "x: y\r\n".repeat(MAX_HEADERS);
    for (request, wanted) in [
        (format!("GET /{long} HTTP/1.1\r\nHost: here\r\n\r\n"), 414),
        (format!("PROPFIND /{long}"), 414),
        (format!("GET / HTTP/1.1\r\nHost: here\r\nCookie: {long}\r\n\r\n"), 431),
        (format!("GET / HTTP/1.1\r\nHost: here\r\nCookie: {long}"), 431),
        (format!("GET / HTTP/1.1\r\nHost: here\r\n{many}\r\n"), 431),
    ] {
        let answer = answered(&Acceptor::websocket(), request.as_bytes());
        assert_eq!(status(&answer), Some(wanted), "{answer}");
    }
    // The longest there may be.
    let head = "GET / HTTP/1.1\r\nHost: here\r\nx: \r\n\r\n";
    let longest = head.replace("x: ", &format!("x: {}", "y".repeat(MAX_HEAD - head.len())));
    assert_eq!(longest.len(), MAX_HEAD);
    assert_eq!(status(&answered(&Acceptor::websocket(), longest.as_bytes())), Some(426));
    let longer = longest.replacen('y', "yy", 1);
    assert_eq!(status(&answered(&Acceptor::websocket(), longer.as_bytes())), Some(431));
}

#[test]
fn what_is_not_http_is_closed_without_a_word() {
    let long = "x".repeat(MAX_HEAD + 1);
    for noise in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 GET / HTTP/1.1\r\n\r\n"[..],
        b"\0\x01noise\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"EHLO mail.example\r\n",
        b" / HTTP/1.1\r\n\r\n",
        b"\r\n\r\n",
        b"",
        b"GET / HTT",
        long.as_bytes(),
    ] {
        let said = meet(&Acceptor::websocket(), noise, false);
        assert_eq!(said.answered, b"", "{}", noise.escape_ascii());
    }
}

/// What a request received so far comes to: none yet, a status, or none at all.
fn judged(received: &[u8]) -> Option<Result<u16, String>> {
    match parse_request(received) {
        Ok(None) => None,
        Ok(Some((_, request))) => Some(Ok(match answer(&request) {
            Ok(response) => response.status().as_u16(),
            Err(refusal) => refusal.status().as_u16(),
        })),
        Err(error) => {
            let refusal = error.refusal().map(|refusal| refusal.status().as_u16());
            Some(refusal.ok_or_else(|| error.to_string()))
        }
    }
}

#[test]
fn a_head_in_pieces_is_judged_as_a_whole_one() {
    let fine = upgrade("GET /rooms HTTP/1.1");
    let noise = [("SSH-2.0-OpenSSH_9.9\r\n\r\n", 0), ("EHLO mail.example\r\n\r\n", 0)];
    let all = REQUESTS
        .iter()
        .chain(&BROKEN)
        .chain(&noise)
        .map(|(request, _)| *request);
    for request in all.chain([&fine[..]]) {
        let whole = judged(request.as_bytes());
        assert!(whole.is_some(), "{request}");
        let mut was_judged = false;
        for cut in 0..request.len() {
            let part = judged(&request.as_bytes()[..cut]);
            assert!(part == whole || part.is_none() && !was_judged, "{cut} of {request}");
            was_judged |= part.is_some();
        }
    }
}

#[test]
fn an_upgrade_is_answered_whatever_stands_beside_it() {
    for line in [
        "GET / HTTP/1.1",
        "GET ws://here/rooms HTTP/1.1",
        "GET /?x HTTP/1.1\r\nContent-Length: 0",
    ] {
        let answer = answered(&Acceptor::websocket(), upgrade(line).as_bytes());
        assert!(answer.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{answer}");
        assert!(
            answer.contains("\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            "{answer}"
        );
    }
    let waits = upgrade("GET / HTTP/1.1\r\nExpect: 100-continue");
    let answer = answered(&Acceptor::websocket(), waits.as_bytes());
    assert!(
        answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 "),
        "{answer}"
    );
    for (from, to, wanted) in [
        ("Version: 13", "Version: 8", 426),
        ("Version: 13", "Version: 13\r\nTransfer-Encoding: chunked", 400),
        ("Version: 13", "Version: 13\r\nContent-Length: 10", 400),
        ("HTTP/1.1", "HTTP/1.0", 426),
        ("GET", "HEAD", 405),
        ("keep-alive, Upgrade", "keep-alive", 426),
        (SUBPROTOCOL, "chat", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR==", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j", 400),
        ("Sec-WebSocket-Key", "X-Key", 400),
    ] {
        let fine = upgrade("GET / HTTP/1.1");
        let request = fine.replace(from, to);
        assert_ne!(request, fine);
        let answer = answered(&Acceptor::websocket(), request.as_bytes());
        assert_eq!(status(&answer), Some(wanted), "{request}{answer}");
    }
}

/// A socket that is dropped with something unread is reset, which can destroy the answer.
#[test]
fn a_body_that_nobody_asked_for_is_read_to_its_end() {
    let body = vec![b'x'; 3 << 20];
    let head = format!(
        "POST /upload HTTP/1.1\r\nHost: here\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    for head in [head.as_bytes(), b"POST / HTTP/3.0\r\n\r\n"] {
        let said = meet(&Acceptor::websocket(), &[head, &body].concat(), false);
        assert!(said.is_closed && said.saw_the_end);
        assert!(!said.answered.is_empty());
    }
    let said = meet(&Acceptor::websocket(), head.as_bytes(), true);
    assert!((3 << 20..32 << 20).contains(&said.read_behind), "{}", said.read_behind);
}
