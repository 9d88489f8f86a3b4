//! Reconnecting as an application sees it.

mod common;

use bytes::Bytes;
use common::{Carrier, pair, soon};
use unbroken_tokio::proto::event::{EndReason, Event};
use unbroken_tokio::proto::reconnect::{Continuity, Outcome, Preparation, Strategy};
use unbroken_tokio::proto::session::Lifecycle;
use unbroken_tokio::proto::{Cause, Health};
use unbroken_tokio::{Events, Session};

async fn until(events: &mut Events, wanted: impl Fn(&Event) -> bool) -> Event {
    soon("an event", async {
        loop {
            let event = events.next().await.expect("because the session lives");
            if wanted(&event) {
                return event;
            }
        }
    })
    .await
}

fn attempt(session: &Session) -> u64 {
    session.wanted_connection().expect("because one is wanted").attempt
}

#[tokio::test]
async fn an_application_answers_what_the_machine_asks() {
    let (session, mut send, mut recv) = pair(Carrier::Tcp).await;
    soon("the session", session.established())
        .await
        .expect("because a server is there");
    let mut events = session.events();
    session
        .preserve(Bytes::from_static(b"cwd=/srv"))
        .expect("because it is short");
    session.pause_reconnecting();
    until(&mut events, |event| *event == Event::ReconnectPaused).await;
    session.report_failure(Cause::ProcessEnded);
    until(&mut events, |event| {
        matches!(
            event,
            Event::Detached {
                cause: Cause::ProcessEnded
            }
        )
    })
    .await;
    until(&mut events, |event| *event == Event::Health(Health::Detached)).await;
    assert!(session.is_reconnecting_paused() && session.wanted_connection().is_none());
    assert_eq!(
        (session.lifecycle(), session.health()),
        (Lifecycle::Connecting, Health::Detached)
    );
    session.resume_reconnecting();
    until(&mut events, |event| *event == Event::ReconnectResumed).await;
    let wanted = session.wanted_connection().expect("because it goes on");
    assert_eq!(wanted.preparation, Some(Preparation::Restart));
    assert_eq!(wanted.preserved, &b"cwd=/srv"[..]);
    session.restarted(attempt(&session), Ok(Continuity::Kept));
    until(&mut events, |event| matches!(event, Event::Attached { .. })).await;
    until(
        &mut events,
        |event| matches!(event, Event::Reconnect(attempt) if attempt.outcome == Outcome::Succeeded),
    )
    .await;
    soon("a send", send.send(Bytes::from_static(b"on we go")))
        .await
        .expect("because the stream survived");
    let echoed = soon("an echo", recv.recv()).await.expect("because the stream survived");
    assert_eq!(echoed.as_deref(), Some(&b"on we go"[..]));
    let stats = session.reconnect_stats();
    assert_eq!((stats.restarts, stats.disconnections(Cause::ProcessEnded)), (1, 1));
    assert_eq!(
        session.history().last().map(|last| last.strategy),
        Some(Strategy::Restart)
    );
    // It came back empty: the application starts fresh, and the line goes on.
    session.report_failure(Cause::ProcessEnded);
    until(&mut events, |event| matches!(event, Event::Detached { .. })).await;
    until(&mut events, |event| matches!(event, Event::Reconnect(_))).await;
    session.restarted(attempt(&session), Ok(Continuity::Lost));
    let ended = soon("the end", session.closed()).await;
    assert_eq!(
        ended.reason,
        EndReason::Fresh {
            cause: Cause::ProcessEnded
        }
    );
    let heritage = session.heritage().expect("because it dialled");
    assert_eq!(heritage.preserved, &b"cwd=/srv"[..]);
}
