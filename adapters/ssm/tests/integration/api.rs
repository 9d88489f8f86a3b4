//! The service's HTTP API without signatures, over loopback sockets.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use unbroken_ssm::api::{
    AgentService, Api, ApiError, ClientService, Http, HttpError, MAX_ANSWER, StartSession, Unsigned,
};
use unbroken_ssm::proto::Cause;
use unbroken_ssm::{ConnectError, Service, Tls, TokenError};

use crate::serving::proxy::{Proxy, only_me};
use crate::serving::{Serving, answer, error, line, silent, text};

const GRANT: &str = r#"{"SessionId":"me-0a1b","TokenValue":"THE-TOKEN","StreamUrl":"wss://x/v1/data-channel/me-0a1b"}"#;

fn http() -> Http {
    Http::new(Tls::trusting([]).unwrap()).without_proxies()
}

fn api(url: &str) -> Api {
    Api::new(http(), url.parse().unwrap(), Unsigned)
}

async fn token_of(body: &'static str, status: u16) -> Result<unbroken_ssm::Grant, TokenError> {
    let service = Serving::start(move |_| answer(status, body)).await;
    ClientService::new(api(&service.url())).token("me-0a1b").await
}

#[tokio::test]
async fn a_session_is_started_with_what_is_wanted() {
    let service = Serving::start(|_| answer(200, GRANT)).await;
    let wanted = StartSession::new("i-1")
        .document("AWS-StartPortForwardingSession")
        .parameter("portNumber", "22")
        .parameter("portNumber", "23")
        .reason("a \"test\"");
    let started = api(&service.url()).start_session(&wanted).await.unwrap();
    assert_eq!(
        (started.session_id.as_str(), started.token.as_str()),
        ("me-0a1b", "THE-TOKEN")
    );
    assert_eq!(started.stream_url, "wss://x/v1/data-channel/me-0a1b");
    assert!(!format!("{started:?}").contains("THE-TOKEN"));
    let asked = service.asked();
    let [request] = asked.as_slice() else {
        panic!("{} requests", asked.len())
    };
    assert_eq!(
        (request.method().as_str(), request.uri().to_string().as_str()),
        ("POST", "/")
    );
    assert_eq!(line(request, "host"), service.address.to_string());
    assert_eq!(line(request, "x-amz-target"), "AmazonSSM.StartSession");
    assert_eq!(line(request, "content-type"), "application/x-amz-json-1.1");
    assert_eq!(line(request, "authorization"), "");
    let body = r#"{"Target":"i-1","DocumentName":"AWS-StartPortForwardingSession","Parameters":{"portNumber":["22","23"]},"Reason":"a \"test\""}"#;
    assert_eq!(text(request), body);
}

