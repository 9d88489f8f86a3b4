//! How far a close has come, from either end, and how it finishes.

use alloc::boxed::Box;
use core::ops::RangeInclusive;

use bytes::Bytes;

use super::ledger::{Ledger, PeerClose};
use crate::error::{ProtocolError, Violation};
use crate::event::{Closer, EndReason};
use crate::limits::MAX_REASON;
use crate::time::{Duration, Instant, earliest};
use crate::wire::frame::{Close, End, EndCode};

/// A close under way. Decides when the session is over and why; [`Finish`] says so.
#[derive(Default)]
pub(crate) struct Closing {
    /// Apart, since most of its life a session has none, and many of them lie in one process.
    local: Option<Box<LocalClose>>,
    peer: Option<Close>,
    /// The end that did not close waits no longer than this for the closer's END.
    patience: Option<Instant>,
    /// The peer's close took effect while a packet was packed, which tells nobody anything.
    untold: Option<Instant>,
}

struct LocalClose {
    code: u64,
    reason: Bytes,
    /// Queued data may delay CLOSE until here.
    linger: Instant,
    /// The peer's answer may take until here.
    last: Instant,
    overdue: bool,
    /// The position of our CLOSE.
    committed: Option<u64>,
}

/// What a position that the peer states of our frames is good for. Everything that states one comes to
/// [`Closing::judge`] by one of these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stated {
    /// ACK: one that is older than another says nothing.
    Acknowledged,
    /// An attach beside a connection that goes on: acknowledgements there may have overtaken it.
    Overtaken,
    /// CLOSE, RESYNC, an attach of an end that has no other connection, a predecessor in AUTH_PROOF: where the peer stands.
    Present,
    /// CLOSED, END, verdict `Expired`: the peer will never take more.
    Final,
}

/// How a packet, or a deadline, ends the session.
#[derive(Debug)]
pub(crate) struct Finish {
    pub(crate) reason: EndReason,
    /// What the peer is told.
    pub(crate) say: Option<EndCode>,
    /// The same in words.
    pub(crate) words: Bytes,
    /// All of ours below it arrived, and nothing else ever will.
    pub(crate) peer_position: Option<u64>,
}

impl Finish {
    /// For `reason`; the peer is told `code`.
    pub(crate) fn telling(code: EndCode, reason: EndReason) -> Finish {
        Finish {
            reason,
            say: Some(code),
            words: Bytes::new(),
            peer_position: None,
        }
    }

    /// For `reason`; nothing is sent to the peer.
    pub(crate) fn silent(reason: EndReason) -> Finish {
        Finish {
            reason,
            say: None,
            words: Bytes::new(),
            peer_position: None,
        }
    }

    /// An authentic peer broke the protocol: resuming would only repeat it.
    pub(crate) fn of_violation(violation: &Violation) -> Finish {
        let words = violation.words();
        let finish = if violation.rule == ProtocolError::StateLost {
            Finish::telling(EndCode::StateLost, EndReason::StateLost)
        } else {
            let reason = EndReason::ProtocolError {
                reason: words.clone(),
                by: Closer::Local,
            };
            Finish::telling(EndCode::ProtocolError, reason)
        };
        Finish { words, ..finish }
    }
}

impl Closing {
    /// Whether either end closed.
    pub(crate) fn has_begun(&self) -> bool {
        self.local.is_some() || self.peer.is_some()
    }

    /// What this end's host said when it closed.
    pub(crate) fn last_words(&self) -> Option<(u64, Bytes)> {
        let local = self.local.as_ref()?;
        // The host may have cut the reason out of something large, which a tombstone would keep for an hour.
        Some((local.code, Bytes::copy_from_slice(&local.reason)))
    }

    /// Whether our CLOSE is out.
    pub(crate) fn has_committed(&self) -> bool {
        self.committed().is_some()
    }

    /// The position of our CLOSE, if it is out.
    pub(crate) fn committed(&self) -> Option<u64> {
        self.local.as_ref().and_then(|local| local.committed)
    }

