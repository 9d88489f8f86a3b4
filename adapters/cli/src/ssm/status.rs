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
    /// There is no connection, for so long, and why if that is known.
    Away(Duration, Option<String>),
    /// There is one again, after so long.
    Back(Duration),
}

/// Says so while there is no connection, and when there is one again, until the session is over.
pub(super) async fn follow(session: &ClientSession, mut say: impl FnMut(Said)) {
    let mut events = session.subscribe();
    // Where there is none yet, that may be worth a word, too.
    let mut since = (!session.is_attached()).then(Instant::now);
    let mut next = since.map(|since| since + SILENT);
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
                    say(Said::Away(since.elapsed(), why(session)));
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

fn why(session: &ClientSession) -> Option<String> {
    let error = session.connect_error()?;
    Some(clean(&error.to_string()))
}

/// What a person sees in the last line of the screen, of which the end is cut off where it is too long.
pub(super) fn line(away: Duration, why: Option<&str>) -> String {
    let why = why.map(|why| format!(" ({why})"));
    format!(
        "reconnecting, for {} s; Enter: now{}",
        away.as_secs(),
        why.unwrap_or_default()
    )
}

/// Says it line by line on standard error: once that there is no connection, again when the reason changes, and when it is back.
pub(super) async fn on_standard_error(session: &ClientSession) {
    let mut last = None;
    follow(session, |said| match said {
        Said::Away(_, why) => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_done_stands_before_what_may_be_cut_off() {
        let away = Duration::from_millis(7_900);
        assert_eq!(line(away, None), "reconnecting, for 7 s; Enter: now");
        assert_eq!(
            line(away, Some("refused")),
            "reconnecting, for 7 s; Enter: now (refused)"
        );
    }
}
