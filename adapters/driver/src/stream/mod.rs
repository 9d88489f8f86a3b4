//! Streams as applications hold them, and the queues between them and the driver.

mod messages;
mod queues;
mod recv;
mod send;
#[cfg(feature = "tokio")]
mod tokio_io;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use unbroken_proto::StreamId;

use crate::shared::CloseOnDrop;

pub(crate) use queues::{Outgoing, RECV_LIMIT, SEND_LIMIT, StreamShared, chunk_charge};
pub use recv::{RecvFailure, RecvHalf};
pub use send::SendHalf;

/// An ordered channel of messages or bytes inside a session, with its two halves.
///
/// Reads and writes bytes as [`AsyncRead`] and [`AsyncWrite`]; for messages see
/// [`SendHalf::send`] and [`RecvHalf::recv`], or take it as a `Sink` and `Stream` of [`Bytes`].
pub struct Stream {
    send: SendHalf,
    recv: RecvHalf,
    label: Bytes,
    priority: u8,
}

impl Stream {
    pub(crate) fn new(
        shared: Arc<StreamShared>,
        close_on_drop: Arc<CloseOnDrop>,
        label: Bytes,
        priority: u8,
    ) -> Stream {
        let send = SendHalf::new(Arc::clone(&shared), Arc::clone(&close_on_drop));
        Stream {
            send,
            recv: RecvHalf::new(shared, close_on_drop),
            label,
            priority,
        }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.send.id()
    }

    /// What its opener says it is for.
    #[must_use]
    pub fn label(&self) -> &Bytes {
        &self.label
    }

    /// Its opener's priority for it.
    #[must_use]
    pub fn priority(&self) -> u8 {
        self.priority
    }

    /// The sending half.
    pub fn sender(&mut self) -> &mut SendHalf {
        &mut self.send
    }

    /// The receiving half.
    pub fn receiver(&mut self) -> &mut RecvHalf {
        &mut self.recv
    }

    /// The two halves, to be used apart.
    #[must_use]
    pub fn split(self) -> (SendHalf, RecvHalf) {
        (self.send, self.recv)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().recv).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().send).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().send).poll_write_vectored(cx, parts)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.get_mut().send), cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_close(Pin::new(&mut self.get_mut().send), cx)
    }
}