    /// Whether the peer closed, so that every new connection has to repeat CLOSED.
    pub(crate) fn peer_closed(&self) -> bool {
        self.peer.is_some()
    }

    /// The peer's CLOSE, if it took effect.
    pub(crate) fn peers(&self) -> Option<&Close> {
        self.peer.as_ref()
    }

    /// The peer's CLOSE took effect in a process before.
    pub(crate) fn restore_peers(&mut self, now: Instant, close: Close, linger: Duration) {
        let reason = Bytes::copy_from_slice(&close.reason);
        self.peer = Some(Close { reason, ..close });
        self.patience = Some(now + linger);
    }

    /// This end closes; each wait of it may last for `linger`. `false`: it did so before, and the first call counts.
    pub(crate) fn begin(&mut self, now: Instant, code: u64, mut reason: Bytes, linger: Duration) -> bool {
        if self.local.is_some() {
            return false;
        }
        reason.truncate(MAX_REASON);
        self.local = Some(Box::new(LocalClose {
            code,
            reason,
            linger: now + linger,
            last: now + linger + linger,
            overdue: false,
            committed: None,
        }));
        true
    }

    /// The CLOSE to commit now: behind what is queued, or at once when that took too long.
    pub(crate) fn close_frame(&self, ledger: &Ledger) -> Option<Close> {
        let local = self.local.as_ref().filter(|local| local.committed.is_none())?;
        (local.overdue || ledger.streams.queue_empty()).then(|| Close {
            code: local.code,
            reason: local.reason.clone(),
            position: ledger.standing(),
        })
    }

    /// Our CLOSE was packed at `position`.
    pub(crate) fn on_committed(&mut self, position: u64) {
        if let Some(local) = &mut self.local {
            local.committed = Some(position);
        }
    }

    /// The peer's CLOSE took effect. `false`: it is known already.
    pub(crate) fn on_peer_close(&mut self, now: Instant, close: PeerClose, linger: Duration) -> bool {
        let news = self.peer.is_none();
        self.peer.get_or_insert_with(|| Close {
            // A slice of it would keep the whole packet in memory.
            reason: Bytes::copy_from_slice(&close.close.reason),
            ..*close.close
        });
        self.patience.get_or_insert(now + linger);
        news
    }

    /// The same while a packet is packed: whoever is to know of it is told by [`take_untold`](Self::take_untold).
    pub(crate) fn on_held_close(&mut self, now: Instant, close: PeerClose, linger: Duration) {
        if self.on_peer_close(now, close, linger) {
            self.untold = Some(now);
        }
    }

    /// Whether nobody has been told of the peer's close.
    pub(crate) fn take_untold(&mut self) -> bool {
        self.untold.take().is_some()
    }

    /// The peer answered our CLOSE, so that the fates of all that we sent are known.
    pub(crate) fn on_closed(&self, position: u64, ledger: &Ledger) -> Result<Finish, ProtocolError> {
        if !self.has_committed() {
            return Err(ProtocolError::Misplaced);
        }
        self.judge(Stated::Final, position, ledger)?;
        let reason = self.reason().unwrap_or(EndReason::Aborted);
        Ok(Finish {
            peer_position: Some(position),
            ..Finish::telling(EndCode::Done, reason)
        })
    }

    /// Judges a position that the peer states (PROTOCOL.md, "State lost").
    ///
    /// # Errors
    /// It contradicts what was sent, what the peer acknowledged, or what its CLOSE said.
    pub(crate) fn judge(&self, stated: Stated, position: u64, ledger: &Ledger) -> Result<(), ProtocolError> {
        if position > ledger.next() {
            return Err(match stated {
                Stated::Acknowledged => ProtocolError::BadAck,
                _ => ProtocolError::StateLost,
            });
        }
        let believable = self.believable(ledger);
        let contradicts = match stated {
            Stated::Acknowledged | Stated::Overtaken => position > *believable.end(),
            Stated::Present => !believable.contains(&position),
            Stated::Final => {
                let frozen = self.peer_position(ledger);
                !believable.contains(&position) || frozen.is_some_and(|frozen| position < frozen)
            }
        };
        if contradicts {
            return Err(ProtocolError::StateLost);
        }
        Ok(())
    }

