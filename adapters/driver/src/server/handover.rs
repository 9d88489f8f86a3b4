//! Gives up sessions that other processes ask for.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use unbroken_proto::SessionId;

use super::durable::session_of;
use super::handle::ServerHandle;
use super::taking::Taking;
use crate::store::{JournalId, Store};
use crate::sync::register;

impl ServerHandle {
    /// Gives up each durable session that another process of the fleet asks for, because its client has come there, until
    /// [`shut_down`](Self::shut_down) and the end of the last session: all is kept that was done so far, then the session is over here as
    /// [`Moved`](unbroken_proto::event::EndReason::Moved), as by [`Session::suspend`](crate::Session::suspend). Spawn it once, behind
    /// [`keep_in`](Self::keep_in); what is spawned beside it ends at once.
    pub async fn run_handovers(self: Arc<Self>) {
        let store = self.with(|state, _, _| {
            let store = state.store.clone().filter(|_| !state.gives_up)?;
            state.gives_up = true;
            Some(store)
        });
        let Some(store) = store else { return };
        loop {
            let mut wanted = pin!(store.wanted());
            let wanted = poll_fn(|cx| {
                let is_over = self.with(|state, _, _| {
                    register(&mut state.giver, cx);
                    // Sessions that were accepted live on.
                    state.is_over && state.owners.is_empty()
                });
                match is_over {
                    true => Poll::Ready(None),
                    false => wanted.as_mut().poll(cx).map(Some),
                }
            });
            let Some(id) = wanted.await else { return };
            if let Some(session) = session_of(&id) {
                self.give_up(session, &store, &id).await;
            }
        }
    }

    /// Whoever drives the session leaves it once all is kept. One that is on its way in is asked for again; of one that has left the store was not told.
    async fn give_up(&self, session: SessionId, store: &Arc<dyn Store>, id: &JournalId) {
        let shared = self.with(|state, _, _| state.owners.get(&session).map(|owner| Arc::clone(&owner.shared)));
        if let Some(shared) = shared {
            shared.call(|state, _| state.leave());
        } else if let Some(_taking) = Taking::new(self, session)
            && let Ok(opened) = store.open(id).await
        {
            // What fails now is asked for again.
            let _released = store.release(id, opened.fence).await;
        }
    }
}
