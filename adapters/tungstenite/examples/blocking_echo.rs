//! A server that echoes, and a client that talks to it over a WebSocket, in one process and without a runtime.
//!
//! `cargo run -p unbroken-tungstenite --example blocking_echo`

use std::net::TcpListener;
use std::thread;

use bytes::Bytes;
use unbroken_tungstenite::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tungstenite::proto::stream::StreamOptions;
use unbroken_tungstenite::proto::{ClientConfig, ServerConfig};
use unbroken_tungstenite::{Accepted, Acceptor, Server, Stream};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let secret = SharedSecret::from_key(b"example", [42; 32])?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = Server::new(ServerConfig::new(ServerAuth::secrets(vec![secret.clone()])))?;
    server.listen(listener, Acceptor::websocket())?;
    thread::spawn(move || {
        loop {
            let accepted = server.accept();
            thread::spawn(move || serve(&accepted));
        }
    });

    let session =
        unbroken_tungstenite::connect_ws(format!("ws://{address}/"), ClientConfig::new(Auth::secret(secret)))?;
    let id = session.established().map_err(|ended| format!("{:?}", ended.reason))?;
    println!("session {id}");
    let (mut send, mut recv) = session.open(StreamOptions::default())?.split();
    for word in ["outlives", "its", "connections"] {
        send.send(Bytes::from(word))?;
    }
    send.finish();
    while let Some(message) = recv.recv()? {
        println!("echoed: {}", String::from_utf8_lossy(&message));
    }
    let ended = session.close(0, Bytes::from("done"))?;
    println!(
        "ended: {:?}, all delivered: {}",
        ended.reason,
        ended.fates.all_delivered()
    );
    Ok(())
}

/// Echoes every message on every stream, until the client closes the session.
fn serve(accepted: &Accepted) {
    while let Some(stream) = accepted.session.accept() {
        thread::spawn(move || echo(stream));
    }
}

fn echo(stream: Stream) {
    let (mut send, mut recv) = stream.split();
    while let Ok(Some(message)) = recv.recv() {
        if send.send(message).is_err() {
            return;
        }
    }
    send.finish();
}
