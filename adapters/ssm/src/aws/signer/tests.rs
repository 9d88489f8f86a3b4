//! The signatures were computed from the published algorithm with Python's `hashlib` and `hmac`; the first is also one of AWS's own vectors.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use bytes::Bytes;
use hyper::Request;
use hyper::header::{AUTHORIZATION, HeaderMap};

use super::{Signer, Source, signature};
use crate::api::Sign;

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30, 12:36:00.
const THEN: u64 = 1_440_938_160;
/// 2026-11-29, 21:44:22.
const NOW: u64 = 1_795_988_662;

fn credentials(token: Option<&str>) -> Credentials {
    Credentials::new(ID, SECRET, token.map(str::to_owned), None, "test")
}

fn signed(token: Option<&str>, place: (&str, &str), seconds: u64, request: &Request<Bytes>) -> HeaderMap {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    signature(credentials(token), place, time, request).expect("a signature")
}

fn authorization(lines: &HeaderMap) -> &str {
    lines
        .get(AUTHORIZATION)
        .and_then(|line| line.to_str().ok())
        .expect("a signature")
}

fn get(url: &str) -> Request<Bytes> {
    let host = url.split('/').nth(2).expect("a host");
    Request::get(url)
        .header("host", host)
        .body(Bytes::new())
        .expect("a request")
}

#[test]
fn the_published_vector_is_met() {
    let lines = signed(
        None,
        ("us-east-1", "service"),
        THEN,
        &get("https://example.amazonaws.com/"),
    );
    assert_eq!(
        authorization(&lines),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, \
         Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
    assert_eq!(lines.get("x-amz-date").expect("a date"), "20150830T123600Z");
    assert_eq!(lines.len(), 2);
}

#[test]
fn an_upgrade_is_signed_with_its_query_and_its_token() {
    let url = "wss://ssmmessages.eu-west-1.amazonaws.com/v1/data-channel/me@corp-0a1b?role=publish_subscribe&cell-number=AAEX%2B1";
    let lines = signed(Some("TOKEN/+="), ("eu-west-1", "ssmmessages"), NOW, &get(url));
    assert_eq!(
        authorization(&lines),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261129/eu-west-1/ssmmessages/aws4_request, \
         SignedHeaders=host;x-amz-date;x-amz-security-token, \
         Signature=e11f772552525775769d2d0eec9571108f5ed5377699ca0dd3e06b24a74fa19d"
    );
    assert_eq!(lines.get("x-amz-security-token").expect("a token"), "TOKEN/+=");
    assert!(lines.values().all(hyper::header::HeaderValue::is_sensitive));
}

#[test]
fn a_call_is_signed_with_its_target_and_its_body() {
    let request = Request::post("https://ssm.eu-west-1.amazonaws.com/")
        .header("host", "ssm.eu-west-1.amazonaws.com")
        .header("user-agent", "changes on the way")
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "AmazonSSM.ResumeSession")
        .body(Bytes::from_static(br#"{"SessionId":"me-0a1b"}"#))
        .expect("a request");
    let lines = signed(None, ("eu-west-1", "ssm"), NOW, &request);
    assert_eq!(
        authorization(&lines),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261129/eu-west-1/ssm/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-amz-target, \
         Signature=8e54182c9a8af8acc32a4d35a6634a60211c7cee0c7d941d9fd8c35e0f3ff19c"
    );
}

#[test]
fn what_cannot_be_signed_is_an_error() {
    let pathless = Request::get("/path").body(Bytes::new()).expect("a request");
    let binary = Request::get("https://x/")
        .header("x-amz-a", &b"\xff"[..])
        .body(Bytes::new())
        .expect("a request");
    for request in [pathless, binary] {
        let place = ("eu-west-1", "ssm");
        assert!(signature(credentials(None), place, SystemTime::UNIX_EPOCH, &request).is_err());
    }
}

fn signer() -> Signer {
    let source = Source::Given(SharedCredentialsProvider::new(credentials(None)));
    Signer::new("eu-west-1".into(), source)
}

#[tokio::test]
async fn nothing_is_signed_that_goes_in_clear_to_another_machine() {
    let signer = signer();
    for (url, is_signed) in [
        ("ws://ssmmessages.eu-west-1.amazonaws.com/", false),
        ("http://gateway.example.org/", false),
        ("ws://127.0.0.1:8080/", true),
        ("http://localhost:4566/", true),
        ("wss://gateway.example.org/", true),
        ("https://gateway.example.org/", true),
    ] {
        let lines = signer.sign("ssm", &get(url)).await.expect("a signature");
        assert_eq!(!lines.is_empty(), is_signed, "{url}");
    }
}

#[tokio::test]
async fn the_region_is_that_of_the_host() {
    let signer = signer();
    for (url, scope) in [
        (
            "wss://ssmmessages.us-east-2.amazonaws.com/",
            "/us-east-2/ssmmessages/aws4_request",
        ),
        ("wss://gateway.example.org/", "/eu-west-1/ssmmessages/aws4_request"),
    ] {
        let lines = signer.sign("ssmmessages", &get(url)).await.expect("a signature");
        assert!(authorization(&lines).contains(scope), "{url}");
    }
}

#[tokio::test]
async fn a_silent_signer_signs_nothing_and_shows_nothing() {
    assert!(!format!("{:?}", signer()).contains(SECRET));
    let lines = signer()
        .silent()
        .sign("ssm", &get("https://x/"))
        .await
        .expect("no signature");
    assert!(lines.is_empty());
}
