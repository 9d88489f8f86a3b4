//! The sending half.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_io::AsyncWrite;
use unbroken_proto::config::FRAME_CHARGE;
use unbroken_proto::error::{SendError, SendRefusal};
use unbroken_proto::{Duration, StreamId};

use super::queues::{Outgoing, SEND_LIMIT, SendQueue, StreamShared};
use crate::lock::register;
use crate::shared::CloseOnDrop;

/// Small writes are gathered up to this.
const GATHER: usize = 16 << 10;
/// Most of one write that is taken at once.
const LARGEST_WRITE: usize = 64 << 10;

/// The sending half of a stream.
///
/// What a call took is on its way: the driver sends it as soon as it can, over as many connections as
/// it takes. Dropping the half without [`finish`](SendHalf::finish) resets the stream with code 0.
pub struct SendHalf {
    stream: Arc<StreamShared>,
    close_on_drop: Arc<CloseOnDrop>,
}

impl SendHalf {
    pub(crate) fn new(stream: Arc<StreamShared>, close_on_drop: Arc<CloseOnDrop>) -> SendHalf {
        SendHalf { stream, close_on_drop }
    }

    /// The stream's number.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.stream.id
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
    /// [`events`](crate::SessionHandle::events), wherever the message waits. It is not dropped. Returns its number among this
    /// half's messages, from 1, which the event names.
    ///
    /// # Errors
    /// The message comes back with the reason.
    pub async fn send_within(&mut self, message: Bytes, within: Duration) -> Result<u64, SendError> {
        let mut message = Some(message);
        let number = poll_fn(|cx| self.poll_message(cx, &mut message)).await?;
        self.stream.send(|queue| queue.watched.push((number, within)));
        self.stream.touch(&self.close_on_drop.shared);
        Ok(number)
    }

    /// As [`send`](SendHalf::send), for callers with a context of their own. Takes the message out of
    /// `message` when it is ready.
    ///
    /// # Errors
    /// The message comes back with the reason.
    pub fn poll_send(&mut self, cx: &mut Context<'_>, message: &mut Option<Bytes>) -> Poll<Result<(), SendError>> {
        self.poll_message(cx, message).map_ok(drop)
    }

