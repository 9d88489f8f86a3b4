//! A process that was taken for dead, and has lived on: another one has gone on with the session, which then ends here.

use super::*;
use crate::event::Ended;

/// A server without a connection that has said something nobody sent.
fn left_behind() -> Durable {
    let mut durable = Durable::new();
    durable.dial();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "one".into());
    durable.settle();
    let server = durable.pair.server();
    assert_eq!(server.accept(now).map(|accepted| accepted.id), Some(stream));
    durable.pair.cut();
    send(durable.pair.server(), now, stream, "unsent");
    durable.settle();
    let _ = events(durable.pair.server());
    durable
}

fn ended(session: &mut Session) -> Option<Ended> {
    events(session).into_iter().find_map(|event| match event {
        Event::Ended(ended) => Some(ended),
        _ => None,
    })
}

// PROTOCOL R17.13
/// Found by random schedules: it said that what its successor had delivered never arrived.
#[test]
fn an_end_that_is_not_its_own_to_tell_is_not_told() {
    for reason in [EndReason::Aborted, EndReason::Expired] {
        let mut durable = left_behind();
        let now = durable.pair.now;
        let server = durable.pair.server();
        match reason {
            EndReason::Aborted => server.abort(now),
            _ => {
                while server.end_reason().is_none() {
                    let due = server.poll_timeout().expect("because it is detached");
                    server.handle_timeout(due);
                }
            }
        }
        assert_eq!(server.end_reason(), Some(&reason));
        assert_eq!(ended(server), None, "nothing is kept behind it");
        assert!(server.poll_record().is_some());
        let late = now + Duration::from_secs(3_600);
        server.handle_store_failed(late, StoreFailure::Superseded);
        let ended = ended(server).expect("because nothing more is waited for");
        assert_eq!(ended.reason, EndReason::Superseded);
        let [fate] = &ended.fates.streams[..] else {
            panic!("{:?}", ended.fates)
        };
        assert!(fate.not_delivered.is_empty() && fate.unknown.messages == 1, "{fate:?}");
    }
}

// PROTOCOL R17.13
#[test]
fn an_end_that_is_its_own_is_told_once_something_is_kept_behind_it() {
    let mut durable = left_behind();
    let now = durable.pair.now;
    durable.pair.server().abort(now);
    assert_eq!(ended(durable.pair.server()), None);
    assert!(durable.server.keep(durable.pair.server(), now));
    let ended = ended(durable.pair.server()).expect("because it is kept");
    assert_eq!(ended.reason, EndReason::Aborted);
    assert_eq!(ended.fates.streams[0].not_delivered.len(), 1);
    // A journal with that at its end is still that of the session, should the process die now.
    durable.restart_server();
    assert_eq!(durable.pair.server().end_reason(), None);
}

/// Found by random schedules: the peer had closed, and its last word went to the successor.
// PROTOCOL R17.13
#[test]
fn an_end_that_its_closer_did_not_confirm_is_not_told_either() {
    let mut durable = left_behind();
    durable.dial();
    let now = durable.pair.now;
    durable
        .pair
        .server()
        .close(now, 0, Bytes::new())
        .expect("because the code fits");
    durable
        .pair
        .client
        .close(now, 3, Bytes::new())
        .expect("because the code fits");
    let (_, theirs) = durable.client_says_last();
    durable.server.keep(durable.pair.server(), now);
    let _ = events(durable.pair.server());
    let server = durable.pair.server();
    server.detach(now, theirs, Cause::Network);
    while server.end_reason().is_none() {
        let due = server.poll_timeout().expect("because the closer may say something");
        server.handle_timeout(due);
    }
    assert!(matches!(server.end_reason(), Some(EndReason::Closed { .. })));
    assert_eq!(ended(server), None, "nothing is kept behind it");
    server.handle_store_failed(now + Duration::from_secs(3_600), StoreFailure::Superseded);
    assert_eq!(ended(server).map(|ended| ended.reason), Some(EndReason::Superseded));
}
