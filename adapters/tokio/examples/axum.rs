//! Sessions mounted in an axum server, beside its other routes.
//!
//! `cargo run -p unbroken-tokio --example axum`

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::{any, get};
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use unbroken_tokio::carriers::{answer, upgrading};
use unbroken_tokio::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ServerConfig};
use unbroken_tokio::{Compat, Server, ServerHandle};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Answers the upgrade, and gives what axum hands out of it to the sessions.
async fn sessions(State(handle): State<Arc<ServerHandle>>, mut request: Request) -> Response {
    match answer(&request) {
        Ok(response) => {
            let upgraded = hyper::upgrade::on(&mut request);
            let stream = async { Ok(Compat(TokioIo::new(upgraded.await.map_err(io::Error::other)?))) };
            tokio::spawn(handle.serve(upgrading(stream)));
            response.map(|()| Body::empty())
        }
        Err(refusal) => refusal.map(Body::from),
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let secret = SharedSecret::from_key(b"example", [42; 32])?;
    let mut server = Server::new(ServerConfig::new(ServerAuth::secrets(vec![secret.clone()])))?;
    let router = Router::new()
        .route("/", get(|| async { "an ordinary page\n" }))
        .route("/sessions", any(sessions))
        .with_state(Arc::clone(server.handle()));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, router).await });
    tokio::spawn(async move {
        let session = server.accept().await.session;
        while let Some(stream) = session.accept().await {
            let (mut send, mut recv) = stream.split();
            while let Ok(Some(message)) = recv.recv().await {
                let _gone = send.send(message).await;
            }
            send.finish();
        }
    });

    let url = format!("ws://{address}/sessions");
    let session = unbroken_tokio::connect_ws(&url, ClientConfig::new(Auth::secret(secret)))?;
    let (mut send, mut recv) = session.open(StreamOptions::default()).await?.split();
    send.send(Bytes::from("hello through axum")).await?;
    send.finish();
    let echoed = recv.recv().await?.ok_or("no echo")?;
    println!("echoed: {}", String::from_utf8_lossy(&echoed));
    session.close(0, Bytes::new()).await?;
    // A path without sessions is final, and says so.
    let lost = unbroken_tokio::connect_ws(format!("ws://{address}/nowhere"), ClientConfig::new(Auth::anonymous()))?;
    println!("elsewhere: {:?}", lost.closed().await.reason);
    lost.connect_error()
        .map_or(Err("it should have failed".into()), |error| {
            println!("because {error}");
            Ok(())
        })
}
