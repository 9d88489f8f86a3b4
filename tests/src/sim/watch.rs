//! Invariants that one machine can be held to by itself, after every step.

use unbroken_proto::{Epoch, Session, Side};

use super::env::Env;
use crate::probe::{Probe, most_unread, probe};

/// What was seen before, to compare with.
#[derive(Debug, Default)]
pub struct Watch {
    last: Option<Probe>,
    before: Option<Probe>,
    sent: u64,
    received: u64,
}

/// What control frames may hold of the outbox beyond what `send` may use.
const CONTROL_RESERVE: usize = 64 << 10;

impl Watch {
    /// Remembers what an input must not change.
    pub fn before_input(&mut self, session: &Session, _epoch: Epoch) {
        self.before = probe(session);
    }

    /// `refused`: the machine answered with an error, or the epoch was over already.
    pub fn after_input(&mut self, session: &Session, epoch: Epoch, accepted: bool, env: &Env) {
        let (Some(before), Some(after)) = (self.before, probe(session)) else {
            return;
        };
        if after.acked < before.acked || after.expected < before.expected || after.acked > after.next {
            env.fail(&format!(
                "positions went wrong at {epoch:?} (accepted {accepted}): {before:?}, then {after:?}"
            ));
        }
    }

    /// Bounds and monotony.
    pub fn check(&mut self, session: &Session, side: Side, env: &mut Env) {
        let stats = session.stats();
        let config = if side == Side::Client {
            &env.options.client
        } else {
            &env.options.server
        };
        for (what, held, limit) in [
            ("outbox", stats.outbox_bytes, config.outbox_limit + CONTROL_RESERVE),
            // With one CLOSE.
            (
                "committed",
                session.inspect().committed_bytes,
                config.outbox_limit + CONTROL_RESERVE + 2_048,
            ),
            ("inbox", stats.inbox_bytes, config.inbox_limit),
            ("unread", stats.unread_bytes, most_unread(config)),
        ] {
            if held > limit {
                env.fail(&format!("{side:?} holds {held} bytes in {what}, the limit is {limit}"));
            }
        }
        if stats.inbox_bytes > 0 {
            env.tally.hit("edge: something in the inbox");
        }
        if stats.packets_sent < self.sent || stats.packets_received < self.received {
            env.fail("a counter went back");
        }
        self.sent = stats.packets_sent;
        self.received = stats.packets_received;
        if let Some(now) = probe(session) {
            if now.redundant_replay > 0 {
                env.fail(&format!("{side:?} replayed {} bytes for nothing", now.redundant_replay));
            }
            if let Some(last) = self.last
                && (now.acked < last.acked
                    || now.expected < last.expected
                    || now.next < last.next
                    || now.acked > now.next)
            {
                env.fail(&format!("{side:?}: positions went back: {last:?}, then {now:?}"));
            }
            self.last = Some(now);
        }
    }
}
