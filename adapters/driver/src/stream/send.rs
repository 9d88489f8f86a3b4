//! The sending half.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures_io::AsyncWrite;
use unbroken_proto::error::{CodeTooLarge, SendError, SendRefusal, StreamError};
use unbroken_proto::{Duration, Instant, StreamId, config::FRAME_CHARGE};

use crate::close_on_drop::CloseOnDrop;
use crate::senders::QUANTUM;
use crate::state::State;

/// Most of one write that is taken at once.
const LARGEST_WRITE: usize = 64 << 10;

/// The sending half of a stream.
///
/// What a call took is the session's: it is sent as soon as possible, over as many connections as it takes. What there
/// is no room for in the session's outbox waits; streams that wait are let in by turns.
///
/// Dropping the half without [`finish`](SendHalf::finish) resets the stream with code 0. Elsewhere in the field it finishes it; but a half
/// is also dropped when its task is cancelled or panics in the middle, and the peer would take what it has for the whole. In a durable session
/// nothing comes of it, and the stream is there after a restart.
pub struct SendHalf {
    id: StreamId,
    session: Arc<CloseOnDrop>,
    /// A message that `start_send` took and the machine had no room for.
    pending: Option<Bytes>,
    /// Finished or reset.
    over: bool,
    /// Bytes sent in its turn, small messages rounded up.
    sent: usize,
}

impl SendHalf {
    pub(super) fn new(id: StreamId, session: Arc<CloseOnDrop>) -> SendHalf {
        SendHalf {
            id,
            session,
            pending: None,
            over: false,
            sent: 0,
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
        self.poll_message(cx, message, send)
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
            Err(error) if error.reason.is_temporary() => {
                *message = Some(error.payload);
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
            let (payload, reason) = (message, SendRefusal::Full);
            return Err(SendError { payload, reason });
        }
        self.try_with(message, None, send)
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
                match self.try_write(&mut bytes, cx) {
                    Ok(_) => {}
                    Err(reason) if reason.is_temporary() => return Poll::Pending,
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
            let _zero_fits = self.reset(0);
        } else if !self.over {
            let _has_no_code = self.end(|state, now, id| Ok(state.machine.stream(id).finish(now)?));
        }
    }

    /// Abandons what the peer does not have yet, and tells it `code`.
    ///
    /// # Errors
    /// The code is larger than [`MAX_CODE`](unbroken_proto::config::MAX_CODE); the stream goes on.
    pub fn reset(&mut self, code: u64) -> Result<(), CodeTooLarge> {
        self.end(|state, now, id| state.machine.stream(id).reset(now, code))
    }

    /// Ends the half with `end`. That the machine knows it no more is as good.
    fn end(
        &mut self,
        end: impl FnOnce(&mut State, Instant, StreamId) -> Result<(), StreamError>,
    ) -> Result<(), CodeTooLarge> {
        self.session.shared.call(|state, now| {
            if let Err(StreamError::CodeTooLarge(code)) = end(state, now, self.id) {
                return Err(CodeTooLarge(code));
            }
            state.senders.remove(self.id, &mut state.wakes);
            state.notify_driver();
            Ok(())
        })?;
        self.pending = None;
        self.over = true;
        Ok(())
    }

    /// Sends with `send` if it is this half's turn.
    fn try_with<T>(
        &mut self,
        payload: Bytes,
        cx: Option<&Context<'_>>,
        send: impl FnOnce(&mut State, Instant, StreamId, Bytes) -> Result<T, SendError>,
    ) -> Result<T, SendError> {
        let (id, sent, len) = (self.id, &mut self.sent, payload.len());
        self.session.shared.call_untimed(|state, now| {
            if !state.may_send(id, sent, cx) {
                let reason = SendRefusal::Full;
                return Err(SendError { payload, reason });
            }
            let done = send(state, now, id, payload).inspect(|_| *sent += len.max(FRAME_CHARGE));
            let done = done.map_err(|error| SendError {
                reason: state.refused(id, error.reason, cx),
                ..error
            });
            state.notify_if_sending();
            done
        })
    }

    fn try_write(&mut self, bytes: &mut (impl Buf + Clone), cx: &Context<'_>) -> Result<usize, SendRefusal> {
        let (id, sent) = (self.id, &mut self.sent);
        self.session.shared.call_untimed(|state, now| {
            if !state.may_send(id, sent, Some(cx)) {
                return Err(SendRefusal::Full);
            }
            let written = state.machine.stream(id).write(now, bytes);
            *sent += written.unwrap_or_default();
            let written = written.map_err(|refusal| state.refused(id, refusal, Some(cx)));
            state.notify_if_sending();
            written
        })
    }

    /// Ready when a message that [`start`](Self::start) kept is the machine's.
    ///
    /// # Errors
    /// It never will be; it comes back.
    pub(super) fn poll_pending(&mut self, cx: &Context<'_>) -> Poll<Result<(), SendError>> {
        let Some(payload) = self.pending.take() else {
            return Poll::Ready(Ok(()));
        };
        match self.try_with(payload, Some(cx), send) {
            Err(error) if error.reason.is_temporary() => {
                self.pending = Some(error.payload);
                Poll::Pending
            }
            done => Poll::Ready(done),
        }
    }

    /// Takes a message, and keeps it if it has to wait: one, for which [`poll_pending`](Self::poll_pending) has to be ready.
    pub(super) fn start(&mut self, message: Bytes) -> Result<(), SendError> {
        if self.pending.is_none() && self.sent >= QUANTUM {
            self.pending = Some(message);
            return Ok(());
        }
        match self.try_send(message) {
            Err(error) if error.reason.is_temporary() && self.pending.is_none() => {
                self.pending = Some(error.payload);
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
            Err(refusal) if refusal.is_temporary() => Poll::Pending,
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
        self.get_mut().poll_pending(cx).map_err(|error| refused(error.reason))
    }

    /// [`finish`](SendHalf::finish); does not wait for the peer.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_pending(cx)).map_err(|error| refused(error.reason))?;
        this.finish();
        Poll::Ready(Ok(()))
    }
}

fn send(state: &mut State, now: Instant, stream: StreamId, message: Bytes) -> Result<(), SendError> {
    state.machine.stream(stream).send(now, message)
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
        let is_durable = || self.session.shared.read(|state| state.machine.is_durable());
        if !self.over && !is_durable() {
            let _zero_fits = self.reset(0);
        }
    }
}

debug_some!(SendHalf, id);
