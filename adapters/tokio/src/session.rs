//! Sessions and streams with tokio's traits.

use std::io::{self, IoSlice};
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_sink::Sink;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use unbroken_driver::{RecvFailure, SessionHandle};
use unbroken_proto::error::{OpenError, SendError};
use unbroken_proto::stream::StreamOptions;

/// A session. A [`SessionHandle`], whose methods it has, with streams for tokio.
#[derive(Clone)]
pub struct Session(SessionHandle);

impl Session {
    pub(crate) fn new(handle: SessionHandle) -> Session {
        Session(handle)
    }

    /// As [`SessionHandle::open`].
    ///
    /// # Errors
    /// As [`SessionHandle::open`].
    pub async fn open(&self, options: StreamOptions) -> Result<Stream, OpenError> {
        self.0.open(options).await.map(Stream)
    }

    /// As [`SessionHandle::accept`].
    pub async fn accept(&self) -> Option<Stream> {
        self.0.accept().await.map(Stream)
    }
}

impl Deref for Session {
    type Target = SessionHandle;

    fn deref(&self) -> &SessionHandle {
        &self.0
    }
}

/// A [stream](unbroken_driver::Stream) with tokio's `AsyncRead` and `AsyncWrite`.
pub struct Stream(unbroken_driver::Stream);

impl Stream {
    /// The two halves, to be used apart.
    #[must_use]
    pub fn split(self) -> (SendHalf, RecvHalf) {
        let (send, recv) = self.0.split();
        (SendHalf(send), RecvHalf(recv))
    }
}

/// A [sending half](unbroken_driver::SendHalf) with tokio's `AsyncWrite`.
pub struct SendHalf(unbroken_driver::SendHalf);

/// A [receiving half](unbroken_driver::RecvHalf) with tokio's `AsyncRead`.
pub struct RecvHalf(unbroken_driver::RecvHalf);

macro_rules! wraps {
    ($outer:ty, $inner:ty) => {
        impl Deref for $outer {
            type Target = $inner;

            fn deref(&self) -> &$inner {
                &self.0
            }
        }

        impl DerefMut for $outer {
            fn deref_mut(&mut self) -> &mut $inner {
                &mut self.0
            }
        }
    };
}

macro_rules! reads {
    ($outer:ty) => {
        impl AsyncRead for $outer {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let read = futures_io::AsyncRead::poll_read(Pin::new(&mut self.0), cx, buf.initialize_unfilled());
                read.map_ok(|read| buf.advance(read))
            }
        }
    };
}

macro_rules! writes {
    ($outer:ty) => {
        impl AsyncWrite for $outer {
            fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
                futures_io::AsyncWrite::poll_write(Pin::new(&mut self.0), cx, buf)
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                parts: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                futures_io::AsyncWrite::poll_write_vectored(Pin::new(&mut self.0), cx, parts)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                futures_io::AsyncWrite::poll_flush(Pin::new(&mut self.0), cx)
            }

            fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                futures_io::AsyncWrite::poll_close(Pin::new(&mut self.0), cx)
            }
        }
    };
}

/// Whole messages, as the driver's own stream has them.
macro_rules! gives_messages {
    ($outer:ty) => {
        impl futures_core::Stream for $outer {
            type Item = Result<Bytes, RecvFailure>;

            fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
                Pin::new(&mut self.0).poll_next(cx)
            }
        }
    };
}

macro_rules! takes_messages {
    ($outer:ty) => {
        impl Sink<Bytes> for $outer {
            type Error = SendError;

            fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
                Pin::new(&mut self.0).poll_ready(cx)
            }

            fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), SendError> {
                Pin::new(&mut self.0).start_send(message)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
                Sink::poll_flush(Pin::new(&mut self.0), cx)
            }

            fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
                Sink::poll_close(Pin::new(&mut self.0), cx)
            }
        }
    };
}

wraps!(Stream, unbroken_driver::Stream);
wraps!(SendHalf, unbroken_driver::SendHalf);
wraps!(RecvHalf, unbroken_driver::RecvHalf);
reads!(Stream);
reads!(RecvHalf);
writes!(Stream);
writes!(SendHalf);
gives_messages!(Stream);
gives_messages!(RecvHalf);
takes_messages!(Stream);
takes_messages!(SendHalf);
