//! The loop.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_channel::mpsc;
use futures_core::Stream;
use unbroken_proto::event::{EndReason, Ended, Fates};
use unbroken_proto::reconnect::{Attempt, Outcome};
use unbroken_proto::server::{Incoming, Report};
use unbroken_proto::{Duration, Epoch, Event, Instant, SessionConfig};

use crate::clock::Timer;
use crate::connect_error::ConnectError;
use crate::connection::BoxConnection;
use crate::dialling::{Dialling, Turn};
use crate::errand::Errands;
use crate::handle::SessionHandle;
use crate::links::Links;
use crate::machine::Machine;
use crate::meters::Meters;
use crate::pump::Pump;
use crate::reconnecting::ReconnectView;
use crate::shared::{Desk, Shared, Wishes};
use crate::stream::RECV_LIMIT;

/// Rounds in one poll before other tasks get a turn.
const ROUNDS: usize = 16;

/// A connection that a server's registry routed to the owner of its session.
pub(crate) type Routed = (BoxConnection, Incoming);

/// Where a session's connections come from.
pub(crate) enum Source {
    Dial(Dialling),
    Accept {
        routed: mpsc::Receiver<Routed>,
        errands: Errands,
        /// Takes what the registry must know.
        report: Box<dyn FnMut(Instant, Report) + Send>,
    },
}

/// One session and all that moves it: a future for the application to spawn. It is ready when the
/// session is over and its connections are closed.
///
/// Dropping it aborts the session; its handles learn of it.
#[must_use = "nothing moves until the driver is polled"]
pub struct Driver {
    session: Machine,
    timer: Box<dyn Timer>,
    source: Source,
    links: Links,
    pump: Pump,
    shared: Arc<Shared>,
    desk: Desk,
    linger: Duration,
    /// `close` was asked for: with what, and when it goes out even if halves still hold items.
    close: Option<(u64, Bytes, Instant)>,
    over: bool,
    /// The last dial brought a connection.
    up: bool,
    meters: Meters,
}

impl Driver {
    pub(crate) fn new(
        session: Machine,
        limits: &SessionConfig,
        timer: Box<dyn Timer>,
        source: Source,
    ) -> (SessionHandle, Driver) {
        let shared = Shared::new(session.state());
        let meters = Meters::new(session.side());
        let driver = Driver {
            session,
            timer,
            source,
            links: Links::default(),
            pump: Pump::new(Arc::clone(&shared), limits.clone()),
            shared: Arc::clone(&shared),
            desk: Desk::default(),
            linger: limits.linger,
            close: None,
            over: false,
            up: false,
            meters,
        };
        (SessionHandle::new(shared), driver)
    }

    /// Gives a server's new session the connection its handshake came on.
    pub(crate) fn with_connection(mut self, epoch: Epoch, connection: BoxConnection) -> Driver {
        self.links.add(epoch, connection);
        self
    }

    /// What the handles want.
    fn take_desk(&mut self, now: Instant, cx: &Context<'_>) {
        self.shared.take_desk(cx, &mut self.desk);
        for id in self.desk.dirty.drain(..) {
            self.pump.on_dirty(now, &mut self.session, id);
        }
        self.desk.opens.drain(..).for_each(|request| self.pump.request(request));
        self.pump.open(now, &mut self.session);
        let wishes = std::mem::take(&mut self.desk.wishes);
        self.follow(now, wishes);
        self.pump.feed(now, &mut self.session);
        let drained = !self.pump.holds_items();
        if let Some((code, reason, _)) = self.close.take_if(|(_, _, limit)| drained || *limit <= now) {
            self.session.close(now, code, reason);
        }
    }

    fn follow(&mut self, now: Instant, wishes: Wishes) {
        if let Some((within, alternate)) = wishes.migrate {
            self.session.migrate(now, within, alternate);
        }
        if wishes.reconnecting.follow(now, &mut self.session) {
            self.reflect(now);
        }
        if wishes.accepted {
            self.pump.accept(now, &mut self.session);
        }
        if let Some((code, reason)) = wishes.close {
            self.pump.refuse_more();
            self.close.get_or_insert((code, reason, now + self.linger));
        }
        if let Some(lifetime) = wishes.lifetime {
            self.session.set_detached_lifetime(now, lifetime);
        }
        if wishes.abort {
            self.session.abort(now);
        }
    }

    /// New connections. True if there was one, which has not been read yet and so wakes nobody.
    fn take_connections(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let mut any = false;
        match &mut self.source {
            Source::Dial(dialling) => match dialling.turn(now, &mut self.session, cx) {
                Turn::Idle => {}
                Turn::Told => {
                    if let Some(error) = dialling.take_failed() {
                        self.up = false;
                        self.shared.note(|view| view.connect_error = Some(Arc::new(error)));
                    }
                    self.reflect(now);
                }
                Turn::Up(up) => {
                    any = true;
                    self.up = true;
                    if let Ok(epoch) = self.session.attach(now, up.carrier) {
                        self.links.add(epoch, up.connection);
                    }
                }
            },
            Source::Accept { routed, errands, .. } => {
                errands.run(now, &mut self.session, cx);
                while let Poll::Ready(Some((connection, incoming))) = Pin::new(&mut *routed).poll_next(cx) {
                    any = true;
                    match self.session.adopt(now, incoming) {
                        Ok(epoch) => self.links.add(epoch, connection),
                        Err(rejection) => self.links.turn_away(now, connection, rejection.packet),
                    }
                }
            }
        }
        any
    }

