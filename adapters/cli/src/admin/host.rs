//! What a server that can be asked has beside its sessions' own affairs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;
use unbroken_tokio::proto::security::PublicKey;
use unbroken_tokio::{ServerHandle, Session};

use super::directory::{Directory, Entry};

/// How long those who asked something have to hear the last of it, when the server ends.
const GOODBYE: Duration = Duration::from_secs(2);

/// A server's sessions, as its owner has them: for [`serve`](super::serve), and for the loop that accepts sessions.
#[derive(Debug)]
pub(crate) struct Admin {
    pub(super) server: Arc<ServerHandle>,
    pub(super) directory: Directory,
    /// Once somebody asked for a drain: how long clients have.
    pub(super) drain: watch::Sender<Option<Duration>>,
    /// How many requests are being answered.
    pub(super) asked: watch::Sender<usize>,
}

/// A session that is listed until this is dropped.
#[derive(Debug)]
pub(crate) struct Guest {
    admin: Arc<Admin>,
    pub(crate) entry: Arc<Entry>,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.admin.directory.leave(&self.entry);
    }
}

impl Admin {
    pub(crate) fn new(server: &Arc<ServerHandle>) -> Arc<Admin> {
        Arc::new(Admin {
            server: Arc::clone(server),
            directory: Directory::default(),
            drain: watch::Sender::default(),
            asked: watch::Sender::default(),
        })
    }

    /// Lists a session that was accepted. `name`: what its client is called, if anything. What is returned goes when the session is over.
    pub(crate) fn enter(self: &Arc<Admin>, session: &Session, key: PublicKey, name: Option<String>) -> Guest {
        Guest {
            admin: Arc::clone(self),
            entry: self.directory.enter(session, key, name),
        }
    }

    /// Waits until somebody asks that the server drain, and returns how long clients have. The host drains then
    /// ([`ServerHandle::drain`]), and calls [`said_goodbye`](Admin::said_goodbye) before it ends.
    pub(crate) async fn drain_asked(&self) -> Duration {
        let mut asked = self.drain.subscribe();
        match asked.wait_for(Option::is_some).await.map(|within| *within) {
            Ok(Some(within)) => within,
            _ => std::future::pending().await,
        }
    }

    /// Waits until those who asked have their answers: above all, that the drain is over.
    pub(crate) async fn said_goodbye(&self) {
        let mut asked = self.asked.subscribe();
        let _they_take_too_long = timeout(GOODBYE, asked.wait_for(|asked| *asked == 0)).await;
    }
}

/// Counts a request until its last answer is given.
pub(super) struct Asking<'a>(&'a watch::Sender<usize>);

impl Asking<'_> {
    pub(super) fn new(asked: &watch::Sender<usize>) -> Asking<'_> {
        asked.send_modify(|asked| *asked += 1);
        Asking(asked)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|asked| *asked -= 1);
    }
}
