//! The client: issues numbered transfers, and writes down the answers.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use unbroken_store::Embedded;
use unbroken_tokio::proto::ClientConfig;
use unbroken_tokio::proto::security::Auth;
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::{Address, Session, connect_durable, connector};

use crate::common::{Answer, Failure, Transfer, at_rest, secret};
use crate::marks::Source;
use crate::orders::Orders;

/// So many transfers are on their way at most.
const AT_ONCE: i64 = 64;

/// Issues so many more transfers, and waits until all are answered.
pub(crate) async fn run(folder: &Path, address: SocketAddr, more: i64) -> Result<(), Failure> {
    std::fs::create_dir_all(folder)?;
    let store = Embedded::open(folder.join("sessions"))?;
    let mut config = ClientConfig::new(Auth::secret(secret()?));
    config.session.durable = Some(at_rest());
    // The server is killed often, and back soon.
    config.backoff.cap = Duration::from_millis(100);
    let server = connector(Address::parse(&format!("tcp://{address}"))?);
    // The journal has a name of ours. If there is a session in it, that one goes on.
    let session = connect_durable(config, server, Arc::new(store), "ledger".parse()?).await?;
    let orders = Orders::open(folder)?;
    let issued = transfer(&session, orders, more).await;
    if let (Err(_), Some(ended)) = (&issued, session.ended()) {
        return Err(format!("the session is over: {:?}", ended.reason).into());
    }
    // Not closed: the next process goes on with it.
    session.suspend().await;
    issued
}

async fn transfer(session: &Session, mut orders: Orders, more: i64) -> Result<(), Failure> {
    let is_over = |_| "the session is over";
    let id = session.established().await.map_err(is_over)?;
    let mut stream = match session.restored().first() {
        Some(known) => session.take_restored(known.id).ok_or("its stream is taken")?,
        None => session.open(StreamOptions::default()).await?,
    };
    let source = Source::new(id, stream.id());
    // Before that, a process that is killed may leave nothing of the session behind, and the next one begins another.
    session.persisted().await.map_err(is_over)?;
    orders.belong_to(&source)?;

    // The transfer of number n is message n of the stream, so that the session says which ones it has.
    let taken = session.taken(stream.id()).messages;
    for transfer in orders.transfers(taken.cast_signed())? {
        stream.sender().send(transfer.to_string().into()).await?;
    }
    stream.receiver().consumed(orders.mark(&source)?)?;

    let mut issued = orders.transfers(0)?.len() as i64;
    let mut answered = orders.answers()?.len() as i64;
    let wanted = issued + more;
    while answered < wanted {
        while issued < wanted && issued - answered < AT_ONCE {
            let transfer = Transfer::some(issued);
            // First the order. Killed here: the loop above sends it. The other way round, the session might send what nobody has ordered.
            orders.issue(&transfer)?;
            stream.sender().send(transfer.to_string().into()).await?;
            issued += 1;
        }
        let message = stream.receiver().recv().await?.ok_or("the server says no more")?;
        let answer: Answer = std::str::from_utf8(&message)?.parse()?;
        let place = stream.receiver().place();
        orders.answered(&source, answer, place)?;
        // Killed here: the mark leaves the answer out.
        stream.receiver().consumed(place)?;
        answered += 1;
    }
    Ok(())
}
