//! A connection's place at the handle: before it has a session, and as the owner of one.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use bytes::BytesMut;
use futures_channel::{mpsc, oneshot};
use unbroken_proto::SessionId;
use unbroken_proto::server::{Admission, ConnectionId, Incoming, Placement, Refusal, Request, Route};

use super::broadcaster::Mailbox;
use super::{Arrival, Newcomer, Owner, ROUTED, ServerHandle};
use crate::connection::BoxConnection;
use crate::lock::lock;

/// A connection no session has yet.
pub(super) struct Unproven<'a> {
    pub(super) handle: &'a ServerHandle,
    pub(super) id: ConnectionId,
    /// Ends when the connection is to be let go.
    pub(super) let_go: oneshot::Receiver<()>,
    pub(super) decided: bool,
}

impl Unproven<'_> {
    /// The next packet; `None` when the connection is lost or let go.
    pub(super) async fn next(&mut self, connection: &mut BoxConnection) -> Option<BytesMut> {
        poll_fn(|cx| match Pin::new(&mut self.let_go).poll(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => connection
                .as_mut()
                .poll_next(cx)
                .map(|packet| packet.and_then(Result::ok)),
        })
        .await
    }

    pub(super) fn first_packet(&mut self, packet: BytesMut) -> Route {
        let mut desk = lock(&self.handle.desk);
        let now = desk.clock.now();
        let route = desk.registry.first_packet(now, self.id, packet);
        if !matches!(route, Route::Handshake(_)) {
            self.decided = true;
            desk.unproven.remove(&self.id);
        }
        desk.changed();
        route
    }

    pub(super) fn decide(
        &mut self,
        incoming: Incoming,
        request: Request,
        verdict: Result<Placement, Refusal>,
    ) -> Arrival {
        let mut desk = lock(&self.handle.desk);
        let now = desk.clock.now();
        let admission = match verdict {
            Ok(placement) => desk.registry.admit_as(now, incoming, &placement),
            Err(refusal) => Admission::Reject(desk.registry.refuse(now, incoming, refusal)),
        };
        self.decided = true;
        desk.unproven.remove(&self.id);
        desk.changed();
        match admission {
            Admission::New { session, epoch } => {
                let (routes, routed) = mpsc::channel(ROUTED);
                let (mailbox, errands) = Mailbox::new();
                let owner = Owner {
                    routed: routes,
                    mailbox,
                };
                session.id().map(|id| desk.owners.insert(id, owner));
                Arrival::New(Box::new(Newcomer {
                    session,
                    epoch,
                    request,
                    routed,
                    errands,
                }))
            }
            Admission::Resume { session, incoming } => Arrival::Known { session, incoming },
            Admission::Reject(rejection) => Arrival::Rejected(rejection),
        }
    }
}

impl Drop for Unproven<'_> {
    fn drop(&mut self) {
        let mut desk = lock(&self.handle.desk);
        desk.unproven.remove(&self.id);
        if !self.decided {
            let now = desk.clock.now();
            desk.registry.connection_closed(now, self.id);
        }
    }
}

/// A session's place in the table of owners.
pub(super) struct Owned {
    pub(super) handle: Arc<ServerHandle>,
    pub(super) id: SessionId,
}

impl Drop for Owned {
    fn drop(&mut self) {
        let mut desk = lock(&self.handle.desk);
        desk.owners.remove(&self.id);
        // Harmless after a last report, and the only word of a driver that panicked.
        let now = desk.clock.now();
        desk.registry.lost(now, self.id);
        desk.changed();
    }
}
