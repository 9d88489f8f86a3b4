//! The session: lifecycle and public methods, which only delegate.
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};
use crate::config::{ClientConfig, Seed};
use crate::error::*;
use crate::event::Event;
use crate::id::{Carrier, Epoch, SessionId, Side, StreamId};
use crate::reconnect::{Cause, ReconnectIntent};
use crate::security::PublicKey;
use crate::server::{Incoming, Rejection, Report};
use crate::stats::Stats;
use crate::stream::{AcceptedStream, Chunk, StreamOptions};
use crate::time::{Duration, Instant};

/// One end of a session. See the crate's documentation for how to drive it.
pub struct Session { _p: () }

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionState {
    /// No handshake completed yet.
    Connecting,
    /// A connection carries it.
    Attached,
    /// No connection carries it; it can resume.
    Detached,
    /// `close` was called here or by the peer; not everything is settled yet.
    Closing,
    /// Over.
    Ended,
}

impl Session {
    /// Server: a session fresh from its handshake; provisional until the first authentic sealed packet on the epoch.
    #[allow(clippy::too_many_arguments, unused_variables)]
    pub(crate) fn accepted(
        now: Instant,
        config: &crate::config::SessionConfig,
        seed: crate::rng::Rng,
        established: crate::security::Established,
        offer: &crate::wire::frame::Offer,
        final_: crate::wire::frame::Final,
        carrier: Carrier,
    ) -> (Session, Epoch) {
        (Session { _p: () }, Epoch(0))
    }
    /// A dialling session. It wants a connection at once.
    pub fn connect(config: ClientConfig, seed: Seed, now: Instant) -> Result<Session, ConfigError> { todo!() }

    /// A connection is up (client). The host then asks `poll_transmit` with the returned epoch.
    pub fn attach(&mut self, now: Instant, carrier: Carrier) -> Result<Epoch, AttachError> { todo!() }
    /// A connection that the registry routed here (server): a RESUME, or a handshake that names this session as its predecessor.
    /// Ok: the connection is a candidate now; feed its packets in under this epoch. Err: send `rejection.packet` if any, then close it.
    pub fn adopt(&mut self, now: Instant, incoming: Incoming) -> Result<Epoch, Rejection> { todo!() }
    /// A connection died. Ignored when its epoch is over.
    pub fn detach(&mut self, now: Instant, epoch: Epoch, cause: Cause) { todo!() }
    /// The dial of `attempt` failed. Ignored when that attempt is over.
    pub fn dial_failed(&mut self, now: Instant, attempt: u64, cause: Cause) { todo!() }
    /// A packet arrived on the connection `epoch`. Err: drop that connection (flush poll_transmit first; no need to call detach).
    pub fn handle_input(&mut self, now: Instant, epoch: Epoch, packet: BytesMut) -> Result<(), ConnectionError> { todo!() }
    /// The deadline of poll_timeout has come (or may have).
    pub fn handle_timeout(&mut self, now: Instant) { todo!() }

    pub fn open(&mut self, now: Instant, options: StreamOptions) -> Result<StreamId, OpenError> { todo!() }
    /// The next stream the peer opened, if any. None arms Event::Incoming.
    pub fn accept(&mut self, now: Instant) -> Option<AcceptedStream> { todo!() }
    /// Queue one whole message.
    pub fn send(&mut self, now: Instant, stream: StreamId, payload: Bytes) -> Result<(), SendError> { todo!() }
    /// Queue bytes of a byte stream: as many as there is room for are split off the front of `data`; returns how many. Refused as Full when none.
    pub fn write(&mut self, now: Instant, stream: StreamId, data: &mut Bytes) -> Result<usize, SendRefusal> { todo!() }
    /// The next bytes, None when there are none now.
    pub fn recv(&mut self, now: Instant, stream: StreamId) -> Result<Option<Chunk>, RecvError> { todo!() }
    /// No more will be sent on this stream (half-close).
    pub fn finish(&mut self, now: Instant, stream: StreamId) -> Result<(), UnknownStream> { todo!() }
    /// Abandon sending.
    pub fn reset(&mut self, now: Instant, stream: StreamId, code: u64) -> Result<(), UnknownStream> { todo!() }
    /// Ask the peer to stop sending; what arrives is discarded.
    pub fn stop(&mut self, now: Instant, stream: StreamId, code: u64) -> Result<(), UnknownStream> { todo!() }
    /// Planned swap. Client: wants a second connection. Server: asks the client to (GOAWAY, `within`, `alternate`).
    pub fn migrate(&mut self, now: Instant, within: Duration, alternate: Bytes) { todo!() }
    /// Graceful close, behind what is queued.
    pub fn close(&mut self, now: Instant, code: u64, reason: Bytes) { todo!() }
    /// End now; fates as far as known.
    pub fn abort(&mut self, now: Instant) { todo!() }
    /// The host's answer to Event::CredentialNeeded / an intent with refresh_credentials: fresh bytes, or None: there is none, give up.
    pub fn refresh_credential(&mut self, now: Instant, credential: Option<Bytes>) { todo!() }
    /// Dial now instead of waiting for the backoff.
    pub fn reconnect_now(&mut self, now: Instant) { todo!() }

    /// Commits and appends one packet for the connection `epoch`; false: nothing to send now.
    pub fn poll_transmit(&mut self, now: Instant, epoch: Epoch, buf: &mut Vec<u8>) -> bool { todo!() }
    pub fn poll_event(&mut self) -> Option<Event> { todo!() }
    pub fn poll_timeout(&self) -> Option<Instant> { todo!() }
    /// Level: a connection is wanted (client only).
    pub fn wanted_connection(&self) -> Option<ReconnectIntent> { todo!() }
    /// Level: whether the connection `epoch` is still of use. When false: flush poll_transmit, then close it.
    pub fn is_wanted(&self, epoch: Epoch) -> bool { todo!() }
    /// What a registry must know, if it changed since last asked (server). Level, newest state only.
    pub fn poll_report(&mut self) -> Option<Report> { todo!() }

    pub fn side(&self) -> Side { todo!() }
    pub fn id(&self) -> Option<SessionId> { todo!() }
    pub fn state(&self) -> SessionState { todo!() }
    pub fn peer_key(&self) -> Option<PublicKey> { todo!() }
    pub fn stats(&self) -> Stats { todo!() }
}
