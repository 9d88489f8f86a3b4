//! The server: applies each transfer once, and answers each once.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use tokio::net::TcpListener;
use unbroken_store::Embedded;
use unbroken_tokio::proto::ServerConfig;
use unbroken_tokio::proto::security::ServerAuth;
use unbroken_tokio::{Server, Session};

use crate::bank::Bank;
use crate::common::{Failure, Transfer, at_rest, secret};
use crate::marks::Source;

pub(crate) async fn run(folder: &Path, address: SocketAddr) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    // It blocks, but there is nothing yet that could wait for it.
    let store = Embedded::open(folder.join("sessions"))?;
    let mut config = ServerConfig::new(ServerAuth::secrets(vec![secret()?]));
    config.session.durable = Some(at_rest());
    let mut server = Server::new(config)?;
    // Before it listens: a client that comes back is to find its session here.
    for (journal, error) in server.restore(Arc::new(store)).await? {
        eprintln!("session {journal} stays where it is: {error}");
    }
    server.listen_tcp(TcpListener::bind(address).await?);
    loop {
        // One of those that were restored, or a new one.
        let session = server.accept().await.session;
        let bank = Bank::open(folder)?;
        tokio::spawn(async move {
            if let Err(error) = serve(&session, bank).await {
                eprintln!("server: {error}");
                // What is wrong with it would be wrong after a restart, too.
                let _code_fits = session.close(1, Bytes::from(error.to_string())).await;
            }
        });
    }
}

/// Where the order of two steps counts, a comment says what happens to somebody who is killed between them.
async fn serve(session: &Session, mut bank: Bank) -> Result<(), Failure> {
    let Ok(id) = session.established().await else {
        return Ok(());
    };
    let mut stream = match session.restored().first() {
        Some(known) => session.take_restored(known.id).ok_or("its stream is taken")?,
        None => match session.accept().await {
            Some(new) => new,
            None => return Ok(()),
        },
    };
    let source = Source::new(id, stream.id());

    // The session may know less than the bank does: what lies before the bank's mark was applied.
    stream.receiver().consumed(bank.mark(&source)?)?;
    // And it may have fewer answers than the bank has entries: it says how many it has.
    let taken = session.taken(stream.id()).messages;
    for answer in bank.answers(&source, taken.cast_signed())? {
        stream.sender().send(answer.to_string().into()).await?;
    }

    while let Some(message) = stream.receiver().recv().await? {
        let transfer: Transfer = std::str::from_utf8(&message)?.parse()?;
        let place = stream.receiver().place();
        // Blocks this thread until it is on the disk; the runtime has others.
        let answer = bank.apply(&source, &transfer, place)?;
        // Killed here: the mark, above, leaves the transfer out.
        stream.receiver().consumed(place)?;
        // Killed here: the loop above says the answer.
        stream.sender().send(answer.to_string().into()).await?;
    }
    Ok(())
}
