//! A connector with closures for what comes before a dial.

use std::pin::Pin;

use bytes::Bytes;
use unbroken_proto::reconnect::{Continuity, Preparation};
use unbroken_proto::{Cause, ReconnectIntent};

use crate::connector::{Answer, Connecting, Connector, PendingAnswer};

type Asked<T> = Box<dyn FnMut(ReconnectIntent) -> Pin<Box<dyn Future<Output = T> + Send>> + Send>;

/// A [`Connector`] that answers everything an intent may ask for, each with an async closure. What has no closure is
/// left to the application, which sees it in [`events`](crate::Session::events) and
/// [`wanted_connection`](crate::Session::wanted_connection), and answers through the session's handle.
///
/// Each closure gets the intent: its number, cause, deadline, and the preserved state where there is one. Its future is
/// dropped when the machine gives the attempt up, reconnecting is paused, or the session ends.
///
/// ```
/// use unbroken_driver::proto::reconnect::Continuity;
/// use unbroken_driver::proto::{Cause, ReconnectIntent};
/// use unbroken_driver::{ConnectError, Reconnector};
/// let reconnector = Reconnector::new(|_intent: ReconnectIntent| async { Err(ConnectError::new(Cause::Network)) })
///     .credentials(|_intent| async { Some("fresh token".into()) })
///     .restart(|intent| async move {
///         println!("starting the process with {} bytes of its state", intent.preserved.len());
///         Ok(Continuity::Lost)
///     });
/// # let _: &dyn unbroken_driver::Connector = &reconnector;
/// ```
pub struct Reconnector {
    connector: Box<dyn Connector>,
    credentials: Option<Asked<Option<Bytes>>>,
    restore: Option<Asked<Result<(), Cause>>>,
    restart: Option<Asked<Result<Continuity, Cause>>>,
    recover: Option<Asked<Result<(), Cause>>>,
}

fn boxed<T, A, F>(mut ask: A) -> Option<Asked<T>>
where
    A: FnMut(ReconnectIntent) -> F + Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    Some(Box::new(move |intent| Box::pin(ask(intent))))
}

impl Reconnector {
    /// Dials with `connector` and leaves everything else to the application.
    pub fn new(connector: impl Connector + 'static) -> Reconnector {
        Reconnector {
            connector: Box::new(connector),
            credentials: None,
            restore: None,
            restart: None,
            recover: None,
        }
    }

    /// Fetches a fresh credential; `None`, the final no, ends the session. The closure may take its time: no deadline
    /// runs meanwhile but the session's lifetime.
    #[must_use]
    pub fn credentials<A, F>(self, ask: A) -> Reconnector
    where
        A: FnMut(ReconnectIntent) -> F + Send + 'static,
        F: Future<Output = Option<Bytes>> + Send + 'static,
    {
        Reconnector {
            credentials: boxed(ask),
            ..self
        }
    }

    /// Loads the session from storage.
    #[must_use]
    pub fn restore<A, F>(self, ask: A) -> Reconnector
    where
        A: FnMut(ReconnectIntent) -> F + Send + 'static,
        F: Future<Output = Result<(), Cause>> + Send + 'static,
    {
        Reconnector {
            restore: boxed(ask),
            ..self
        }
    }

    /// Starts the peer's process again, with its preserved state.
    #[must_use]
    pub fn restart<A, F>(self, ask: A) -> Reconnector
    where
        A: FnMut(ReconnectIntent) -> F + Send + 'static,
        F: Future<Output = Result<Continuity, Cause>> + Send + 'static,
    {
        Reconnector {
            restart: boxed(ask),
            ..self
        }
    }

    /// Gives what runs inside its preserved state and output again.
    #[must_use]
    pub fn recover<A, F>(self, ask: A) -> Reconnector
    where
        A: FnMut(ReconnectIntent) -> F + Send + 'static,
        F: Future<Output = Result<(), Cause>> + Send + 'static,
    {
        Reconnector {
            recover: boxed(ask),
            ..self
        }
    }
}

/// What `ask` will answer, in the common form.
fn asked<T: 'static>(
    ask: Option<&mut Asked<T>>,
    intent: &ReconnectIntent,
    wrap: fn(T) -> Answer,
) -> Option<PendingAnswer> {
    let answer = ask?(intent.clone());
    Some(Box::pin(async move { wrap(answer.await) }))
}

impl Connector for Reconnector {
    fn dial(&mut self, intent: ReconnectIntent) -> Connecting {
        self.connector.dial(intent)
    }

    fn prepare(&mut self, intent: &ReconnectIntent) -> Option<PendingAnswer> {
        let here = match intent.preparation {
            Some(Preparation::Restore) => asked(self.restore.as_mut(), intent, Answer::Restored),
            Some(Preparation::Restart) => asked(self.restart.as_mut(), intent, Answer::Restarted),
            Some(Preparation::Recover) => asked(self.recover.as_mut(), intent, Answer::Recovered),
            None => asked(self.credentials.as_mut(), intent, Answer::Credential),
        };
        here.or_else(|| self.connector.prepare(intent))
    }
}