    /// What the machine has to say. True if there was anything.
    fn take_events(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(event) = self.session.poll_event() {
            any = true;
            match event {
                Event::Readable(id) => self.pump.receive(now, &mut self.session, id, RECV_LIMIT),
                Event::Writable => self.pump.on_writable(),
                Event::StreamsAvailable => self.pump.on_streams_available(),
                Event::Incoming => self.pump.accept(now, &mut self.session),
                Event::Ended(ended) => self.end(now, ended),
                event => self.tell(now, &event),
            }
        }
        any
    }

    fn tell(&mut self, now: Instant, event: &Event) {
        match event {
            Event::Stopped { stream, code } => self.pump.on_stopped(*stream, *code),
            Event::Established { id } => {
                let (id, key) = (*id, self.session.peer_key());
                self.shared
                    .show(|view| (view.id, view.peer_key, view.established) = (Some(id), key, true));
            }
            Event::Reconnect(attempt) => {
                self.explain(attempt);
                self.reflect(now);
            }
            _ => self.reflect(now),
        }
        self.meters.event(event);
        self.shared.publish(event);
    }

    /// A server does not say what is wrong with a stranger, so that a wrong secret looks like a bad network: except here.
    fn explain(&self, attempt: &Attempt) {
        let Outcome::Failed(cause) = attempt.outcome else {
            return;
        };
        if self.up && self.session.stats().attaches == 0 {
            let why = "connected, but the handshake was not completed: a secret, key or hint that the server does not know \
                       looks like this, and so does a server of something else";
            let error = ConnectError::new(cause).with_source(why);
            self.shared.note(|view| view.connect_error = Some(Arc::new(error)));
        }
    }

    /// What handles are to see of reconnecting. Only its changes bring us here: it is dearer than other news.
    fn reflect(&self, now: Instant) {
        let view = ReconnectView::of(now, &self.session);
        self.shared.note(|shown| shown.reconnecting = view);
    }

    fn end(&mut self, now: Instant, mut ended: Ended) {
        self.pump.end(now, &mut self.session, &mut ended.fates);
        self.reflect(now);
        self.announce_end(ended);
    }

    fn announce_end(&mut self, ended: Ended) {
        self.over = true;
        self.close = None;
        let (state, stats) = (self.session.state(), self.session.stats());
        self.meters.stats(&stats);
        self.meters.ended(&ended.reason);
        self.shared.publish(&Event::Ended(ended.clone()));
        self.shared.show(|view| {
            (view.state, view.stats, view.ended) = (state, stats, Some(Arc::new(ended)));
            view.subscribers.clear();
        });
        self.shared.clear_desk();
    }

    /// What others want to know about the session.
    fn show(&mut self, now: Instant) {
        if let Source::Accept { report, .. } = &mut self.source {
            while let Some(news) = self.session.poll_report() {
                report(now, news);
            }
        }
        let (state, stats) = (self.session.state(), self.session.stats());
        self.meters.stats(&stats);
        self.shared.note(|view| (view.state, view.stats) = (state, stats));
    }

    fn deadline(&self) -> Option<Instant> {
        let dial = match &self.source {
            Source::Dial(dialling) => dialling.deadline(),
            Source::Accept { .. } => None,
        };
        let close = self.close.as_ref().map(|(_, _, limit)| *limit);
        [self.session.poll_timeout(), self.links.deadline(), dial, close]
            .into_iter()
            .flatten()
            .min()
    }

    /// One turn for every source. True if there is more to do at once.
    fn round(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        self.take_desk(now, cx);
        let unread = self.links.read(now, &mut self.session, cx);
        if self.session.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.session.handle_timeout(now);
        }
        let unheard = self.take_connections(now, cx);
        let news = self.take_events(now);
        let unwritten = self.links.write(now, &mut self.session, cx);
        // Room, or a new connection's first packets, may have come with what was just done.
        let late_news = self.take_events(now);
        unread || unheard || unwritten || late_news || (news && self.pump.hungry())
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        for _ in 0..ROUNDS {
            let now = this.timer.now();
            if this.round(now, cx) || this.pump.hungry() {
                continue;
            }
            this.show(now);
            if this.over && this.links.is_empty() {
                return Poll::Ready(());
            }
            match this.deadline() {
                // Ready: it is due already; the next round sees to it.
                Some(deadline) => ready!(this.timer.poll_until(cx, deadline)),
                None => return Poll::Pending,
            }
        }
        this.show(this.timer.now());
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.over {
            return self.shared.clear_desk();
        }
        if !std::thread::panicking() {
            let now = self.timer.now();
            self.session.abort(now);
            self.take_events(now);
            self.show(now);
        }
        if !self.over {
            let mut ended = Ended {
                reason: EndReason::Aborted,
                fates: Fates::default(),
            };
            self.pump.finish_off(&mut ended.fates);
            self.announce_end(ended);
        }
    }
}
