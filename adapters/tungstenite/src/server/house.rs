//! What all connections of a server share, and what one of them goes through.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant as Moment;

use unbroken_proto::config::Seed;
use unbroken_proto::error::ConfigError;
use unbroken_proto::server::{
    ConnectionId, DrainStatus, EndedSession, Placement, Refusal, Registry, Request, SessionCommand,
};
use unbroken_proto::{Duration, Instant, PeerKey, PeerPrefix, ServerConfig, SessionId};

use super::Accepted;
use crate::clock::uptime;
use crate::shared::{Shared, lock};
use crate::wire::Socket;

/// Established sessions nobody has accepted yet; beyond, those of them that are over are forgotten.
const BACKLOG: usize = 128;

type Authorise = Box<dyn Fn(&Request) -> Result<Placement, Refusal> + Send + Sync>;

/// The registry, and who owns which session. Its lock is taken when a connection comes, and when a session's state
/// changes; never for data, and never under a session's.
pub(super) struct House {
    desk: Mutex<Desk>,
    changed: Condvar,
    prefix: PeerPrefix,
    pub(super) authorise: Authorise,
}

pub(super) struct Desk {
    pub(super) registry: Registry,
    pub(super) owners: HashMap<SessionId, Arc<Shared>>,
    /// Connections that no session has: cutting one wakes its thread.
    pub(super) unproven: HashMap<ConnectionId, Arc<dyn Socket>>,
    backlog: VecDeque<Accepted>,
    /// Somebody collects the sessions that are over.
    collected: bool,
    /// Connections taking their leave.
    pub(super) leaving: usize,
    pub(super) over: bool,
}

impl House {
    pub(super) fn new(config: ServerConfig, seed: Seed, authorise: Authorise) -> Result<Arc<House>, ConfigError> {
        let prefix = config.peer_prefix;
        let registry = Registry::new(config, seed, uptime())?;
        Ok(Arc::new(House {
            desk: Mutex::new(Desk {
                registry,
                owners: HashMap::new(),
                unproven: HashMap::new(),
                backlog: VecDeque::new(),
                collected: false,
                leaving: 0,
                over: false,
            }),
            changed: Condvar::new(),
            prefix,
            authorise,
        }))
    }

    pub(super) fn desk(&self) -> MutexGuard<'_, Desk> {
        lock(&self.desk)
    }

    /// Shows an established session to whoever accepts.
    pub(super) fn announce(&self, accepted: Accepted) {
        let mut desk = self.desk();
        let mut forgotten = VecDeque::new();
        if desk.backlog.len() >= BACKLOG {
            let (over, living) = desk
                .backlog
                .drain(..)
                .partition(|other| other.session.ended().is_some());
            (forgotten, desk.backlog) = (over, living);
        }
        desk.backlog.push_back(accepted);
        drop(desk);
        drop(forgotten);
        self.changed.notify_all();
    }

    pub(super) fn peer_key(&self, address: IpAddr) -> PeerKey {
        self.prefix.key(address)
    }

    /// Minds the registry's timers, on a thread of its own, until [`shut_down`](House::shut_down).
    pub(super) fn keep(self: &Arc<Self>) -> io::Result<()> {
        let house = Arc::clone(self);
        let keeper = thread::Builder::new().name("unbroken registry".into());
        keeper.spawn(move || {
            let mut desk = lock(&house.desk);
            while !desk.over {
                let now = uptime();
                let due = desk.registry.poll_timeout();
                if due.is_some_and(|deadline| deadline <= now) {
                    desk.registry.handle_timeout(now);
                    house.carry_out(desk);
                    desk = lock(&house.desk);
                    continue;
                }
                desk = house.pause(desk, due.map(|deadline| deadline.saturating_since(now)));
            }
        })?;
        Ok(())
    }

    pub(super) fn shut_down(&self) {
        let mut desk = lock(&self.desk);
        desk.over = true;
        desk.unproven.values().for_each(|socket| socket.cut());
        // Handles that nobody accepted close their sessions; not under our lock.
        let unclaimed = std::mem::take(&mut desk.backlog);
        drop(desk);
        drop(unclaimed);
        self.changed.notify_all();
    }

    fn pause<'a>(&'a self, desk: MutexGuard<'a, Desk>, limit: Option<Duration>) -> MutexGuard<'a, Desk> {
        match limit {
            None => self.changed.wait(desk).unwrap_or_else(PoisonError::into_inner),
            Some(limit) => {
                let waited = self.changed.wait_timeout(desk, limit);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// What the registry decided: lets go of strangers, and passes orders on to the sessions' owners.
    pub(super) fn carry_out(&self, mut desk: MutexGuard<'_, Desk>) {
        while let Some(connection) = desk.registry.poll_unwanted() {
            if let Some(socket) = desk.unproven.remove(&connection) {
                socket.cut();
            }
        }
        if !desk.collected {
            while desk.registry.poll_ended().is_some() {}
        }
        let mut orders: Vec<(Arc<Shared>, SessionCommand)> = Vec::new();
        while let Some((id, order)) = desk.registry.poll_command() {
            orders.extend(desk.owners.get(&id).map(|owner| (Arc::clone(owner), order)));
        }
        drop(desk);
        self.changed.notify_all();
        for (owner, order) in orders {
            owner.call(|core, now| core.session().handle_command(now, order));
        }
    }

    pub(super) fn registry<T>(&self, visit: impl FnOnce(&mut Registry, Instant) -> T) -> T {
        let mut desk = lock(&self.desk);
        let result = visit(&mut desk.registry, uptime());
        self.carry_out(desk);
        result
    }

    pub(super) fn next(&self, limit: Option<Moment>) -> Option<Accepted> {
        self.await_desk(limit, |desk| desk.backlog.pop_front())
    }

    pub(super) fn ended(&self, limit: Option<Moment>) -> Option<EndedSession> {
        self.await_desk(limit, |desk| {
            desk.collected = true;
            desk.registry.poll_ended()
        })
    }

    pub(super) fn drained(&self) -> Option<DrainStatus> {
        let mut desk = lock(&self.desk);
        loop {
            let now = uptime();
            match desk.registry.draining() {
                Some(status) if !status.is_over(now) => {
                    desk = self.pause(desk, Some(status.until.saturating_since(now)));
                }
                status => return status,
            }
        }
    }

    fn await_desk<T>(&self, limit: Option<Moment>, mut ask: impl FnMut(&mut Desk) -> Option<T>) -> Option<T> {
        let mut desk = lock(&self.desk);
        loop {
            if let Some(answer) = ask(&mut desk) {
                return Some(answer);
            }
            let left = limit.map(|limit| limit.saturating_duration_since(Moment::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            desk = self.pause(desk, left);
        }
    }
}
