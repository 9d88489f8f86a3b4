//! The sending half.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use unbroken_proto::error::{SendError, SendRefusal};
use unbroken_proto::{Duration, StreamId};

use crate::session::CloseOnDrop;
use crate::shared::limit;

/// Most of one write that is taken at once.
const LARGEST_WRITE: usize = 64 << 10;

/// The sending half of a stream.
///
/// What a call took is on its way: the session's thread sends it as soon as it can, over as many connections as it
/// takes. Dropping the half without [`finish`](SendHalf::finish) resets the stream with code 0.
pub struct SendHalf {
    id: StreamId,
    close_on_drop: Arc<CloseOnDrop>,
    timeout: Option<Duration>,
    over: bool,
}

impl SendHalf {
    pub(crate) fn new(id: StreamId, close_on_drop: Arc<CloseOnDrop>) -> SendHalf {
        SendHalf {
            id,
            close_on_drop,
            timeout: None,
            over: false,
        }
    }

    /// The stream's number.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// How long a call may wait for room; `None`, the default: for ever.
    pub fn set_timeout(&mut self, timeout: Option<Duration>) {
        self.timeout = timeout;
    }

    /// Sends one whole message; waits while there is no room.
    ///
    /// # Errors
    /// The message comes back with the reason; [`SendRefusal::Full`] when the [timeout](Self::set_timeout) is over,
    /// whether the outbox is full or too much waits for readers.
    pub fn send(&mut self, message: Bytes) -> Result<(), SendError> {
        self.offer(message, self.timeout)
    }

    /// Sends one whole message if there is room now.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn try_send(&mut self, message: Bytes) -> Result<(), SendError> {
        self.offer(message, Some(Duration::ZERO))
    }

    fn offer(&mut self, message: Bytes, timeout: Option<Duration>) -> Result<(), SendError> {
        let mut left = message;
        let id = self.id;
        let sent = self.close_on_drop.shared.wait(limit(timeout), |core, now| {
            match core.session().send(now, id, std::mem::take(&mut left)) {
                Err(SendError { payload, reason }) if is_want_of_room(reason) => {
                    left = payload;
                    None
                }
                done => Some(done),
            }
        });
        sent.unwrap_or(Err(SendError {
            payload: left,
            reason: SendRefusal::Full,
        }))
    }

    /// As [`send`](Self::send); if the message is not known to be the peer's `within` that time, from when it was
    /// taken, [`Event::Overdue`](unbroken_proto::Event::Overdue) says so. It is not dropped. Returns its number among
    /// the stream's messages, from 1, which the event names.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_within(&mut self, message: Bytes, within: Duration) -> Result<u64, SendError> {
        let mut left = message;
        let id = self.id;
        let sent = self.close_on_drop.shared.wait(limit(self.timeout), |core, now| {
            let message = std::mem::take(&mut left);
            match core.session().send_within(now, id, message, within) {
                Err(SendError { payload, reason }) if is_want_of_room(reason) => {
                    left = payload;
                    None
                }
                done => Some(done),
            }
        });
        sent.unwrap_or(Err(SendError {
            payload: left,
            reason: SendRefusal::Full,
        }))
    }

    /// No more will be sent. What was sent before still goes out.
    pub fn finish(&mut self) {
        if !std::mem::replace(&mut self.over, true) {
            self.close_on_drop.shared.call(|core, now| {
                let _already_over = core.session().finish(now, self.id);
            });
        }
    }

    /// Abandons what the peer does not have yet.
    pub fn reset(&mut self, code: u64) {
        self.over = true;
        self.close_on_drop.shared.call(|core, now| {
            let _already_over = core.session().reset(now, self.id, code);
        });
    }
}

impl Write for SendHalf {
    /// Writes bytes without message boundaries; waits while there is no room for any. `TimedOut` when the
    /// [timeout](Self::set_timeout) is over; `NotConnected` when the session is, `BrokenPipe` when the stream is.
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        let mut bytes = Bytes::copy_from_slice(&buf[..buf.len().min(LARGEST_WRITE)]);
        let id = self.id;
        let written = self.close_on_drop.shared.wait(limit(self.timeout), |core, now| {
            match core.session().write(now, id, &mut bytes) {
                Err(reason) if is_want_of_room(reason) => None,
                done => Some(done),
            }
        });
        written.ok_or(io::ErrorKind::TimedOut)?.map_err(refused)
    }

    /// At once: nothing is held back that could be sent.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether waiting helps: the machine tells when to try again.
fn is_want_of_room(reason: SendRefusal) -> bool {
    matches!(reason, SendRefusal::Full | SendRefusal::Unread)
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
        if !self.over {
            self.reset(0);
        }
    }
}