#[tokio::test]
async fn a_shell_needs_no_more_than_its_target() {
    let service = Serving::start(|_| answer(200, GRANT)).await;
    api(&service.url())
        .start_session(&StartSession::new("i-1"))
        .await
        .unwrap();
    assert_eq!(text(&service.asked()[0]), r#"{"Target":"i-1"}"#);
}

#[tokio::test]
async fn what_is_no_session_is_not_started() {
    for body in ["{}", r#"{"SessionId":"a","TokenValue":"b"}"#, "<html>", ""] {
        let service = Serving::start(move |_| answer(200, body)).await;
        let started = api(&service.url()).start_session(&StartSession::new("i-1")).await;
        assert!(matches!(started, Err(ApiError::Answer(_))), "{body}: {started:?}");
    }
    let service = Serving::start(|_| error(400, "TargetNotConnected")).await;
    let started = api(&service.url()).start_session(&StartSession::new("i-1")).await;
    let Err(ApiError::Service(said)) = started else {
        panic!("{started:?}")
    };
    assert_eq!(
        (said.status, said.code.as_str(), said.message.as_str()),
        (400, "TargetNotConnected", "the message")
    );
}

#[tokio::test]
async fn a_token_comes_with_where_to_dial() {
    let service = Serving::start(|_| answer(200, GRANT)).await;
    let client = ClientService::new(api(&service.url()));
    let grant = client.token("me-0a1b").await.unwrap();
    assert_eq!(grant.token.as_str(), "THE-TOKEN");
    assert_eq!(grant.stream_url.as_deref(), Some("wss://x/v1/data-channel/me-0a1b"));
    let asked = &service.asked()[0];
    assert_eq!(line(asked, "x-amz-target"), "AmazonSSM.ResumeSession");
    assert_eq!(text(asked), r#"{"SessionId":"me-0a1b"}"#);
    let headers = client.upgrade(&"wss://x/".parse().unwrap()).await.unwrap();
    assert!(headers.is_empty());
}

#[tokio::test]
async fn no_token_is_the_end_and_other_failures_are_not() {
    assert!(matches!(token_of("{}", 200).await, Err(TokenError::Gone(_))));
    assert!(matches!(
        token_of(r#"{"SessionId":"a","TokenValue":""}"#, 200).await,
        Err(TokenError::Gone(_))
    ));
    assert!(matches!(
        token_of(r#"{"__type":"DoesNotExistException"}"#, 400).await,
        Err(TokenError::Gone(_))
    ));
    for (body, status, cause) in [
        (r#"{"__type":"ExpiredTokenException"}"#, 400, Cause::Denied),
        ("", 403, Cause::Denied),
        (r#"{"__type":"InternalServerError"}"#, 500, Cause::Refused),
        (r#"{"__type":"ThrottlingException"}"#, 400, Cause::ServerAsked),
        ("<html>", 200, Cause::Protocol),
        ("", 302, Cause::Refused),
    ] {
        let Err(TokenError::Failed(failed)) = token_of(body, status).await else {
            panic!("{status} {body}")
        };
        assert_eq!(failed.cause(), cause, "{status} {body}");
    }
}

#[tokio::test]
async fn a_session_that_is_gone_is_terminated() {
    let service = Serving::start(|_| error(400, "DoesNotExistException")).await;
    api(&service.url()).terminate_session("me-0a1b").await.unwrap();
    assert_eq!(line(&service.asked()[0], "x-amz-target"), "AmazonSSM.TerminateSession");
    let service = Serving::start(|_| error(500, "InternalServerError")).await;
    assert!(api(&service.url()).terminate_session("me-0a1b").await.is_err());
}

#[tokio::test]
async fn an_agent_creates_its_data_channel() {
    let xml = "<CreateDataChannelResult><MessageSchemaVersion>1.0</MessageSchemaVersion><TokenValue>THE-TOKEN</TokenValue></CreateDataChannelResult>";
    let service = Serving::start(move |_| answer(201, xml)).await;
    let gateway = format!("{}/elsewhere", service.url()).parse().unwrap();
    let agent = AgentService::new(http(), gateway, "client-id", Unsigned);
    let grant = agent.token("me/0a1b").await.unwrap();
    assert_eq!(grant.token.as_str(), "THE-TOKEN");
    let there = format!(
        "ws://{}/v1/data-channel/me%2F0a1b?role=publish_subscribe",
        service.address
    );
    assert_eq!(grant.stream_url, Some(there));
    let asked = &service.asked()[0];
    assert_eq!(
        (asked.method().as_str(), asked.uri().path()),
        ("POST", "/v1/data-channel/me%2F0a1b")
    );
    assert_eq!(line(asked, "content-type"), "application/json");
    let body: serde_json::Value = serde_json::from_str(text(asked)).unwrap();
    assert_eq!(
        (&body["MessageSchemaVersion"], &body["ClientId"]),
        (&"1.0".into(), &"client-id".into())
    );
    assert_eq!(body["RequestId"].as_str().map(str::len), Some(36));
}

#[tokio::test]
async fn an_agent_is_told_that_its_session_is_over() {
    let terminated = r#"{"message":"Session is already terminated"}"#;
    for (status, body) in [(201, "<a/>"), (400, terminated), (410, "")] {
        let service = Serving::start(move |_| answer(status, body)).await;
        let agent = AgentService::new(http(), service.url().parse().unwrap(), "client-id", Unsigned);
        let token = agent.token("me-0a1b").await;
        assert!(matches!(token, Err(TokenError::Gone(_))), "{status} {body}: {token:?}");
    }
    for (status, body, cause) in [
        (404, "", Cause::NoService),
        (201, "{}", Cause::Protocol),
        (403, "", Cause::Denied),
    ] {
        let service = Serving::start(move |_| answer(status, body)).await;
        let agent = AgentService::new(http(), service.url().parse().unwrap(), "client-id", Unsigned);
        let Err(TokenError::Failed(failed)) = agent.token("me-0a1b").await else {
            panic!("{status} {body}")
        };
        assert_eq!(failed.cause(), cause, "{status} {body}");
    }
}

#[tokio::test]
async fn tls_is_verified() {
    let (service, certificate) = Serving::start_tls(|_| answer(200, GRANT)).await;
    let url = format!("https://{}/", service.address);
    let trusting = Http::new(Tls::trusting([certificate]).unwrap()).without_proxies();
    Api::new(trusting, url.parse().unwrap(), Unsigned)
        .resume_session("me-0a1b")
        .await
        .unwrap();
    let Err(TokenError::Failed(failed)) = api(&url).resume_session("me-0a1b").await else {
        panic!("a stranger was trusted")
    };
    assert_eq!(failed.cause(), Cause::Untrusted);
    assert_eq!(service.asked().len(), 1);
}

async fn failure(http: Http, url: &str) -> HttpError {
    let request = hyper::Request::get(url).body(bytes::Bytes::new()).unwrap();
    http.send(request).await.expect_err("an answer")
}

#[tokio::test]
async fn an_answer_has_a_bound() {
    let service = Serving::start(|_| answer(200, "x".repeat(MAX_ANSWER))).await;
    let request = hyper::Request::get(service.url()).body(bytes::Bytes::new()).unwrap();
    assert_eq!(http().send(request).await.unwrap().body().len(), MAX_ANSWER);
    let service = Serving::start(|_| answer(200, "x".repeat(MAX_ANSWER + 1))).await;
    assert!(matches!(failure(http(), &service.url()).await, HttpError::TooLarge));
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let (_listener, url) = silent().await.unwrap();
    let soon = Duration::from_millis(50);
    let error = failure(http().timeouts(soon, soon), &url).await;
    assert!(matches!(error, HttpError::Timeout(_)), "{error:?}");
    assert_eq!(ConnectError::from(error).cause(), Cause::Timeout);
}

#[tokio::test]
async fn a_server_that_breaks_off_is_an_error() {
    let (listener, url) = silent().await.unwrap();
    tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let _request = socket.read(&mut [0; 1024]).await;
        socket
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n1234")
            .await
            .unwrap();
    });
    let error = failure(http(), &url).await;
    assert!(matches!(error, HttpError::Broken(_)), "{error:?}");
    assert_eq!(ConnectError::from(error).cause(), Cause::Network);
}

#[tokio::test]
async fn what_is_no_url_is_not_asked() {
    for url in ["/path", "ftp://host/", "http://user:password@127.0.0.1:1/"] {
        assert!(matches!(failure(http(), url).await, HttpError::Url), "{url}");
    }
}

#[tokio::test]
async fn tls_goes_through_a_proxys_tunnel() {
    let (service, certificate) = Serving::start_tls(|_| answer(200, GRANT)).await;
    let proxy = Proxy::start(service.address, only_me).await;
    let http = Http::new(Tls::trusting([certificate]).unwrap());
    let http = http.proxy(&proxy.url("me:word@")).unwrap();
    let api = Api::new(http, "https://gateway.example.org/".parse().unwrap(), Unsigned);
    api.resume_session("me-0a1b").await.unwrap();
    let asked = &service.asked()[0];
    assert_eq!((line(asked, "host"), asked.uri().path()), ("gateway.example.org", "/"));
    assert_eq!(line(asked, "proxy-authorization"), "");
    let [head] = proxy.asked().try_into().unwrap();
    assert!(
        head.starts_with("CONNECT gateway.example.org:443 HTTP/1.1\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn a_proxy_has_a_scheme_that_is_known() {
    for url in ["socks5://127.0.0.1:1", "127.0.0.1:1", ""] {
        assert!(matches!(http().proxy(url), Err(HttpError::ProxyScheme)), "{url}");
    }
}
