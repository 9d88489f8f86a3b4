//! A WebSocket that carries a session.

use std::task::{Context, Poll};

use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as WsMessage;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use unbroken_proto::id::Epoch;
use unbroken_proto::reconnect::Cause;
use unbroken_proto::time::Duration;
use unbroken_tokio::carriers::causes::cause_of_close;

use crate::end::End;
use crate::socket::{Socket, cause_of, received, to_be_sent};
use crate::state::Shared;

/// Messages that are read before others have their turn.
const BATCH: usize = 64;
/// So long the peer may take to answer a close frame.
const CLOSING: Duration = Duration::from_secs(2);

/// A WebSocket, and its number.
pub(crate) struct Connection {
    epoch: Epoch,
    socket: Socket,
    /// Something was written that was not flushed.
    is_unflushed: bool,
}

impl Connection {
    pub(crate) fn new(epoch: Epoch, socket: Socket) -> Connection {
        Connection {
            epoch,
            socket,
            is_unflushed: false,
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Moves messages both ways. Whether there may be more at once; an error: it broke.
    pub(crate) fn poll_move<R: End>(&mut self, cx: &mut Context<'_>, shared: &Shared<R>) -> Result<bool, Cause> {
        let more = self.poll_read(cx, shared)?;
        self.poll_write(cx, shared)?;
        Ok(more)
    }

    fn poll_read<R: End>(&mut self, cx: &mut Context<'_>, shared: &Shared<R>) -> Result<bool, Cause> {
        for _ in 0..BATCH {
            if !shared.read(|state| state.machine.wants_input()) {
                return Ok(false);
            }
            let Poll::Ready(message) = self.socket.poll_next_unpin(cx) else {
                return Ok(false);
            };
            let message = match message {
                Some(Ok(WsMessage::Close(frame))) => return Err(closed(frame.as_ref())),
                Some(Ok(message)) => received(message),
                Some(Err(error)) => return Err(cause_of(&error)),
                None => return Err(Cause::Network),
            };
            if let Some(message) = message {
                let epoch = self.epoch;
                shared.call(|state, now| state.machine.handle_input(now, epoch, message));
            }
        }
        Ok(true)
    }

    fn poll_write<R: End>(&mut self, cx: &mut Context<'_>, shared: &Shared<R>) -> Result<(), Cause> {
        loop {
            match self.socket.poll_ready_unpin(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(cause_of(&error)),
                Poll::Pending => return Ok(()),
            }
            let epoch = self.epoch;
            let Some(message) = shared.call(|state, now| state.machine.poll_transmit(now, epoch)) else {
                break;
            };
            let sent = self.socket.start_send_unpin(to_be_sent(message));
            sent.map_err(|error| cause_of(&error))?;
            self.is_unflushed = true;
        }
        if self.is_unflushed {
            match self.socket.poll_flush_unpin(cx) {
                Poll::Ready(Ok(())) => self.is_unflushed = false,
                Poll::Ready(Err(error)) => return Err(cause_of(&error)),
                Poll::Pending => {}
            }
        }
        Ok(())
    }

    /// Says goodbye, once what was written is out, and waits for the answer for a while: who leaves with something unread resets the
    /// connection, and what is still on its way to the peer is lost with it.
    pub(crate) async fn close(self) {
        Connection::discard(self.socket).await;
    }

    /// The same, of a socket that never carried anything.
    pub(crate) async fn discard(mut socket: Socket) {
        let goodbye = async {
            if socket.close(None).await.is_ok() {
                while let Some(Ok(_)) = socket.next().await {}
            }
        };
        // It is no matter whether the peer answers.
        let _ = timeout(CLOSING, goodbye).await;
    }
}

/// What a close frame means. The service closes with 1000 about once an hour, which means no more than that another connection is due.
fn closed(frame: Option<&CloseFrame>) -> Cause {
    frame.map_or(Cause::Network, |frame| cause_of_close(u16::from(frame.code)))
}
