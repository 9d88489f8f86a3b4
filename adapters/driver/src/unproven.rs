//! A connection that no session has yet.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::Poll;

use bytes::BytesMut;
use futures_channel::{mpsc, oneshot};
use unbroken_proto::server::{Admission, ConnectionId, Incoming, Refusal, Rejection, Request, Route};
use unbroken_proto::{Epoch, Session, SessionId};

use crate::connection::BoxConnection;
use crate::driver::Routed;
use crate::lock::lock;
use crate::reception::Reception;

/// Connections on their way to a session's owner.
const ROUTED: usize = 4;

/// What one connection turned out to be.
pub(crate) enum Arrival {
    New(Box<Newcomer>),
    Known { session: SessionId, incoming: Incoming },
    Rejected(Rejection),
    Gone,
}

pub(crate) struct Newcomer {
    pub(crate) session: Session,
    pub(crate) epoch: Epoch,
    pub(crate) request: Request,
    pub(crate) routed: mpsc::Receiver<Routed>,
}

/// A connection no session has yet.
pub(crate) struct Unproven<'a> {
    pub(crate) reception: &'a Mutex<Reception>,
    pub(crate) id: ConnectionId,
    /// Ends when the connection is to be let go.
    pub(crate) let_go: oneshot::Receiver<()>,
    pub(crate) decided: bool,
}

impl Unproven<'_> {
    /// The next packet; `None` when the connection is lost or let go.
    pub(crate) async fn next(&mut self, connection: &mut BoxConnection) -> Option<BytesMut> {
        poll_fn(|cx| match Pin::new(&mut self.let_go).poll(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => connection
                .as_mut()
                .poll_next(cx)
                .map(|packet| packet.and_then(Result::ok)),
        })
        .await
    }

    pub(crate) fn first_packet(&mut self, packet: BytesMut) -> Route {
        let mut desk = lock(&self.reception);
        let now = desk.clock.now();
        let route = desk.registry.first_packet(now, self.id, packet);
        let sender = desk.silent.remove(&self.id);
        match (&route, sender) {
            (Route::Handshake(_), Some(sender)) => {
                desk.handshakes.insert(self.id, sender);
            }
            _ => self.decided = true,
        }
        desk.changed();
        route
    }

    pub(crate) fn decide(&mut self, incoming: Incoming, request: Request, verdict: Result<(), Refusal>) -> Arrival {
        let mut desk = lock(&self.reception);
        let now = desk.clock.now();
        let admission = match verdict {
            Ok(()) => desk.registry.admit(now, incoming),
            Err(refusal) => Admission::Reject(desk.registry.refuse(now, incoming, refusal)),
        };
        self.decided = true;
        desk.handshakes.remove(&self.id);
        desk.changed();
        match admission {
            Admission::New { session, epoch } => {
                let (owner, routed) = mpsc::channel(ROUTED);
                session.id().map(|id| desk.owners.insert(id, owner));
                Arrival::New(Box::new(Newcomer {
                    session,
                    epoch,
                    request,
                    routed,
                }))
            }
            Admission::Resume { session, incoming } => Arrival::Known { session, incoming },
            Admission::Reject(rejection) => Arrival::Rejected(rejection),
        }
    }
}

impl Drop for Unproven<'_> {
    fn drop(&mut self) {
        let mut desk = lock(&self.reception);
        desk.silent.remove(&self.id);
        desk.handshakes.remove(&self.id);
        if !self.decided {
            let now = desk.clock.now();
            desk.registry.connection_closed(now, self.id);
        }
    }
}
