//! What an application asks of all its accepted sessions together.

use std::future::poll_fn;
use std::net::IpAddr;
use std::task::Poll;

use unbroken_proto::error::CodeTooLarge;
use unbroken_proto::server::{
    Drain, DrainStatus, EndedSession, Registry, Select, SessionCommand, SessionInfo, Snapshot,
};
use unbroken_proto::{Instant, PeerKey};

use super::handle::{ServerHandle, Wait};
use crate::sync::{lock, register};

impl ServerHandle {
    /// The registry, for a moment: for whatever has no method here. `access` gets the present instant too;
    /// it must not block, nor call the handle. Commands reach their sessions' owners at once.
    pub fn registry<T>(&self, access: impl FnOnce(&mut Registry, Instant) -> T) -> T {
        self.with(|state, now, wakes| {
            let result = access(&mut state.registry, now);
            state.on_change(wakes);
            result
        })
    }

    /// The established sessions, in the order of their ids.
    #[must_use]
    pub fn sessions(&self) -> Vec<SessionInfo> {
        lock(&self.state).registry.sessions().collect()
    }

    /// Those that `select` means. Costs what it finds, not what there is.
    #[must_use]
    pub fn find(&self, select: Select<'_>) -> Vec<SessionInfo> {
        let registry = &lock(&self.state).registry;
        let found = registry.find(select).into_iter();
        found.filter_map(|id| registry.session(id)).collect()
    }

    /// Closes, aborts, moves or prolongs the sessions that `select` means; returns how many are told.
    ///
    /// # Errors
    /// As [`Registry::command`].
    pub fn command(&self, select: Select<'_>, command: &SessionCommand) -> Result<usize, CodeTooLarge> {
        self.registry(|registry, now| registry.command(now, select, command))
    }

    /// The same for those that `wanted` picks. Looks at all of them.
    ///
    /// # Errors
    /// As [`Registry::command`].
    pub fn command_where(
        &self,
        wanted: impl Fn(&SessionInfo) -> bool,
        command: &SessionCommand,
    ) -> Result<usize, CodeTooLarge> {
        self.registry(|registry, now| registry.command_where(now, wanted, command))
    }

    /// The registry in numbers, for a monitoring page. Costs the same however many sessions there are.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        lock(&self.state).registry.snapshot()
    }

    /// The key of the peer at `address`, by [`peer_prefix`](unbroken_proto::ServerConfig::peer_prefix): for
    /// [`Connected::from_peer`](crate::Connected::from_peer) wherever connections are accepted.
    #[must_use]
    pub fn peer_key(&self, address: IpAddr) -> PeerKey {
        self.prefix.key(address)
    }

    /// Begins to drain ([`Registry::drain`]) and waits until no session is left or the plan's time is
    /// over; returns what remains then, which is the host's to close. The drain stands even if the
    /// future is dropped; see [`drained`](ServerHandle::drained).
    pub async fn drain(&self, plan: Drain) -> Option<DrainStatus> {
        self.registry(|registry, now| registry.drain(now, plan));
        self.drained().await
    }

    /// Waits for the end of a drain; `None` if there is none, or it was stopped. Any number of tasks may
    /// wait. Cancel safe.
    pub async fn drained(&self) -> Option<DrainStatus> {
        let mut timer = self.timer();
        let mut wait = Wait::new(self, |state| &mut state.drainers);
        poll_fn(|cx| {
            let status = self.with(|state, now, _| {
                let status = state.registry.draining();
                let runs = status.as_ref().is_some_and(|status| !status.is_over(now));
                if runs {
                    state.drainers.wait(&mut wait.ticket, cx);
                }
                (status, runs)
            });
            match status {
                // Due by the timer: over by the clock, or soon.
                (Some(status), true) => timer.poll_until(cx, timer.now(), status.until).map(|()| Some(status)),
                (status, _) => Poll::Ready(status),
            }
        })
        .await
    }

    /// The next session that is over, each exactly once, whichever way it ended: hang clean-up on it.
    /// One task may ask. From the first call on what is not asked for waits, and uses room of
    /// [`max_sessions`](unbroken_proto::ServerConfig::max_sessions); before, ended sessions are dropped,
    /// so ask before the first connection is served.
    ///
    /// Cancel safe.
    pub async fn ended(&self) -> EndedSession {
        poll_fn(|cx| {
            self.with(|state, _, _| {
                state.is_collected = true;
                match state.registry.poll_ended() {
                    Some(over) => Poll::Ready(over),
                    None => {
                        register(&mut state.collector, cx);
                        Poll::Pending
                    }
                }
            })
        })
        .await
    }
}
