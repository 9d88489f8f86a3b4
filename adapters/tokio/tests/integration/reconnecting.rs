//! Reconnecting as an application sees it.

use bytes::Bytes;
use unbroken_tokio::Session;
use unbroken_tokio::proto::event::{EndReason, Event};
use unbroken_tokio::proto::reconnect::{Backoff, Continuity, Outcome, Preparation, Strategies, Strategy};
use unbroken_tokio::proto::session::SessionState;
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{Cause, Health};

use crate::common::{self, Carrier, pair, soon, until};

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
        (session.state(), session.health()),
        (SessionState::Detached, Health::Detached)
    );
    session.resume_reconnecting();
    until(&mut events, |event| *event == Event::ReconnectResumed).await;
    let wanted = session.wanted_connection().expect("because it goes on");
    assert_eq!(wanted.preparation, Some(Preparation::Restart));
    assert_eq!(wanted.preserved, &b"cwd=/srv"[..]);
    session.answer(attempt(&session), unbroken_tokio::Answer::Restarted(Continuity::Kept));
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
    session.answer(attempt(&session), unbroken_tokio::Answer::Restarted(Continuity::Lost));
    let ended = soon("the end", session.closed()).await;
    assert_eq!(
        ended.reason,
        EndReason::Fresh {
            cause: Cause::ProcessEnded
        }
    );
    let handover = session.handover().expect("because it dialled");
    assert_eq!(handover.preserved, &b"cwd=/srv"[..]);
}

/// Messages with a deadline are told of wherever they wait: in the machine, or before it.
#[tokio::test]
async fn a_message_that_is_late_is_told_of_and_still_arrives() {
    let (server, address) = common::server(Carrier::Tcp).await;
    common::spawn_echo(server);
    let mut config = common::client_config();
    config.session.outbox_limit = 32 << 10;
    let session = unbroken_tokio::connect_tcp(address.to_string(), config).expect("because it is sound");
    session.pause_reconnecting();
    let mut events = session.events();
    let (mut send, mut recv) = session
        .open(StreamOptions::default())
        .await
        .expect("because a stream is free")
        .split();
    let within = std::time::Duration::from_millis(10);
    for number in 1..=10 {
        let sent = send.send_within(Bytes::from(vec![1; 1_000]), within).await;
        assert_eq!(sent.expect("because the outbox has room"), number);
    }
    for number in 1..=10 {
        let overdue = until(&mut events, |event| matches!(event, Event::Overdue { .. })).await;
        let stream = send.id();
        assert_eq!(
            overdue,
            Event::Overdue {
                stream,
                message: number
            }
        );
    }
    session.resume_reconnecting();
    for _ in 1..=10 {
        let echoed = soon("an echo", recv.recv()).await.expect("because it was not dropped");
        assert_eq!(echoed.map(|echoed| echoed.len()), Some(1_000));
    }
    // What arrives in time is not told of.
    let on_time = send.send_within(Bytes::from_static(b"x"), common::LIMIT).await;
    assert_eq!(on_time.expect("because the outbox has room"), 11);
    soon("an echo", recv.recv()).await.expect("because the session lives");
    soon("the end", session.close(0, Bytes::new()))
        .await
        .expect("because the code fits");
    while let Some(event) = soon("the rest", events.next()).await {
        assert!(!matches!(event, Event::Overdue { .. }), "{event:?}");
    }
}

#[tokio::test]
async fn a_session_taken_out_of_reconnecting_ends_with_its_connection() {
    let (session, _send, _recv) = pair(Carrier::Ws).await;
    soon("the session", session.established())
        .await
        .expect("because a server is there");
    let wrong = Backoff::default().with_multiplier(1);
    assert!(session.set_backoff(wrong).is_err());
    session.set_backoff(Backoff::never()).expect("because it is in range");
    session.set_strategies(Strategies::resume_always());
    session.report_failure(Cause::ProcessEnded);
    let ended = soon("the end", session.closed()).await;
    let cause = Cause::ProcessEnded;
    assert_eq!(ended.reason, EndReason::GaveUp { cause });
}

#[tokio::test]
async fn every_change_is_told() {
    let (session, _send, _recv) = pair(Carrier::Ws).await;
    let mut events = session.events();
    until(&mut events, |event| matches!(event, Event::Attached { .. })).await;
    session.force();
    for wanted in [
        |event: &Event| matches!(event, Event::Detached { .. }),
        |event: &Event| matches!(event, Event::Reconnect(attempt) if attempt.outcome == Outcome::Pending),
        |event: &Event| *event == Event::Health(Health::Detached),
        |event: &Event| matches!(event, Event::Attached { .. }),
        |event: &Event| matches!(event, Event::Reconnect(attempt) if attempt.outcome == Outcome::Succeeded),
        |event: &Event| *event == Event::Health(Health::Healthy),
    ] {
        until(&mut events, wanted).await;
    }
    assert_eq!(session.reconnect_stats().next_retry, None);
    soon("the end", session.close(3, Bytes::new()))
        .await
        .expect("because the code fits");
    until(&mut events, |event| matches!(event, Event::Closing { .. })).await;
    let ended = until(&mut events, |event| matches!(event, Event::Ended(_))).await;
    assert!(matches!(ended, Event::Ended(ended) if ended.fates.all_delivered()));
    assert_eq!(session.state(), SessionState::Ended);
}
