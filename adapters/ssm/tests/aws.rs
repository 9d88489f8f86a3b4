//! AWS's signatures, credentials and keys, over loopback sockets.
#![allow(clippy::unwrap_used, reason = "a test")]

mod serving;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};
use serving::{Answer, Serving, answer, error, line, text};
use unbroken_ssm::api::{AgentService, ApiError, Http, StartSession};
use unbroken_ssm::aws::{Aws, LoadError};
use unbroken_ssm::proto::Cause;
use unbroken_ssm::proto::ssm::kms::Direction;
use unbroken_ssm::{Service, Tls, TokenError};

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

/// Whose signature each request has.
fn signers(service: &Serving) -> Vec<String> {
    let named = |request: &hyper::Request<bytes::Bytes>| {
        let line = line(request, "authorization").to_owned();
        let named = line.strip_prefix("AWS4-HMAC-SHA256 Credential=").unwrap_or_default();
        named.split('/').next().unwrap_or_default().to_owned()
    };
    service.asked().iter().map(named).collect()
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

/// What a process of its own, with an environment of its own, is asked by `by_the_environment`.
#[tokio::test]
#[ignore = "run by others, each of which sets the environment"]
async fn in_an_environment() {
    let said = |name| std::env::var(name).ok();
    let http = Http::new(Tls::trusting([]).unwrap());
    let profile = said("TEST_PROFILE");
    let aws = Aws::load_with(http, said("TEST_REGION").as_deref(), profile.as_deref(), Some(""))
        .await
        .unwrap();
    println!("region={}", aws.region());
    for _ in 0..2 {
        match aws.client("i-1").token("me-0a1b").await {
            Ok(grant) => println!("token={}", grant.token.as_str()),
            Err(error) => println!("error={error}"),
        }
    }
}

/// What [`in_an_environment`] prints with these variables and no others of AWS's or of proxies.
fn in_environment(variables: &[(&str, &str)]) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "in_an_environment", "--ignored", "--nocapture"]);
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_ascii_uppercase();
        if upper.starts_with("AWS_") || upper.ends_with("_PROXY") {
            command.env_remove(name);
        }
    }
    command
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .envs(variables.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A directory that is removed in the end.
struct Directory(std::path::PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("unbroken-ssm-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    /// Writes a file; its path.
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

async fn granting() -> Serving {
    Serving::start(|_| answer(200, GRANT)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_of_the_shared_files_is_read() {
    let (service, directory) = (granting().await, Directory::new("profile"));
    let credentials = directory.write(
        "credentials",
        "[default]\naws_access_key_id = WRONG\naws_secret_access_key = x\n[work]\naws_access_key_id = RIGHT\naws_secret_access_key = x\n",
    );
    let config = directory.write("config", "[profile work]\nregion = eu-north-1\n");
    let said = in_environment(&[
        ("AWS_SHARED_CREDENTIALS_FILE", &credentials),
        ("AWS_CONFIG_FILE", &config),
        ("AWS_ENDPOINT_URL_SSM", &service.url()),
        ("TEST_PROFILE", "work"),
    ]);
    assert!(
        said.contains("region=eu-north-1\ntoken=THE-TOKEN\ntoken=THE-TOKEN\n"),
        "{said}"
    );
    assert_eq!(signers(&service), ["RIGHT", "RIGHT"]);
    assert!(line(&service.asked()[0], "authorization").contains("/eu-north-1/ssm/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_read_afresh_from_the_file() {
    let directory = Directory::new("afresh");
    let file = |id: &str| format!("[default]\naws_access_key_id = {id}\naws_secret_access_key = x\n");
    let credentials = directory.write("credentials", &file("OLD"));
    let answers = AtomicUsize::new(0);
    let fresh = (credentials.clone(), file("NEW"));
    let service = Serving::start(move |_| -> Answer {
        match answers.fetch_add(1, Ordering::SeqCst) {
            0 => {
                fs::write(&fresh.0, &fresh.1).unwrap();
                error(400, "UnrecognizedClientException")
            }
            _ => answer(200, GRANT),
        }
    })
    .await;
    let said = in_environment(&[
        ("AWS_SHARED_CREDENTIALS_FILE", &credentials),
        ("AWS_CONFIG_FILE", "/nowhere"),
        ("AWS_ENDPOINT_URL", &service.url()),
        ("TEST_REGION", "eu-west-1"),
    ]);
    assert!(
        said.contains("error=denied") && said.contains("token=THE-TOKEN"),
        "{said}"
    );
    assert_eq!(signers(&service), ["OLD", "NEW"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_a_container_are_asked_over_the_same_http() {
    let service = Serving::start(|request| match request.uri().path() {
        "/credentials" => answer(
            200,
            r#"{"AccessKeyId":"CONTAINER","SecretAccessKey":"x","Token":"t","Expiration":"2999-01-01T00:00:00Z"}"#,
        ),
        _ => answer(200, GRANT),
    })
    .await;
    let said = in_environment(&[
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            &format!("{}/credentials", service.url()),
        ),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere"),
        ("AWS_CONFIG_FILE", "/nowhere"),
        ("AWS_ENDPOINT_URL_SSM", &service.url()),
        ("AWS_REGION", "eu-west-1"),
        ("HTTP_PROXY", "http://127.0.0.1:9"),
    ]);
    assert!(said.contains("token=THE-TOKEN"), "{said}");
    assert_eq!(signers(&service), ["", "CONTAINER", "CONTAINER"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_of_the_profile_is_run() {
    let (service, directory) = (granting().await, Directory::new("process"));
    let output = directory.write(
        "output",
        r#"{"Version":1,"AccessKeyId":"PROGRAM","SecretAccessKey":"x"}"#,
    );
    let config = directory.write("config", &format!("[default]\ncredential_process = cat {output}\n"));
    let said = in_environment(&[
        ("AWS_CONFIG_FILE", &config),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere"),
        ("AWS_ENDPOINT_URL_SSM", &service.url()),
        ("AWS_REGION", "eu-west-1"),
    ]);
    assert!(said.contains("token=THE-TOKEN"), "{said}");
    assert_eq!(signers(&service), ["PROGRAM", "PROGRAM"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_of_the_environment_is_used() {
    let proxy = Serving::start(|request| match request.uri().to_string().as_str() {
        "http://ssm.example.org/" => answer(200, GRANT),
        other => answer(500, other),
    })
    .await;
    let said = in_environment(&[
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ENDPOINT_URL_SSM", "http://ssm.example.org"),
        ("HTTP_PROXY", &format!("http://me:word@{}", proxy.address)),
    ]);
    assert!(said.contains("token=THE-TOKEN"), "{said}");
    let asked = &proxy.asked()[0];
    assert_eq!(line(asked, "proxy-authorization"), "Basic bWU6d29yZA==");
    assert_eq!(
        (line(asked, "host"), line(asked, "authorization")),
        ("ssm.example.org", "")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_is_asked_for_where_tls_is() {
    let proxy = Serving::start(|_| answer(407, "")).await;
    let said = in_environment(&[
        ("AWS_ACCESS_KEY_ID", "AKID"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_REGION", "eu-west-1"),
        ("HTTPS_PROXY", &proxy.url()),
    ]);
    assert!(
        said.contains("error=denied: the proxy answers with status 407"),
        "{said}"
    );
    let asked = &proxy.asked()[0];
    assert_eq!(
        (asked.method().as_str(), asked.uri().to_string().as_str()),
        ("CONNECT", "ssm.eu-west-1.amazonaws.com:443")
    );
    assert_eq!(line(asked, "authorization"), "");
}
