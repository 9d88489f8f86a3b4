//! The calls of the views as methods of the session, until every host uses the views.

use bytes::Bytes;

use super::machine::Session;
use crate::error::{ConfigError, PreservedTooLarge, RecvError, SendError, SendRefusal, UnknownStream};
use crate::event::EndReason;
use crate::id::StreamId;
use crate::liveness::Health;
use crate::reconnect::{
    Answer, Attempt, Backoff, Cause, Continuity, Handover, Preparation, ReconnectStats, Strategies,
};
use crate::stream::Chunk;
use crate::time::{Duration, Instant};
use crate::wire::varint;

/// Where a session is in its life, as a list of sessions shows it to people: see [`SessionState`](super::SessionState).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lifecycle {
    /// It has no connection, for the first time or again.
    Connecting,
    /// A connection carries it.
    Connected,
    /// A connection carries it, and nothing has been said for a while.
    Idle,
    /// Over: nobody came back in time.
    Expired,
    /// Over for any other reason.
    Closed,
}

#[expect(missing_docs, clippy::missing_errors_doc, reason = "each is that of its view")]
impl Session {
    pub fn send(&mut self, now: Instant, stream: StreamId, payload: Bytes) -> Result<(), SendError> {
        self.stream(stream).send(now, payload)
    }

    pub fn send_within(
        &mut self,
        now: Instant,
        stream: StreamId,
        payload: Bytes,
        within: Duration,
    ) -> Result<u64, SendError> {
        self.stream(stream).send_within(now, payload, within)
    }

    pub fn write(&mut self, now: Instant, stream: StreamId, data: &mut Bytes) -> Result<usize, SendRefusal> {
        self.stream(stream).write(now, data)
    }

    pub fn recv(&mut self, now: Instant, stream: StreamId) -> Result<Option<Chunk>, RecvError> {
        self.stream(stream).recv(now)
    }

    pub fn finish(&mut self, now: Instant, stream: StreamId) -> Result<(), UnknownStream> {
        self.stream(stream).finish(now)
    }

    pub fn reset(&mut self, now: Instant, stream: StreamId, code: u64) -> Result<(), UnknownStream> {
        let result = self.stream(stream).reset(now, code.min(varint::MAX));
        result.map_err(|_| UnknownStream(stream))
    }

    pub fn stop(&mut self, now: Instant, stream: StreamId, code: u64) -> Result<(), UnknownStream> {
        let result = self.stream(stream).stop(now, code.min(varint::MAX));
        result.map_err(|_| UnknownStream(stream))
    }

    pub fn watch(
        &mut self,
        now: Instant,
        stream: StreamId,
        message: u64,
        within: Duration,
    ) -> Result<(), UnknownStream> {
        self.stream(stream).watch(now, message, within)
    }

    pub fn dial_failed(&mut self, now: Instant, attempt: u64, cause: Cause) {
        self.handle_answer(now, attempt, Answer::Failed(cause));
    }

    pub fn dial_postponed(&mut self, now: Instant, attempt: u64, after: Duration) {
        self.handle_answer(now, attempt, Answer::Postponed(after));
    }

    pub fn restored(&mut self, now: Instant, attempt: u64, result: Result<(), Cause>) {
        self.prepared(now, attempt, Preparation::Restore, result.map(|()| Continuity::Kept));
    }

    pub fn restarted(&mut self, now: Instant, attempt: u64, result: Result<Continuity, Cause>) {
        self.prepared(now, attempt, Preparation::Restart, result);
    }

    pub fn recovered(&mut self, now: Instant, attempt: u64, result: Result<(), Cause>) {
        self.prepared(now, attempt, Preparation::Recover, result.map(|()| Continuity::Kept));
    }

    fn prepared(&mut self, now: Instant, attempt: u64, what: Preparation, result: Result<Continuity, Cause>) {
        self.plan(now, |reconnecting, at| {
            reconnecting.on_prepared(at, attempt, what, result)
        });
        self.settle(now);
    }

    pub fn refresh_credential(&mut self, now: Instant, credential: Option<Bytes>) {
        self.handle_answer(now, 0, credential.map_or(Answer::NoCredential, Answer::Credential));
    }

    pub fn report_failure(&mut self, now: Instant, cause: Cause) {
        self.reconnect().report_failure(now, cause);
    }

    pub fn force(&mut self, now: Instant) {
        self.reconnect().force(now);
    }

    pub fn reconnect_now(&mut self, now: Instant) {
        self.reconnect().at_once(now);
    }

    pub fn pause_reconnecting(&mut self, now: Instant) {
        self.reconnect().pause(now);
    }

    pub fn resume_reconnecting(&mut self, now: Instant) {
        self.reconnect().resume(now);
    }

    pub fn set_backoff(&mut self, now: Instant, backoff: Backoff) -> Result<(), ConfigError> {
        self.reconnect().set_backoff(now, backoff)
    }

    pub fn set_strategies(&mut self, now: Instant, strategies: Strategies) {
        self.reconnect().set_strategies(now, strategies);
    }

    pub fn preserve(&mut self, now: Instant, state: Bytes) -> Result<(), PreservedTooLarge> {
        self.reconnect().preserve(now, state)
    }

    pub fn is_reconnecting_paused(&self) -> bool {
        self.reconnecting().is_paused()
    }

    pub fn preserved(&self) -> &Bytes {
        self.reconnecting().preserved()
    }

    pub fn history(&self) -> impl Iterator<Item = &Attempt> {
        self.reconnecting().history()
    }

    pub fn reconnect_stats(&self) -> ReconnectStats {
        self.reconnecting().stats()
    }

    pub fn lifecycle(&self) -> Lifecycle {
        match (self.end_reason(), self.reporting.health()) {
            (Some(EndReason::Expired), _) => Lifecycle::Expired,
            (Some(_), _) => Lifecycle::Closed,
            (None, Health::Detached) => Lifecycle::Connecting,
            (None, Health::Idle) => Lifecycle::Idle,
            (None, Health::Healthy | Health::Suspect) => Lifecycle::Connected,
        }
    }

    pub fn handover(&self) -> Option<Handover> {
        self.reconnecting().handover()
    }
}
