//! What is said of a connection that is not there.

use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};
use unbroken_ssm::ClientSession;
use unbroken_ssm::proto::ssm::Event;

use crate::text::clean;

/// A connection that is back so soon is not worth a word.
const SILENT: Duration = Duration::from_millis(700);
/// Between two looks at the clock.
const TICK: Duration = Duration::from_secs(1);

/// What there is to say.
#[derive(Debug)]
pub(super) enum Said {
    /// There is no connection, since then.
    Away(String),
    /// There is one again, after so long.
    Back(Duration),
}

/// Says so while there is no connection, and when there is one again, until the session is over.
pub(super) async fn follow(session: &ClientSession, mut say: impl FnMut(Said)) {
    let mut events = session.subscribe();
    let (mut since, mut next) = (None, None);
    let mut said = false;
    loop {
        let tick = async {
            match next {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            event = events.recv() => event,
            () = tick => {
                if let Some(since) = since {
                    say(Said::Away(line(session, since)));
                    said = true;
                    next = Some(Instant::now() + TICK);
                }
                continue;
            }
        };
        match event {
            Ok(Event::Detached { .. }) => {
                since.get_or_insert_with(Instant::now);
                next.get_or_insert_with(|| Instant::now() + SILENT);
            }
            Ok(Event::Attached { .. }) => {
                if let Some(since) = since.take().filter(|_| said) {
                    say(Said::Back(Instant::now() - since));
                }
                (next, said) = (None, false);
            }
            Err(RecvError::Closed) => return std::future::pending().await,
            // Of what was missed the next says enough.
            Ok(_) | Err(RecvError::Lagged(_)) => {}
        }
    }
}

fn line(session: &ClientSession, since: Instant) -> String {
    let seconds = since.elapsed().as_secs();
    let why = session
        .connect_error()
        .map(|error| format!(" ({})", clean(&error.to_string())));
    format!("reconnecting, for {seconds} s{}", why.unwrap_or_default())
}

/// Says it line by line on standard error: once that there is no connection, again when the reason changes, and when it is back.
pub(super) async fn on_standard_error(session: &ClientSession) {
    let mut last = None;
    follow(session, |said| match said {
        Said::Away(_) => {
            let why = session.connect_error().map(|error| clean(&error.to_string()));
            if last.as_ref() != Some(&why) {
                let shown = why.as_ref().map(|why| format!(": {why}"));
                eprintln!("unbroken: no connection, reconnecting{}", shown.unwrap_or_default());
                last = Some(why);
            }
        }
        Said::Back(after) => {
            last = None;
            eprintln!("unbroken: connected again after {:.1} s", after.as_secs_f64());
        }
    })
    .await;
}
