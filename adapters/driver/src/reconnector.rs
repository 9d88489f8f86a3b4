//! A connector with closures for what comes before a dial.

use bytes::Bytes;
use unbroken_proto::reconnect::{Answer, Continuity, Preparation};
use unbroken_proto::{Cause, ReconnectIntent};

use crate::connector::{Connecting, Connector, PendingAnswer};

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
    credentials: Option<Closure>,
    restore: Option<Closure>,
    restart: Option<Closure>,
    recover: Option<Closure>,
}

type Closure = Box<dyn FnMut(ReconnectIntent) -> PendingAnswer + Send>;

/// `ask`, with what it gives as an answer of the common form.
fn closure<T, A, F>(mut ask: A, answer: fn(T) -> Answer) -> Option<Closure>
where
    T: 'static,
    A: FnMut(ReconnectIntent) -> F + Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    Some(Box::new(move |intent| {
        let given = ask(intent);
        Box::pin(async move { answer(given.await) })
    }))
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

    /// Fetches a fresh credential; `None`: there is none, which ends the session as [`Answer::NoCredential`] says. The closure may
    /// take its time: no deadline runs meanwhile but the session's lifetime.
    #[must_use]
    pub fn credentials<A, F>(mut self, ask: A) -> Reconnector
    where
        A: FnMut(ReconnectIntent) -> F + Send + 'static,
        F: Future<Output = Option<Bytes>> + Send + 'static,
    {
        self.credentials = closure(ask, |given| given.map_or(Answer::NoCredential, Answer::Credential));
        self
    }

    /// Loads the session from storage.
    #[must_use]
    pub fn restore<A, F>(mut self, ask: A) -> Reconnector
    where
        A: FnMut(ReconnectIntent) -> F + Send + 'static,
        F: Future<Output = Result<(), Cause>> + Send + 'static,
    {
        self.restore = closure(ask, |given| given.map_or_else(Answer::Failed, |()| Answer::Restored));
        self
    }

    /// Starts the peer's process again, with its preserved state.
    #[must_use]
    pub fn restart<A, F>(mut self, ask: A) -> Reconnector
    where
        A: FnMut(ReconnectIntent) -> F + Send + 'static,
        F: Future<Output = Result<Continuity, Cause>> + Send + 'static,
    {
        self.restart = closure(ask, |given| given.map_or_else(Answer::Failed, Answer::Restarted));
        self
    }

    /// Gives what runs inside its preserved state and output again.
    #[must_use]
    pub fn recover<A, F>(mut self, ask: A) -> Reconnector
    where
        A: FnMut(ReconnectIntent) -> F + Send + 'static,
        F: Future<Output = Result<(), Cause>> + Send + 'static,
    {
        self.recover = closure(ask, |given| given.map_or_else(Answer::Failed, |()| Answer::Recovered));
        self
    }
}

impl Connector for Reconnector {
    fn dial(&mut self, intent: ReconnectIntent) -> Connecting {
        self.connector.dial(intent)
    }

    fn prepare(&mut self, intent: &ReconnectIntent) -> Option<PendingAnswer> {
        let here = match intent.preparation {
            Some(Preparation::Restore) => &mut self.restore,
            Some(Preparation::Restart) => &mut self.restart,
            Some(Preparation::Recover) => &mut self.recover,
            None => &mut self.credentials,
            Some(_) => return self.connector.prepare(intent),
        };
        match here {
            Some(closure) => Some(closure(intent.clone())),
            None => self.connector.prepare(intent),
        }
    }
}

debug_some!(Reconnector);
