//! Streams as futures' `Sink` and `Stream` of messages.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream as Messages;
use futures_sink::Sink;
use unbroken_proto::error::SendError;

use super::{RecvError, RecvHalf, SendHalf, Stream};

/// Messages to send. Ready as long as no message is kept: `start_send` takes one beyond what there is room for, or is the half's
/// turn, and flushing waits until the session has that one, too, or gives it back with the reason. Closing is [`finish`](SendHalf::finish).
impl Sink<Bytes> for SendHalf {
    type Error = SendError;

    /// What is refused for good is refused by `start_send`, which gives the message back.
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_pending(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
        self.get_mut().start(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_pending(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        ready!(this.poll_pending(cx))?;
        this.finish();
        Poll::Ready(Ok(()))
    }
}

/// Messages received, each as by [`recv`](RecvHalf::recv). A failure is the last item but one; `None` follows.
impl Messages for RecvHalf {
    type Item = Result<Bytes, RecvError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.has_failed() {
            return Poll::Ready(None);
        }
        this.poll_recv(cx).map(Result::transpose)
    }
}

impl Sink<Bytes> for Stream {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(self.get_mut().sender()).poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
        Pin::new(self.get_mut().sender()).start_send(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Sink::poll_flush(Pin::new(self.get_mut().sender()), cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Sink::poll_close(Pin::new(self.get_mut().sender()), cx)
    }
}

impl Messages for Stream {
    type Item = Result<Bytes, RecvError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(self.get_mut().receiver()).poll_next(cx)
    }
}
