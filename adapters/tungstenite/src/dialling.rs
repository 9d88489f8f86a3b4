//! Does what the machine wants done to have a connection, on threads of their own.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread;

use unbroken_proto::{Instant, ReconnectIntent};

use crate::clock::uptime;
use crate::shared::{Core, Shared};
use crate::stepper::Answer;
use crate::wire::Wire;

/// Dials and answers under way at once, those that nobody waits for any more among them; beyond, the next waits.
const UNDER_WAY: usize = 4;

/// Makes connections for a session, in calls that block. Every closure from a [`ReconnectIntent`] to a [`Wire`] is one.
///
/// Each call runs on a thread of its own, so that the session goes on meanwhile. A call that outlives its intent's
/// [`deadline`](ReconnectIntent::deadline) is for nothing, and holds one of four places until it returns. What a
/// dial failed of is read by [`cause_of`](crate::cause_of).
pub trait Connector: Send + Sync + 'static {
    /// Dials once.
    ///
    /// # Errors
    /// What it failed of.
    fn dial(&self, intent: &ReconnectIntent) -> io::Result<Wire>;

    /// Does what `intent` asks for before the dial: its preparation, or else a fresh credential. `None`, the default:
    /// it is not done here, and the application answers through
    /// [`Session::machine`](crate::Session::machine).
    fn prepare(&self, intent: &ReconnectIntent) -> Option<Answer> {
        let _ = intent;
        None
    }
}

impl<F> Connector for F
where
    F: Fn(&ReconnectIntent) -> io::Result<Wire> + Send + Sync + 'static,
{
    fn dial(&self, intent: &ReconnectIntent) -> io::Result<Wire> {
        self(intent)
    }
}

/// The connector, and how much it has under way.
pub(crate) struct Dialling {
    connector: Arc<dyn Connector>,
    under_way: Arc<AtomicUsize>,
    /// Waits for a place.
    waiting: Option<ReconnectIntent>,
}

impl Dialling {
    pub(crate) fn new(connector: impl Connector) -> Dialling {
        Dialling {
            connector: Arc::new(connector),
            under_way: Arc::default(),
            waiting: None,
        }
    }

    /// Follows the machine's wish. True: it was told something at once.
    pub(crate) fn turn(&mut self, now: Instant, core: &mut Core, shared: &Arc<Shared>) -> bool {
        if let Some(intent) = core.stepper.poll_intent(now) {
            self.waiting = Some(intent);
        }
        let wanted = core.stepper.session().wanted_connection().map(|intent| intent.attempt);
        self.waiting.take_if(|intent| wanted != Some(intent.attempt));
        let Some(intent) = self.waiting.take_if(|_| has_place(&self.under_way)) else {
            return false;
        };
        let attempt = intent.attempt;
        let errand = Errand {
            connector: Arc::clone(&self.connector),
            place: Place::taken(&self.under_way),
            session: Arc::downgrade(shared),
        };
        let spawned = thread::Builder::new()
            .name("unbroken dial".into())
            .spawn(move || errand.run(&intent));
        match spawned {
            Ok(_) => false,
            Err(error) => {
                core.stepper.dial_failed(now, attempt, &error);
                true
            }
        }
    }
}

fn has_place(under_way: &AtomicUsize) -> bool {
    under_way.load(Ordering::Acquire) < UNDER_WAY
}

/// One of the places.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn taken(places: &Arc<AtomicUsize>) -> Place {
        places.fetch_add(1, Ordering::AcqRel);
        Place(Arc::clone(places))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// One thread's task.
struct Errand {
    connector: Arc<dyn Connector>,
    place: Place,
    session: Weak<Shared>,
}

impl Errand {
    fn run(self, intent: &ReconnectIntent) {
        let Errand {
            connector,
            place,
            session,
        } = self;
        let attempt = intent.attempt;
        let done = if intent.is_dial() {
            let dialled = connector.dial(intent).and_then(|wire| wire.up(intent.deadline));
            drop(place);
            Done::Dialled(dialled)
        } else {
            let answer = connector.prepare(intent);
            drop(place);
            Done::Answered(answer)
        };
        let Some(shared) = session.upgrade() else { return };
        shared.call(|core, now| done.tell(core, now, attempt));
    }
}

enum Done {
    Dialled(io::Result<Wire>),
    Answered(Option<Answer>),
}

impl Done {
    fn tell(self, core: &mut Core, now: Instant, attempt: u64) {
        match self {
            Done::Dialled(Ok(wire)) => {
                core.connect_error = None;
                core.stepper.dialled(attempt, wire.described(), wire);
            }
            Done::Dialled(Err(error)) => {
                core.stepper.dial_failed(now, attempt, &error);
                core.connect_error = Some(Arc::new(error));
            }
            // The application answers.
            Done::Answered(None) => {}
            Done::Answered(Some(answer)) => core.stepper.answer(now, attempt, answer),
        }
    }
}

/// What is left until the machine gives `intent` up; never nothing, which sockets take for "for ever".
pub(crate) fn patience(intent: &ReconnectIntent) -> unbroken_proto::Duration {
    let left = intent.deadline.saturating_since(uptime());
    left.max(unbroken_proto::Duration::from_millis(1))
}
