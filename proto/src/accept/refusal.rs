//! Refusals: in the clear before proof, sealed after it.

use alloc::vec::Vec;

use bytes::Bytes;

use super::packet::end_packet;
use crate::security::Keys;
use crate::time::Duration;
use crate::wire::frame::{End, EndCode, MAX_ALTERNATE};
use crate::wire::handshake::Reject;

/// When a refusal that passes by itself may have passed.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// Why the host refuses a proven client. It is sent sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// For good: the client's session ends.
    Unauthorized,
    /// A fresh credential may do: the client asks its host for one.
    RefreshCredentials,
    /// No room for another session: the client tries again by its backoff.
    Busy,
    /// Not now, or not here: the client tries again.
    RetryLater {
        /// How long to wait; the client's own backoff may cap it.
        after: Duration,
        /// Where to go instead, in the hosts' own format; empty: the same place. Left out if longer
        /// than 1,024 bytes.
        alternate: Bytes,
    },
}

impl Refusal {
    /// For a condition that passes by itself.
    pub(crate) fn soon() -> Refusal {
        Refusal::RetryLater {
            after: SOON,
            alternate: Bytes::new(),
        }
    }

    /// The END that says it, in FINAL's place.
    pub(crate) fn seal(self, keys: &mut Keys) -> Rejection {
        let (code, after, alternate) = match self {
            Refusal::Unauthorized => (EndCode::Unauthorized, None, Bytes::new()),
            Refusal::RefreshCredentials => (EndCode::RefreshCredentials, None, Bytes::new()),
            Refusal::Busy => (EndCode::Busy, None, Bytes::new()),
            Refusal::RetryLater { after, alternate } => (EndCode::RetryLater, Some(millis_up(after)), alternate),
        };
        let alternate = if alternate.len() > MAX_ALTERNATE {
            Bytes::new()
        } else {
            alternate
        };
        Rejection {
            packet: end_packet(
                keys,
                End {
                    code,
                    reason: Bytes::new(),
                    position: None,
                    after,
                    alternate,
                },
            ),
        }
    }
}

/// A connection that gets no session: send `packet` if there is one, then close.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejection {
    /// The last packet for it.
    pub packet: Option<Vec<u8>>,
}

impl Rejection {
    /// Close without sending anything.
    pub(crate) const SILENT: Rejection = Rejection { packet: None };

    /// Come back after this long, in the clear.
    pub(crate) fn retry(after: Duration) -> Rejection {
        Rejection::clear(Reject::Retry {
            after: millis_up(after),
        })
    }

    /// A REJECT in the clear.
    pub(crate) fn clear(reject: Reject) -> Rejection {
        Rejection {
            packet: Some(reject.encode()),
        }
    }
}

/// Whole milliseconds, rounded down: for what must not be claimed longer than it is.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Whole milliseconds, rounded up: for what must not be told shorter than it is.
pub(crate) fn millis_up(duration: Duration) -> u64 {
    millis(duration.saturating_add(Duration::from_nanos(999_999)))
}
