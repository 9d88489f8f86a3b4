//! The loop that moves packets between a session's machine and its connections.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_channel::mpsc;
use futures_core::Stream;
use unbroken_proto::server::{Incoming, Report};
use unbroken_proto::session::StoreFailure;
use unbroken_proto::{Epoch, Instant};

use crate::clock::Timer;
use crate::connecting::Attempts;
use crate::connection::BoxConnection;
use crate::connections::{Connections, Turn};
use crate::keeper::{Disposal, Keeper};
use crate::state::Shared;

/// Rounds in one poll before other tasks get a turn.
const ROUNDS: usize = 16;

/// A connection that a server's registry routed to the owner of its session.
pub(crate) type Routed = (BoxConnection, Incoming);

/// Where a session's connections come from.
pub(crate) enum Source {
    Dial(Attempts),
    Accept {
        routed: mpsc::Receiver<Routed>,
        /// Takes what the registry must know.
        report: Box<dyn FnMut(Instant, Report) + Send>,
    },
}

/// One session's connections and all that moves them: a future for the application to spawn. It is ready when the
/// session is over and its connections are closed.
///
/// Dropping it aborts the session; its handles learn of it.
#[must_use = "nothing moves until the driver is polled"]
pub struct Driver {
    shared: Arc<Shared>,
    timer: Timer,
    source: Source,
    connections: Connections,
    /// Writes down what a durable session has to keep.
    keeper: Option<Keeper>,
}

/// What a driver has to know of the machine between two rounds.
struct Outlook {
    now: Instant,
    over: bool,
    deadline: Option<Instant>,
    report: Option<Report>,
}

impl Driver {
    pub(crate) fn new(shared: Arc<Shared>, timer: Timer, source: Source) -> Driver {
        Driver {
            shared,
            timer,
            source,
            connections: Connections::default(),
            keeper: None,
        }
    }

    /// Gives a server's new session the connection its handshake came on.
    pub(crate) fn with_connection(mut self, epoch: Epoch, connection: BoxConnection) -> Driver {
        let address = connection.peer();
        self.shared.call_untimed(|state, _| state.arrives(epoch, address));
        self.connections.add(epoch, connection);
        self
    }

    /// What the session has to keep is written there.
    pub(crate) fn with_keeper(mut self, keeper: Keeper) -> Driver {
        self.keeper = Some(keeper);
        self
    }

    /// One turn for every source.
    fn round(&mut self, cx: &mut Context<'_>) -> Turn {
        let (now, waiting) = self.shared.call(|state, now| {
            state.register_driver(cx);
            if state.machine.poll_timeout().is_some_and(|deadline| deadline <= now) {
                state.machine.handle_timeout(now);
            }
            // Whom this round makes room for is called forward at once, and if there are more the driver is woken.
            (now, state.senders.call_next(&mut state.wakes))
        });
        let kept = self.keep(now, cx);
        let unread = self.connections.read(&self.shared, cx);
        let new = self.take_connections(now, cx);
        let unwritten = self.connections.write(now, &self.shared, cx);
        let more = if new || waiting { Turn::More } else { Turn::Idle };
        // What was read and committed meanwhile is to be kept now.
        let keeping = self.keep(now, cx);
        unread.max(unwritten).max(more).max(kept).max(keeping)
    }

    fn keep(&mut self, now: Instant, cx: &mut Context<'_>) -> Turn {
        match &mut self.keeper {
            Some(keeper) => keeper.turn(now, &self.shared, cx),
            None => Turn::Idle,
        }
    }

