//! What outlives every connection: the proof that resuming rests on, and who the peer is.

use alloc::sync::Arc;

use crate::id::SessionId;
use crate::security::{Established, PublicKey, ResumeSecrets, ResumptionSecret};
use crate::time::{Duration, Instant};
use crate::wire::frame::{Final, Parameters};

/// What the two ends know of each other.
#[derive(Default)]
pub(crate) struct Identity {
    pub(crate) ticket: Option<Ticket>,
    pub(crate) peer: Option<Peer>,
    pub(crate) attempts: Attempts,
    /// Client: when the last HELLO was sent.
    asked_at: Instant,
    /// Server: how long the client may take to confirm the session, over whichever connection.
    pub(crate) provisional_until: Option<Instant>,
}

/// What resuming rests on. Belongs to the session and outlives the connection that made it.
pub(crate) struct Ticket {
    pub(crate) id: SessionId,
    pub(crate) secret: ResumptionSecret,
    /// Server: the unconfirmed candidate's.
    pub(crate) candidate: Option<ResumptionSecret>,
    /// Server: where the registry sees both.
    published: Option<Arc<ResumeSecrets>>,
    /// Client: the highest attach counter used. Server: the highest authentic one.
    pub(crate) counter: u64,
    /// Of the server process that made the session.
    pub(crate) incarnation: [u8; 8],
    /// Client: when the HELLO was sent that the session began with, in nanoseconds of this process's clock; before its origin if another process
    /// sent it.
    born_at: i64,
}

/// What the peer proved and asked for.
pub(crate) struct Peer {
    pub(crate) key: PublicKey,
    pub(crate) parameters: Parameters,
}

/// Attempts to attach that proved themselves, since the last one that was confirmed (server).
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    count: u32,
    last: Instant,
}

impl Identity {
    pub(crate) fn id(&self) -> Option<SessionId> {
        self.ticket.as_ref().map(|ticket| ticket.id)
    }

    pub(crate) fn parameters(&self) -> Option<&Parameters> {
        self.peer.as_ref().map(|peer| &peer.parameters)
    }

    /// Client: a handshake begins.
    pub(crate) fn on_hello(&mut self, now: Instant) {
        self.asked_at = now;
    }

    /// Client: how long ago the handshake began.
    pub(crate) fn asked_for(&self, now: Instant) -> Duration {
        now.saturating_since(self.asked_at)
    }

    /// A ticket for a session that begins with `secret`.
    pub(crate) fn begin(&mut self, ticket: NewTicket, peer: Peer) {
        self.ticket = Some(Ticket {
            id: ticket.id,
            secret: ticket.secret,
            candidate: None,
            published: None,
            counter: 0,
            incarnation: ticket.incarnation,
            born_at: i64::try_from(self.asked_at.as_nanos()).unwrap_or(i64::MAX),
        });
        self.peer = Some(peer);
    }

    /// Server: from now on the registry sees there under which secrets a RESUME is taken.
    pub(crate) fn publish_in(&mut self, published: Arc<ResumeSecrets>) {
        if let Some(ticket) = &mut self.ticket {
            ticket.published = Some(published);
            ticket.publish();
        }
    }

    /// Server: no RESUME is taken any more.
    pub(crate) fn withdraw(&self) {
        if let Some(published) = self.ticket.as_ref().and_then(|ticket| ticket.published.as_ref()) {
            published.publish([None, None]);
        }
    }

    /// Client: the server proved that it has the session; `secret` is the next one to prove it with.
    pub(crate) fn on_resumed(&mut self, secret: ResumptionSecret) {
        if let Some(ticket) = &mut self.ticket {
            ticket.secret = secret;
        }
    }

    /// Server: the candidate's first sealed packet opened, so the client has its secret.
    pub(crate) fn on_confirmed(&mut self) {
        if let Some(ticket) = &mut self.ticket
            && let Some(secret) = ticket.candidate.take()
        {
            ticket.secret = secret;
            ticket.publish();
        }
        self.provisional_until = None;
        self.attempts = Attempts::default();
    }

    /// Only the server that made the session can say for certain that it is over.
    pub(crate) fn has_authority(&self, established: &Established) -> bool {
        let known = self.peer.as_ref().map(|peer| peer.key);
        self.ticket.is_none() || established.suite.has_secret() || known == Some(established.peer_key)
    }

    /// Whether the session was never confirmed: the server that made it does not know it, though it remembers every session
    /// that ended since before this one began. The last attach would not do for that: an owner may have died between its
    /// answer and the client's reading of it, which is then later than the death. That it was resumed says nothing: an owner
    /// answers before the session is confirmed, too.
    pub(crate) fn was_never_confirmed(&self, now: Instant, answer: &Final, reach: u64) -> bool {
        self.ticket.as_ref().is_some_and(|ticket| {
            ticket.incarnation == answer.incarnation
                && ticket.age(now).is_some_and(|age| Duration::from_millis(reach) >= age)
        })
    }
}

impl Ticket {
    /// Shows the registry the secrets as they are now. To be called when they change, before anything is sent.
    pub(super) fn publish(&self) {
        if let Some(published) = &self.published {
            published.publish([Some(&self.secret), self.candidate.as_ref()]);
        }
    }
}

impl Ticket {
    /// How long ago the session began; `None`: that is not known.
    pub(crate) fn age(&self, now: Instant) -> Option<Duration> {
        let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
        let nanos = now.saturating_sub(self.born_at).max(0).cast_unsigned();
        (self.born_at != UNKNOWN).then_some(Duration::from_nanos(nanos))
    }

    /// It began so long ago, as far as that is known.
    pub(crate) fn set_age(&mut self, now: Instant, age: Option<Duration>) {
        let nanos = |duration: u128| i64::try_from(duration).unwrap_or(i64::MAX);
        let now = nanos(u128::from(now.as_nanos()));
        self.born_at = age.map_or(UNKNOWN, |age| {
            now.saturating_sub(nanos(age.as_nanos())).max(UNKNOWN + 1)
        });
    }
}

/// When a session began of which that is not known.
const UNKNOWN: i64 = i64::MIN;

/// What a handshake leaves for a ticket.
pub(crate) struct NewTicket {
    pub(crate) id: SessionId,
    pub(crate) secret: ResumptionSecret,
    pub(crate) incarnation: [u8; 8],
}

impl Attempts {
    /// How long a client is told to wait that tries too often.
    const PAUSE: Duration = Duration::from_secs(1);

    /// One more.
    ///
    /// # Errors
    /// It is beyond `most`, and too soon after the one before.
    pub(crate) fn take(&mut self, now: Instant, most: u32) -> Result<(), Duration> {
        let next = self.last + Attempts::PAUSE;
        if self.count >= most && now < next {
            return Err(next.saturating_since(now));
        }
        self.count = self.count.saturating_add(1);
        self.last = now;
        Ok(())
    }
}
