//! A session, as an application sees it.

use std::fmt;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use thiserror::Error;
use tokio::sync::broadcast;
use unbroken_proto::config::Seed;
use unbroken_proto::error::ConfigError;
use unbroken_proto::reconnect::{Attempt, ReconnectStats};
use unbroken_proto::ssm::body::{Flag, Size};
use unbroken_proto::ssm::event::{Chunk, Ended, Established, Event};
use unbroken_proto::ssm::mux::MuxConfig;
use unbroken_proto::ssm::{Agent, AgentConfig, AgentRole, Client, ClientConfig, ClientRole, DataChannel, Stats};
use unbroken_proto::time::Instant;
use unbroken_tokio::carriers::driver::Runtime;
use unbroken_tokio::carriers::http::Uri;
use unbroken_tokio::carriers::http::uri::InvalidUri;
use unbroken_tokio::{ConnectError, Tokio};

use crate::clock::unix_millis;
use crate::driver::Driver;
use crate::end::End;
use crate::handle::Handle;
use crate::service::Service;
use crate::state::{Shared, State};
use crate::streams::Streams;

/// One end of a session of AWS Session Manager: a [`ClientSession`] or an [`AgentSession`]. It dials, resumes and dials again in a task of
/// tokio's runtime for as long as the service has the session. Clones are handles of the same one; when the last is dropped, streams
/// included, the session is aborted.
pub struct Session<R: End> {
    handle: Arc<Handle<R>>,
}

/// The client's end: what the Session Manager plugin is.
pub type ClientSession = Session<ClientRole>;
/// The agent's end: what amazon-ssm-agent is.
pub type AgentSession = Session<AgentRole>;

/// Why a session was not begun.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The stream URL is none.
    #[error("the stream URL is none: {0}")]
    StreamUrl(#[from] InvalidUri),
    /// The system has no entropy.
    #[error("the system has no entropy: {0}")]
    Entropy(#[from] std::io::Error),
}

/// Nothing more is taken: the session is over.
#[derive(Clone, Debug, Error)]
#[error("the session is over")]
#[non_exhaustive]
pub struct Over;

impl<R: End> Clone for Session<R> {
    fn clone(&self) -> Self {
        Session {
            handle: Arc::clone(&self.handle),
        }
    }
}

impl<R: End> fmt::Debug for Session<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.shared.read(|state| {
            f.debug_struct("Session")
                .field("session_id", &state.machine.session_id())
                .field("is_attached", &state.machine.is_attached())
                .field("ended", &state.ended)
                .finish_non_exhaustive()
        })
    }
}

impl ClientSession {
    /// A session that StartSession has begun, which answered with `stream_url` and what is in `config`. Returns at once.
    ///
    /// # Errors
    /// As [`StartError`].
    ///
    /// # Panics
    /// Outside a runtime of tokio.
    pub fn connect(config: ClientConfig, stream_url: &str, service: impl Service) -> Result<Self, StartError> {
        Session::begin(stream_url, service, |seed, now, unix_millis| {
            Client::new(config, seed, now, unix_millis)
        })
    }

    /// The size of the person's terminal: to be said at the start, and whenever it changes.
    pub fn resize(&self, size: Size) {
        self.call(|state, now| state.machine.resize(now, size));
    }
}

impl AgentSession {
    /// A session that somebody has started, whose service takes WebSockets at `stream_url`
    /// (`wss://…/v1/data-channel/<session>?role=publish_subscribe`). Returns at once.
    ///
    /// # Errors
    /// As [`StartError`].
    ///
    /// # Panics
    /// Outside a runtime of tokio.
    pub fn connect(config: AgentConfig, stream_url: &str, service: impl Service) -> Result<Self, StartError> {
        Session::begin(stream_url, service, |seed, now, unix_millis| {
            Agent::new(config, seed, now, unix_millis)
        })
    }

    /// As [`write`](Session::write), of what a command wrote to its standard error.
    ///
    /// # Errors
    /// As there.
    pub async fn write_stderr(&self, bytes: Bytes) -> Result<(), Over> {
        self.write_with(bytes, |agent, now, bytes| agent.write_stderr(now, bytes))
            .await
    }

    /// Says how a command ended, behind all that was written.
    pub fn exit_code(&self, code: i64) {
        self.call(|state, now| state.machine.exit_code(now, code));
    }
}

impl<R: End> Session<R> {
    fn begin(
        stream_url: &str,
        service: impl Service,
        machine: impl FnOnce(Seed, Instant, u64) -> Result<DataChannel<R>, ConfigError>,
    ) -> Result<Self, StartError> {
        let url: Uri = stream_url.parse()?;
        let seed = Tokio.seed()?;
        let shared = Shared::new(machine(seed, Tokio.now(), unix_millis())?);
        tokio::spawn(Driver::new(Arc::clone(&shared), service, url));
        Ok(Session {
            handle: Arc::new(Handle { shared }),
        })
    }

    fn shared(&self) -> &Shared<R> {
        &self.handle.shared
    }

    /// A call on the application's behalf, after which there may be something to send.
    fn call<T>(&self, call: impl FnOnce(&mut State<R>, Instant) -> T) -> T {
        self.shared().call(|state, now| {
            let result = call(state, now);
            state.notify_driver();
            result
        })
    }

