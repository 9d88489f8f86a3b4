//! What client and agent do differently.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::reconnect::Strategy;
use crate::ssm::PayloadType;
use crate::ssm::body::{ExitCode, Flag, OpenDataChannel, Size, Token};
use crate::ssm::channel::Channel;
use crate::ssm::event::{Chunk, Defect, EndReason};
use crate::ssm::message::Message;
use crate::time::{Duration, Instant};

/// The end that a [`DataChannel`](crate::ssm::DataChannel) is. There are no others than [`ClientRole`](crate::ssm::ClientRole) and
/// [`AgentRole`](crate::ssm::AgentRole).
#[expect(private_interfaces, reason = "nobody else implements it")]
pub trait Role: sealed::Sealed + core::fmt::Debug {
    /// What goes first on a connection.
    #[doc(hidden)]
    fn first(&mut self, now: Instant, channel: &mut Channel, token: Token) -> VecDeque<Message>;

    /// A connection has begun.
    #[doc(hidden)]
    fn on_attached(&mut self, now: Instant, channel: &mut Channel);

    /// There is no connection any more.
    #[doc(hidden)]
    fn on_detached(&mut self);

    /// Deals with the frame whose turn it is. Whether that was done; one that was not stays for later. An error: the session is over.
    #[doc(hidden)]
    fn take(
        &mut self,
        now: Instant,
        channel: &mut Channel,
        payload_type: PayloadType,
        payload: &Bytes,
    ) -> Result<bool, EndReason>;

    /// The application wants the end, and everything has arrived. `None`: there is something to be said first.
    #[doc(hidden)]
    fn on_drained(&mut self, now: Instant, channel: &mut Channel) -> Option<EndReason>;

    /// The service closed the channel.
    #[doc(hidden)]
    fn on_closed(&self, output: String) -> EndReason;

    /// The service gives no token for the session any more.
    #[doc(hidden)]
    fn on_gone(&self) -> EndReason;

    #[doc(hidden)]
    fn poll_timeout(&self) -> Option<Instant>;

    /// A reason to end, if the time has come.
    #[doc(hidden)]
    fn handle_timeout(&mut self, now: Instant) -> Option<EndReason>;

    /// What the host may do after this end.
    #[doc(hidden)]
    fn advice(&self, reason: &EndReason) -> Option<Strategy>;
}

/// So long the other side may take to answer the end of a session.
pub(super) const CLOSING: Duration = Duration::from_secs(2);

/// Keeps for the application what came, if there is room.
pub(super) fn deliver(channel: &mut Channel, payload_type: PayloadType, payload: &Bytes) -> bool {
    if !channel.has_room_to_read() {
        return false;
    }
    let chunk = match payload_type {
        // A frame of nothing is a probe.
        PayloadType::Output | PayloadType::StdErr if payload.is_empty() => return true,
        PayloadType::Output => Ok(Chunk::Output(Bytes::clone(payload))),
        PayloadType::StdErr => Ok(Chunk::StdErr(Bytes::clone(payload))),
        PayloadType::ExitCode => ExitCode::decode(payload).map(|ExitCode(code)| Chunk::ExitCode(code)),
        PayloadType::Flag => Flag::decode(payload).map(Chunk::Flag),
        PayloadType::Size => Size::decode(payload).map(Chunk::Size),
        _ => {
            channel.tell(Defect::Unexpected);
            return true;
        }
    };
    match chunk {
        Ok(chunk) => channel.deliver(chunk),
        Err(_) => channel.tell(Defect::Body),
    }
    true
}

/// The message that opens the channel.
pub(super) fn opening(open: &OpenDataChannel) -> Message {
    let mut text = Vec::new();
    open.encode(&mut text);
    Message::Text(String::from_utf8_lossy(&text).into_owned())
}

pub(super) mod sealed {
    /// Keeps others from being ends.
    pub trait Sealed {}
}
