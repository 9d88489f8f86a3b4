//! What client and agent have in common, as their hosts see it.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::role::Role;
use crate::id::Epoch;
use crate::reconnect::{Answer, Attempt, Cause, ReconnectIntent, ReconnectStats};
use crate::ssm::PayloadType;
use crate::ssm::body::{Flag, Token};
use crate::ssm::channel::{Channel, Due, Stats, Word};
use crate::ssm::dialing::Next;
use crate::ssm::event::{Chunk, EndReason, Ended, Event};
use crate::ssm::message::Message;
use crate::time::{Duration, Instant, earliest};

/// One end of a session of AWS Session Manager: [`Client`](crate::ssm::Client) or [`Agent`](crate::ssm::Agent). It does no I/O and
/// reads no clock: a host feeds it messages and instants.
///
/// | the host calls | when |
/// |---|---|
/// | [`wanted_connection`](Self::wanted_connection) | after any other call: shall something be done to have a connection, and when? |
/// | [`handle_token`](Self::handle_token), [`handle_answer`](Self::handle_answer) | the call ended that `refresh_credential` asks for |
/// | [`attach`](Self::attach), [`handle_answer`](Self::handle_answer) | the dial ended |
/// | [`handle_input`](Self::handle_input) | a message came |
/// | [`detach`](Self::detach) | a connection died, of whatever |
/// | [`handle_timeout`](Self::handle_timeout) | the instant of [`poll_timeout`](Self::poll_timeout) has come |
/// | [`poll_transmit`](Self::poll_transmit) | a connection can take a message |
/// | [`poll_event`](Self::poll_event) | at any time |
/// | [`is_wanted`](Self::is_wanted) | after the above: shall this connection be kept? |
///
/// Unlike the real programs it sends everything unacknowledged again as soon as there is a connection, keeps what is written meanwhile,
/// discards nothing, and tries for as long as the service has the session.
#[derive(Debug)]
pub struct DataChannel<R> {
    pub(super) channel: Channel,
    pub(super) role: R,
    session_id: String,
    /// This end is to end the session when everything has arrived.
    pub(super) is_finishing: bool,
}

impl<R: Role> DataChannel<R> {
    pub(super) fn begin(channel: Channel, role: R, session_id: String) -> DataChannel<R> {
        DataChannel {
            channel,
            role,
            session_id,
            is_finishing: false,
        }
    }

    /// The session's id, as StartSession named it.
    #[must_use]
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// What is wanted to have a connection. With `refresh_credential`, a token is to be got first (a client calls
    /// ResumeSession, an agent CreateDataChannel) and passed to [`handle_token`](Self::handle_token); then dial `alternate` (a stream URL), or
    /// where the last dial went if that is empty.
    #[must_use]
    pub fn wanted_connection(&self) -> Option<ReconnectIntent> {
        self.channel.intent()
    }

    /// What the service granted. Without a token it has the session no more, which ends. `stream_url`: where to dial, if the service
    /// says so.
    pub fn handle_token(&mut self, now: Instant, attempt: u64, token: Token, stream_url: Option<&str>) {
        let now = self.channel.latest.advance(now);
        if token.is_empty() {
            return self.on_gone(now, attempt);
        }
        let url = stream_url.map(|url| Bytes::copy_from_slice(url.as_bytes()));
        self.channel.grant(now, attempt, token, url.unwrap_or_default());
    }

    /// What else the host has to say of the intent of `attempt`: [`Answer::Failed`], [`Answer::Postponed`], or
    /// [`Answer::NoCredential`] where the service says that it does not have the session.
    pub fn handle_answer(&mut self, now: Instant, attempt: u64, answer: Answer) {
        let now = self.channel.latest.advance(now);
        match answer {
            Answer::Failed(cause) => self.on_failed(now, attempt, cause, None),
            Answer::Postponed(after) => self.on_failed(now, attempt, Cause::ServerAsked, Some(after)),
            Answer::NoCredential => self.on_gone(now, attempt),
            _ => {}
        }
    }

    /// The dial that was wanted succeeded, the WebSocket's upgrade included. `None`: no dial is wanted; close it.
    pub fn attach(&mut self, now: Instant) -> Option<Epoch> {
        let now = self.channel.latest.advance(now);
        let role = &mut self.role;
        let epoch = self
            .channel
            .attach(now, |channel, token| role.first(now, channel, token))?;
        self.role.on_attached(now, &mut self.channel);
        self.settle(now);
        Some(epoch)
    }

    /// The connection is gone.
    pub fn detach(&mut self, now: Instant, epoch: Epoch, cause: Cause) {
        let now = self.channel.latest.advance(now);
        let next = self.channel.detach(now, epoch, cause);
        if !self.channel.is_attached() {
            self.role.on_detached();
        }
        self.follow(now, next.map(|next| (next, cause)));
    }

    /// A message came. Nothing that comes is a reason to drop the connection: what is wrong with it, [`Event::Defect`] says.
    pub fn handle_input(&mut self, now: Instant, epoch: Epoch, message: Message) {
        let now = self.channel.latest.advance(now);
        match self.channel.handle_input(now, epoch, message) {
            Some(Word::Closed(closed)) => {
                let reason = self.role.on_closed(closed.output);
                self.end(now, reason);
            }
            Some(Word::Restarted) => self.end(now, EndReason::PeerRestarted),
            None => self.settle(now),
        }
    }

