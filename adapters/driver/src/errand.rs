//! What reaches a session's owner from outside its session.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_channel::mpsc;
use futures_core::Stream;
use unbroken_proto::Instant;
use unbroken_proto::server::{Listener, Order};

use crate::hub::Slip;
use crate::machine::{Machine, bare};

/// One thing to do.
pub(crate) enum Errand {
    /// The registry's wish.
    Order(Order),
    /// A message for the audience that the session is in.
    Message(Slip),
    /// That audience is no more.
    Over(u64),
}

/// A session's errands, and its seats in audiences.
pub(crate) struct Errands {
    /// Unbounded, as the owner takes all of them whenever it runs: the registry's orders are one of each
    /// kind, and messages are held against their audience's backlog.
    mail: mpsc::UnboundedReceiver<Errand>,
    seats: BTreeMap<u64, Listener>,
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
                Errand::Order(order) => session.obey(now, order),
                Errand::Message(slip) => self.tell(now, session, slip),
                Errand::Over(audience) => {
                    let stream = self.seats.remove(&audience).and_then(|seat| seat.stream());
                    // Both halves are over then, since ours was stopped when it opened.
                    stream.map(|stream| session.finish(now, stream));
                }
            }
        }
    }

    fn tell(&mut self, now: Instant, session: &mut Machine, slip: Slip) {
        let seat = self.seats.entry(slip.audience()).or_insert_with(|| slip.listener());
        let is_new = seat.stream().is_none();
        let delivery = seat.deliver(now, bare(session, now, "broadcast"), slip.message());
        if is_new && let Some(stream) = seat.stream() {
            // Nobody reads here; what the client might say must not use up its windows.
            let _it_was_just_opened = session.stop(now, stream, 0);
        }
        slip.judged(delivery);
    }
}
