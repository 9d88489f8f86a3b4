//! A service on the loopback interface that answers as it is told, and remembers what it was asked.
#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod proxy;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// An answer: status, body, headers.
pub(crate) type Answer = (u16, String, Vec<(&'static str, String)>);

/// A status and a body.
pub(crate) fn answer(status: u16, body: impl Into<String>) -> Answer {
    (status, body.into(), Vec::new())
}

/// An error as AWS says it.
pub(crate) fn error(status: u16, code: &str) -> Answer {
    answer(
        status,
        format!(r#"{{"__type":"com.amazonaws.ssm#{code}","message":"the message"}}"#),
    )
}

/// TLS for 127.0.0.1 and gateway.example.org; and its certificate, which nobody has signed.
pub(crate) fn certified() -> (Arc<ServerConfig>, CertificateDer<'static>) {
    let names = ["127.0.0.1".into(), "gateway.example.org".into()];
    let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a certificate that fits");
    (Arc::new(config), certificate)
}

/// A service that was started.
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Request<Bytes>>>>,
}

type Answers = Arc<dyn Fn(&Request<Bytes>) -> Answer + Send + Sync>;

impl Serving {
    /// Answers each request as `answers` says, in clear.
    pub(crate) async fn start(answers: impl Fn(&Request<Bytes>) -> Answer + Send + Sync + 'static) -> Serving {
        Serving::accept(None, Arc::new(answers)).await
    }

    /// The same inside TLS; and the certificate.
    pub(crate) async fn start_tls(
        answers: impl Fn(&Request<Bytes>) -> Answer + Send + Sync + 'static,
    ) -> (Serving, CertificateDer<'static>) {
        let (config, certificate) = certified();
        let tls = TlsAcceptor::from(config);
        (Serving::accept(Some(tls), Arc::new(answers)).await, certificate)
    }

    async fn accept(tls: Option<TlsAcceptor>, answers: Answers) -> Serving {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::default();
        let serving = Serving {
            address,
            asked: Arc::clone(&asked),
        };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (tls, answers, asked) = (tls.clone(), Arc::clone(&answers), Arc::clone(&asked));
                tokio::spawn(async move {
                    match tls {
                        None => serve(socket, answers, asked).await,
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                serve(socket, answers, asked).await;
                            }
                        }
                    }
                });
            }
        });
        serving
    }

    /// Where it is, in clear.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Request<Bytes>> {
        self.asked.lock().expect("a lock").clone()
    }
}

async fn serve(socket: impl AsyncRead + AsyncWrite + Unpin, answers: Answers, asked: Arc<Mutex<Vec<Request<Bytes>>>>) {
    let service = service_fn(|request: Request<Incoming>| {
        let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            let request = Request::from_parts(head, body);
            let (status, body, headers) = answers(&request);
            asked.lock().expect("a lock").push(request);
            let mut answer = Response::builder().status(status);
            for (name, value) in headers {
                answer = answer.header(name, value);
            }
            Ok::<_, Infallible>(answer.body(Full::new(Bytes::from(body))).expect("an answer"))
        }
    });
    let _ended = http1::Builder::new()
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

/// A header line as text; empty if there is none.
pub(crate) fn line<'a>(request: &'a Request<Bytes>, name: &str) -> &'a str {
    request
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().expect("text"))
}

/// Whose signature each request has.
pub(crate) fn signers(service: &Serving) -> Vec<String> {
    let named = |request: &Request<Bytes>| {
        let line = line(request, "authorization").to_owned();
        let named = line.strip_prefix("AWS4-HMAC-SHA256 Credential=").unwrap_or_default();
        named.split('/').next().unwrap_or_default().to_owned()
    };
    service.asked().iter().map(named).collect()
}

/// A request's body as text.
pub(crate) fn text(request: &Request<Bytes>) -> &str {
    std::str::from_utf8(request.body()).expect("text")
}

/// A listener that takes connections, and says nothing.
pub(crate) async fn silent() -> io::Result<(TcpListener, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    Ok((listener, url))
}
