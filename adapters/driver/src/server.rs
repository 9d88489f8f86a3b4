//! The accepting side: one future per accepted connection, and what they share.

mod admin;
mod broadcaster;
mod desk;
mod unproven;
mod words;

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use futures_channel::{mpsc, oneshot};
use unbroken_proto::config::{Seed, ServerConfig};
use unbroken_proto::error::ConfigError;
use unbroken_proto::server::{ConnectionId, Incoming, Placement, Refusal, Registry, Rejection, Request, Route};
use unbroken_proto::{Carrier, Epoch, PeerPrefix, Session, SessionConfig, SessionId};

pub(crate) use broadcaster::Envelope;
use broadcaster::Mailbox;
pub use broadcaster::{Broadcast, BroadcastOutcome, Broadcaster};
use unproven::{Owned, Unproven};
use words::{send, turn_away, within};

use crate::clock::Timer;
use crate::connection::{BoxConnection, Connected};
use crate::driver::{Driver, Routed, Source};
use crate::errand::{Errand, Errands};
use crate::handle::SessionHandle;
use crate::lock::{Waiters, lock, register, wake};
use crate::machine::plain;

/// Established sessions nobody has accepted yet.
const BACKLOG: usize = 128;
/// Connections on their way to a session's owner.
const ROUTED: usize = 4;

/// Decides on a proven client, and where its session belongs.
pub type Authorise = Box<dyn Fn(Request) -> Verdict + Send + Sync>;
/// The decision, on its way.
pub type Verdict = Pin<Box<dyn Future<Output = Result<Placement, Refusal>> + Send>>;
/// Makes the timer of a task.
pub type MakeTimer = Box<dyn Fn() -> Box<dyn Timer> + Send + Sync>;

/// An established session on the accepting side.
pub struct Established {
    /// The session.
    pub session: SessionHandle,
    /// What its client asked for, proven.
    pub request: Request,
}

/// What all connections of a listening service share: the registry, and who owns which session. Its
/// lock is taken when a connection comes, and when a session's state changes; never for data.
///
/// | to | call |
/// |---|---|
/// | list sessions, find them by id, name, label or identity | [`sessions`](ServerHandle::sessions), [`find`](ServerHandle::find) |
/// | close, end, move or prolong one, some or all | [`order`](ServerHandle::command), [`command_where`](ServerHandle::command_where) |
/// | tell all or some of them something | [`broadcaster`](ServerHandle::broadcaster) |
/// | release what is kept for a session, once, however it ended | [`ended`](ServerHandle::ended) |
/// | empty the house before it closes | [`drain`](ServerHandle::drain), [`drained`](ServerHandle::drained) |
/// | show numbers | [`snapshot`](ServerHandle::snapshot) |
/// | label, or anything else the registry can do | [`registry`](ServerHandle::registry) |
/// | say who comes in, whose session it is, by which labels | [`Authorise`] |
/// | set limits | [`ServerConfig`] |
pub struct ServerHandle {
    desk: Mutex<Desk>,
    limits: SessionConfig,
    prefix: PeerPrefix,
    authorise: Authorise,
    timer: MakeTimer,
    established: mpsc::Sender<Established>,
}

struct Desk {
    clock: Box<dyn Timer>,
    registry: Registry,
    owners: HashMap<SessionId, Owner>,
    /// Somebody collects the sessions that are over; until then they are dropped.
    collected: bool,
    collector: Option<Waker>,
    /// Those who wait for the end of a drain.
    drainers: Waiters,
    /// Unproven connections; dropping what stands here lets go of one.
    unproven: HashMap<ConnectionId, oneshot::Sender<()>>,
    /// Audiences so far.
    audiences: u64,
    /// The housekeeper.
    waker: Option<Waker>,
    over: bool,
}

/// How a session's owner is reached.
struct Owner {
    routed: mpsc::Sender<Routed>,
    mailbox: Mailbox,
}

/// What one connection turned out to be.
enum Arrival {
    New(Box<Newcomer>),
    Known { session: SessionId, incoming: Incoming },
    Rejected(Rejection),
    Gone,
}

struct Newcomer {
    session: Session,
    epoch: Epoch,
    request: Request,
    routed: mpsc::Receiver<Routed>,
    errands: mpsc::UnboundedReceiver<Errand>,
}

impl ServerHandle {
    /// A listening service, and where its sessions appear once established.
    ///
    /// # Errors
    /// The configuration cannot work.
    pub fn new(
        config: ServerConfig,
        seed: Seed,
        authorise: Authorise,
        timer: MakeTimer,
    ) -> Result<(Arc<ServerHandle>, mpsc::Receiver<Established>), ConfigError> {
        let limits = config.session.clone();
        let prefix = config.peer_prefix;
        let clock = timer();
        let registry = Registry::new(config, seed, clock.now())?;
        let (established, backlog) = mpsc::channel(BACKLOG);
        let desk = Mutex::new(Desk {
            clock,
            registry,
            owners: HashMap::new(),
            collected: false,
            collector: None,
            drainers: Waiters::default(),
            unproven: HashMap::new(),
            audiences: 0,
            waker: None,
            over: false,
        });
        Ok((
            Arc::new(ServerHandle {
                desk,
                limits,
                prefix,
                authorise,
                timer,
                established,
            }),
            backlog,
        ))
    }

    /// Lets go of all unproven connections and of the housekeeper. Sessions live on with their handles.
    pub fn shut_down(&self) {
        let waker = {
            let mut desk = lock(&self.desk);
            desk.over = true;
            desk.unproven.clear();
            desk.waker.take()
        };
        wake(waker);
    }

