//! How sessions reach their service: TLS, proxies, and ways of one's own.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::CertificateDer;
use unbroken_ssm::api::{AgentService, Api, ClientService, Http, StartSession, Unsigned};
use unbroken_ssm::gateway::{End, Gateway, Settings, StartRequest};
use unbroken_ssm::http::Uri;
use unbroken_ssm::proto::Cause;
use unbroken_ssm::proto::ssm::body::Token;
use unbroken_ssm::proto::ssm::event::{Chunk, EndReason};
use unbroken_ssm::proto::ssm::{AgentConfig, ClientConfig};
use unbroken_ssm::{
    AgentSession, ByteStream, ClientSession, ConnectError, Grant, KnownAddresses, Service, Tls, TokenError,
};

use crate::serving::certified;
use crate::serving::proxy::{Proxy, only_me};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it hangs")
}

async fn gateway(settings: Settings) -> (Gateway, SocketAddr) {
    let gateway = Gateway::new(settings, |_: StartRequest| async { Ok(()) }).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = gateway.clone();
    tokio::spawn(async move { serving.serve(listener).await });
    (gateway, address)
}

/// A gateway inside TLS that is called gateway.example.org; and its certificate.
async fn gateway_in_tls() -> (Gateway, SocketAddr, CertificateDer<'static>) {
    let (config, certificate) = certified();
    let settings = Settings::default().tls(config).public_url("wss://gateway.example.org");
    let (gateway, address) = gateway(settings).await;
    (gateway, address, certificate)
}

fn trusting(certificate: &CertificateDer<'static>) -> Http {
    Http::new(Tls::trusting([certificate.clone()]).unwrap()).without_proxies()
}

fn client_service(http: &Http, endpoint: &str) -> ClientService {
    ClientService::new(Api::new(http.clone(), endpoint.parse().unwrap(), Unsigned))
}

fn client(session_id: &str, token: Token, stream_url: &str, service: impl Service) -> ClientSession {
    ClientSession::connect(ClientConfig::new(session_id, token), stream_url, service).unwrap()
}

fn agent(http: &Http, endpoint: &str, session_id: &str) -> AgentSession {
    let service = AgentService::new(http.clone(), endpoint.parse().unwrap(), "client-id", Unsigned);
    // Each token comes with where to dial, so that this URL is never dialled.
    let config = AgentConfig::new(session_id, "i-1");
    AgentSession::connect(config, "wss://127.0.0.1:1/", service).unwrap()
}

/// Says something there and back. A shell's agent begins: until it does, the client does not know what kind of session it is.
async fn talk(client: &ClientSession, agent: &AgentSession) {
    agent.write(Bytes::from_static(b"$ ")).await.unwrap();
    let said = Some(Chunk::Output(Bytes::from_static(b"$ ")));
    assert_eq!(within(client.read()).await, said);
    client.write(Bytes::from_static(b"ls -l")).await.unwrap();
    let said = Some(Chunk::Output(Bytes::from_static(b"ls -l")));
    assert_eq!(within(agent.read()).await, said);
}

/// What a client's dial fails of that has this `service`.
async fn failure(service: impl Service, stream_url: &str) -> Arc<ConnectError> {
    let session = client("s-1", Token("a-token".into()), stream_url, service);
    until(|| session.connect_error().is_some()).await;
    session.connect_error().unwrap()
}

#[tokio::test]
async fn a_session_goes_through_tls() {
    let (config, certificate) = certified();
    let (gateway, address) = gateway(Settings::default().tls(config)).await;
    let (http, endpoint) = (trusting(&certificate), format!("https://{address}/"));
    let service = client_service(&http, &endpoint);
    let started = within(service.api().start_session(&StartSession::new("i-1")))
        .await
        .unwrap();
    assert!(
        started.stream_url.starts_with(&format!("wss://{address}/")),
        "{}",
        started.stream_url
    );
    let agent = agent(&http, &endpoint, &started.session_id);
    let client = client(&started.session_id, started.token, &started.stream_url, service);
    talk(&client, &agent).await;
    assert!(gateway.cut(&started.session_id, End::Client));
    talk(&client, &agent).await;
    client.finish();
    assert_eq!(within(client.closed()).await.unwrap().reason, EndReason::Finished);
}

/// A service that takes the default of all that has one.
struct Plain;

impl Service for Plain {
    async fn token(&self, _: &str) -> Result<Grant, TokenError> {
        Err(TokenError::Gone(String::new()))
    }
}

#[tokio::test]
async fn a_stranger_is_not_trusted() {
    let (_gateway, address, _) = gateway_in_tls().await;
    let url = format!("wss://{address}/v1/data-channel/s-1");
    let (_, other) = certified();
    let trusting_another = client_service(&trusting(&other), &format!("https://{address}/"));
    assert_eq!(failure(trusting_another, &url).await.cause(), Cause::Untrusted);
    assert_eq!(failure(Plain, &url).await.cause(), Cause::Untrusted);
}

