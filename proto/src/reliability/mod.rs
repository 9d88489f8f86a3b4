//! What we owe and what we hold, whatever carries it.

mod ack;
mod charged;
mod flight;
mod inbox;
mod outbox;
mod rtt;

pub(crate) use ack::AckPolicy;
pub(crate) use flight::{Flight, Headroom};
pub(crate) use inbox::{Full, Inbox};
pub(crate) use outbox::{Committed, Outbox};
pub(crate) use rtt::Rtt;