    /// The session's id, as StartSession named it.
    #[must_use]
    pub fn session_id(&self) -> String {
        self.shared().read(|state| state.machine.session_id().to_owned())
    }

    /// Waits until data flows, and says what kind of session it is; `None`: it ended before. Cancel safe.
    pub async fn established(&self) -> Option<Arc<Established>> {
        let shared = self.shared();
        shared
            .wait(&shared.changed, |state, _| match &state.established {
                Some(established) => Some(Some(Arc::clone(established))),
                None => state.is_over().then_some(None),
            })
            .await
    }

    /// What came next; `None` when the session is over and everything was read. Cancel safe. Where [`streams`](Self::streams) were asked
    /// for, what comes is theirs.
    pub async fn read(&self) -> Option<Chunk> {
        let shared = self.shared();
        shared
            .wait(&shared.readable, |state, now| match state.read(now) {
                Some(chunk) => Some(Some(chunk)),
                None => state.is_over().then_some(None),
            })
            .await
    }

    /// Hands `bytes` over, and waits until there is room for all of them: 256 KiB that are not acknowledged, by default. They are kept
    /// until there is a connection and the handshake is over. Not cancel safe: a part may have been taken.
    ///
    /// # Errors
    /// The session is over, or [`finish`](Self::finish) was called.
    pub async fn write(&self, bytes: Bytes) -> Result<(), Over> {
        self.write_with(bytes, |machine, now, bytes| machine.write(now, bytes))
            .await
    }

    async fn write_with(
        &self,
        mut bytes: Bytes,
        write: impl Fn(&mut DataChannel<R>, Instant, &Bytes) -> usize,
    ) -> Result<(), Over> {
        let shared = self.shared();
        shared
            .wait(&shared.writable, |state, now| {
                if state.is_over() || state.is_finishing {
                    return Some(Err(Over));
                }
                let taken = write(&mut state.machine, now, &bytes);
                bytes.advance(taken);
                if taken > 0 {
                    state.notify_driver();
                }
                bytes.is_empty().then_some(Ok(()))
            })
            .await
    }

    /// Says what happened to a TCP connection, behind all that was written.
    pub fn flag(&self, flag: Flag) {
        self.call(|state, now| state.machine.flag(now, flag));
    }

    /// Begins to share the session among many streams, as
    /// [`Established::is_multiplexed`](unbroken_proto::ssm::event::Established::is_multiplexed) says is to be done. The first call's
    /// `config` holds.
    #[must_use]
    pub fn streams(&self, config: MuxConfig) -> Streams<R> {
        Streams::begin(Arc::clone(&self.handle), config)
    }

    /// Waits until everything that was written has arrived at the other end. Cancel safe.
    ///
    /// # Errors
    /// The session ended before.
    pub async fn flush(&self) -> Result<(), Over> {
        let shared = self.shared();
        shared
            .wait(&shared.changed, |state, _| {
                if state.is_over() {
                    return Some(Err(Over));
                }
                state.awaits_flush = !state.is_flushed();
                (!state.awaits_flush).then_some(Ok(()))
            })
            .await
    }

    /// Ends the session when all that was written has arrived: see [`DataChannel::finish`]. [`closed`](Self::closed) waits for it.
    pub fn finish(&self) {
        self.call(|state, now| state.finish(now));
    }

    /// Ends the session here and now; nobody is told.
    pub fn abort(&self) {
        self.call(|state, now| state.machine.abort(now));
    }

    /// Dials now instead of waiting.
    pub fn reconnect_now(&self) {
        self.call(|state, now| state.machine.reconnect_now(now));
    }

    /// Whether a connection carries the session.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.shared().read(|state| state.machine.is_attached())
    }

    /// How the session ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Arc<Ended>> {
        self.shared().read(|state| state.ended.clone())
    }

    /// Waits until the session is over and its connection closed, and says how it ended. What came before can still be read. `None`: the
    /// runtime was shut down in the middle. Cancel safe.
    pub async fn closed(&self) -> Option<Arc<Ended>> {
        let shared = self.shared();
        let closed = shared.wait(&shared.changed, |state, _| {
            state.is_disconnected.then(|| state.ended.clone())
        });
        closed.await
    }

    /// What happens to the session from now on; [`Event::Ended`] is the last. A subscriber that leaves more than 256 events unread
    /// loses the oldest, and is told how many.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.shared().read(State::subscribe)
    }

    /// What the last attempt to have a connection failed of; `None` while there is one.
    #[must_use]
    pub fn connect_error(&self) -> Option<Arc<ConnectError>> {
        self.shared().read(|state| state.connect_error.clone())
    }

    /// Numbers of this session.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared().read(|state| state.machine.stats())
    }

    /// Numbers about connections.
    #[must_use]
    pub fn reconnect_stats(&self) -> ReconnectStats {
        self.shared().read(|state| state.machine.reconnect_stats())
    }

    /// The last attempts to have a connection, oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<Attempt> {
        self.shared().read(|state| state.machine.history())
    }
}
