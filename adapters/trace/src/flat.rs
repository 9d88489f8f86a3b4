//! The calls of the views as methods of the session, until every host uses the views.

use bytes::Bytes;
use unbroken_proto::error::{ConfigError, PreservedTooLarge, RecvError, SendError, SendRefusal, UnknownStream};
use unbroken_proto::reconnect::{Answer, Backoff, Continuity, Strategies};
use unbroken_proto::stream::Chunk;
use unbroken_proto::{Cause, Duration, Instant, StreamId};

use crate::traced::Traced;

#[expect(missing_docs, clippy::missing_errors_doc, reason = "each is that of its view")]
impl Traced {
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
        let result = self.stream(stream).reset(now, code.min((1 << 62) - 1));
        result.map_err(|_| UnknownStream(stream))
    }

    pub fn stop(&mut self, now: Instant, stream: StreamId, code: u64) -> Result<(), UnknownStream> {
        let result = self.stream(stream).stop(now, code.min((1 << 62) - 1));
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
        self.handle_answer(now, attempt, result.map_or_else(Answer::Failed, |()| Answer::Restored));
    }

    pub fn restarted(&mut self, now: Instant, attempt: u64, result: Result<Continuity, Cause>) {
        self.handle_answer(now, attempt, result.map_or_else(Answer::Failed, Answer::Restarted));
    }

    pub fn recovered(&mut self, now: Instant, attempt: u64, result: Result<(), Cause>) {
        self.handle_answer(now, attempt, result.map_or_else(Answer::Failed, |()| Answer::Recovered));
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
}
