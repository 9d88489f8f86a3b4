//! The gateway as its host sees it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;
use unbroken_proto::error::ConfigError;
use unbroken_proto::ssm::body::Token;
use unbroken_proto::ssm::gateway::{End, Gateway as Machine, SessionStats, StartError};
use unbroken_tokio::Tokio;
use unbroken_tokio::carriers::driver::Runtime;

use super::connection;
use super::sessions::Sessions;
use super::settings::Settings;
use super::shared::Shared;
use crate::clock::unix_millis;

/// How late what is due may be noticed: nothing that has a time limit here needs it sooner.
const TICK: Duration = Duration::from_secs(1);
/// A pause after a connection could not be accepted, for want of file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why there is no gateway.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NewError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: {0}")]
    Random(io::Error),
}

/// The service between clients and agents. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway without sessions. `sessions` is asked about each that somebody wants to start over the API.
    ///
    /// # Errors
    /// A setting is out of its range, or there are no random bytes for tokens.
    pub fn new(settings: Settings, sessions: impl Sessions) -> Result<Gateway, NewError> {
        let seed = Tokio.seed().map_err(NewError::Random)?;
        let machine = Machine::new(settings.machine.clone(), seed, Tokio.now(), unix_millis())?;
        let sessions = Arc::new(sessions);
        let start = move |request| {
            let sessions = Arc::clone(&sessions);
            let starting = async move { sessions.start(request).await };
            Box::pin(starting) as _
        };
        let shared = Arc::new(Shared::new(settings, Box::new(start), machine));
        Ok(Gateway { shared })
    }

    /// Serves what connects to `listener`, until the future is dropped, and all these connections with it. Sessions live on: several listeners
    /// may serve the same ones, at the same time or one after the other. Time limits of sessions are kept while any of them serves.
    pub async fn serve(&self, listener: TcpListener) {
        let connections = self.shared.settings.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let permits = Arc::new(Semaphore::new(connections));
        let mut tasks = JoinSet::new();
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                (stream, permit) = accept(&listener, &permits) => {
                    let shared = Arc::clone(&self.shared);
                    tasks.spawn(async move {
                        connection::serve(shared, stream).await;
                        drop(permit);
                    });
                }
                Some(_) = tasks.join_next() => {}
                _ = tick.tick() => self.keep_time(),
            }
        }
    }

    /// Begins a session of this name without asking [`Sessions`], for programs that have an API of their own.
    ///
    /// # Errors
    /// There is no room for it, or it cannot have this name.
    pub fn start(&self, session_id: &str) -> Result<(), StartError> {
        self.shared.with(|machine, now| machine.start(now, session_id))
    }

    /// A token for one connection of this end. `None`: there is no such session, or it is over.
    #[must_use]
    pub fn token(&self, session_id: &str, end: End) -> Option<Token> {
        self.shared.with(|machine, _| machine.token(session_id, end))
    }

    /// Ends a session; both ends hear of it, behind what is on its way to them. `output` is what the client's person is shown, and may be
    /// empty. Whether there was such a session.
    pub fn terminate(&self, session_id: &str, output: &str) -> bool {
        self.shared
            .with(|machine, now| machine.terminate(now, session_id, output))
    }

    /// Drops the connection of this end as it is, without a close frame, as a network would. Whether there was one. What is on its way in it is
    /// lost; the session is not.
    pub fn cut(&self, session_id: &str, end: End) -> bool {
        let id = self.shared.with(|machine, _| machine.connection(session_id, end));
        let handle = id.and_then(|id| self.shared.handle(id));
        handle.inspect(|handle| handle.cut.notify_one()).is_some()
    }

    /// The sessions that are not over, by their names, and their numbers.
    #[must_use]
    pub fn sessions(&self) -> Vec<(String, SessionStats)> {
        self.shared.with(|machine, _| {
            let sessions = machine.sessions();
            sessions.map(|(id, stats)| (id.to_owned(), stats)).collect()
        })
    }

    fn keep_time(&self) {
        self.shared.with(|machine, now| {
            if machine.poll_timeout().is_some_and(|due| due <= now) {
                machine.handle_timeout(now);
            }
        });
    }
}

/// The next connection, and leave to have it.
async fn accept(listener: &TcpListener, permits: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // A semaphore that nobody closes gives one in the end.
    let permit = Arc::clone(permits).acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}
