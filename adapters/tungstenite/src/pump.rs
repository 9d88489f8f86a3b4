//! The thread of a session.

use std::sync::Arc;

use unbroken_proto::Instant;
use unbroken_proto::server::Report;

use crate::clock::uptime;
use crate::dialling::Dialling;
use crate::shared::Shared;

/// Takes what becomes of a session to whoever lists it.
pub(crate) type Tell = Box<dyn FnMut(&Arc<Shared>, Instant, Vec<Report>)>;

/// Where a session's connections come from.
pub(crate) enum Source {
    Dial(Dialling),
    /// The server's threads bring them; it hears what becomes of the session.
    Accept(Tell),
}

/// Drives the session to its end. The lock is held while the machine works and sockets take or give what they
/// have; never while anything waits.
pub(crate) fn run(shared: &Arc<Shared>, mut source: Source) {
    let _guard = Guard(shared);
    loop {
        let (mut core, now, mut next) = shared.step();
        if let Source::Dial(dialling) = &mut source {
            next.at_once |= dialling.turn(now, &mut core, shared);
        }
        shared.tell(&mut core);
        if let Source::Accept(report) = &mut source {
            let mut reports = Vec::new();
            while let Some(news) = core.session().poll_report() {
                reports.push(news);
            }
            let over = core.stepper.is_over();
            // The registry has a lock of its own, and is never called under ours.
            drop(core);
            report(shared, now, reports);
            core = shared.core();
            if over {
                return;
            }
        }
        if core.stepper.is_over() {
            return;
        }
        if next.at_once {
            drop(core);
            // Callers wait for the lock, too.
            std::thread::yield_now();
            continue;
        }
        let limit = next.deadline.map(|deadline| deadline.saturating_since(uptime()));
        shared.sleep(core, limit);
    }
}

/// Whoever waits is told, also when the thread panics.
struct Guard<'a>(&'a Arc<Shared>);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if self.0.look(|core| core.ended.is_none()) {
            self.0.give_up();
        }
    }
}
