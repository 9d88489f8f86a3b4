//! What a stream is connected to.

use std::sync::Arc;

use unbroken_tokio::{Session, Stream};

use super::host::Host;
use super::offers::Offers;
use crate::admin::{Entry, Guest};
use crate::listener::{Bind, Listener};
use crate::outward::{self, Confirmation, refuse};
use crate::socket::Socket;
use crate::target::{Purpose, Reason, Target};
use crate::terminal::{self, Owner};

/// Serves the streams of one session, for as long as it lives.
pub(crate) async fn serve(host: Arc<Host>, session: Session, guest: Guest, owner: Owner) {
    while let Some(stream) = session.accept().await {
        let (host, entry, session) = (Arc::clone(&host), Arc::clone(&guest.entry), session.clone());
        tokio::spawn(async move {
            let in_use = host.in_use();
            serve_stream(stream, session, &host, owner, entry).await;
            drop(in_use);
        });
    }
}

/// Serves one stream, whatever comes of it: its peer is told.
async fn serve_stream(stream: Stream, session: Session, host: &Host, owner: Owner, entry: Arc<Entry>) {
    let _listed = entry.stream(stream.id().0, stream.label());
    let (target, confirmation) = match Purpose::of_label(stream.label()) {
        Some(Purpose::To(target)) => (target, Confirmation::None),
        Some(Purpose::Confirmed(target)) => (target, Confirmation::First),
        Some(Purpose::Listen(place)) => return listen(stream, (&session, &entry), place, &host.offers).await,
        Some(Purpose::Terminal) => {
            let allowed = |command: Option<&str>| host.offers.allow_program(command);
            return terminal::serve(stream, &session, owner, &host.terminals, allowed).await;
        }
        Some(Purpose::Accepted(_) | Purpose::Note) | None => return refuse(stream, Reason::Unknown),
    };
    if !host.offers.allow(&target) {
        return refuse(stream, Reason::NotAllowed);
    }
    match target {
        Target::Echo => echo(stream).await,
        target => drop(outward::carry(stream, &target, confirmation).await),
    }
}

/// Accepts connections for the client until it ends the stream.
async fn listen(stream: Stream, (session, entry): (&Session, &Arc<Entry>), place: String, offers: &Offers) {
    let Ok(bind) = place.parse::<Bind>() else {
        return refuse(stream, Reason::Unknown);
    };
    if !offers.allow_listen(&bind) {
        return refuse(stream, Reason::NotAllowed);
    }
    let Ok(listener) = Listener::bind(&bind).await else {
        return refuse(stream, Reason::Taken);
    };
    let (mut send, mut recv) = stream.split();
    if send.write_bytes(format!("{listener}\n").into()).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            accepted = listener.next() => {
                tokio::spawn(hand_over(accepted, session.clone(), place.clone(), Arc::clone(entry)));
            }
            // Nothing is said on it; it ends, or the session does.
            _ = recv.recv_chunk() => return,
        }
    }
}

/// A connection that was accepted for the client is a stream to it.
async fn hand_over(accepted: Socket, session: Session, place: String, entry: Arc<Entry>) {
    if let Ok(stream) = session.open(Purpose::Accepted(place).options()).await {
        let _listed = entry.stream(stream.id().0, stream.label());
        accepted.pump(stream).await;
    }
}

async fn echo(stream: Stream) {
    let (mut send, mut recv) = stream.split();
    while let Ok(Some((bytes, message_end))) = recv.recv_chunk().await {
        let sent = match message_end {
            true => send.send(bytes).await,
            false => send.write_bytes(bytes).await,
        };
        if sent.is_err() {
            return;
        }
    }
    send.finish();
}
