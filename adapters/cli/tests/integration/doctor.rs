//! `unbroken doctor`, on servers that are well and others.
#![cfg(unix)]

use std::net::TcpListener;
use std::process::Output;

use crate::common::{self, Served, free_port, run};

/// Each step and what came of it.
fn steps(output: &Output) -> Vec<(String, String)> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let step = |line: &str| {
        let (name, rest) = line.split_at(12);
        (
            name.trim().to_owned(),
            rest.split_whitespace().next().unwrap().to_owned(),
        )
    };
    text.lines().map(step).collect()
}

fn names(steps: &[(String, String)]) -> Vec<&str> {
    steps.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn where_all_is_well_every_step_is() {
    let served = Served::new(&["--echo"]);
    let output = run(served.client("doctor", &served.url(), &[]), b"");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let steps = steps(&output);
    assert_eq!(
        names(&steps),
        ["resolve", "connect", "handshake", "round trips", "swap"]
    );
    assert!(steps.iter().all(|(_, came)| came == "ok"), "{steps:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(&served.server_key) && text.contains("nothing waited for it"),
        "{text}"
    );
}

#[test]
fn the_step_that_fails_says_why_and_is_the_last() {
    let served = Served::new(&["--echo"]);
    let stranger = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = stranger.local_addr().unwrap().port();
    let web = std::thread::spawn(move || {
        use std::io::{Read, Write};
        for socket in stranger.incoming().take(1) {
            let mut socket = socket.unwrap();
            let _request = socket.read(&mut [0; 1_000]).unwrap();
            socket
                .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                .unwrap();
        }
    });
    let wrong_key = "0".repeat(64);
    for (url, more, last, code, words) in [
        (
            "tcp://host.invalid:1".to_owned(),
            &[][..],
            "resolve",
            3,
            "has no address",
        ),
        (format!("tcp://127.0.0.1:{}", free_port()), &[], "connect", 3, "refused"),
        (format!("ws://127.0.0.1:{port}/x"), &[], "connect", 3, "404"),
        (
            served.url(),
            &["--server-key", &wrong_key],
            "handshake",
            4,
            "has another key",
        ),
    ] {
        let key = served.folder.text("client.key");
        let mut arguments = vec!["doctor", &url, "--key", &key];
        arguments.extend(more);
        let output = run(common::unbroken(&served.folder.path("."), &arguments), b"");
        let said = String::from_utf8(output.stderr.clone()).unwrap();
        assert!(said.contains(words) && said.lines().count() == 1, "{said}");
        assert_eq!(output.status.code(), Some(code), "{said}");
        let steps = steps(&output);
        assert_eq!(steps.last(), Some(&(last.to_owned(), "failed".to_owned())), "{said}");
    }
    web.join().unwrap();
}
