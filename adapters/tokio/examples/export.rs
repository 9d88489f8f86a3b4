//! A session goes from one device to another. The laptop packs it up, with what was said and not delivered yet; what comes out is a ticket, sealed
//! under a key that both devices have. The phone goes on with it, and the server notices one more attach. All in one process, over loopback.
//!
//! `cargo run -p unbroken-tokio --example export`

use tokio::net::TcpListener;
use unbroken_tokio::proto::event::EndReason;
use unbroken_tokio::proto::security::{AtRest, Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ServerConfig};
use unbroken_tokio::{Accepted, Address, Server, connect_with, connector, import};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn secret() -> Result<SharedSecret, Failure> {
    Ok(SharedSecret::from_key(b"example", [42; 32])?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = Address::parse(&format!("tcp://{}", listener.local_addr()?))?;
    let mut server = Server::new(ServerConfig::new(ServerAuth::secrets(vec![secret()?])))?;
    server.listen_tcp(listener);
    let answering = tokio::spawn(async move { answer(server.accept().await).await });

    // What both devices have: who they are, and what tickets are sealed with.
    let config = ClientConfig::new(Auth::secret(secret()?));
    let key = AtRest::sealed([8; 32]);

    let laptop = connect_with(config.clone(), connector(address.clone()))?;
    let mut stream = laptop.open(StreamOptions::default()).await?;
    stream.sender().send("said on the laptop".into()).await?;
    println!("laptop: {:?}", stream.receiver().recv().await?);
    // Whether this one is on its way, or has arrived, does not matter.
    stream.sender().send("said just before".into()).await?;
    let ticket = laptop.export(&key).await.ok_or("there is no session to pack up")?;
    println!("laptop: a ticket of {} bytes", ticket.len());
    // Whatever this device has of it is of no use any more.
    let ended = laptop.ended().ok_or("it goes on here, too")?;
    assert_eq!(ended.reason, EndReason::Moved);

    // A durable session would name a store here, and a journal in it.
    let phone = import(config, connector(address), (ticket, &key), None).await?;
    let mut stream = phone.take_restored(stream.id()).ok_or("the stream is lost")?;
    println!("phone: {:?}", stream.receiver().recv().await?);
    stream.sender().send("said on the phone".into()).await?;
    println!("phone: {:?}", stream.receiver().recv().await?);
    stream.sender().finish();
    let ended = phone.close(0, Default::default()).await?;
    assert!(ended.fates.all_delivered());

    let heard = answering.await??;
    assert_eq!(heard, ["said on the laptop", "said just before", "said on the phone"]);
    println!("the server heard all three, once and in order, in one session");
    Ok(())
}

/// Says what was said, and returns all of it.
async fn answer(accepted: Accepted) -> Result<Vec<String>, Failure> {
    let mut stream = accepted.session.accept().await.ok_or("it is over")?;
    let mut heard = Vec::new();
    while let Some(message) = stream.receiver().recv().await? {
        heard.push(String::from_utf8_lossy(&message).into_owned());
        stream
            .sender()
            .send(format!("you {}", heard[heard.len() - 1]).into())
            .await?;
    }
    accepted.session.closed().await;
    Ok(heard)
}
