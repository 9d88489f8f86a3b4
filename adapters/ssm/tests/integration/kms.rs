//! A session whose two ends have their data key from KMS, over loopback sockets.

use std::time::Duration;

use aws_credential_types::Credentials;
use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::time::timeout;
use unbroken_ssm::api::{Http, StartSession};
use unbroken_ssm::aws::Aws;
use unbroken_ssm::gateway::{Gateway, Settings, StartRequest};
use unbroken_ssm::proto::ssm::event::{Chunk, EndReason};
use unbroken_ssm::proto::ssm::{AgentConfig, ClientConfig};
use unbroken_ssm::{AgentSession, ClientSession, Tls};

use crate::serving::{Serving, answer, error, line, text};

/// The bytes 0 to 63.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==";

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("it hangs")
}

/// Both ends of a session, whose KMS is at this place.
async fn ends(kms: &Serving) -> (ClientSession, AgentSession) {
    let gateway = Gateway::new(Settings::default(), |_: StartRequest| async { Ok(()) }).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { gateway.serve(listener).await });
    let http = Http::new(Tls::trusting([]).unwrap()).without_proxies();
    let credentials = Credentials::new("AKID", "THE-SECRET", None, None, "test");
    let aws = Aws::new(http, "eu-west-1", credentials).unwrap();
    let aws = aws.ssm_endpoint(&url).unwrap().kms_endpoint(&kms.url()).unwrap();
    let started = within(aws.api().start_session(&StartSession::new("i-1")))
        .await
        .unwrap();
    let config = AgentConfig::new(started.session_id.clone(), "i-1").with_kms_key_id(Some("alias/x".into()));
    let service = aws.agent(url.parse().unwrap(), "client-id", "i-1");
    let agent = AgentSession::connect(config, &started.stream_url, service).unwrap();
    let config = ClientConfig::new(started.session_id, started.token);
    let client = ClientSession::connect(config, &started.stream_url, aws.client("i-1")).unwrap();
    (client, agent)
}

#[tokio::test]
async fn both_ends_have_the_key() {
    let kms = Serving::start(|_| answer(200, format!(r#"{{"CiphertextBlob":"AQID","Plaintext":"{KEY}"}}"#))).await;
    let (client, agent) = ends(&kms).await;
    agent.write(Bytes::from_static(b"$ ")).await.unwrap();
    let said = Some(Chunk::Output(Bytes::from_static(b"$ ")));
    assert_eq!(within(client.read()).await, said);
    client.write(Bytes::from_static(b"ls -l")).await.unwrap();
    let said = Some(Chunk::Output(Bytes::from_static(b"ls -l")));
    assert_eq!(within(agent.read()).await, said);
    let [made, decrypted] = kms.asked().try_into().unwrap();
    assert_eq!(line(&made, "x-amz-target"), "TrentService.GenerateDataKey");
    assert_eq!(line(&decrypted, "x-amz-target"), "TrentService.Decrypt");
    assert!(line(&decrypted, "authorization").contains("/eu-west-1/kms/aws4_request"));
    let [made, decrypted]: [serde_json::Value; 2] =
        [&made, &decrypted].map(|request| serde_json::from_str(text(request)).unwrap());
    assert_eq!(
        (&decrypted["CiphertextBlob"], &decrypted["KeyId"]),
        (&"AQID".into(), &"alias/x".into())
    );
    let context = &decrypted["EncryptionContext"];
    assert_eq!(context["aws:ssm:SessionId"], *client.session_id());
    assert_eq!(
        (&context["aws:ssm:TargetId"], context),
        (&"i-1".into(), &made["EncryptionContext"])
    );
}

#[tokio::test]
async fn an_agent_without_the_key_says_why() {
    let kms = Serving::start(|request| match line(request, "x-amz-target") {
        "TrentService.Decrypt" => error(400, "InvalidCiphertextException"),
        _ => answer(200, format!(r#"{{"CiphertextBlob":"AQID","Plaintext":"{KEY}"}}"#)),
    })
    .await;
    let (_client, agent) = ends(&kms).await;
    match within(agent.closed()).await.unwrap().reason.clone() {
        EndReason::Handshake { why } => assert!(why.contains("InvalidCiphertextException"), "{why}"),
        other => panic!("{other:?}"),
    }
}
