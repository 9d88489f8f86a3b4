//! What an application asks of all its accepted sessions together.

use std::future::poll_fn;
use std::task::Poll;

use unbroken_proto::Instant;
use unbroken_proto::server::{EndedSession, Registry};

use super::Hub;
use crate::lock::{lock, register};

impl Hub {
    /// The registry, for a moment: to list, find and label sessions, to give orders ([`Registry::order`]),
    /// to drain, to take a snapshot. `visit` gets the present instant too and must not block. Orders
    /// reach their sessions' owners at once.
    pub fn registry<T>(&self, visit: impl FnOnce(&mut Registry, Instant) -> T) -> T {
        let mut desk = lock(&self.desk);
        let now = desk.clock.now();
        let result = visit(&mut desk.registry, now);
        desk.changed();
        result
    }

    /// The next session that is over, each exactly once, whichever way it ended: hang clean-up on it.
    /// One task may ask. From the first call on what is not asked for waits, and uses room of
    /// [`max_sessions`](unbroken_proto::ServerConfig::max_sessions); before, ended sessions are dropped,
    /// so ask before the first connection is served.
    ///
    /// Cancel safe.
    pub async fn ended(&self) -> EndedSession {
        poll_fn(|cx| {
            let mut desk = lock(&self.desk);
            desk.collected = true;
            match desk.registry.poll_ended() {
                Some(over) => Poll::Ready(over),
                None => {
                    register(&mut desk.collector, cx);
                    Poll::Pending
                }
            }
        })
        .await
    }
}
