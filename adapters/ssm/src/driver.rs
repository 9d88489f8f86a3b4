//! Carries a session: gets tokens, dials, and moves messages between the machine and its WebSocket.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use unbroken_proto::reconnect::{Answer, Cause, ReconnectIntent};
use unbroken_proto::time::{Duration, Instant};
use unbroken_tokio::carriers::driver::{KnownAddresses, Runtime};
use unbroken_tokio::carriers::http::Uri;
use unbroken_tokio::{ConnectError, Tokio};

use crate::connection::Connection;
use crate::dialling::shown;
use crate::end::End;
use crate::service::{Grant, SealedKey, Service, TokenError};
use crate::socket::{Socket, dial};
use crate::state::Shared;

/// Rounds in one poll; then others have their turn.
const ROUNDS: usize = 16;

/// So long what is owed may take to be written when a session is over.
const ENDING: Duration = Duration::from_secs(5);

/// What is being done to have a connection.
enum Step {
    Token(BoxFuture<'static, Result<Grant, TokenError>>),
    Dial(BoxFuture<'static, Result<Socket, ConnectError>>),
}

/// A session's task.
pub(crate) struct Driver<R: End, S> {
    shared: Arc<Shared<R>>,
    service: Arc<S>,
    session_id: String,
    /// Where the last dial went, or the first goes.
    url: Uri,
    known: KnownAddresses,
    /// With the number of its attempt.
    step: Option<(u64, Step)>,
    key: Option<BoxFuture<'static, Result<SealedKey, String>>>,
    connection: Option<Connection>,
    /// Connections that are being closed.
    closers: JoinSet<()>,
    /// When a connection is dropped that takes nothing, although the session is over.
    ending: Option<Pin<Box<Sleep>>>,
    /// Wakes this task at the machine's deadline, and that deadline.
    alarm: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl<R: End, S: Service> Driver<R, S> {
    pub(crate) fn new(shared: Arc<Shared<R>>, service: S, url: Uri) -> Driver<R, S> {
        let session_id = shared.read(|state| state.machine.session_id().to_owned());
        Driver {
            shared,
            service: Arc::new(service),
            session_id,
            url,
            known: KnownAddresses::default(),
            step: None,
            key: None,
            connection: None,
            closers: JoinSet::new(),
            ending: None,
            alarm: None,
        }
    }

    /// Begins what the machine wants to have a connection, and gives up what it wants no more.
    fn follow_intent(&mut self) {
        let intent = self.shared.read(|state| state.machine.wanted_connection());
        let Some(intent) = intent else {
            self.step = None;
            return;
        };
        let is_under_way = self.step.as_ref().is_some_and(|(attempt, step)| {
            *attempt == intent.attempt && matches!(step, Step::Token(_)) == intent.refresh_credential
        });
        if is_under_way {
            return;
        }
        self.step = None;
        if intent.not_before <= Tokio.now() {
            let step = match intent.refresh_credential {
                true => self.token(),
                false => self.dial(&intent),
            };
            self.step = Some((intent.attempt, step));
        }
    }

    fn token(&self) -> Step {
        let (service, session_id) = (Arc::clone(&self.service), self.session_id.clone());
        Step::Token(Box::pin(async move { service.token(&session_id).await }))
    }

    fn dial(&mut self, intent: &ReconnectIntent) -> Step {
        if !intent.alternate.is_empty() {
            match Uri::try_from(&intent.alternate[..]) {
                Ok(url) => self.url = url,
                Err(error) => {
                    let error =
                        ConnectError::new(Cause::Protocol).with_source(format!("a stream URL that is none: {error}"));
                    return Step::Dial(Box::pin(async { Err(error) }));
                }
            }
        }
        let (service, url, known) = (Arc::clone(&self.service), self.url.clone(), self.known.clone());
        let left = intent.deadline.saturating_since(Tokio.now());
        // Somewhat less, so that what kept it is known.
        let (within, limit) = (left - left / 8, left - left / 16);
        Step::Dial(Box::pin(async move {
            let dialled = timeout(limit, dial(&*service, &url, &known, within)).await;
            dialled.unwrap_or_else(|_| {
                let waited = format!("{} was not reached within {limit:?}", shown(&url));
                Err(ConnectError::new(Cause::Timeout).with_source(waited))
            })
        }))
    }

    fn poll_step(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((attempt, mut step)) = self.step.take() else {
            return false;
        };
        match &mut step {
            Step::Token(token) => match token.as_mut().poll(cx) {
                Poll::Ready(Ok(grant)) => self.shared.call(|state, now| {
                    let url = grant.stream_url.as_deref();
                    state.machine.handle_token(now, attempt, grant.token, url);
                }),
                Poll::Ready(Err(TokenError::Gone(_))) => self.answer(attempt, Answer::NoCredential),
                Poll::Ready(Err(TokenError::Failed(error))) => self.failed(attempt, error),
                Poll::Pending => self.step = Some((attempt, step)),
            },
            Step::Dial(dial) => match dial.as_mut().poll(cx) {
                Poll::Ready(Ok(socket)) => self.attach(socket),
                Poll::Ready(Err(error)) => self.failed(attempt, error),
                Poll::Pending => self.step = Some((attempt, step)),
            },
        }
        self.step.is_none()
    }

    fn answer(&self, attempt: u64, answer: Answer) {
        self.shared
            .call(|state, now| state.machine.handle_answer(now, attempt, answer));
    }

    fn failed(&self, attempt: u64, error: ConnectError) {
        let answer = match error.after() {
            Some(after) => Answer::Postponed(after),
            None => Answer::Failed(error.cause()),
        };
        self.shared.call(|state, now| {
            state.connect_error = Some(Arc::new(error));
            state.machine.handle_answer(now, attempt, answer);
        });
    }

    fn attach(&mut self, socket: Socket) {
        let epoch = self.shared.call(|state, now| {
            let epoch = state.machine.attach(now);
            if epoch.is_some() {
                state.connect_error = None;
            }
            epoch
        });
        match epoch {
            Some(epoch) => {
                let connection = Connection::new(epoch, socket);
                if let Some(old) = self.connection.replace(connection) {
                    self.closers.spawn(old.close());
                }
            }
            None => {
                self.closers.spawn(Connection::discard(socket));
            }
        }
    }

    fn poll_key(&mut self, cx: &mut Context<'_>) -> bool {
        if let Some(request) = self.shared.call(|state, _| state.key_request.take()) {
            let (service, session_id) = (Arc::clone(&self.service), self.session_id.clone());
            self.key = Some(Box::pin(async move { service.data_key(&session_id, &request).await }));
        }
        let Some(key) = &mut self.key else { return false };
        let Poll::Ready(key) = key.as_mut().poll(cx) else {
            return false;
        };
        self.key = None;
        self.shared.call(|state, now| R::data_key(&mut state.machine, now, key));
        true
    }

    /// Moves what there is; a connection that broke, or is wanted no more, is taken away.
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(connection) = &mut self.connection else {
            return false;
        };
        let epoch = connection.epoch();
        let moved = connection.poll_move(cx, &self.shared);
        let (broken, busy) = match moved {
            Ok(busy) => (None, busy),
            Err(cause) => (Some(cause), true),
        };
        let is_kept = self.shared.call(|state, now| {
            if let Some(cause) = broken {
                state.machine.detach(now, epoch, cause);
            }
            state.machine.is_wanted(epoch)
        });
        if !is_kept && let Some(connection) = self.connection.take() {
            if broken.is_none() {
                self.closers.spawn(connection.close());
            }
            return true;
        }
        busy
    }

    /// Does what is due, and waits for what will be.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = self.shared.call(|state, now| match state.deadline() {
            Some(deadline) if deadline <= now => {
                state.machine.handle_timeout(now);
                Err(())
            }
            later => Ok(later.map(|deadline| (deadline, deadline.saturating_since(now)))),
        });
        let Ok(deadline) = deadline else { return true };
        let Some((deadline, left)) = deadline else {
            self.alarm = None;
            return false;
        };
        if self.alarm.as_ref().is_none_or(|(at, _)| *at != deadline) {
            self.set_alarm(deadline, left);
        }
        let Some((_, alarm)) = &mut self.alarm else {
            return false;
        };
        match alarm.as_mut().poll(cx) {
            Poll::Ready(()) => {
                // It may be early by the session's clock, and is set again then.
                self.alarm = None;
                true
            }
            Poll::Pending => false,
        }
    }

    fn set_alarm(&mut self, deadline: Instant, left: Duration) {
        match &mut self.alarm {
            Some((at, alarm)) => {
                *at = deadline;
                alarm.as_mut().reset(tokio::time::Instant::now() + left);
            }
            none => *none = Some((deadline, Box::pin(sleep(left)))),
        }
    }

    /// The session is over, and so are its connections.
    fn poll_done(&mut self, cx: &mut Context<'_>) -> bool {
        while let Poll::Ready(Some(_)) = self.closers.poll_join_next(cx) {}
        let is_ended = self.shared.read(|state| state.ended.is_some());
        if is_ended && self.connection.is_some() {
            let ending = self.ending.get_or_insert_with(|| Box::pin(sleep(ENDING)));
            if ending.as_mut().poll(cx).is_ready() {
                self.connection = None;
            }
        }
        is_ended && self.connection.is_none() && self.closers.is_empty()
    }
}

impl<R: End, S: Service> Future for Driver<R, S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        for _ in 0..ROUNDS {
            this.shared.call(|state, _| state.register_driver(cx));
            this.follow_intent();
            let mut busy = this.poll_step(cx);
            busy |= this.poll_key(cx);
            busy |= this.poll_connection(cx);
            busy |= this.poll_deadline(cx);
            if this.poll_done(cx) {
                return Poll::Ready(());
            }
            if !busy {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<R: End, S> Drop for Driver<R, S> {
    /// The runtime may shut down in the middle of a session: whoever waits for it is told.
    fn drop(&mut self) {
        self.shared.call(|state, now| {
            if !std::thread::panicking() {
                state.machine.abort(now);
            }
            state.disconnected();
        });
    }
}
