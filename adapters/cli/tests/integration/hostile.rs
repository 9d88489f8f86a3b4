//! A server that does what nobody asked of it.
#![cfg(unix)]

use std::net::TcpListener;
use std::time::Duration;

use bytes::Bytes;
use unbroken_tokio::proto::ServerConfig;
use unbroken_tokio::proto::security::{ServerAuth, StaticKey};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::{RecvError, Server};

use crate::common::{self, Folder, Running, unbroken};

/// What `unbroken` says where it allows something not.
const NOT_ALLOWED: u64 = 1;

/// A client connects to targets of its own network only for places that it had the server listen at.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_nobody_asked_for_lead_nowhere() {
    let key = StaticKey::from_bytes([7; 32]);
    let public = key.public().to_string();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    let mut server = Server::new(ServerConfig::new(ServerAuth::key(key))).unwrap();
    server.listen_tcp(listener);
    let folder = Folder::new();
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    target.set_nonblocking(true).unwrap();
    let target_place = target.local_addr().unwrap();
    let arguments = ["forward", &url, "--server-key", &public, "-L", "0:localhost:1"];
    let _client = Running(unbroken(&folder.path("."), &arguments).spawn().unwrap());
    let session = server.accept().await.session;
    for label in [
        format!("accepted:{target_place}"),
        format!("tcp:{target_place}"),
        format!("listen:{target_place}"),
        "nonsense".to_owned(),
    ] {
        let options = StreamOptions::default().with_label(Bytes::from(label.clone()));
        let (_send, mut recv) = session.open(options).await.unwrap().split();
        let answer = tokio::time::timeout(common::PATIENCE, recv.recv()).await.unwrap();
        assert_eq!(answer, Err(RecvError::Reset(NOT_ALLOWED)), "{label}");
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(target.accept().is_err(), "something was connected");
}
