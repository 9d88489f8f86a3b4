//! What reaches a session's owner from outside its session.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_channel::mpsc;
use futures_core::Stream;
use unbroken_proto::Instant;
use unbroken_proto::server::{SessionCommand, Subscription};

use crate::machine::{Machine, bare};
use crate::server::Envelope;

/// One thing to do.
pub(crate) enum Errand {
    /// The registry's wish.
    SessionCommand(SessionCommand),
    /// A message for the broadcaster that the session is in.
    Message(Envelope),
    /// That broadcaster is no more.
    Over(u64),
}

/// A session's errands, and its seats in audiences.
pub(crate) struct Errands {
    /// Unbounded, as the owner takes all of them whenever it runs: the registry's commands are one of each
    /// kind, and messages are held against their broadcaster's backlog.
    mail: mpsc::UnboundedReceiver<Errand>,
    seats: BTreeMap<u64, Subscription>,
}

impl Errands {
    pub(crate) fn new(mail: mpsc::UnboundedReceiver<Errand>) -> Errands {
        let seats = BTreeMap::new();
        Errands { mail, seats }
    }

    /// Does what has come.
    pub(crate) fn run(&mut self, now: Instant, session: &mut Machine, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(errand)) = Pin::new(&mut self.mail).poll_next(cx) {
            match errand {
                Errand::SessionCommand(command) => session.handle_command(now, command),
                Errand::Message(envelope) => self.tell(now, session, envelope),
                Errand::Over(broadcaster) => {
                    let stream = self.seats.remove(&broadcaster).and_then(|seat| seat.stream());
                    // Both halves are over then, since ours was stopped when it opened.
                    stream.map(|stream| session.finish(now, stream));
                }
            }
        }
    }

    fn tell(&mut self, now: Instant, session: &mut Machine, envelope: Envelope) {
        let seat = self
            .seats
            .entry(envelope.broadcaster())
            .or_insert_with(|| envelope.listener());
        let is_new = seat.stream().is_none();
        let delivery = seat.deliver(now, bare(session, now, "broadcast"), envelope.message());
        if is_new && let Some(stream) = seat.stream() {
            // Nobody reads here; what the client might say must not use up its windows.
            let _it_was_just_opened = session.stop(now, stream, 0);
        }
        envelope.judged(delivery);
    }
}
