//! Who makes connections, and what it says when it cannot.

use std::pin::Pin;

use unbroken_proto::ReconnectIntent;
use unbroken_proto::reconnect::Answer;

use crate::connect_error::ConnectError;
use crate::connection::Connected;

/// A dial under way.
pub type Connecting = Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>>;
/// Something that comes before a dial, under way.
pub type PendingAnswer = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Makes connections for a session. Every closure from a [`ReconnectIntent`] to a future of a [`Connected`] is a
/// connector; [`Reconnector`](crate::Reconnector) adds closures for what comes before a dial.
///
/// A dial may be dropped at any point: it is when the machine gives its attempt up. Inside a dial `?` turns an I/O error
/// into a [`ConnectError`], which says by its kind what it means.
///
/// ```
/// use unbroken_driver::proto::{Cause, ReconnectIntent};
/// use unbroken_driver::{ConnectError, Connected, Connector};
/// # async fn open_line(_: u64) -> std::io::Result<unbroken_driver::BoxConnection> { Err(std::io::ErrorKind::TimedOut.into()) }
/// let connector = |intent: ReconnectIntent| async move {
///     if intent.attempt > 100 {
///         return Err(ConnectError::new(Cause::NoService));
///     }
///     Ok(Connected::ordered(open_line(intent.attempt).await?))
/// };
/// # let _: &dyn Connector = &connector;
/// ```
pub trait Connector: Send {
    /// Begins one dial.
    fn dial(&mut self, intent: ReconnectIntent) -> Connecting;

    /// Begins what `intent` asks for before the dial: its preparation, or else a fresh credential, also where one is only
    /// [welcome](unbroken_proto::session::Reconnecting::is_credential_welcome), beside the dial. `None`, the default, means that it is not done here: the application answers through its [handle](crate::Session).
    fn prepare(&mut self, intent: &ReconnectIntent) -> Option<PendingAnswer> {
        let _ = intent;
        None
    }
}

impl<F, D> Connector for F
where
    F: FnMut(ReconnectIntent) -> D + Send,
    D: Future<Output = Result<Connected, ConnectError>> + Send + 'static,
{
    fn dial(&mut self, intent: ReconnectIntent) -> Connecting {
        Box::pin(self(intent))
    }
}
