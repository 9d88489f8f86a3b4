//! What is sent last on a connection that gets no session, and time limits for what comes before.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use unbroken_proto::server::Rejection;
use unbroken_proto::{Duration, Instant};

use crate::clock::Timer;
use crate::connection::BoxConnection;

/// How long a rejected connection may take to be closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// Packets of a rejected connection that are read away; it is dropped beyond.
const DISCARDED: usize = 64;

/// `future`'s output, or `None` once the deadline has come.
pub(super) async fn within<T>(timer: &mut Timer, deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match timer.poll_until(cx, timer.now(), deadline) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => future.as_mut().poll(cx).map(Some),
    })
    .await
}

pub(super) async fn send(connection: &mut BoxConnection, packet: Vec<u8>) -> io::Result<()> {
    poll_fn(|cx| connection.as_mut().poll_ready(cx)).await?;
    connection.as_mut().start_send(Bytes::from(packet))?;
    poll_fn(|cx| connection.as_mut().poll_flush(cx)).await
}

/// Sends the last packet on a connection and closes it.
pub(super) async fn reject(mut connection: BoxConnection, rejection: Rejection, timer: &mut Timer) {
    let deadline = timer.now() + CLOSE_LIMIT;
    let close = async {
        if let Some(packet) = rejection.packet {
            send(&mut connection, packet).await?;
        }
        poll_fn(|cx| connection.as_mut().poll_close(cx)).await?;
        // A peer that still sends would have its last packet destroyed by a reset.
        for _ in 0..DISCARDED {
            let packet = poll_fn(|cx| connection.as_mut().poll_next(cx)).await;
            if packet.transpose()?.is_none() {
                break;
            }
        }
        io::Result::Ok(())
    };
    let _lost_or_late = within(timer, deadline, close).await;
}
