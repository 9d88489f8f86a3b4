//! Dials what the machine wants dialled, one at a time.

use std::io;
use std::task::{Context, Poll};

use unbroken_proto::{Instant, Session};

use crate::connection::{Connected, Dial, Dialler};
use crate::failure::{Failure, cause_of};

/// The dialler and its dial under way.
pub(crate) struct Dialling {
    dialler: Box<dyn Dialler>,
    current: Option<(u64, Dial)>,
    /// When the next dial may begin.
    wait: Option<Instant>,
    failed: Option<io::Error>,
}

impl Dialling {
    pub(crate) fn new(dialler: Box<dyn Dialler>) -> Dialling {
        Dialling {
            dialler,
            current: None,
            wait: None,
            failed: None,
        }
    }

    /// When to look again, if nothing else happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.wait
    }

    /// Follows the machine's wish; returns a connection that is up.
    pub(crate) fn turn(&mut self, now: Instant, session: &mut Session, cx: &mut Context<'_>) -> Option<Connected> {
        self.wait = None;
        let Some(intent) = session.wanted_connection() else {
            self.current = None;
            return None;
        };
        let attempt = intent.attempt;
        if self.current.as_ref().is_none_or(|(dialled, _)| *dialled != attempt) {
            self.current = None;
            if !intent.is_dial() {
                return None;
            }
            if now < intent.not_before {
                self.wait = Some(intent.not_before);
                return None;
            }
            self.current = Some((attempt, self.dialler.dial(intent)));
        }
        let (_, dial) = self.current.as_mut()?;
        let Poll::Ready(result) = dial.as_mut().poll(cx) else {
            return None;
        };
        self.current = None;
        match result {
            Ok(up) => return Some(up),
            Err(error) => {
                match Failure::of(&error).and_then(Failure::after) {
                    Some(after) => session.dial_postponed(now, attempt, after),
                    None => session.dial_failed(now, attempt, cause_of(&error)),
                }
                self.failed = Some(error);
            }
        }
        None
    }

    /// Why the last dial failed, once.
    pub(crate) fn take_failed(&mut self) -> Option<io::Error> {
        self.failed.take()
    }
}
