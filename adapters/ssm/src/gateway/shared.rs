//! The machine, and what its connections wait for.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::Notify;
use unbroken_proto::Instant;
use unbroken_proto::ssm::Message;
use unbroken_proto::ssm::gateway::{AttachError, ConnectionId, Event, Gateway as Machine, Refusal};
use unbroken_tokio::Tokio;
use unbroken_tokio::carriers::driver::Runtime;

use super::sessions::{ApiError, StartRequest};
use super::settings::Settings;

type Starting = Pin<Box<dyn Future<Output = Result<(), ApiError>> + Send>>;
pub(super) type Start = dyn Fn(StartRequest) -> Starting + Send + Sync;

/// What all tasks of a gateway have in common.
pub(super) struct Shared {
    pub(super) settings: Settings,
    pub(super) start: Box<Start>,
    state: Mutex<State>,
}

struct State {
    machine: Machine,
    handles: HashMap<ConnectionId, Arc<Handle>>,
}

/// How the task of a connection is reached.
#[derive(Default)]
pub(super) struct Handle {
    pub(super) reader: Notify,
    pub(super) writer: Notify,
    pub(super) cut: Notify,
    pub(super) refusal: OnceLock<Refusal>,
}

impl Shared {
    pub(super) fn new(settings: Settings, start: Box<Start>, machine: Machine) -> Shared {
        let handles = HashMap::new();
        Shared {
            settings,
            start,
            state: Mutex::new(State { machine, handles }),
        }
    }

    /// Calls the machine, wakes whom that concerns, and tells the observer.
    pub(super) fn with<T>(&self, call: impl FnOnce(&mut Machine, Instant) -> T) -> T {
        let now = Tokio.now();
        let mut events = Vec::new();
        let returned = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let State { machine, handles } = &mut *state;
            let returned = call(machine, now);
            while let Some(event) = machine.poll_event() {
                if let Event::Refused {
                    connection, refusal, ..
                } = &event
                    && let Some(handle) = handles.get(connection)
                {
                    // A connection is refused once.
                    let _set = handle.refusal.set(*refusal);
                }
                events.push(event);
            }
            while let Some(id) = machine.poll_wake() {
                if let Some(handle) = handles.get(&id) {
                    handle.reader.notify_one();
                    handle.writer.notify_one();
                }
            }
            returned
        };
        if let Some(observe) = &self.settings.observe {
            events.iter().for_each(|event| observe(event));
        }
        returned
    }

    /// A connection for this session, until what is returned is dropped.
    pub(super) fn attach(self: &Arc<Self>, session_id: &str) -> Result<Attached, AttachError> {
        let id = self.with(|machine, now| machine.attach(now, session_id))?;
        let handle = Arc::new(Handle::default());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.handles.insert(id, Arc::clone(&handle));
        drop(state);
        let shared = Arc::clone(self);
        Ok(Attached { shared, id, handle })
    }

    /// The handle of this connection.
    pub(super) fn handle(&self, id: ConnectionId) -> Option<Arc<Handle>> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.handles.get(&id).map(Arc::clone)
    }
}

/// A connection that the machine knows of.
pub(super) struct Attached {
    shared: Arc<Shared>,
    id: ConnectionId,
    pub(super) handle: Arc<Handle>,
}

/// Whether a connection is to be read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Now,
    Later,
    NeverAgain,
}

impl Attached {
    pub(super) fn reading(&self) -> Reading {
        self.shared.with(|machine, _| match machine.is_wanted(self.id) {
            true if machine.wants_input(self.id) => Reading::Now,
            true => Reading::Later,
            false => Reading::NeverAgain,
        })
    }

    pub(super) fn handle_input(&self, message: Message) {
        self.shared
            .with(|machine, now| machine.handle_input(now, self.id, message));
    }

    pub(super) fn poll_transmit(&self) -> Option<Message> {
        self.shared.with(|machine, now| machine.poll_transmit(now, self.id))
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.shared.with(|machine, _| machine.is_wanted(self.id))
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.shared.settings
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.shared.with(|machine, now| machine.detach(now, self.id));
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.handles.remove(&self.id);
    }
}
