//! A forwarded port.

use tokio::time::timeout;
use unbroken_ssm::proto::reconnect::Strategy;
use unbroken_ssm::{ClientSession, ports};

use super::local::Local;
use super::open::LEAVING;
use super::signals::Signals;
use super::status;
use crate::listener::Listener;

/// How it went on.
#[derive(Debug)]
pub(super) enum Over {
    /// The session ended.
    Ended,
    /// It is lost, and another one can serve the port.
    Again,
    /// The person ended it.
    Left,
}

pub(super) async fn run(session: &ClientSession, listener: &Listener, signals: &mut Signals) -> Over {
    let local = Local(listener);
    let ended = tokio::select! {
        ended = ports::listen(session, &local) => ended,
        () = status::on_standard_error(session) => None,
        () = signals.end() => {
            session.finish();
            // Where there is no connection now, the agent hears of it from the service.
            let _goodbye = timeout(LEAVING, session.closed()).await;
            return Over::Left;
        }
    };
    match &ended {
        Some(ended) if ended.advice == Some(Strategy::Fresh) => Over::Again,
        _ => Over::Ended,
    }
}
