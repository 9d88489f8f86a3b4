//! What is accepted here is connected to a target there.

use std::sync::Arc;

use unbroken_tokio::Session;

use crate::client;
use crate::listener::Listener;
use crate::pump::Over;
use crate::socket::Socket;
use crate::target::Target;

/// Accepts for as long as the session lives.
pub(crate) async fn accept(listener: Listener, target: Arc<Target>, session: Session) {
    while session.ended().is_none() {
        let accepted = listener.next().await;
        tokio::spawn(carry(accepted, Arc::clone(&target), session.clone()));
    }
}

async fn carry(accepted: Socket, target: Arc<Target>, session: Session) {
    let stream = match client::open_stream(&session, &target).await {
        Ok(stream) => stream,
        Err(failure) => return failure.report(),
    };
    match accepted.pump(stream).await {
        Over::Reset(Some(reason)) => eprintln!("unbroken: {target}: {reason}"),
        Over::Local(error) => eprintln!("unbroken: {target}: the connection here broke: {error}"),
        Over::Whole | Over::Reset(None) | Over::SessionEnded => {}
    }
}
