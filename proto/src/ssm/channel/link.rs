//! One connection, which is dropped whole.

use alloc::collections::VecDeque;

use crate::id::Epoch;
use crate::liveness::{Liveness, Patience};
use crate::ssm::config::ChannelConfig;
use crate::ssm::message::Message;
use crate::time::Instant;

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) epoch: Epoch,
    /// What goes before anything else: the message that opens the channel.
    pub(crate) first: VecDeque<Message>,
    pub(crate) liveness: Liveness,
    pub(crate) since: Instant,
    /// It stayed up long enough for the backoff to start afresh.
    pub(crate) stable: bool,
}

impl Link {
    pub(crate) fn new(now: Instant, epoch: Epoch, first: VecDeque<Message>, config: &ChannelConfig) -> Link {
        let (interval, timeout) = (config.keepalive_interval, config.keepalive_timeout);
        Link {
            epoch,
            first,
            liveness: Liveness::new(now, interval, timeout, Patience::default()),
            since: now,
            stable: false,
        }
    }
}