#[tokio::test]
async fn what_is_no_stream_url_is_not_dialled() {
    for url in ["http://127.0.0.1:1/", "/v1/data-channel", "ftp://127.0.0.1/"] {
        let error = failure(Plain, url).await;
        assert_eq!(error.cause(), Cause::Local, "{url}");
    }
}

#[tokio::test]
async fn a_session_goes_through_a_proxy() {
    let (gateway, address, certificate) = gateway_in_tls().await;
    let proxy = Proxy::start(address, only_me).await;
    let http = trusting(&certificate).proxy(&proxy.url("me:word@")).unwrap();
    let endpoint = "https://gateway.example.org/";
    let service = client_service(&http, endpoint);
    let started = within(service.api().start_session(&StartSession::new("i-1")))
        .await
        .unwrap();
    let agent = agent(&http, endpoint, &started.session_id);
    let client = client(&started.session_id, started.token, &started.stream_url, service);
    talk(&client, &agent).await;
    assert!(gateway.cut(&started.session_id, End::Client));
    talk(&client, &agent).await;
    // StartSession, CreateDataChannel and ResumeSession, and three dials.
    let asked = proxy.asked();
    assert_eq!(asked.len(), 6);
    for head in asked {
        assert!(
            head.starts_with("CONNECT gateway.example.org:443 HTTP/1.1\r\n"),
            "{head}"
        );
    }
}

#[tokio::test]
async fn without_tls_a_session_takes_a_tunnel_too() {
    let hosts = Arc::<Mutex<Vec<String>>>::default();
    let seen = Arc::clone(&hosts);
    let settings = Settings::default().authorise(move |request| {
        let host = request.headers.get("host").unwrap().to_str().unwrap();
        seen.lock().unwrap().push(host.to_owned());
        Ok(())
    });
    let (gateway, address) = gateway(settings).await;
    let proxy = Proxy::start(address, |_| 200).await;
    let http = trusting(&certified().1).proxy(&proxy.url("")).unwrap();
    gateway.start("s-1").unwrap();
    let token = gateway.token("s-1", End::Client).unwrap();
    let url = "ws://gateway.example.org:81/v1/data-channel/s-1?role=publish_subscribe";
    let client = client(
        "s-1",
        token,
        url,
        client_service(&http, "http://gateway.example.org:81/"),
    );
    until(|| !hosts.lock().unwrap().is_empty()).await;
    let [head] = proxy.asked().try_into().unwrap();
    assert!(
        head.starts_with("CONNECT gateway.example.org:81 HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(!head.contains("proxy-authorization"), "{head}");
    // An address of this machine is reached without a proxy.
    let agent = agent(&http, &format!("http://{address}/"), "s-1");
    talk(&client, &agent).await;
    assert_eq!(proxy.asked().len(), 1);
    let local = address.to_string();
    assert_eq!(*hosts.lock().unwrap(), ["gateway.example.org:81", &local, &local]);
}

#[tokio::test]
async fn a_proxy_that_refuses_is_said_to() {
    let (_gateway, address, certificate) = gateway_in_tls().await;
    let nobody: fn(&str) -> u16 = |_| 403;
    for (answers, status, cause) in [(nobody, 403, Cause::Refused), (only_me, 407, Cause::Denied)] {
        let proxy = Proxy::start(address, answers).await;
        let http = trusting(&certificate).proxy(&proxy.url("you:word@")).unwrap();
        let service = client_service(&http, "https://gateway.example.org/");
        let error = failure(service, "wss://gateway.example.org/v1/data-channel/s-1").await;
        assert_eq!(error.cause(), cause);
        let said = error.to_string();
        assert!(
            said.contains(&format!("the proxy answers with status {status}")),
            "{said}"
        );
    }
}

/// Goes to one address, whatever the URL says.
struct Own(SocketAddr);

impl Service for Own {
    async fn token(&self, _: &str) -> Result<Grant, TokenError> {
        Err(TokenError::Gone(String::new()))
    }

    async fn connect(&self, _: &Uri, _: &KnownAddresses, _: Duration) -> Result<ByteStream, ConnectError> {
        Ok(ByteStream::new(TcpStream::connect(self.0).await?))
    }
}

#[tokio::test]
async fn a_service_may_connect_in_its_own_way() {
    let (gateway, address) = gateway(Settings::default()).await;
    gateway.start("s-1").unwrap();
    let token = gateway.token("s-1", End::Client).unwrap();
    let url = "ws://gateway.example.org/v1/data-channel/s-1?role=publish_subscribe";
    let client = client("s-1", token, url, Own(address));
    let http = trusting(&certified().1);
    let agent = agent(&http, &format!("http://{address}/"), "s-1");
    talk(&client, &agent).await;
}

/// Waits until this is so.
async fn until(is_so: impl Fn() -> bool) {
    within(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}
