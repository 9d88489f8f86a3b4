//! Sessions that the service has yet.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;
use unbroken_ssm::ClientSession;
use unbroken_ssm::aws::AwsClient;

/// So long an agent may take to hear that we leave. A session that finishes is over after 2 s, whoever heard of it; before that it is over
/// because somebody did.
pub(super) const LEAVING: Duration = Duration::from_millis(1_500);
/// So long the service may take to end them.
const GOODBYE: Duration = Duration::from_secs(2);

/// The sessions that were started. Clones are the same list.
#[derive(Clone, Default)]
pub(super) struct Open(Arc<Mutex<Vec<Started>>>);

#[derive(Clone)]
struct Started {
    id: String,
    /// `None`: it was not even connected to.
    session: Option<ClientSession>,
}

impl Started {
    fn is_over(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.ended().is_some())
    }
}

impl Open {
    /// There is a session.
    pub(super) fn started(&self, id: &str) {
        let id = id.to_owned();
        self.with(|sessions| {
            // What is over need not be known.
            sessions.retain(|session| !session.is_over());
            sessions.push(Started { id, session: None });
        });
    }

    /// It is carried by this, which knows when it is over.
    pub(super) fn connected(&self, session: &ClientSession) {
        let id = session.session_id();
        self.with(|sessions| {
            for started in sessions.iter_mut().filter(|started| started.id == id) {
                started.session = Some(session.clone());
            }
        });
    }

    /// Has the service end those that are not over: nobody will come back to them, and it would keep them until they were idle for long.
    pub(super) async fn terminate(&self, service: &AwsClient) {
        let left = self.with(std::mem::take);
        let left = left.iter().filter(|session| !session.is_over());
        let terminated = left.map(|session| timeout(GOODBYE, service.api().terminate_session(&session.id)));
        // Where it does not hear of it, it finds out by itself.
        drop(join_all(terminated).await);
    }

    fn with<T>(&self, call: impl FnOnce(&mut Vec<Started>) -> T) -> T {
        call(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