    /// Ready once nothing more is to be done for what is kept of a session that is over. `connected`: there still are connections. Their
    /// last words come before the journal is given up as over; whoever waits to go on with it does not wait for them.
    fn poll_leave(&mut self, connected: bool, cx: &mut Context<'_>) -> Poll<()> {
        let Some(keeper) = &mut self.keeper else {
            return Poll::Ready(());
        };
        let left = self.shared.read(|state| match &state.ended {
            Some(_) if state.is_exported => Some(Disposal::Over),
            Some(ended) => match Disposal::of(&ended.reason) {
                // The store failed behind the end: what is kept is a session that is not over.
                Disposal::Over if !state.machine.is_durable() => Some(Disposal::Released),
                disposal => Some(disposal),
            },
            None => None,
        });
        let Some(disposal) = left.filter(|disposal| !connected || *disposal == Disposal::Released) else {
            return Poll::Ready(());
        };
        let went_on = ready!(keeper.poll_leave(disposal, &self.shared, &mut self.timer, cx));
        if went_on {
            // Another process had it all the while: that it is over was not this one's to say.
            self.shared
                .call(|state, now| state.machine.handle_store_failed(now, StoreFailure::Superseded));
            self.look_ahead();
        }
        Poll::Ready(())
    }

    /// New connections. True if there was one, which has not been read yet and so wakes nobody.
    fn take_connections(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let shared = &self.shared;
        match &mut self.source {
            Source::Dial(attempts) => attempts.turn(shared, cx).is_some_and(|up| {
                if let Ok(epoch) = shared.call_untimed(|state, now| state.machine.attach(now, up.carrier)) {
                    self.connections.add(epoch, up.connection);
                }
                true
            }),
            Source::Accept { routed, .. } => {
                let mut any = false;
                while let Poll::Ready(Some((connection, incoming))) = Pin::new(&mut *routed).poll_next(cx) {
                    any = true;
                    let address = connection.peer();
                    let adopted = shared.call_untimed(|state, now| {
                        let adopted = state.machine.adopt(now, incoming);
                        if let Ok(epoch) = adopted {
                            state.arrives(epoch, address);
                        }
                        adopted
                    });
                    match adopted {
                        Ok(epoch) => self.connections.add(epoch, connection),
                        Err(rejection) => self.connections.reject(now, connection, rejection.packet),
                    }
                }
                any
            }
        }
    }

    /// Tells others what they want to know about the session, and returns when to look again.
    fn look_ahead(&mut self) -> Outlook {
        let is_accepting = matches!(self.source, Source::Accept { .. });
        let mut outlook = self.shared.call_untimed(|state, now| {
            let stats = state.machine.stats();
            state.metrics.stats(&stats);
            Outlook {
                now,
                // What was done last is kept first.
                over: state.ended.is_some() && !state.machine.wants_record(),
                deadline: state.machine.poll_timeout(),
                report: is_accepting.then(|| state.machine.poll_report()).flatten(),
            }
        });
        if let (Source::Accept { report, .. }, Some(news)) = (&mut self.source, outlook.report.take()) {
            report(outlook.now, news);
        }
        let dial = match &self.source {
            Source::Dial(attempts) => attempts.deadline(),
            Source::Accept { .. } => None,
        };
        let keeper = self.keeper.as_ref().and_then(Keeper::deadline);
        let deadlines = [outlook.deadline, self.connections.deadline(), dial, keeper];
        outlook.deadline = deadlines.into_iter().flatten().min();
        outlook
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        for _ in 0..ROUNDS {
            match this.round(cx) {
                Turn::Idle => {}
                Turn::More => continue,
                Turn::Yield => break,
            }
            let outlook = this.look_ahead();
            let is_kept = this.keeper.as_ref().is_none_or(Keeper::is_settled);
            if outlook.over && is_kept {
                let connected = !this.connections.is_empty();
                let left = this.poll_leave(connected, cx);
                if !connected {
                    return left;
                }
            }
            match outlook.deadline {
                // Ready: it is due already; the next round sees to it.
                Some(deadline) => ready!(this.timer.poll_until(cx, outlook.now, deadline)),
                None => return Poll::Pending,
            }
        }
        this.look_ahead();
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let is_durable = self.keeper.is_some();
        self.shared.call(|state, now| {
            if is_durable {
                // What is kept can be gone on with.
                state.machine.handle_store_failed(now, StoreFailure::Released);
            }
            state.machine.abort(now);
        });
        self.look_ahead();
        self.shared.call(|state, _| {
            state.is_disconnected = true;
            state.watchers.wake_all(&mut state.wakes);
        });
    }
}

debug_some!(Driver);
