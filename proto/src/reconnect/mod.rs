//! Why a connection broke, what is done about it, and when.
//!
//! The machine decides by [`Cause`] and the table [`Strategies`]; the host carries out what
//! [`wanted_connection`](crate::Session::wanted_connection) says and answers with typed calls. An attempt
//! counts as a success only when the session is attached again, or a fresh one is established.
//!
//! ```
//! use unbroken_proto::reconnect::{Answer, Outcome, Reached};
//! # use unbroken_proto::{config::Seed, security::{Auth, SharedSecret}, Cause, ClientConfig, Instant, Session};
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let now = Instant::from_millis(0);
//! # let auth = Auth::secret(SharedSecret::from_key(b"office", [7; 32])?);
//! # let mut session = Session::connect(ClientConfig::new(auth), Seed([1; 32]), now)?;
//! let intent = session.wanted_connection().expect("because it was never established");
//! assert!(intent.is_dial());
//! // The host dialled, and nobody was there.
//! session.handle_answer(now, intent.attempt, Answer::Failed(Cause::Refused));
//!
//! let next = session.wanted_connection().expect("because the backoff has no limit by default");
//! assert!(next.attempt > intent.attempt && next.not_before >= now);
//! let failed = session.reconnecting().history().next().expect("because one attempt is over");
//! assert_eq!((failed.reached, failed.outcome), (Reached::Nothing, Outcome::Failed(Cause::Refused)));
//! # Ok(())
//! # }
//! ```
//!
//! | cause (default table) | strategy | the intent asks | the host answers |
//! |---|---|---|---|
//! | network, refused, timeout, heartbeat, server asked, protocol, packet too large, local | [`Resume`](Strategy::Resume) | a dial, not before an instant | [`attach`](crate::Session::attach), [`Answer::Failed`] or [`Answer::Postponed`] |
//! | untrusted, no service | none before a session exists: it ends, [`GaveUp`](crate::event::EndReason::GaveUp); else [`Resume`](Strategy::Resume) | as above | as above |
//! | denied | [`Resume`](Strategy::Resume), and a fresh credential is welcome | a dial, as above; beside it [`is_credential_welcome`](crate::session::Reconnecting::is_credential_welcome) | [`Answer::Credential`] or [`Answer::NoCredential`], whenever it is known; and as above |
//! | authentication | [`Resume`](Strategy::Resume), after a refresh | `refresh_credential`, then a dial | [`Answer::Credential`] or [`Answer::NoCredential`]; then as above |
//! | state damaged | [`Restore`](Strategy::Restore) | [`Preparation::Restore`], then a dial | [`Answer::Restored`]; then as above |
//! | process ended | [`Restart`](Strategy::Restart) | [`Preparation::Restart`], then a dial | [`Answer::Restarted`]: kept (then as above) or lost (then as fresh) |
//! | application lost | [`Recover`](Strategy::Recover) | [`Preparation::Recover`], then a dial if no connection is up | [`Answer::Recovered`]; then as above |
//! | by choice | [`Fresh`](Strategy::Fresh) | nothing: the session ends with [`EndReason::Fresh`](crate::event::EndReason::Fresh) and its fates | a new [`connect`](crate::Session::connect), with the old one's [`handover`](crate::session::Reconnecting::handover) |
//! | by choice, or [`force`](crate::session::Reconnect::force) | [`Force`](Strategy::Force) | resume, restore, restart, fresh, each once, with a pause between | as each of them |
//!
//! While no session exists yet (the first handshake) there is nothing to resume: every attempt is
//! [`Fresh`](Strategy::Fresh), or [`Restart`](Strategy::Restart) where the table says so.
//!
//! # Putting a session under it, and taking it out
//! Every dialling session reconnects by itself from the start. A host that manages many puts one under it and takes it out
//! again, at any time:
//!
//! | wanted | call |
//! |---|---|
//! | not now: the session lives on without a connection, as long as its lifetime | [`pause`](crate::session::Reconnect::pause) |
//! | again | [`resume`](crate::session::Reconnect::resume) |
//! | at once | [`at_once`](crate::session::Reconnect::at_once), [`force`](crate::session::Reconnect::force) |
//! | at another pace, by another table | [`set_backoff`](crate::session::Reconnect::set_backoff), [`set_strategies`](crate::session::Reconnect::set_strategies) |
//! | never: the session ends when its connection does | [`set_backoff`](crate::session::Reconnect::set_backoff) with [`Backoff::never`] |
//!
//! # Why fresh ends the session
//! An application that cannot go on in its old session (ssh behind a broken forward) has to start its
//! own conversation anew: new streams, nothing sent twice. A `Session` value that silently became another
//! would hand it streams that look alive and lead elsewhere. So the old value ends, truthfully, and
//! hands back what was not delivered; the application opens the new one and decides what of it to say again.
//! History, numbers, backoff and preserved state go over by [`Handover`]; the attempt that was begun succeeds when the new
//! session is established. The server is told, if a connection is up; else its end of the old session waits for its lifetime, or
//! gives way to the new one, if both have one name and the server's [`SameName`](crate::config::SameName) says so.
//!
//! # Authentication
//! What is certain, because the server said it sealed or the host itself said it, is never tried again before
//! a fresh credential was asked for and given. What anybody could have said, an HTTP status, a WebSocket's close code, a TLS
//! alert, is [`Cause::Denied`]: a fresh credential is asked for, and the session is dialled on by the backoff with the old one until
//! there is one. A handshake that merely fails to open could be anybody's forgery, too: a session that was never established
//! asks for a fresh credential after the third in a row, so that a wrong key is noticed, and dials on. So nobody who has
//! proven nothing holds a session up, established or not; only the host's own answer that there is no other credential ends
//! one that was never established. (A server without a key or secret that proves it, as for
//! [`Auth::anonymous`](crate::security::Auth::anonymous), is whoever answers: of a session that was never established it says so with
//! effect. Of one that was, it does not.)

mod answer;
mod backoff;
mod cause;
mod history;
mod intent;
mod preserved;
mod strategy;

pub use answer::Answer;
pub(crate) use backoff::Retry;
pub use backoff::{Backoff, Jitter};
pub use cause::Cause;
pub(crate) use history::History;
pub use history::{Attempt, Handover, Outcome, Reached, ReconnectStats};
pub use intent::{IntentKind, ReconnectIntent};
pub use preserved::{OutputHistory, ShellState, UnreadableState};
pub use strategy::{Continuity, Preparation, Strategies, Strategy};
