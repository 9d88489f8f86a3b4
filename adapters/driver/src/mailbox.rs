//! What reaches a session's driver from outside its session: the registry's commands and broadcast messages.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_channel::mpsc;
use futures_core::Stream;
use unbroken_proto::Instant;
use unbroken_proto::server::{Delivery, SessionCommand, Subscription};

use crate::envelope::Envelope;
use crate::machine::{Machine, bare};
use crate::state::Shared;

/// One thing to do.
pub(crate) enum Mail {
    /// The registry's wish.
    Command(SessionCommand),
    /// A message of a broadcaster that the session is subscribed to.
    Message(Envelope),
    /// That broadcaster is no more.
    Over(u64),
}

/// A session's mail, and the broadcasters that it is subscribed to.
pub(crate) struct Mailbox {
    /// Unbounded, as the driver takes all of it whenever it runs: the registry's commands are one of each
    /// kind, and messages are held against their broadcaster's backlog.
    mail: mpsc::UnboundedReceiver<Mail>,
    subscriptions: BTreeMap<u64, Subscription>,
}

impl Mailbox {
    pub(crate) fn new(mail: mpsc::UnboundedReceiver<Mail>) -> Mailbox {
        let subscriptions = BTreeMap::new();
        Mailbox { mail, subscriptions }
    }

    /// Delivers what has come.
    pub(crate) fn deliver(&mut self, shared: &Shared, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(mail)) = Pin::new(&mut self.mail).poll_next(cx) {
            match mail {
                Mail::Command(command) => {
                    let _checked_by_the_registry =
                        shared.call_untimed(|state, now| state.machine.handle_command(now, command));
                }
                Mail::Message(envelope) => {
                    let delivery = shared.call_untimed(|state, now| self.hand_over(now, &mut state.machine, &envelope));
                    envelope.delivered(delivery);
                }
                Mail::Over(broadcaster) => {
                    let subscription = self.subscriptions.remove(&broadcaster);
                    if let Some(stream) = subscription.and_then(|subscription| subscription.stream()) {
                        // Both halves are over then, since ours was stopped when it opened.
                        let _already_over = shared.call_untimed(|state, now| state.machine.stream(stream).finish(now));
                    }
                }
            }
        }
    }

    fn hand_over(&mut self, now: Instant, machine: &mut Machine, envelope: &Envelope) -> Delivery {
        let subscription = self
            .subscriptions
            .entry(envelope.broadcaster())
            .or_insert_with(|| envelope.subscription());
        let is_new = subscription.stream().is_none();
        let delivery = subscription.deliver(now, bare(machine, now, "broadcast"), envelope.message());
        if is_new && let Some(stream) = subscription.stream() {
            // Nobody reads here; what the client might say must not use up its windows.
            let _it_was_just_opened = machine.stream(stream).stop(now, 0);
        }
        delivery
    }
}
