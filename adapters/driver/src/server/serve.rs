//! One accepted connection, until its session's driver has it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures_channel::mpsc;
use unbroken_proto::SessionId;
use unbroken_proto::server::{Incoming, Rejection, Route};

use super::backlog::Accepted;
use super::durable::Driving;
use super::handle::ServerHandle;
use super::pending::{Arrival, NewSession, PendingConnection, Wanted};
use super::rejection::{reject, send, within};
use crate::clock::Timer;
use crate::connection::{BoxConnection, Connected};
use crate::driver::{Driver, Routed, Source};
use crate::session::Session;

impl ServerHandle {
    /// Sees one accepted connection through: to its session's driver, to a polite refusal, or, if it
    /// begins a session, to that session's end. Spawn it.
    pub async fn serve(self: Arc<Self>, accepted: Connected) {
        let mut timer = self.timer();
        let Connected {
            mut connection,
            carrier,
        } = accepted;
        let carrier = match connection.peer() {
            Some(address) => carrier.from_peer(self.peer_key(address)),
            None => carrier,
        };
        let pending = PendingConnection::new(&self, carrier);
        let (arrival, restored) = self.receive(pending, &mut connection, &mut timer).await;
        match arrival {
            Arrival::New(new) => self.drive(*new, connection, timer).await,
            Arrival::Known { session, incoming } => {
                if let Some((connection, rejection)) = self.route(session, connection, incoming) {
                    reject(connection, rejection, &mut timer).await;
                }
            }
            Arrival::Rejected(rejection) => reject(connection, rejection, &mut timer).await,
            // What is to be looked up was.
            Arrival::Lookup(_) | Arrival::Gone => {}
        }
        if let Some(restored) = restored {
            restored.await;
        }
    }

    /// Reads what is needed until it is known what this is; where that is kept in a store, looks there. Beside it, who drives a session that was
    /// restored for this connection.
    async fn receive(
        self: &Arc<Self>,
        mut pending: PendingConnection,
        connection: &mut BoxConnection,
        timer: &mut Timer,
    ) -> (Arrival, Option<Driving>) {
        match self.read(&mut pending, connection, timer).await {
            Arrival::Lookup(wanted) => self.look_up(&mut pending, *wanted).await,
            arrival => (arrival, None),
        }
    }

    /// Reads the first packet and what a handshake needs, until it is known what this is.
    async fn read(
        &self,
        pending: &mut PendingConnection,
        connection: &mut BoxConnection,
        timer: &mut Timer,
    ) -> Arrival {
        let Some(packet) = pending.next(connection).await else {
            return Arrival::Gone;
        };
        let mut incoming = match pending.first_packet(packet) {
            Route::Handshake(incoming) => incoming,
            Route::Resume { session, incoming } => return Arrival::Known { session, incoming },
            Route::Lookup { session, incoming } => {
                return Arrival::Lookup(Box::new(Wanted {
                    session,
                    held: pending.take_held(),
                    incoming,
                    asked: None,
                }));
            }
            Route::Reject(rejection) => return Arrival::Rejected(rejection),
        };
        let request = loop {
            let mut packet = Vec::new();
            while incoming.poll_transmit(&mut packet) {
                let sent = within(
                    timer,
                    incoming.deadline(),
                    send(connection, std::mem::take(&mut packet)),
                )
                .await;
                if !matches!(sent, Some(Ok(()))) {
                    return Arrival::Gone;
                }
            }
            if let Some(request) = incoming.request() {
                break request.clone();
            }
            // The registry lets it go when its time is over, which bytes of a packet on its way prolong.
            let Some(packet) = pending.next(connection).await else {
                return Arrival::Gone;
            };
            if let Some(deadline) = pending.deadline() {
                incoming.set_deadline(deadline);
            }
            if incoming.handle_input(timer.now(), packet).is_err() {
                return Arrival::Gone;
            }
        };
        let incoming = match pending.begin_decision(incoming) {
            Ok(incoming) => incoming,
            Err(rejection) => return Arrival::Rejected(rejection),
        };
        let mut asked = (self.authorise)(request.clone());
        let verdict = poll_fn(|cx| match pending.poll_let_go(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => asked.as_mut().poll(cx).map(Some),
        });
        let Some(verdict) = verdict.await else {
            return Arrival::Gone;
        };
        pending.decide(incoming, request, verdict)
    }

    /// Hands a connection to the session's driver, or back with what to say if that is gone.
    fn route(
        &self,
        session: SessionId,
        connection: BoxConnection,
        incoming: Incoming,
    ) -> Option<(BoxConnection, Rejection)> {
        self.with(|state, _, _| {
            let failed = match state.owners.get_mut(&session) {
                Some(owner) => owner.routed.try_send((connection, incoming)).err()?,
                None => return Some((connection, state.orphan(incoming))),
            };
            // A driver with a full queue has better candidates; the client will try again.
            let gone = failed.is_disconnected();
            let (connection, incoming) = failed.into_inner();
            gone.then(|| (connection, state.orphan(incoming)))
        })
    }

    /// Drives a new session to its end, and shows it to the application once it is established.
    async fn drive(self: Arc<Self>, new: NewSession, connection: BoxConnection, timer: Timer) {
        let _listed = new.id.map(|id| self.listed(id));
        let keeper = self.keeper_of(&new).await;
        let session = Session::new(Arc::clone(&new.shared));
        let source = self.source(new.routed);
        let mut driver = Driver::new(new.shared, timer, source).with_connection(new.epoch, connection);
        if let Some(keeper) = keeper {
            driver = driver.with_keeper(keeper);
        }
        let accepted = Accepted {
            session,
            request: new.request,
            is_restored: false,
        };
        self.drive_to_end(accepted, driver).await;
    }

    /// Where the connections of a session come from, and who is told how it does.
    pub(super) fn source(self: &Arc<Self>, routed: mpsc::Receiver<Routed>) -> Source {
        let server = Arc::clone(self);
        Source::Accept {
            routed,
            report: Box::new(move |now, report| {
                server.with(|state, _, wakes| {
                    state.registry.update(now, report);
                    state.on_change(wakes);
                });
            }),
        }
    }

    /// Drives a session that its client has not confirmed yet, and announces it when that has.
    pub(super) async fn drive_to_end(&self, accepted: Accepted, driver: Driver) {
        let mut driver = pin!(driver);
        let mut announce = pin!(async move {
            if let Ok(id) = accepted.session.established().await {
                self.announce(id, accepted);
            }
        });
        let mut announced = false;
        poll_fn(|cx| {
            announced = announced || announce.as_mut().poll(cx).is_ready();
            driver.as_mut().poll(cx)
        })
        .await;
    }

    pub(super) fn announce(&self, id: SessionId, accepted: Accepted) {
        let unwanted = self.with(|state, _, wakes| {
            if state.is_over {
                return Some(accepted);
            }
            state.backlog.push(id, accepted, wakes);
            None
        });
        drop(unwanted);
    }
}
