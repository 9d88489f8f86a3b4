//! Streams as futures' `Sink` and `Stream` of messages.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream as Messages;
use futures_sink::Sink;
use unbroken_proto::error::SendError;

use super::{RecvFailure, RecvHalf, SendHalf, Stream};

/// Messages to send. Ready while less than 256 KiB wait; one message may go beyond. Flushing is done at once:
/// nothing is held back that could be sent. Closing is [`finish`](SendHalf::finish).
impl Sink<Bytes> for SendHalf {
    type Error = SendError;

    /// What is refused is refused by `start_send`, which gives the message back.
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_room(cx).map(Ok)
    }

    fn start_send(self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
        self.get_mut().take(message)
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().finish();
        Poll::Ready(Ok(()))
    }
}

/// Messages received, each as by [`recv`](RecvHalf::recv). A failure is the last item but one; `None` follows.
impl Messages for RecvHalf {
    type Item = Result<Bytes, RecvFailure>;

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
    type Item = Result<Bytes, RecvFailure>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(self.get_mut().receiver()).poll_next(cx)
    }
}
