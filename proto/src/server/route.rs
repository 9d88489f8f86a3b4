//! Where a connection leads, and what the host adds to a session it lets in.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::accept::{Incoming, Rejection};
use crate::id::{Epoch, SessionId};
use crate::session::Session;

/// Where a first packet leads. A host has to act on each, so the enum is exhaustive: the compiler points out one that is added.
#[derive(Debug)]
pub enum Route {
    /// A new handshake: drive this [`Incoming`] until its [`request`](Incoming::request) is some, then
    /// decide.
    Handshake(Incoming),
    /// A RESUME that opened under a secret of a session held here: hand it to that session's owner for
    /// [`Session::adopt`], which decides about it.
    Resume {
        /// The session.
        session: SessionId,
        /// The connection.
        incoming: Incoming,
    },
    /// A RESUME that opens under no secret known here, while sessions may be kept elsewhere
    /// ([`Registry::set_lookup`](crate::server::Registry::set_lookup)): read what is kept of that session, and ask
    /// [`Recogniser::recognises`](crate::server::Recogniser::recognises) before anything is taken over. If it does, and
    /// [`Registry::charge_lookup`](crate::server::Registry::charge_lookup) lets it, open the journal,
    /// [`restore`](crate::server::Registry::restore) the session and hand the connection to its owner, as with [`Resume`](Self::Resume). If not, the
    /// answer is that of [`Registry::unrecognised`](crate::server::Registry::unrecognised); if nothing is kept, that of
    /// [`Registry::absent`](crate::server::Registry::absent); and if it is not to be known now, that of [`Registry::later`](crate::server::Registry::later).
    Lookup {
        /// The session that it names; anybody can name any.
        session: SessionId,
        /// The connection.
        incoming: Incoming,
    },
    /// Send this and close.
    Reject(Rejection),
}

/// What [`Registry::admit`](crate::server::Registry::admit) decided. As with [`Route`], a host has to act on each.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one per connection, taken apart at once")]
pub enum Admission {
    /// A new session, provisional until the client's first sealed packet; drive it with this epoch for
    /// the connection.
    New {
        /// The session; whoever drives it is its owner.
        session: Session,
        /// The connection's number in it.
        epoch: Epoch,
    },
    /// The predecessor lives here: hand it to that session's owner for [`Session::adopt`].
    Resume {
        /// The session.
        session: SessionId,
        /// The connection.
        incoming: Incoming,
    },
    /// The predecessor is not held here, or does not know the proof, and may be kept elsewhere: as [`Route::Lookup`]. Once it is restored, call
    /// [`admit`](crate::server::Registry::admit) again.
    Lookup {
        /// The session.
        session: SessionId,
        /// The connection.
        incoming: Incoming,
    },
    /// Send this and close.
    Reject(Rejection),
}

/// Whether a connection comes from the client of a session that is kept: see [`Recogniser::recognises`](crate::server::Recogniser::recognises).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recognition {
    /// It does.
    Client,
    /// It does not.
    Other,
    /// Its client may have been seen since by somebody whose records were not read.
    Unsure,
    /// The session is over, so that whoever holds a copy of it ends that. To a proven client, whose session it was, what is kept tells how:
    /// [`Registry::remember`](crate::server::Registry::remember) takes that in, and then [`absent`](crate::server::Registry::absent) says it. A RESUME, of which
    /// nothing is proven, is answered as [`unrecognised`](crate::server::Registry::unrecognised).
    Over,
}

/// What the host adds to a session it admits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Placement {
    /// Whose it is, in the host's own form (an account, a device): up to 255 bytes, cut beyond. Empty:
    /// the client's static key.
    pub identity: Bytes,
    /// Labels to find it by; see [`Registry::label`](crate::server::Registry::label) for their limits. What exceeds them is left out.
    pub labels: Vec<Bytes>,
}

impl Placement {
    /// A session of `identity`.
    #[must_use]
    pub fn of(identity: impl Into<Bytes>) -> Placement {
        Placement {
            identity: identity.into(),
            ..Placement::default()
        }
    }

    /// With one label more.
    #[must_use]
    pub fn labelled(mut self, label: impl Into<Bytes>) -> Placement {
        self.labels.push(label.into());
        self
    }
}

/// Nothing to add.
impl From<()> for Placement {
    fn from((): ()) -> Placement {
        Placement::default()
    }
}
