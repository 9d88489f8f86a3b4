//! A stream with both its halves.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use unbroken_proto::StreamId;
use unbroken_proto::event::Place;
use unbroken_proto::stream::RestoredStream;

use super::{RecvHalf, SendHalf};
use crate::close_on_drop::CloseOnDrop;

/// An ordered channel of messages or bytes inside a session, with its two halves.
///
/// Reads and writes bytes as [`AsyncRead`] and [`AsyncWrite`]; for messages see
/// [`SendHalf::send`] and [`RecvHalf::recv`], or take it as a `Sink` and `Stream` of [`Bytes`].
#[derive(Debug)]
pub struct Stream {
    send: SendHalf,
    recv: RecvHalf,
    label: Bytes,
    priority: u8,
}

impl Stream {
    pub(crate) fn new(id: StreamId, session: Arc<CloseOnDrop>, label: Bytes, priority: u8) -> Stream {
        Stream {
            send: SendHalf::new(id, Arc::clone(&session)),
            recv: RecvHalf::new(id, session, Place::default()),
            label,
            priority,
        }
    }

    /// One that was there before this process: what was not dealt with comes again.
    pub(crate) fn restored(stream: RestoredStream, session: Arc<CloseOnDrop>) -> Stream {
        Stream {
            send: SendHalf::new(stream.id, Arc::clone(&session)),
            recv: RecvHalf::new(stream.id, session, stream.consumed),
            label: stream.label,
            priority: stream.priority,
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
