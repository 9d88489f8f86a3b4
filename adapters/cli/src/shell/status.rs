//! What is said of a connection that is not there.

use std::time::Duration;

use unbroken_tokio::proto::reconnect::Outcome;
use unbroken_tokio::proto::session::SessionState;
use unbroken_tokio::proto::{Cause, Event};
use unbroken_tokio::{Runtime, Session, Tokio};

use crate::console::around::Surroundings;

/// A connection that is back so soon is not worth a word.
const SILENT: Duration = Duration::from_millis(700);
/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(500);

/// How a session's connection fares, in words.
#[derive(Debug, Default)]
pub(crate) struct Status {
    /// Attempts since the last connection was lost that came to nothing.
    failed: u32,
    /// Why the last of them did.
    cause: Option<Cause>,
}

impl Status {
    pub(crate) fn heard(&mut self, event: &Event) {
        match event {
            Event::Attached { .. } => *self = Status::default(),
            Event::Reconnect(attempt) => {
                if let Outcome::Failed(cause) = attempt.outcome {
                    self.failed += 1;
                    self.cause = Some(cause);
                }
            }
            _ => {}
        }
    }

    /// When to say so: `None` as long as there is a connection.
    pub(crate) fn next_look(&self, session: &Session, said: bool) -> Option<Duration> {
        (session.state() == SessionState::Detached).then_some(if said { TICK } else { SILENT })
    }

    /// `question`: a person would have to be asked something first.
    /// `None`: there is a connection, or the session is over.
    pub(crate) fn line(&self, session: &Session, question: bool) -> Option<String> {
        if session.state() != SessionState::Detached {
            return None;
        }
        if question {
            return Some("not connected: ssh has to ask something; Enter: hear it".into());
        }
        let wanted = session.wanted_connection()?;
        let wait = wanted
            .not_before
            .saturating_since(Tokio.now())
            .as_millis()
            .div_ceil(1_000);
        let why = self.cause.map_or(String::new(), |cause| format!(" ({cause})"));
        let attempt = self.failed + 1;
        Some(match wait {
            0 => format!("reconnecting, attempt {attempt}{why}"),
            _ => format!("reconnecting, attempt {attempt}, next try in {wait} s{why}; Enter: now"),
        })
    }
}

/// Says so while there is no connection.
pub(super) async fn follow_connection(session: &Session, around: &Surroundings<'_>) {
    let (mut events, mut status) = (session.events(), Status::default());
    loop {
        // As long as nobody reads what was printed before, nothing of ours is added.
        around.writer.room().await;
        let said = around.display().shows_status();
        let next_look = status.next_look(session, said);
        if around.keyboard.was_lent() {
            // A question that was shown before may be answered.
            let line = status.line(session, around.keyboard.has_question());
            let mut display = around.display();
            let _output_closed = display.status(line).and_then(|()| display.redraw());
        }
        tokio::select! {
            event = events.next() => match event {
                Some(event) => status.heard(&event),
                // The stream says how it ends.
                None => return std::future::pending().await,
            },
            () = tokio::time::sleep(next_look.unwrap_or_default()), if next_look.is_some() => {
                if !around.keyboard.is_lent() {
                    let line = status.line(session, around.keyboard.has_question());
                    let _output_closed = around.display().status(line);
                }
                continue;
            }
        }
        if said && status.next_look(session, said).is_none() {
            let _output_closed = around.display().status(None);
        }
    }
}
