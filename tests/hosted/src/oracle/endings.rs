//! Whether a session may have ended as it did.

use unbroken_proto::event::{Closer, EndReason};

use super::conversation::{Conversation, Done, Party};
use super::half::Verdict;

/// A short name for counters.
#[must_use]
pub(crate) fn name_of(reason: &EndReason) -> &'static str {
    match reason {
        EndReason::Closed { by: Closer::Local, .. } => "end: closed by us",
        EndReason::Closed { by: Closer::Peer, .. } => "end: closed by peer",
        EndReason::Closed { by: Closer::Both, .. } => "end: closed by both",
        EndReason::LingerExpired => "end: linger expired",
        EndReason::Aborted => "end: aborted",
        EndReason::AbortedByPeer => "end: aborted by peer",
        EndReason::Expired => "end: expired",
        EndReason::Unknown => "end: unknown",
        EndReason::Unauthorized => "end: unauthorized",
        EndReason::Busy => "end: busy",
        EndReason::GaveUp { .. } => "end: gave up",
        EndReason::Fresh { .. } => "end: fresh",
        _ => "end: other",
    }
}

impl Conversation {
    /// Everything that has to be true of it once all is over.
    pub(super) fn check(&self) -> Verdict {
        let nobody = Done::default();
        let answered = self.peer(Party::Client).ok();
        if let Some(ended) = &self.client.ended {
            let peer = answered.map_or(&nobody, |peer| self.peek(peer));
            self.check_ending(Party::Client, &self.client, peer, &ended.reason)?;
            self.check_fates(Party::Client, ended)?;
        } else if !self.client.deaf {
            return Err("the client was never told of the end".to_owned());
        }
        for (number, instance) in self.instances.iter().enumerate() {
            let end = Party::Server(number);
            if let Some(ended) = &instance.done.ended {
                self.check_ending(end, &instance.done, &self.client, &ended.reason)?;
                self.check_fates(end, ended)?;
            } else if !instance.done.deaf && !instance.server_died {
                return Err(format!("server session {number} was never told of the end"));
            }
        }
        if let (Some(client), Some(Party::Server(number))) = (&self.client.ended, answered)
            && let Some(server) = &self.instances[number].done.ended
        {
            check_pair(&client.reason, &server.reason)?;
        }
        Ok(())
    }

    fn check_ending(&self, end: Party, us: &Done, peer: &Done, reason: &EndReason) -> Verdict {
        let server_died = self
            .instances
            .iter()
            .any(|instance| instance.server_died || instance.done.broken);
        // The peer went away without a word that arrived, or could not say it.
        let gone = server_died
            || self.client.broken
            || self.client.deaf
            || us.aborted
            || peer.aborted
            || self.may_expire
            || self.forced;
        let right = match reason {
            EndReason::Closed { by: Closer::Local, .. } => us.closed,
            EndReason::Closed { by: Closer::Peer, .. } => peer.closed || self.commanded,
            EndReason::Closed { by: Closer::Both, .. } => us.closed && (peer.closed || self.commanded),
            EndReason::LingerExpired => us.closed || peer.closed,
            EndReason::Aborted => us.aborted || us.broken,
            EndReason::AbortedByPeer => peer.aborted || peer.broken || peer.closed || self.forced || self.commanded,
            EndReason::Fresh { .. } => self.forced,
            EndReason::Expired | EndReason::Unknown => gone || peer.closed || us.closed || self.refused,
            EndReason::Unauthorized => self.refused && end == Party::Client,
            EndReason::GaveUp { .. } => self.may_give_up || self.forced,
            _ => false,
        };
        match right {
            true => Ok(()),
            false => Err(format!(
                "{end:?} ended with {reason:?}: {us:?}, peer {peer:?}, {server_died}"
            )),
        }
    }
}

/// Whether two ends of one session may say this about its end.
fn check_pair(client: &EndReason, server: &EndReason) -> Verdict {
    let (
        EndReason::Closed {
            code: a,
            reason: x,
            by: p,
        },
        EndReason::Closed {
            code: b,
            reason: y,
            by: q,
        },
    ) = (client, server)
    else {
        return Ok(());
    };
    let both = *p == Closer::Both || *q == Closer::Both;
    match both || (p != q && a == b && x == y) {
        true => Ok(()),
        false => Err(format!("the client ended with {client:?}, the server with {server:?}")),
    }
}
