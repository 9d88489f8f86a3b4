//! Sessions mounted in a plain hyper server.
//!
//! `cargo run -p unbroken-tokio --example hyper`

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use unbroken_tokio::carriers::{answer, upgrading};
use unbroken_tokio::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ServerConfig};
use unbroken_tokio::{Compat, Server, ServerHandle};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// One request: an upgrade to sessions on their path, a page elsewhere.
fn respond(handle: &Arc<ServerHandle>, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() != "/sessions" {
        return Response::new(Full::new(Bytes::from("an ordinary page\n")));
    }
    match answer(&request) {
        Ok(response) => {
            let upgraded = hyper::upgrade::on(&mut request);
            let stream = async { Ok(Compat(TokioIo::new(upgraded.await.map_err(io::Error::other)?))) };
            tokio::spawn(Arc::clone(handle).serve(upgrading(stream)));
            response.map(|()| Full::default())
        }
        Err(refusal) => refusal.map(|why| Full::new(Bytes::from(why))),
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let secret = SharedSecret::from_key(b"example", [42; 32])?;
    let mut server = Server::new(ServerConfig::new(ServerAuth::secrets(vec![secret.clone()])))?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let handle = Arc::clone(server.handle());
    tokio::spawn(async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, or a client that has gone already: the next may do.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let handle = Arc::clone(&handle);
            let service = service_fn(move |request| {
                let response = respond(&handle, request);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection.with_upgrades());
        }
    });
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
    send.send(Bytes::from("hello through hyper")).await?;
    send.finish();
    let echoed = recv.recv().await?.ok_or("no echo")?;
    println!("echoed: {}", String::from_utf8_lossy(&echoed));
    session.close(0, Bytes::new()).await?;
    Ok(())
}