    /// Minds the registry's timers until [`shut_down`](ServerHandle::shut_down). Spawn it once.
    pub async fn housekeeping(self: Arc<Self>) {
        let mut timer = (self.timer)();
        poll_fn(|cx| {
            loop {
                let now = timer.now();
                let mut desk = lock(&self.desk);
                if desk.over {
                    return Poll::Ready(());
                }
                if desk.registry.poll_timeout().is_some_and(|deadline| deadline <= now) {
                    desk.registry.handle_timeout(now);
                }
                desk.evict();
                desk.pass_on();
                register(&mut desk.waker, cx);
                let Some(deadline) = desk.registry.poll_timeout() else {
                    return Poll::Pending;
                };
                drop(desk);
                if timer.poll_until(cx, deadline).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    /// Sees one accepted connection through: to its session's owner, to a polite refusal, or, if it
    /// begins a session, to that session's end. Spawn it.
    pub async fn serve(self: Arc<Self>, accepted: Connected) {
        let mut timer = (self.timer)();
        let Connected {
            mut connection,
            carrier,
        } = accepted;
        let unproven = self.enter(carrier);
        match self.receive(unproven, &mut connection, &mut *timer).await {
            Arrival::New(newcomer) => self.own(*newcomer, connection, timer).await,
            Arrival::Known { session, incoming } => {
                if let Some((connection, rejection)) = self.route(session, connection, incoming) {
                    turn_away(connection, rejection, &mut *timer).await;
                }
            }
            Arrival::Rejected(rejection) => turn_away(connection, rejection, &mut *timer).await,
            Arrival::Gone => {}
        }
    }

    fn enter(&self, carrier: Carrier) -> Unproven<'_> {
        let (sender, let_go) = oneshot::channel();
        let mut desk = lock(&self.desk);
        let now = desk.clock.now();
        let id = desk.registry.connection_accepted(now, carrier);
        if !desk.over {
            desk.unproven.insert(id, sender);
        }
        desk.changed();
        Unproven {
            handle: self,
            id,
            let_go,
            decided: false,
        }
    }

    /// Reads the first packet and what a handshake needs, until it is known what this is.
    async fn receive(
        &self,
        mut unproven: Unproven<'_>,
        connection: &mut BoxConnection,
        timer: &mut dyn Timer,
    ) -> Arrival {
        let Some(packet) = unproven.next(connection).await else {
            return Arrival::Gone;
        };
        let mut incoming = match unproven.first_packet(packet) {
            Route::Handshake(incoming) => incoming,
            Route::Resume { session, incoming } => return Arrival::Known { session, incoming },
            Route::Reject(rejection) => return Arrival::Rejected(rejection),
        };
        let deadline = incoming.deadline();
        let request = loop {
            let mut packet = Vec::new();
            while incoming.poll_transmit(&mut packet) {
                let sent = within(timer, deadline, send(connection, std::mem::take(&mut packet))).await;
                if !matches!(sent, Some(Ok(()))) {
                    return Arrival::Gone;
                }
            }
            if let Some(request) = incoming.request() {
                break request.clone();
            }
            let Some(Some(packet)) = within(timer, deadline, unproven.next(connection)).await else {
                return Arrival::Gone;
            };
            if incoming.handle_input(timer.now(), packet).is_err() {
                return Arrival::Gone;
            }
        };
        let Some(verdict) = within(timer, deadline, (self.authorise)(request.clone())).await else {
            return Arrival::Gone;
        };
        unproven.decide(incoming, request, verdict)
    }

    /// Hands a connection to the session's owner, or back with what to say if that is gone.
    fn route(
        &self,
        session: SessionId,
        connection: BoxConnection,
        incoming: Incoming,
    ) -> Option<(BoxConnection, Rejection)> {
        let mut desk = lock(&self.desk);
        let failed = match desk.owners.get_mut(&session) {
            Some(owner) => owner.routed.try_send((connection, incoming)).err()?,
            None => return Some((connection, desk.orphan(incoming))),
        };
        // An owner with a full queue has better candidates; the client will try again.
        let gone = failed.is_disconnected();
        let (connection, incoming) = failed.into_inner();
        gone.then(|| (connection, desk.orphan(incoming)))
    }

    /// Drives a new session to its end, and shows it to the application once it is established.
    async fn own(self: Arc<Self>, newcomer: Newcomer, connection: BoxConnection, timer: Box<dyn Timer>) {
        let Newcomer {
            session,
            epoch,
            request,
            routed,
            errands,
        } = newcomer;
        let _owned = session.id().map(|id| Owned {
            handle: Arc::clone(&self),
            id,
        });
        let handle = Arc::clone(&self);
        let report = Box::new(move |now, news| {
            let mut desk = lock(&handle.desk);
            desk.registry.update(now, news);
            desk.changed();
        });
        let errands = Errands::new(errands);
        let source = Source::Accept {
            routed,
            errands,
            report,
        };
        let (handle, driver) = Driver::new(plain(session), &self.limits, timer, source);
        let mut driver = pin!(driver.with_connection(epoch, connection));
        let mut established = self.established.clone();
        let announce = async move {
            let proven = handle.established().await.is_ok();
            if proven && poll_fn(|cx| established.poll_ready(cx)).await.is_ok() {
                let _nobody_accepts = established.start_send(Established {
                    session: handle,
                    request,
                });
            }
        };
        let mut announce = pin!(announce);
        let mut announced = false;
        poll_fn(|cx| {
            announced = announced || announce.as_mut().poll(cx).is_ready();
            driver.as_mut().poll(cx)
        })
        .await;
    }
}