    /// The positions where the peer may stand: not below what it acknowledged, not above what was sent; and from its CLOSE
    /// on it takes nothing over.
    pub(crate) fn believable(&self, ledger: &Ledger) -> RangeInclusive<u64> {
        ledger.acked()..=self.peer_position(ledger).unwrap_or(ledger.next())
    }

    /// The peer says that the session is over.
    pub(crate) fn on_end(&self, end: &End, ledger: &Ledger) -> Finish {
        // With other codes a position is information, or means nothing.
        let is_final = matches!(
            end.code,
            EndCode::Done | EndCode::ProtocolError | EndCode::Aborted | EndCode::Replaced
        );
        let peer_position = end.position.filter(|_| is_final);
        if peer_position.is_some_and(|position| self.judge(Stated::Final, position, ledger).is_err()) {
            // END is never answered.
            return Finish::silent(EndReason::StateLost);
        }
        let reason = match end.code {
            EndCode::StateLost => EndReason::StateLost,
            EndCode::ProtocolError => EndReason::ProtocolError {
                // A slice of it would keep the whole packet in memory.
                reason: Bytes::copy_from_slice(&end.reason),
                by: Closer::Peer,
            },
            EndCode::Unauthorized | EndCode::RefreshCredentials => EndReason::Unauthorized,
            EndCode::Busy | EndCode::RetryLater => EndReason::Busy,
            EndCode::Aborted => EndReason::AbortedByPeer,
            EndCode::Replaced => EndReason::Replaced,
            EndCode::Done => self.reason().unwrap_or(EndReason::AbortedByPeer),
        };
        Finish {
            peer_position,
            ..Finish::silent(reason)
        }
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let local = self
            .local
            .as_ref()
            // Once the peer has closed too, only its own need of us is waited for.
            .filter(|_| self.peer.is_none())
            .map(|local| if local.overdue { local.last } else { local.linger });
        earliest(earliest(local, self.patience), self.untold)
    }

    /// What a deadline that has come ends, if it ends anything. `attached`: there is a connection to wait on.
    pub(crate) fn on_timeout(&mut self, now: Instant, attached: bool) -> Option<Finish> {
        if self.patience.is_some_and(|until| now >= until) {
            let reason = self.reason().unwrap_or(EndReason::LingerExpired);
            return Some(Finish::telling(EndCode::Done, reason));
        }
        let unanswered = self.peer.is_none();
        let local = self.local.as_mut().filter(|local| unanswered && now >= local.linger)?;
        local.overdue = true;
        (!attached || now >= local.last).then(|| Finish::telling(EndCode::Aborted, EndReason::LingerExpired))
    }

    /// Why the session ends if it ends now, if a close is under way.
    pub(crate) fn reason(&self) -> Option<EndReason> {
        let (code, reason, by) = match (&self.local, &self.peer) {
            (Some(local), Some(_)) => (local.code, local.reason.clone(), Closer::Both),
            (Some(local), None) => (local.code, local.reason.clone(), Closer::Local),
            (None, Some(peer)) => (peer.code, peer.reason.clone(), Closer::Peer),
            (None, None) => return None,
        };
        Some(EndReason::Closed { code, reason, by })
    }

    /// Why a session ended whose peer is over at `position`, if a close is the reason: the peer closed, or
    /// it had our CLOSE.
    pub(crate) fn reason_before(&self, position: u64) -> Option<EndReason> {
        let known = self.peer_closed() || self.committed().is_some_and(|close| close < position);
        self.reason().filter(|_| known)
    }

    /// Which of our frames the peer said it has, once and for all. Its CLOSE says so when it is read, also while it waits
    /// for its turn.
    pub(crate) fn peer_position(&self, ledger: &Ledger) -> Option<u64> {
        let close = self.peer.as_ref().or_else(|| ledger.inbox.close());
        close.map(|close| close.position)
    }
}
