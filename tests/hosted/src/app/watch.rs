//! Those who wait for what becomes of a session: each hears of its end, once, and the same as all others.

use std::sync::Arc;

use unbroken_driver::{Events, Session};
use unbroken_proto::Event;
use unbroken_proto::event::Ended;

use super::task::{App, Task, insist};
use crate::oracle::endings::name_of;

const MS: u64 = 1_000_000;

pub(super) async fn closed(mut task: Task, handle: Session) {
    let ended = insist!(task, 600_000 * MS, handle.closed());
    task.hit(name_of(&ended.reason));
    task.known(handle.id());
    task.told("closed", &ended);
    if handle.ended().as_ref() != Some(&ended) {
        task.demand("ended", Err(format!("{:?} is not {ended:?}", handle.ended())));
    }
    // Who comes afterwards hears of it, too.
    let late = handle.events();
    listen(&mut task, late, "late events").await;
    task.hit("check: events after the end");
}

pub(super) async fn established(mut task: Task, handle: Session) {
    match insist!(task, 600_000 * MS, handle.established()) {
        Ok(id) => {
            task.known(Some(id));
            if handle.id().is_none() {
                task.demand("established", Err(format!("{id}, known as {:?}", handle.id())));
            }
        }
        Err(ended) => {
            task.hit("app: never established");
            task.told("established", &ended);
        }
    }
}

pub(super) async fn events(mut task: Task, handle: Session) {
    task.rest(100 * MS).await;
    let events = handle.events();
    drop(handle);
    listen(&mut task, events, "events").await;
}

/// Answers what the connector leaves to the application.
pub(super) async fn answers(mut task: Task, handle: Session) {
    let mut events = handle.events();
    while let Some(event) = insist!(task, 600_000 * MS, events.next()) {
        if event == Event::CredentialNeeded {
            task.rest(300 * MS).await;
            handle.refresh_credential(Some(bytes::Bytes::from_static(b"fresh")));
            task.hit("app: a credential refreshed by hand");
        }
    }
}

/// Watches from now on.
pub fn watch(app: &App, handle: &Session) {
    let events = handle.events();
    app.spawn("watches, too", |mut task| async move {
        listen(&mut task, events, "more events").await
    });
}

/// Somebody subscribed inside of a wake-up: the end must come there, too.
pub fn drain_probed(app: &App, events: Events) {
    app.spawn("watches from a wake-up", |mut task| async move {
        listen(&mut task, events, "probed events").await
    });
}

/// Reads to the end.
async fn listen(task: &mut Task, mut events: Events, what: &str) {
    let end = task.app.end;
    let mut told: Option<Ended> = None;
    while let Some(event) = insist!(task, 600_000 * MS, events.next()) {
        if told.is_some() {
            task.demand(what, Err(format!("{event:?} after the end")));
        }
        match event {
            Event::Ended(ended) => told = Some(ended),
            Event::Attached { .. } => {
                let now = task.now();
                task.with(|state| state.oracle.conversations[end.0].done(end.1).attached_at = now);
                task.hit("event: attached");
            }
            Event::Detached { .. } => task.hit("event: detached"),
            Event::Overdue { stream, message } => {
                task.hit("event: overdue");
                let sent =
                    task.with(|state| state.oracle.conversations[end.0].written(end.1, stream).ends.len() as u64);
                // The half that sent it counts when its task runs, which may be later than this.
                if message == 0 || message > sent + 1 {
                    task.demand(what, Err(format!("message {message} of {sent} is overdue")));
                }
            }
            _ => {}
        }
    }
    match told {
        Some(ended) => task.told(what, &Arc::new(ended)),
        None => task.demand(what, Err("over without an end".to_owned())),
    }
}
