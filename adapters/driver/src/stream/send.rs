//! The sending half.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_io::AsyncWrite;
use unbroken_proto::error::{SendError, SendRefusal};
use unbroken_proto::{Duration, Instant, StreamId};

use crate::close_on_drop::CloseOnDrop;
use crate::state::State;

/// Most of one write that is taken at once.
const LARGEST_WRITE: usize = 64 << 10;

/// The sending half of a stream.
///
/// What a call took is the session's: it is sent as soon as possible, over as many connections as it takes. What there
/// is no room for in the session's outbox waits; streams that wait are let in by turns.
///
/// Dropping the half without [`finish`](SendHalf::finish) resets the stream with code 0. Elsewhere in the field it finishes it; but a half
/// is also dropped when its task is cancelled or panics in the middle, and the peer would take what it has for the whole.
pub struct SendHalf {
    id: StreamId,
    session: Arc<CloseOnDrop>,
    /// A message that `start_send` took and the machine had no room for.
    pending: Option<Bytes>,
    /// Finished or reset.
    over: bool,
}

impl SendHalf {
    pub(super) fn new(id: StreamId, session: Arc<CloseOnDrop>) -> SendHalf {
        SendHalf {
            id,
            session,
            pending: None,
            over: false,
        }
    }

    /// The stream's number.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// Sends one whole message; waits while there is no room.
    ///
    /// Cancel safe: a future dropped before it is ready has sent nothing.
    ///
    /// # Errors
    /// The message comes back with the reason.
    pub async fn send(&mut self, message: Bytes) -> Result<(), SendError> {
        let mut message = Some(message);
        poll_fn(|cx| self.poll_send(cx, &mut message)).await
    }

    /// As [`send`](SendHalf::send); if the message is not known to be the peer's `within` that time, from when it was
    /// taken, [`Event::Overdue`](unbroken_proto::Event::Overdue) says so in the session's
    /// [`events`](crate::Session::events), wherever the message waits. It is not dropped. Returns its number among this
    /// half's messages, from 1, which the event names.
    ///
    /// # Errors
    /// The message comes back with the reason.
    pub async fn send_within(&mut self, message: Bytes, within: Duration) -> Result<u64, SendError> {
        let mut message = Some(message);
        poll_fn(|cx| {
            self.poll_message(cx, &mut message, |state, _, id, payload| {
                // There is a deadline now, and it counts from now.
                state.notify_driver();
                let now = state.tick();
                state.machine.stream(id).send_within(now, payload, within)
            })
        })
        .await
    }

