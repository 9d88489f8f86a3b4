//! Saying something on a connection that no session has, within a time.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use unbroken_proto::server::Rejection;
use unbroken_proto::{Duration, Instant};

use crate::clock::Timer;
use crate::connection::BoxConnection;

/// How long a rejected connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// `future`'s output, or `None` once the deadline has come.
pub(super) async fn within<T>(timer: &mut dyn Timer, deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => timer.poll_until(cx, deadline).map(|()| None),
    })
    .await
}

pub(super) async fn send(connection: &mut BoxConnection, packet: Vec<u8>) -> io::Result<()> {
    poll_fn(|cx| connection.as_mut().poll_ready(cx)).await?;
    connection.as_mut().start_send(Bytes::from(packet))?;
    poll_fn(|cx| connection.as_mut().poll_flush(cx)).await
}

/// Says the last word on a connection and closes it.
pub(super) async fn turn_away(mut connection: BoxConnection, rejection: Rejection, timer: &mut dyn Timer) {
    let deadline = timer.now() + GOODBYE;
    let goodbye = async {
        if let Some(packet) = rejection.packet {
            send(&mut connection, packet).await?;
        }
        poll_fn(|cx| connection.as_mut().poll_close(cx)).await?;
        // A peer that still sends would have its last packet destroyed by a reset.
        while poll_fn(|cx| connection.as_mut().poll_next(cx))
            .await
            .transpose()?
            .is_some()
        {}
        io::Result::Ok(())
    };
    let _lost_or_late = within(timer, deadline, goodbye).await;
}
