//! AWS's signatures, credentials and keys, over loopback sockets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use unbroken_ssm::api::{AgentService, ApiError, Http, StartSession};
use unbroken_ssm::aws::{Aws, LoadError};
use unbroken_ssm::proto::Cause;
use unbroken_ssm::proto::ssm::kms::Direction;
use unbroken_ssm::{Service, Tls, TokenError};

use crate::serving::{Serving, answer, error, line, signers, text};

const GRANT: &str = r#"{"SessionId":"me-0a1b","TokenValue":"THE-TOKEN","StreamUrl":"wss://x/v1/data-channel/me-0a1b"}"#;

fn http() -> Http {
    Http::new(Tls::trusting([]).unwrap()).without_proxies()
}

/// Credentials that are numbered by look-up: AKID1, AKID2 and so on.
#[derive(Clone, Debug, Default)]
struct Numbered {
    look_ups: Arc<AtomicUsize>,
    expire_after: Option<Duration>,
    token: Option<String>,
}

impl ProvideCredentials for Numbered {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let number = self.look_ups.fetch_add(1, Ordering::SeqCst) + 1;
        let expiry = self.expire_after.map(|after| SystemTime::now() + after);
        let made = Credentials::new(
            format!("AKID{number}"),
            "THE-SECRET",
            self.token.clone(),
            expiry,
            "test",
        );
        future::ProvideCredentials::ready(Ok(made))
    }
}

fn aws(service: &Serving, credentials: impl ProvideCredentials + 'static) -> Aws {
    let aws = Aws::new(http(), "eu-west-1", credentials).unwrap();
    let aws = aws.ssm_endpoint(&service.url()).unwrap();
    aws.kms_endpoint(&service.url()).unwrap()
}

#[tokio::test]
async fn a_call_is_signed_for_its_region_and_service() {
    let service = Serving::start(|_| answer(200, GRANT)).await;
    let credentials = Numbered {
        token: Some("A-SESSION-TOKEN".into()),
        ..Numbered::default()
    };
    let aws = aws(&service, credentials);
    aws.api().start_session(&StartSession::new("i-1")).await.unwrap();
    let asked = &service.asked()[0];
    let date = line(asked, "x-amz-date");
    assert_eq!((date.len(), &date[8..9]), (16, "T"));
    let expected = format!(
        "AWS4-HMAC-SHA256 Credential=AKID1/{}/eu-west-1/ssm/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=",
        &date[..8]
    );
    let signature = line(asked, "authorization").strip_prefix(&expected);
    assert!(
        signature.is_some_and(|hex| hex.len() == 64),
        "{}",
        line(asked, "authorization")
    );
    assert_eq!(line(asked, "x-amz-security-token"), "A-SESSION-TOKEN");
    assert_eq!(line(asked, "x-amz-target"), "AmazonSSM.StartSession");
    let shown = format!("{aws:?} {:?} {:?}", aws.client("i-1"), aws.api());
    assert!(
        !shown.contains("THE-SECRET") && !shown.contains("A-SESSION-TOKEN"),
        "{shown}"
    );
}

