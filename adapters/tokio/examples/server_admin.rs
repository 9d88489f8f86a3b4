//! A server that looks after its sessions: lists them, tells all or some of them the news, cleans up
//! after those that end, and drains before it stops. Its clients run in the same process, on loopback.
//!
//! `cargo run -p unbroken-tokio --example server_admin`

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use unbroken_tokio::proto::config::SameName;
use unbroken_tokio::proto::event::Event;
use unbroken_tokio::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::server::{Drain, LagPolicy, Placement, Select, SessionCommand};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ServerConfig};
use unbroken_tokio::{Server, ServerHandle, Session};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A waiting client gives up on the server after this long: nothing here takes half as long.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let secret = SharedSecret::from_key(b"example", [42; 32])?;
    let mut config = ServerConfig::new(ServerAuth::secrets(vec![secret.clone()]));
    config.same_name = SameName::KeepHealthy;
    // Whose session it is, and words to find it by. A real server would look at the credential.
    let mut server = Server::with_authorise(config, |request| async move {
        let floor = request.name.split('-').next().unwrap_or_default().to_owned();
        Ok(Placement::of("tenant 1").labelled(floor))
    })?;
    let cleaning = tokio::spawn(clean_up(Arc::clone(server.handle())));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    server.listen_tcp(listener);

    let mut guests = Vec::new();
    let mut rooms = Vec::new();
    for name in ["ground-1", "ground-2", "attic-1", "attic-2"] {
        guests.push(tokio::spawn(guest(address, name, secret.clone())));
        // Kept: a session whose last handle goes is closed.
        rooms.push(server.accept().await.session);
    }
    println!("the list:");
    for line in server.handle().sessions() {
        println!("  {:8}  {}  {}", line.name, line.status, line.id);
    }

    let news = StreamOptions::default().with_label(Bytes::from_static(b"news"));
    let broadcaster = server.broadcaster(news, 1 << 20, LagPolicy::Skip);
    let all = broadcaster.send(Select::All, Bytes::from("breakfast until ten"));
    let some = broadcaster.send(Select::Label(b"attic"), Bytes::from("the roof leaks"));
    println!("told {} of everything, {} of the roof", all.queued, some.queued);

    let order = SessionCommand::Close {
        code: 1,
        reason: Bytes::from_static(b"checked out"),
    };
    let closed = server.handle().command(Select::Name("ground-2"), &order)?;
    println!(
        "closed {closed}, by name; {} connected",
        server.handle().snapshot().connected
    );

    let plan = Drain::within(PATIENCE)
        .with_spread(Duration::from_millis(200))
        .with_alternate(Bytes::from_static(b"wss://other.example"));
    let remains = server.handle().drain(plan).await.ok_or("the drain was stopped")?;
    println!("drained; remaining: {}", remains.connected + remains.detached);
    for guest in guests {
        guest.await??;
    }
    let cleaned = cleaning.await?;
    println!("cleaned up {cleaned} times");
    if (remains.connected, remains.detached, cleaned) == (0, 0, 4) {
        Ok(())
    } else {
        Err("somebody was forgotten".into())
    }
}

/// A client: reads the news until it is asked to leave.
async fn guest(address: SocketAddr, name: &str, secret: SharedSecret) -> Result<(), Failure> {
    let mut config = ClientConfig::new(Auth::secret(secret));
    config.name = name.into();
    let session = unbroken_tokio::connect_tcp(address.to_string(), config)?;
    let mut events = session.events();
    tokio::spawn(read(name.to_owned(), session.clone()));
    while let Some(event) = tokio::time::timeout(PATIENCE, events.next()).await? {
        match event {
            Event::GoAway { alternate, .. } => {
                println!("{name}: leaves for {}", String::from_utf8_lossy(&alternate));
                session.close(0, Bytes::new()).await?;
            }
            Event::Ended(ended) => println!("{name}: {:?}", ended.reason),
            _ => {}
        }
    }
    Ok(())
}

async fn read(name: String, session: Session) {
    while let Some(stream) = session.accept().await {
        let (_send, mut recv) = stream.split();
        while let Ok(Some(message)) = recv.recv().await {
            println!("{name}: hears that {}", String::from_utf8_lossy(&message));
        }
    }
}

/// Whatever is kept for a session goes here: once for each, whichever way it ended.
async fn clean_up(handle: Arc<ServerHandle>) -> usize {
    for _ in 0..4 {
        let over = handle.ended().await;
        println!("clean-up after {}: {:?}", over.info.name, over.reason);
    }
    4
}
