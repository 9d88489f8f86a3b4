//! A connection that has not proven anything.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use futures_channel::{mpsc, oneshot};
use unbroken_proto::server::{
    Admission, ConnectionId, Incoming, Placement, Refusal, Registry, Rejection, Request, Route,
};
use unbroken_proto::{Carrier, Epoch, Instant, SessionId};

use super::handle::ServerHandle;
use crate::connection::BoxConnection;
use crate::driver::Routed;
use crate::state::Shared;

/// What one connection turned out to be.
pub(super) enum Arrival {
    New(Box<NewSession>),
    Known {
        session: SessionId,
        incoming: Incoming,
    },
    /// The session that it wants may be kept.
    Lookup(Box<Wanted>),
    Rejected(Rejection),
    Gone,
}

/// What a proven client asks for, and what the host has said of it.
pub(super) type Asked = (Request, Placement);

/// A session that may be kept, and the connection that wants it.
pub(super) struct Wanted {
    pub(super) session: SessionId,
    /// Who held it, and did not know the proof.
    pub(super) held: Option<Arc<Shared>>,
    pub(super) incoming: Incoming,
    /// Of a client that is proven.
    pub(super) asked: Option<Asked>,
}

pub(super) struct NewSession {
    pub(super) id: Option<SessionId>,
    pub(super) shared: Arc<Shared>,
    pub(super) epoch: Epoch,
    pub(super) request: Request,
    pub(super) routed: mpsc::Receiver<Routed>,
}

/// A connection that no session has yet.
pub(super) struct PendingConnection {
    server: Arc<ServerHandle>,
    id: ConnectionId,
    /// Ends when the connection is to be let go.
    let_go: oneshot::Receiver<()>,
    /// Whether it is known, or was said, whom it comes from.
    has_peer: bool,
    deadline: Option<Instant>,
    decided: bool,
    /// Who held the session that a RESUME names, and did not know it.
    held: Option<Arc<Shared>>,
}

impl PendingConnection {
    pub(super) fn new(server: &Arc<ServerHandle>, carrier: Carrier) -> PendingConnection {
        let (sender, let_go) = oneshot::channel();
        let has_peer = carrier.peer().is_some();
        let id = server.with(|state, now, wakes| {
            let id = state.registry.connection_accepted(now, carrier);
            if !state.is_over {
                state.pending.insert(id, sender);
            }
            state.on_change(wakes);
            id
        });
        PendingConnection {
            server: Arc::clone(server),
            id,
            let_go,
            has_peer,
            deadline: None,
            decided: false,
            held: None,
        }
    }

    /// The next packet; `None` when the connection is lost or let go, as it is when its time is over.
    pub(super) async fn next(&mut self, connection: &mut BoxConnection) -> Option<BytesMut> {
        poll_fn(|cx| {
            if self.poll_let_go(cx).is_ready() {
                return Poll::Ready(None);
            }
            let next = connection.as_mut().poll_next(cx);
            if !self.has_peer
                && let Some(address) = connection.peer()
            {
                self.has_peer = true;
                self.learn_peer(address);
            }
            if next.is_pending() {
                self.read_partly(connection.as_mut().take_partial());
            }
            next.map(|packet| packet.and_then(Result::ok))
        })
        .await
    }

    /// It turned out whom it comes from.
    fn learn_peer(&self, address: IpAddr) {
        let peer = self.server.peer_key(address);
        self.server.with(|state, now, wakes| {
            state.registry.connection_from(now, self.id, peer);
            state.on_change(wakes);
        });
    }

    /// Bytes came of a packet that is not whole yet.
    fn read_partly(&mut self, bytes: usize) {
        if bytes > 0 {
            let deadline = self.server.with(|state, now, wakes| {
                let deadline = state.registry.handle_partial(now, self.id, bytes);
                state.on_change(wakes);
                deadline
            });
            self.deadline = self.deadline.max(deadline);
        }
    }

    /// Until when the registry waits for it, as far as that was prolonged.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The application is about to be asked.
    pub(super) fn begin_decision(&mut self, incoming: Incoming) -> Result<Incoming, Rejection> {
        let begun = self.server.with(|state, now, wakes| {
            let begun = state.registry.begin_decision(now, incoming);
            state.on_change(wakes);
            begun
        });
        self.decided = begun.is_err();
        begun
    }

    /// Ready when the connection is let go: its time is over, or too many wait.
    pub(super) fn poll_let_go(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.let_go).poll(cx).map(|_| ())
    }

    pub(super) fn first_packet(&mut self, packet: BytesMut) -> Route {
        let id = self.id;
        let mut held = None;
        let route = self.server.with(|state, now, wakes| {
            let route = state.registry.first_packet(now, id, packet);
            if let Route::Lookup { session, .. } = &route {
                held = state.owners.get(session).map(|owner| Arc::clone(&owner.shared));
            }
            if !matches!(route, Route::Handshake(_)) {
                state.pending.remove(&id);
            }
            state.on_change(wakes);
            route
        });
        self.decided = !matches!(route, Route::Handshake(_));
        self.held = held;
        route
    }

    /// Who held the session when its RESUME opened under none of its secrets.
    pub(super) fn take_held(&mut self) -> Option<Arc<Shared>> {
        self.held.take()
    }

    pub(super) fn decide(
        &mut self,
        incoming: Incoming,
        request: Request,
        verdict: Result<Placement, Refusal>,
    ) -> Arrival {
        match verdict {
            Ok(placement) => self.admit(Some((request, placement)), |registry, now, placement| {
                registry.admit_as(now, incoming, placement)
            }),
            Err(refusal) => self.admit(None, |registry, now, _| {
                Admission::Reject(registry.refuse(now, incoming, refusal))
            }),
        }
    }

    /// Carries out what the registry answers. `asked`: what a proven client asks for, and where the host puts it.
    pub(super) fn admit(
        &mut self,
        asked: Option<Asked>,
        ask: impl FnOnce(&mut Registry, Instant, &Placement) -> Admission,
    ) -> Arrival {
        let (request, placement) = asked.unzip();
        let placement = placement.unwrap_or_default();
        self.server.with(|state, now, wakes| {
            state.registry.set_backlog_full(state.backlog.is_full());
            let admission = ask(&mut state.registry, now, &placement);
            let arrival = match (admission, request) {
                (Admission::Lookup { session, incoming }, request) => {
                    let asked = request.map(|request| (request, placement));
                    return Arrival::Lookup(Box::new(Wanted {
                        session,
                        held: state.owners.get(&session).map(|owner| Arc::clone(&owner.shared)),
                        incoming,
                        asked,
                    }));
                }
                (Admission::New { session, epoch }, Some(request)) => {
                    let id = session.id();
                    let (shared, routed) = state.take_in(now, session);
                    Arrival::New(Box::new(NewSession {
                        id,
                        shared,
                        epoch,
                        request,
                        routed,
                    }))
                }
                // Nobody asked for one.
                (Admission::New { .. }, None) => Arrival::Gone,
                (Admission::Resume { session, incoming }, _) => Arrival::Known { session, incoming },
                (Admission::Reject(rejection), _) => Arrival::Rejected(rejection),
            };
            self.decided = true;
            state.pending.remove(&self.id);
            state.on_change(wakes);
            arrival
        })
    }
}

impl Drop for PendingConnection {
    fn drop(&mut self) {
        self.server.with(|state, now, _| {
            state.pending.remove(&self.id);
            if !self.decided {
                state.registry.connection_closed(now, self.id);
            }
        });
    }
}
