//! What we owe and what we hold, whatever carries it.

mod ack;
mod charged;
mod flight;
mod inbox;
mod outbox;
#[cfg(feature = "ssm")]
mod rto;
mod rtt;

pub(crate) use ack::AckPolicy;
pub(crate) use charged::Charged;
pub(crate) use flight::{Flight, Headroom};
pub(crate) use inbox::{Full, Inbox};
pub(crate) use outbox::{Committed, Outbox};
#[cfg(feature = "ssm")]
pub(crate) use rto::Rto;
pub(crate) use rtt::Rtt;