    /// Ready with the number of the message.
    fn poll_message(&mut self, cx: &mut Context<'_>, message: &mut Option<Bytes>) -> Poll<Result<u64, SendError>> {
        let Some(payload) = message.take() else {
            return Poll::Ready(Ok(self.stream.send(|queue| queue.messages)));
        };
        if let Some(reason) = self.too_large(&payload) {
            return Poll::Ready(Err(SendError { payload, reason }));
        }
        match self.put(payload, Outgoing::Message, Some(cx)) {
            Ok(number) => Poll::Ready(Ok(number)),
            Err(SendError {
                payload,
                reason: SendRefusal::Full,
            }) => {
                *message = Some(payload);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// Sends one whole message if there is room now.
    ///
    /// # Errors
    /// The message comes back with the reason; [`SendRefusal::Full`] if there is no room.
    pub fn try_send(&mut self, message: Bytes) -> Result<(), SendError> {
        match self.too_large(&message) {
            Some(reason) => Err(SendError {
                payload: message,
                reason,
            }),
            None => self.put(message, Outgoing::Message, None).map(drop),
        }
    }

    /// Sends bytes without copying them; waits while there is no room. Cancel safe like [`send`](SendHalf::send).
    ///
    /// # Errors
    /// The bytes come back with the reason.
    pub async fn write_bytes(&mut self, bytes: Bytes) -> Result<(), SendError> {
        let mut bytes = Some(bytes);
        poll_fn(
            |cx| match self.put(bytes.take().unwrap_or_default(), Outgoing::Bytes, Some(cx)) {
                Err(SendError {
                    payload,
                    reason: SendRefusal::Full,
                }) => {
                    bytes = Some(payload);
                    Poll::Pending
                }
                done => Poll::Ready(done.map(drop)),
            },
        )
        .await
    }

    /// No more will be sent. What was sent before still goes out.
    pub fn finish(&mut self) {
        self.stream.send(|queue| queue.finish = true);
        self.stream.touch(&self.close_on_drop.shared);
    }

    /// Abandons what the peer does not have yet.
    pub fn reset(&mut self, code: u64) {
        self.stream.send(|queue| queue.reset = queue.reset.or(Some(code)));
        self.stream.touch(&self.close_on_drop.shared);
    }

    /// Why nothing more can be sent, if it is so.
    #[must_use]
    pub fn refusal(&self) -> Option<SendRefusal> {
        self.stream.send(|queue| self.refused(queue))
    }

    fn refused(&self, queue: &SendQueue) -> Option<SendRefusal> {
        queue
            .refusal
            .or_else(|| (queue.finish || queue.reset.is_some()).then_some(SendRefusal::StreamClosed))
    }

    /// Whether the machine could never take this as one message.
    fn too_large(&self, payload: &Bytes) -> Option<SendRefusal> {
        (payload.len() > self.stream.largest_message).then_some(SendRefusal::TooLarge)
    }

    /// Returns how many messages this half has taken so far.
    fn put(
        &mut self,
        payload: Bytes,
        wrap: fn(Bytes) -> Outgoing,
        cx: Option<&mut Context<'_>>,
    ) -> Result<u64, SendError> {
        let number = self.stream.send(|queue| {
            let charge = FRAME_CHARGE + payload.len();
            let full = queue.held > 0 && queue.held + charge > SEND_LIMIT;
            if let Some(reason) = self.refused(queue).or(full.then_some(SendRefusal::Full)) {
                if let Some(cx) = cx {
                    register(&mut queue.waker, cx);
                }
                return Err(SendError { payload, reason });
            }
            Ok(queue.admit(wrap(payload)))
        })?;
        self.stream.touch(&self.close_on_drop.shared);
        Ok(number)
    }

    /// Ready while less than the queue may hold is held, or nothing will be taken any more.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<()> {
        self.stream.send(|queue| {
            if queue.held < SEND_LIMIT || self.refused(queue).is_some() {
                return Poll::Ready(());
            }
            register(&mut queue.waker, cx);
            Poll::Pending
        })
    }

    /// Takes a message for which [`poll_room`](Self::poll_room) was ready.
    pub(super) fn take(&mut self, payload: Bytes) -> Result<(), SendError> {
        let too_large = self.too_large(&payload);
        self.stream.send(|queue| match too_large.or(self.refused(queue)) {
            Some(reason) => Err(SendError { payload, reason }),
            None => Ok(queue.admit(Outgoing::Message(payload))),
        })?;
        self.stream.touch(&self.close_on_drop.shared);
        Ok(())
    }
}

impl AsyncWrite for SendHalf {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let taken = this.stream.send(|queue| {
            if let Some(refusal) = this.refused(queue) {
                return Poll::Ready(Err(refused(refusal)));
            }
            let room = SEND_LIMIT.saturating_sub(queue.held);
            let take = buf.len().min(LARGEST_WRITE).min(room);
            if take == 0 && !buf.is_empty() {
                register(&mut queue.waker, cx);
                return Poll::Pending;
            }
            let part = &buf[..take];
            match queue.items.back_mut() {
                Some(Outgoing::Gathered(gathered)) if gathered.len() + take <= GATHER => {
                    gathered.extend_from_slice(part);
                    queue.held += take;
                }
                _ => {
                    let item = match take < GATHER {
                        true => Outgoing::Gathered(BytesMut::from(part)),
                        false => Outgoing::Bytes(Bytes::copy_from_slice(part)),
                    };
                    queue.held += item.charge();
                    queue.items.push_back(item);
                }
            }
            Poll::Ready(Ok(take))
        });
        if taken.is_ready() {
            this.stream.touch(&this.close_on_drop.shared);
        }
        taken
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

    /// At once: nothing is held back that could be sent.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// [`finish`](SendHalf::finish); does not wait for the peer.
    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().finish();
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
        if !self.stream.send(|queue| queue.finish) {
            self.reset(0);
        }
    }
}
