//! What the AWS CLI runs, called as it does.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use unbroken_ssm::api::StartSession;
use unbroken_ssm::gateway::{Gateway, Settings, StartRequest};
use unbroken_ssm::http::StatusCode;

use super::place::{Forwarding, PLUGIN, Place, converse_at, echo};
use crate::common::{Running, failure, free_port, pattern, run};

const REQUEST: &str = r#"{"Target": "i-1"}"#;

fn command(command: &str) -> StartSession {
    let document = StartSession::new("i-1").document("AWS-StartNonInteractiveCommand");
    document.parameter("command", command)
}

/// A port there and one here.
fn port(there: u16, here: u16) -> StartSession {
    let document = StartSession::new("i-1").document("AWS-StartPortForwardingSession");
    let document = document.parameter("portNumber", there.to_string());
    document.parameter("localPortNumber", here.to_string())
}

/// The plugin under the name that the AWS CLI knows.
fn plugin(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(place.folder.path(PLUGIN));
    command.args(arguments);
    place.prepare(&mut command);
    command
}

#[test]
fn its_name_makes_it_the_plugin() {
    let place = Place::new();
    let said = run(plugin(&place, &["--version"]), b"");
    assert_eq!(
        (said.stdout.as_slice(), said.status.code()),
        (&b"1.2.764.0\n"[..], Some(0))
    );
    let said = run(plugin(&place, &[]), b"");
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(text.contains("the AWS CLI can start sessions"), "{text}");
    assert_eq!(said.status.code(), Some(0));
    // Called by its own name it is no plugin.
    let said = run(place.command(&["plugin", "--version"]), b"");
    assert_eq!(said.stdout, b"1.2.764.0\n");
}

#[test]
fn wrong_arguments_are_said_in_a_line() {
    let place = Place::new();
    let response = r#"{"SessionId":"s","TokenValue":"secret","StreamUrl":"ws://127.0.0.1:1/"}"#;
    for (arguments, words) in [
        (&["hello"][..], "are needed"),
        (&["secret", "us-east-1", "StartSession"], "no JSON object"),
        (&[response, "us-east-1", "EndSession"], "StartSession, not"),
        (
            &["AWS_SSM_START_SESSION_RESPONSE", "us-east-1", "StartSession"],
            "is not set",
        ),
        (&[response, "us-east-1", "StartSession", "", "{}"], "the request"),
        (&[response, "us-east-1", "StartSession", "", REQUEST, "no url"], "AWS"),
        (&[response, "us east 1", "StartSession", "", REQUEST], "AWS"),
    ] {
        let said = run(plugin(&place, arguments), b"");
        let (code, line) = failure(&said);
        assert!(line.contains(words) && !line.contains("secret"), "{line}");
        assert_eq!((code, said.stdout.as_slice()), (2, &b""[..]), "{line}");
    }
}

#[test]
fn the_answer_is_taken_as_an_argument_and_of_a_variable() {
    let place = Place::new();
    let endpoint = place.loopback.endpoint();
    for name in ["", "AWS_SSM_START_SESSION_RESPONSE", "AWS_SSM_START_SESSION_RESPONSE_2"] {
        let response = place.started(&command("echo out; echo err >&2; exit 7"));
        let given = if name.is_empty() { &response } else { name };
        let mut plugin = plugin(&place, &[given, "us-east-1", "StartSession", "", REQUEST, &endpoint]);
        if !name.is_empty() {
            plugin.env(name, &response);
        }
        let said = run(plugin, b"");
        assert_eq!(
            (said.stdout.as_slice(), said.stderr.as_slice(), said.status.code()),
            (&b"out\n"[..], &b"err\n"[..], Some(7)),
            "{name}"
        );
    }
}

#[test]
fn nobody_has_to_sign() {
    let place = Place::new();
    let endpoint = place.loopback.endpoint();
    let response = place.started(&command("echo out; exit 3"));
    let mut plugin = plugin(
        &place,
        &[&response, "us-east-1", "StartSession", "", REQUEST, &endpoint],
    );
    plugin
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    plugin.env("SSM_PLUGIN_SKIP_CLIENT_CONFIGURE", "true");
    let said = run(plugin, b"");
    assert_eq!((said.stdout.as_slice(), said.status.code()), (&b"out\n"[..], Some(3)));
}

#[test]
fn a_port_that_the_document_names_is_opened_over_cuts() {
    let place = Place::new();
    let endpoint = place.loopback.endpoint();
    let response = place.started(&port(echo(), 0));
    let plugin = plugin(
        &place,
        &[&response, "us-east-1", "StartSession", "", REQUEST, &endpoint],
    );
    let mut forwarding = Forwarding::start(plugin);
    let port = forwarding.port();
    assert_eq!(forwarding.hears("Waiting for "), "connections...");
    for round in 0..3 {
        place.cut_client();
        converse_at(port, &pattern(100_000 + round));
    }
    forwarding.process.signal("-INT");
    assert_eq!(forwarding.ends(), (String::new(), 0));
    place.is_left();
}

#[test]
fn a_port_that_is_taken_ends_the_session() {
    let place = Place::new();
    let taken = echo();
    let endpoint = place.loopback.endpoint();
    let response = place.started(&port(taken, taken));
    let mut plugin = plugin(
        &place,
        &[&response, "us-east-1", "StartSession", "", REQUEST, &endpoint],
    );
    plugin.stdin(Stdio::null());
    let (code, line) = failure(&run(plugin, b""));
    assert!((code, line.contains(&taken.to_string())) == (2, true), "{code} {line}");
    place.is_left();
}

/// An answer to StartSession that leads there.
fn leading_to(port: u16) -> String {
    let url = format!("ws://127.0.0.1:{port}/v1/data-channel/s-1");
    serde_json::json!({"SessionId": "s-1", "TokenValue": "t", "StreamUrl": url}).to_string()
}

#[test]
fn who_is_not_let_in_hears_so_and_tries_no_more() {
    let place = Place::new();
    let settings = Settings::default().authorise(|_| Err(StatusCode::FORBIDDEN));
    let gateway = Gateway::new(settings, |_: StartRequest| async { Ok(()) }).unwrap();
    let (response, endpoint) = (leading_to(place.serve(gateway)), place.loopback.endpoint());
    let plugin = plugin(
        &place,
        &[&response, "us-east-1", "StartSession", "", REQUEST, &endpoint],
    );
    let (code, line) = failure(&run(plugin, b""));
    assert_eq!((code, line.contains("403 Forbidden")), (4, true), "{line}");
}

#[test]
fn a_service_that_cannot_be_reached_at_first_is_said() {
    let place = Place::new();
    let (response, nowhere) = (leading_to(free_port()), format!("http://127.0.0.1:{}", free_port()));
    let mut plugin = plugin(&place, &[&response, "us-east-1", "StartSession", "", REQUEST, &nowhere]);
    plugin.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut plugin = Running(plugin.spawn().unwrap());
    let mut said = BufReader::new(plugin.0.stderr.take().unwrap()).lines();
    let line = said.next().unwrap().unwrap();
    assert!(line.starts_with("unbroken: no connection, reconnecting"), "{line}");
    plugin.signal("-HUP");
    assert_eq!(plugin.wait(), 1);
}