#[tokio::test]
async fn credentials_are_kept_until_they_are_refused() {
    let answers = AtomicUsize::new(0);
    let service = Serving::start(move |_| match answers.fetch_add(1, Ordering::SeqCst) {
        2 => error(400, "ExpiredTokenException"),
        4 => answer(403, ""),
        _ => answer(200, GRANT),
    })
    .await;
    let client = aws(&service, Numbered::default()).client("i-1");
    for is_refused in [false, false, true, false, true, false] {
        match client.token("me-0a1b").await {
            Ok(_) => assert!(!is_refused),
            Err(TokenError::Failed(failed)) => assert!(is_refused && failed.cause() == Cause::Denied),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(
        signers(&service),
        ["AKID1", "AKID1", "AKID1", "AKID2", "AKID2", "AKID3"]
    );
}

#[tokio::test]
async fn what_expires_soon_is_looked_up_again() {
    for (expire_after, look_ups) in [(59, 2), (3600, 1)] {
        let service = Serving::start(|_| answer(200, GRANT)).await;
        let expire_after = Some(Duration::from_secs(expire_after));
        let credentials = Numbered {
            expire_after,
            ..Numbered::default()
        };
        let client = aws(&service, credentials.clone()).client("i-1");
        client.token("me-0a1b").await.unwrap();
        client.token("me-0a1b").await.unwrap();
        assert_eq!(credentials.look_ups.load(Ordering::SeqCst), look_ups);
    }
}

/// There are none.
#[derive(Debug)]
struct Nothing;

impl ProvideCredentials for Nothing {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let nowhere = CredentialsError::not_loaded("no credentials of the test's");
        future::ProvideCredentials::ready(Err(nowhere))
    }
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    let service = Serving::start(|_| answer(200, GRANT)).await;
    let client = aws(&service, Nothing).client("i-1");
    let Err(TokenError::Failed(failed)) = client.token("me-0a1b").await else {
        panic!("a token")
    };
    assert_eq!(failed.cause(), Cause::Denied);
    assert!(failed.to_string().contains("no credentials of the test's"), "{failed}");
    let refused = client
        .upgrade(&"wss://ssmmessages.eu-west-1.amazonaws.com/".parse().unwrap())
        .await;
    assert_eq!(refused.unwrap_err().cause(), Cause::Denied);
    assert!(service.asked().is_empty());
}

#[tokio::test]
async fn an_upgrade_is_signed_unless_its_url_is() {
    let service = Serving::start(|_| answer(200, GRANT)).await;
    let credentials = Numbered::default();
    let aws = aws(&service, credentials.clone());
    let upgrade = async |aws: &Aws, url: &str| aws.client("i-1").upgrade(&url.parse().unwrap()).await.unwrap();
    let host = "wss://ssmmessages.us-east-2.amazonaws.com/v1/data-channel/me-0a1b";
    for url in [
        format!("{host}?role=publish_subscribe&X-Amz-Signature=0123"),
        format!("{host}?x-amz-algorithm=AWS4-HMAC-SHA256"),
        host.replace("wss:", "ws:"),
    ] {
        assert!(upgrade(&aws, &url).await.is_empty(), "{url}");
    }
    assert_eq!(credentials.look_ups.load(Ordering::SeqCst), 0);
    let headers = upgrade(&aws, &format!("{host}?role=publish_subscribe")).await;
    let line = headers.get("authorization").unwrap().to_str().unwrap();
    assert!(
        line.contains("/us-east-2/ssmmessages/aws4_request, SignedHeaders=host;x-amz-date, Signature="),
        "{line}"
    );
    let silent = aws.unsigned();
    assert!(upgrade(&silent, host).await.is_empty());
    silent.client("i-1").token("me-0a1b").await.unwrap();
    assert_eq!(signers(&service), [""]);
    assert_eq!(credentials.look_ups.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_agents_calls_can_be_signed_too() {
    let service = Serving::start(|_| answer(201, "<a><TokenValue>THE-TOKEN</TokenValue></a>")).await;
    let signer = aws(&service, Numbered::default()).signer().clone();
    let agent = AgentService::new(http(), service.url().parse().unwrap(), "client-id", signer);
    agent.token("me-0a1b").await.unwrap();
    assert!(line(&service.asked()[0], "authorization").contains("/eu-west-1/ssmmessages/aws4_request"));
}

/// The bytes 0 to 63.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==";

#[tokio::test]
async fn kms_makes_a_data_key() {
    let body = format!(r#"{{"CiphertextBlob":"AQID","KeyId":"arn:x","Plaintext":"{KEY}"}}"#);
    let service = Serving::start(move |_| answer(200, body.clone())).await;
    let context = BTreeMap::from([("aws:ssm:TargetId", "i-1")]);
    let made = aws(&service, Numbered::default())
        .generate_data_key("alias/x", &context)
        .await
        .unwrap();
    assert_eq!(made.cipher_text, [1, 2, 3]);
    let mut sealed = Vec::new();
    made.key
        .direction(Direction::AgentToClient)
        .seal([0; 12], b"text", &mut sealed)
        .unwrap();
    let same = unbroken_ssm::proto::ssm::kms::DataKey::new(std::array::from_fn(|place| place as u8));
    assert_eq!(same.direction(Direction::AgentToClient).open(&sealed).unwrap(), b"text");
    let asked = &service.asked()[0];
    assert_eq!(line(asked, "x-amz-target"), "TrentService.GenerateDataKey");
    assert!(line(asked, "authorization").contains("/eu-west-1/kms/aws4_request"));
    let body = r#"{"KeyId":"alias/x","NumberOfBytes":64,"EncryptionContext":{"aws:ssm:TargetId":"i-1"}}"#;
    assert_eq!(text(asked), body);
}

#[tokio::test]
async fn what_is_no_data_key_is_none() {
    let short = r#"{"CiphertextBlob":"AQID","Plaintext":"AAEC"}"#.to_owned();
    let bare = format!(r#"{{"CiphertextBlob":"","Plaintext":"{KEY}"}}"#);
    for body in [short, bare, "{}".into(), "<html>".into()] {
        let service = Serving::start({
            let body = body.clone();
            move |_| answer(200, body.clone())
        })
        .await;
        let made = aws(&service, Numbered::default())
            .generate_data_key("alias/x", &BTreeMap::new())
            .await;
        assert!(matches!(made, Err(ApiError::Answer(_))), "{body}: {made:?}");
    }
    let service = Serving::start(|_| error(400, "NotFoundException")).await;
    let made = aws(&service, Numbered::default())
        .generate_data_key("alias/x", &BTreeMap::new())
        .await;
    assert!(matches!(made, Err(ApiError::Service(said)) if said.code == "NotFoundException"));
}

#[test]
fn regions_and_endpoints_have_their_form() {
    let region = |region| Aws::new(http(), region, Numbered::default());
    assert!(matches!(region("evil.example.org/"), Err(LoadError::Region(_))));
    assert!(matches!(
        region("eu-west-1").unwrap().ssm_endpoint("localhost:1"),
        Err(LoadError::Endpoint(_))
    ));
    assert_eq!(
        region("cn-north-1").unwrap().api().endpoint(),
        "https://ssm.cn-north-1.amazonaws.com.cn/"
    );
}