    /// The next message for this connection. To be asked again after every other call until there is none.
    pub fn poll_transmit(&mut self, now: Instant, epoch: Epoch) -> Option<Message> {
        let now = self.channel.latest.advance(now);
        self.channel.poll_transmit(now, epoch)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let role = self.role.poll_timeout().filter(|_| !self.channel.is_over());
        earliest(self.channel.poll_timeout(), role)
    }

    /// The instant of [`poll_timeout`](Self::poll_timeout) has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.channel.latest.advance(now);
        match self.channel.handle_timeout(now) {
            Some(Due::Silence(epoch)) => self.detach(now, epoch, Cause::Heartbeat),
            Some(Due::Attempt(attempt)) => self.on_failed(now, attempt, Cause::Timeout, None),
            Some(Due::Missing(number)) => self.end(now, EndReason::NumberMissing { number }),
            None => {}
        }
        if let Some(reason) = self.role.handle_timeout(now) {
            self.end(now, reason);
        }
    }

    /// Something the host may want to know.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.channel.poll_event()
    }

    /// Whether this connection is to be kept.
    #[must_use]
    pub fn is_wanted(&self, epoch: Epoch) -> bool {
        self.channel.is_wanted(epoch)
    }

    /// Whether the host should read from the connection: not while the application does not, so that whoever sends waits.
    #[must_use]
    pub fn wants_input(&self) -> bool {
        self.channel.wants_input()
    }

    /// Whether a connection carries the session.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.channel.is_attached()
    }

    /// Whether the session is over.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.channel.is_over()
    }

    /// Hands over as much of `bytes` as there is room for, and says how much. It is kept until there is a connection and the handshake is
    /// over. [`Event::Writable`] tells when there is room again. After the end nothing is taken.
    pub fn write(&mut self, now: Instant, bytes: &Bytes) -> usize {
        self.channel.latest.advance(now);
        match self.is_finishing {
            true => 0,
            false => self.channel.write(PayloadType::Output, bytes),
        }
    }

    /// What came next; `None`: nothing yet, and [`Event::Readable`] tells. What came before the end can be read after it.
    pub fn read(&mut self, now: Instant) -> Option<Chunk> {
        let now = self.channel.latest.advance(now);
        let chunk = self.channel.read();
        self.settle(now);
        chunk
    }

    /// Says what happened to a TCP connection, behind all that was written. It takes no part of the send buffer's room.
    pub fn flag(&mut self, now: Instant, flag: Flag) {
        self.channel.latest.advance(now);
        self.channel.say(PayloadType::Flag, |out| flag.encode(out));
    }

    /// Ends the session when all that was written has arrived; [`EndReason::Finished`] tells. A client terminates a port session so, and leaves
    /// a shell's program to TerminateSession, which its host may call. An agent tells the service.
    pub fn finish(&mut self, now: Instant) {
        let now = self.channel.latest.advance(now);
        self.is_finishing = true;
        self.settle(now);
    }

    /// Ends the session here and now; nobody is told.
    pub fn abort(&mut self, now: Instant) {
        let now = self.channel.latest.advance(now);
        self.end(now, EndReason::Aborted);
    }

    /// Dials now instead of waiting.
    pub fn reconnect_now(&mut self, now: Instant) {
        let now = self.channel.latest.advance(now);
        self.channel.hurry(now);
    }

    /// Numbers of this session.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.channel.stats()
    }

    /// The last attempts to have a connection, oldest first.
    #[must_use]
    pub fn history(&self) -> Vec<Attempt> {
        self.channel.history()
    }

    /// Numbers about connections.
    #[must_use]
    pub fn reconnect_stats(&self) -> ReconnectStats {
        self.channel.reconnect_stats()
    }

    /// Takes up all whose turn it is.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some((payload_type, payload)) = self.channel.next_payload() {
            if self.channel.is_over() {
                return;
            }
            match self.role.take(now, &mut self.channel, payload_type, &payload) {
                Ok(true) => self.channel.take_up(now),
                Ok(false) => break,
                Err(reason) => {
                    self.channel.take_up(now);
                    self.end(now, reason);
                }
            }
        }
        if self.is_finishing
            && self.channel.is_drained()
            && !self.channel.is_over()
            && let Some(reason) = self.role.on_drained(now, &mut self.channel)
        {
            self.end(now, reason);
        }
    }

    fn on_gone(&mut self, now: Instant, attempt: u64) {
        let asked = self.channel.intent().is_some_and(|intent| intent.attempt == attempt);
        if asked {
            let reason = self.role.on_gone();
            self.end(now, reason);
        }
    }

    fn on_failed(&mut self, now: Instant, attempt: u64, cause: Cause, after: Option<Duration>) {
        let next = self.channel.failed(now, attempt, cause, after);
        self.follow(now, next);
    }

    fn follow(&mut self, now: Instant, next: Option<(Next, Cause)>) {
        match next {
            None | Some((Next::Try, _)) => {}
            Some((Next::GiveUp, cause)) => self.end(now, EndReason::GaveUp { cause }),
            Some((Next::Fresh, cause)) => self.end(now, EndReason::Fresh { cause }),
        }
    }

    pub(super) fn end(&mut self, now: Instant, reason: EndReason) {
        if self.channel.is_over() {
            return;
        }
        let advice = self.role.advice(&reason);
        let undelivered = match reason {
            // What is on its way now is not the application's: all of that has arrived.
            EndReason::Finished => 0,
            _ => self.channel.undelivered(),
        };
        self.channel.end(
            now,
            Ended {
                reason,
                undelivered,
                is_cut_short: self.channel.has_gap(),
                advice,
            },
        );
    }
}