    /// As [`send`](SendHalf::send), for callers with a context of their own. Takes the message out of
    /// `message` when it is ready; ready at once if there is none.
    ///
    /// # Errors
    /// The message comes back with the reason.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, message: &mut Option<Bytes>) -> Poll<Result<(), SendError>> {
        if message.is_none() {
            return Poll::Ready(Ok(()));
        }
        self.poll_message(cx, message, |state, now, id, payload| {
            state.machine.stream(id).send(now, payload)
        })
    }

    fn poll_message<T>(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Bytes>,
        send: impl FnOnce(&mut State, Instant, StreamId, Bytes) -> Result<T, SendError>,
    ) -> Poll<Result<T, SendError>> {
        ready!(self.poll_pending(cx))?;
        let payload = message.take().unwrap_or_default();
        match self.try_with(payload, Some(cx), send) {
            Err(SendError {
                payload,
                reason: SendRefusal::Full | SendRefusal::Unread,
            }) => {
                *message = Some(payload);
                Poll::Pending
            }
            done => Poll::Ready(done),
        }
    }

    /// Sends one whole message if there is room now.
    ///
    /// # Errors
    /// The message comes back with the reason; [`SendRefusal::Full`] or [`SendRefusal::Unread`] if there is no room.
    pub fn try_send(&mut self, message: Bytes) -> Result<(), SendError> {
        if self.pending.is_some() {
            return Err(SendError {
                payload: message,
                reason: SendRefusal::Full,
            });
        }
        self.try_with(message, None, |state, now, id, payload| {
            state.machine.stream(id).send(now, payload)
        })
    }

    /// Sends bytes without copying them; waits while there is no room. Cancel safe as long as the bytes fit
    /// the outbox at once; of more, a dropped future has sent the beginning.
    ///
    /// # Errors
    /// What was not taken comes back with the reason.
    pub async fn write_bytes(&mut self, mut bytes: Bytes) -> Result<(), SendError> {
        poll_fn(|cx| {
            ready!(self.poll_pending(cx))?;
            while !bytes.is_empty() {
                let written = self.try_write(&mut bytes, cx);
                match written {
                    Ok(_) => {}
                    Err(SendRefusal::Full | SendRefusal::Unread) => return Poll::Pending,
                    Err(reason) => {
                        let payload = std::mem::take(&mut bytes);
                        return Poll::Ready(Err(SendError { payload, reason }));
                    }
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// No more will be sent. What was sent before still goes out.
    pub fn finish(&mut self) {
        if self.pending.is_some() {
            // A message that was never flushed would be missing from a stream that looks whole.
            return self.reset(0);
        }
        if !std::mem::replace(&mut self.over, true) {
            self.end(|state, now, id| {
                let _already_over = state.machine.stream(id).finish(now);
            });
        }
    }

    /// Abandons what the peer does not have yet, and tells it `code`.
    pub fn reset(&mut self, code: u64) {
        self.pending = None;
        self.over = true;
        self.end(|state, now, id| {
            let _already_over = state.machine.stream(id).reset(now, code);
        });
    }

    fn end(&self, end: impl FnOnce(&mut State, Instant, StreamId)) {
        self.session.shared.call(|state, now| {
            end(state, now, self.id);
            state.senders.remove(self.id, &mut state.wakes);
            state.notify_driver();
        });
    }

    /// Sends with `send` if it is this half's turn.
    fn try_with<T>(
        &self,
        payload: Bytes,
        cx: Option<&Context<'_>>,
        send: impl FnOnce(&mut State, Instant, StreamId, Bytes) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        self.session.shared.call_untimed(|state, now| {
            if !state.senders.may_try(self.id) {
                state.senders.wait(self.id, cx);
                let reason = SendRefusal::Full;
                return Err(SendError { payload, reason });
            }
            let sent = send(state, now, self.id, payload).map_err(|error| SendError {
                reason: self.refused(state, error.reason, cx),
                ..error
            });
            state.notify_if_sending();
            sent
        })
    }

    fn try_write(&self, bytes: &mut (impl Buf + Clone), cx: &Context<'_>) -> Result<usize, SendRefusal> {
        self.session.shared.call_untimed(|state, now| {
            if !state.senders.may_try(self.id) {
                state.senders.wait(self.id, Some(cx));
                return Err(SendRefusal::Full);
            }
            let written = state.machine.stream(self.id).write(now, bytes);
            let written = written.map_err(|refusal| self.refused(state, refusal, Some(cx)));
            state.notify_if_sending();
            written
        })
    }

    /// The machine refused: waits if it is for want of room. Returns the reason for the application.
    fn refused(&self, state: &mut State, refusal: SendRefusal, cx: Option<&Context<'_>>) -> SendRefusal {
        if matches!(refusal, SendRefusal::Full | SendRefusal::Unread) {
            state.senders.refused(self.id, refusal, cx);
        }
        state.senders.reason(self.id, refusal)
    }

    /// Ready when a message that [`start`](Self::start) kept is the machine's.
    ///
    /// # Errors
    /// It never will be; it comes back.
    pub(super) fn poll_pending(&mut self, cx: &Context<'_>) -> Poll<Result<(), SendError>> {
        let Some(payload) = self.pending.take() else {
            return Poll::Ready(Ok(()));
        };
        let sent = self.try_with(payload, Some(cx), |state, now, id, payload| {
            state.machine.stream(id).send(now, payload)
        });
        match sent {
            Err(SendError {
                payload,
                reason: SendRefusal::Full | SendRefusal::Unread,
            }) => {
                self.pending = Some(payload);
                Poll::Pending
            }
            done => Poll::Ready(done),
        }
    }

    /// Takes a message, and keeps it if there is no room: one, for which [`poll_pending`](Self::poll_pending) has to be ready.
    pub(super) fn start(&mut self, message: Bytes) -> Result<(), SendError> {
        match self.try_send(message) {
            Err(SendError {
                payload,
                reason: SendRefusal::Full | SendRefusal::Unread,
            }) if self.pending.is_none() => {
                self.pending = Some(payload);
                Ok(())
            }
            done => done,
        }
    }
}

impl AsyncWrite for SendHalf {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_pending(cx)).map_err(|error| refused(error.reason))?;
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut bytes = &buf[..buf.len().min(LARGEST_WRITE)];
        match this.try_write(&mut bytes, cx) {
            Ok(taken) => Poll::Ready(Ok(taken)),
            Err(SendRefusal::Full | SendRefusal::Unread) => Poll::Pending,
            Err(refusal) => Poll::Ready(Err(refused(refusal))),
        }
    }

    /// Takes of all parts what there is room for.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut written = 0;
        for part in parts.iter().filter(|part| !part.is_empty()) {
            match self.as_mut().poll_write(cx, part) {
                Poll::Ready(Ok(taken)) => {
                    written += taken;
                    if taken < part.len() {
                        break;
                    }
                }
                // What was taken before counts; the next call says it again.
                end if written == 0 => return end,
                _ => break,
            }
        }
        Poll::Ready(Ok(written))
    }

    /// At once, unless a message is left over from a `Sink`: nothing is held back that could be sent.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.get_mut().poll_pending(cx);
        flushed.map_err(|error| refused(error.reason))
    }

    /// [`finish`](SendHalf::finish); does not wait for the peer.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_pending(cx)).map_err(|error| refused(error.reason))?;
        this.finish();
        Poll::Ready(Ok(()))
    }
}

fn refused(refusal: SendRefusal) -> io::Error {
    let kind = match refusal {
        SendRefusal::SessionClosed => io::ErrorKind::NotConnected,
        _ => io::ErrorKind::BrokenPipe,
    };
    io::Error::new(kind, refusal)
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        if !self.over {
            self.reset(0);
        }
    }
}

impl fmt::Debug for SendHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendHalf").field("id", &self.id).finish_non_exhaustive()
    }
}
