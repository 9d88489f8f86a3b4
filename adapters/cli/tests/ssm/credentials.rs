//! Who is nobody.

use super::place::Place;
use crate::common::{failure, run};

#[test]
fn without_credentials_nothing_is_started() {
    let place = Place::new();
    for arguments in [&[][..], &["--stdio", "22"], &["--forward", "0:localhost:22"]] {
        let mut command = place.start(arguments);
        command
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY");
        let said = run(command, b"");
        let (code, line) = failure(&said);
        assert!((code, line.contains("credentials")) == (4, true), "{code} {line}");
        assert_eq!(said.stdout, b"");
    }
    assert!(place.loopback.agents().is_empty());
}

#[test]
fn a_profile_is_found() {
    let place = Place::new();
    let file = place.folder.path("credentials");
    std::fs::write(
        &file,
        "[work]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = an example\n",
    )
    .unwrap();
    for (profile, code) in [("work", 0), ("play", 4)] {
        let mut command = place.start(&["--profile", profile, "--", "echo here"]);
        command
            .env_remove("AWS_ACCESS_KEY_ID")
            .env_remove("AWS_SECRET_ACCESS_KEY")
            .env("AWS_SHARED_CREDENTIALS_FILE", &file);
        let said = run(command, b"");
        let text = String::from_utf8_lossy(&said.stderr).into_owned();
        assert_eq!(said.status.code(), Some(code), "{profile}: {text}");
    }
}

#[test]
fn a_region_is_needed() {
    let place = Place::new();
    let endpoint = place.loopback.endpoint();
    let command = place.command(&["start", "--target", "i-1", "--endpoint-url", &endpoint]);
    let (code, line) = failure(&run(command, b""));
    assert!((code, line.contains("region")) == (2, true), "{code} {line}");
}
