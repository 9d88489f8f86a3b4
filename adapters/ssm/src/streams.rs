//! Many TCP streams over one port session, as tokio's.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use unbroken_proto::ssm::mux::MuxConfig;

use crate::end::End;
use crate::handle::Handle;
use crate::multiplexed::Multiplexed;

/// Bytes that one write copies at most.
const MOST_AT_ONCE: usize = 64 << 10;

/// The streams of a port session whose [`Established::is_multiplexed`](unbroken_proto::ssm::event::Established::is_multiplexed) is set:
/// [`Session::streams`](crate::Session::streams).
///
/// smux version 1 has no credit for a stream: who does not read one holds up all of them once 4 MiB wait
/// ([`MuxConfig::receive_buffer`]). A peer that does not speak it ends the session, as
/// [`EndReason::Aborted`](unbroken_proto::ssm::event::EndReason::Aborted).
#[derive(Debug)]
pub struct Streams<R: End> {
    handle: Arc<Handle<R>>,
}

impl<R: End> Streams<R> {
    pub(crate) fn begin(handle: Arc<Handle<R>>, config: MuxConfig) -> Streams<R> {
        handle.shared.call(|state, now| {
            state.streams.get_or_insert_with(|| Multiplexed::new::<R>(config, now));
            state.notify_driver();
        });
        Streams { handle }
    }

    /// A new stream. The peer connects it to where the session leads; where it cannot, the stream is at its end.
    ///
    /// # Errors
    /// The session is over, or has as many streams as [`MuxConfig::max_streams`] allows.
    pub fn open(&self) -> io::Result<MuxStream<R>> {
        let number = self.handle.shared.call(|state, _| {
            if state.is_over() {
                return Err(over());
            }
            state.notify_driver();
            let number = state.streams.as_mut().and_then(Multiplexed::open);
            number.ok_or_else(|| io::Error::other("the session has as many streams as it may have"))
        })?;
        Ok(self.stream(number))
    }

    /// The next stream that the peer opens; `None`: the session is over. Cancel safe.
    pub async fn accept(&self) -> Option<MuxStream<R>> {
        let number = poll_fn(|cx| {
            self.handle.shared.call(|state, _| {
                if state.is_over() {
                    return Poll::Ready(None);
                }
                match &mut state.streams {
                    Some(streams) => streams.poll_opened(cx).map(Some),
                    None => Poll::Ready(None),
                }
            })
        });
        number.await.map(|number| self.stream(number))
    }

    /// How many times the peer said that it could not connect a stream. It does not say which.
    #[must_use]
    pub fn refused(&self) -> u64 {
        let shared = &self.handle.shared;
        shared.read(|state| state.streams.as_ref().map_or(0, Multiplexed::refused))
    }

    fn stream(&self, number: u32) -> MuxStream<R> {
        MuxStream {
            handle: Arc::clone(&self.handle),
            number,
            unread: Bytes::new(),
        }
    }
}

/// One of the [`Streams`]. Shutting it down closes it both ways, behind what was written: smux has no half-open streams. Dropping does
/// the same.
#[derive(Debug)]
pub struct MuxStream<R: End> {
    handle: Arc<Handle<R>>,
    number: u32,
    /// Read of the session, and not by whoever reads here.
    unread: Bytes,
}

fn over() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the session is over")
}

impl<R: End> MuxStream<R> {
    fn finish(&self) {
        let number = self.number;
        self.handle.shared.call(|state, _| state.finish_stream(number));
    }
}

impl<R: End> AsyncRead for MuxStream<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.unread.is_empty() {
            let number = this.number;
            let read = this.handle.shared.call(|state, _| match &mut state.streams {
                Some(streams) => match streams.poll_read(number, cx) {
                    Poll::Pending if state.is_over() => Poll::Ready(Err(over())),
                    read => read.map(Ok),
                },
                None => Poll::Ready(Err(over())),
            });
            this.unread = std::task::ready!(read)?;
        }
        let taken = this.unread.len().min(buf.remaining());
        buf.put_slice(&this.unread[..taken]);
        this.unread.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl<R: End> AsyncWrite for MuxStream<R> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let bytes = Bytes::copy_from_slice(&buf[..buf.len().min(MOST_AT_ONCE)]);
        let number = self.number;
        self.handle.shared.call(|state, _| {
            if state.is_over() {
                return Poll::Ready(Err(over()));
            }
            let Some(streams) = &mut state.streams else {
                return Poll::Ready(Err(over()));
            };
            streams.poll_write(number, &bytes, cx).map(|taken| match taken {
                0 => Err(io::ErrorKind::BrokenPipe.into()),
                taken => Ok(taken),
            })
        })
    }

    /// Everything that was written is on its way.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

impl<R: End> Drop for MuxStream<R> {
    fn drop(&mut self) {
        self.finish();
    }
}
