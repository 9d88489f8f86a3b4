//! A session over a child process's stdin and stdout: any program that copies bytes will do as a carrier (`ssh host
//! server`, a serial line's tool). Here the child is this program again, and it is killed once on the way.
//!
//! `cargo run -p unbroken-tokio --example child_process`

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt, join, stdin, stdout};
use tokio::process::{Child, Command};
use unbroken_tokio::proto::security::{Auth, ServerAuth};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ServerConfig};
use unbroken_tokio::{Compat, Connected, Framed, Server};

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    if let Some(port) = std::env::args().nth(1) {
        return relay(&port).await;
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port().to_string();
    let mut server = Server::new(ServerConfig::new(ServerAuth::anonymous()))?;
    server.listen_tcp(listener);
    let (children, mut born) = tokio::sync::mpsc::unbounded_channel();
    // The carrier: a process each time, its pipes as one byte stream.
    let connector = move |_intent| {
        let (port, children) = (port.clone(), children.clone());
        async move {
            let mut command = Command::new(std::env::current_exe()?);
            let command = command.arg(port).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut child: Child = command.kill_on_drop(true).spawn()?;
            let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
                return Err(std::io::ErrorKind::BrokenPipe.into());
            };
            let _kept = children.send(child);
            Ok(Connected::ordered(Framed::new(Compat(join(output, input)))))
        }
    };
    let session = unbroken_tokio::connect_with(ClientConfig::new(Auth::anonymous()), connector)?;
    let (mut send, _recv) = session.open(StreamOptions::default()).await?.split();
    send.write_all(b"said to one process, ").await?;
    let remote = server.accept().await.session;
    let (_send, mut recv) = remote.accept().await.ok_or("no stream")?.split();
    recv.read_exact(&mut [0; 21]).await?;
    born.recv().await.ok_or("no child")?.kill().await?;
    send.write_all(b"heard through another").await?;
    send.shutdown().await?;
    let mut heard = String::new();
    recv.read_to_string(&mut heard).await?;
    println!("{heard}, over {} processes", session.stats().attaches);
    Ok(())
}

/// What the child does: copies its pipes to a socket and back.
async fn relay(port: &str) -> Result<(), Failure> {
    let mut socket = tokio::net::TcpStream::connect(format!("127.0.0.1:{port}")).await?;
    tokio::io::copy_bidirectional(&mut join(stdin(), stdout()), &mut socket).await?;
    Ok(())
}
