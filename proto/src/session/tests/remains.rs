//! What is kept of a session that is over: its client comes late, and to a process that never had the session.

use super::durable::{Durable, server_config};
use super::lookup::{self, Fleet, fleet};
use super::*;
use crate::SessionId;
use crate::accept::{Over, SessionCommand, Tombstone};
use crate::durable::RestoreError;
use crate::event::{Closer, Tally};
use crate::security::{PublicKey, ResumptionSecret, Suite};
use crate::server::Recognition;
use crate::session::{Remains, StoreFailure};
use zeroize::Zeroizing;

/// What a server does to end its session.
type End = fn(&mut Session, Instant);

/// A session whose server has ended it as `end` says while its client was away, and what is left of it is all that is kept; another
/// process, to which the client comes.
fn over(end: impl FnOnce(&mut Session, Instant)) -> Fleet {
    ended(fleet(), end)
}

fn ended(mut fleet: Fleet, end: impl FnOnce(&mut Session, Instant)) -> Fleet {
    let now = fleet.durable.pair.now;
    end(fleet.durable.pair.server(), now);
    fleet.durable.settle();
    let remains = fleet.durable.pair.server().remains();
    fleet.durable.server.records = alloc::vec![remains.expect("because it is over")];
    fleet
}

impl Fleet {
    /// What is kept is read again, by the other process.
    fn remember(&mut self) -> RestoreError {
        let (now, pieces) = (self.durable.pair.now, self.durable.server.pieces());
        let restored = self.other.restore(now, &pieces, None);
        restored.map(drop).expect_err("because nobody goes on with it")
    }
}

// PROTOCOL R17.11
#[test]
fn a_client_that_comes_late_learns_at_another_process_how_its_session_ended() {
    let close = |server: &mut Session, now| {
        server
            .close(now, 7, "enough".into())
            .expect("because the code is small")
    };
    let abort = |server: &mut Session, now| server.abort(now);
    let replace = |server: &mut Session, now| {
        let replaced = server.handle_command(now, SessionCommand::Replace);
        replaced.expect("because it has no code");
    };
    let ends: [(End, EndReason); 3] = [
        (
            close,
            EndReason::Closed {
                code: 7,
                reason: "enough".into(),
                by: Closer::Peer,
            },
        ),
        (abort, EndReason::Expired),
        (replace, EndReason::Replaced),
    ];
    for (end, reason) in ends {
        let mut fleet = over(|server, now| {
            end(server, now);
            // Who closes waits for its client; this one gives up.
            let later = now + server_config().session.linger + Duration::from_secs(1);
            server.handle_timeout(later);
        });
        let (epoch, incoming) = fleet.prove();
        assert_eq!(fleet.recognises(&incoming), Recognition::Over);
        assert_eq!(fleet.remember(), RestoreError::Over);
        let now = fleet.durable.pair.now;
        let again = fleet.other.remember(now, &fleet.durable.server.pieces());
        assert_eq!(again, Ok(()), "said again, it is no other");
        let Admission::New {
            mut session,
            epoch: theirs,
        } = fleet.other.admit(now, incoming)
        else {
            panic!("it is not looked up any more");
        };
        let record = session.poll_record().expect("because it is durable");
        session.handle_persisted(now, record.number);
        let mut packet = Vec::new();
        assert!(session.poll_transmit(now, theirs, &mut packet));
        fleet.answer(epoch, Some(packet));
        let client = &mut fleet.durable.pair.client;
        assert_eq!(client.end_reason(), Some(&reason));
        let ended = core::iter::from_fn(|| client.poll_event()).find_map(|event| match event {
            Event::Ended(ended) => Some(ended),
            _ => None,
        });
        let ended = ended.expect("because all is kept");
        let [fate] = &ended.fates.streams[..] else {
            panic!("{ended:?}");
        };
        assert_eq!((fate.delivered.messages, fate.unknown), (1, Tally::default()));
        assert_eq!(fate.not_delivered[0].payload, "two");
    }
}

/// What is left is told to who proves itself, and to nobody else.
// PROTOCOL R17.11
#[test]
fn only_the_client_learns_what_became_of_its_session() {
    let mut fleet = over(Session::abort);
    let (epoch, route) = fleet.ask();
    let Route::Lookup { incoming, .. } = route else {
        panic!("not looked up: {route:?}");
    };
    assert_eq!(fleet.recognises(&incoming), Recognition::Over, "nobody resumes it");
    let now = fleet.durable.pair.now;
    let rejection = fleet.other.unrecognised(now, incoming);
    fleet.answer(epoch, rejection.packet);
    let (_, incoming) = fleet.prove();
    assert_eq!(fleet.recognises(&incoming), Recognition::Over);
    // The same session, which its client has resumed once more: who has the secret from before is a copy.
    let mut resumed = lookup::fleet();
    resumed.durable.dial();
    resumed.durable.pair.cut();
    resumed.durable.settle();
    assert_eq!(resumed.durable.pair.client.id(), fleet.durable.pair.client.id());
    fleet.durable.server = ended(resumed, Session::abort).durable.server;
    assert_eq!(fleet.recognises(&incoming), Recognition::Other);
}

/// A session that may go on, that never was more than provisional, or that is not over, leaves nothing of that kind; nor does the client.
#[test]
fn what_nobody_may_ask_for_is_not_kept() {
    let mut fleet = fleet();
    let now = fleet.durable.pair.now;
    assert!(fleet.durable.pair.server().remains().is_none(), "it is not over");
    fleet
        .durable
        .pair
        .server()
        .handle_store_failed(now, StoreFailure::Released);
    assert!(fleet.durable.pair.server().remains().is_none(), "it goes on elsewhere");
    fleet.durable.pair.client.abort(now);
    fleet.durable.settle();
    assert!(fleet.durable.pair.client.remains().is_none(), "the client asks");
    let mut durable = Durable::new();
    durable.connect();
    let now = durable.pair.now;
    durable.server.keep(durable.pair.server(), now);
    durable.pair.server().abort(now);
    durable.server.keep(durable.pair.server(), now);
    assert!(durable.pair.server().remains().is_none(), "it was never confirmed");
    // As long as not all is kept that it took, the end is not said, nor is it what is left.
    let mut fleet = lookup::fleet();
    let now = fleet.durable.pair.now;
    let server = fleet.durable.pair.server();
    server.close(now, 1, Bytes::new()).expect("because the code is small");
    server.abort(now);
    assert!(server.remains().is_none());
    fleet.durable.settle();
    assert!(fleet.durable.pair.server().remains().is_some());
}

/// What went on elsewhere and ended there is known here from then on, instead of being anybody's guess.
#[test]
fn what_is_kept_of_an_end_elsewhere_takes_the_place_of_a_guess() {
    let mut fleet = fleet();
    let now = fleet.durable.pair.now;
    let (session, _) = fleet
        .other
        .restore(now, &fleet.durable.server.pieces(), None)
        .expect("because it is whole");
    let mut first = fleet
        .durable
        .pair
        .server
        .replace(session)
        .expect("because there is one");
    let server = fleet.durable.pair.server();
    server.handle_store_failed(now, StoreFailure::Released);
    let report = server.poll_report().expect("because it is over here");
    fleet.other.update(now, report);
    first.abort(now);
    fleet.durable.server.keep(&mut first, now);
    fleet.durable.server.records = alloc::vec![first.remains().expect("because it is over")];
    assert_eq!(fleet.remember(), RestoreError::Over);
    let (_, incoming) = fleet.prove();
    assert!(
        matches!(fleet.other.admit(now, incoming), Admission::New { .. }),
        "not looked up again"
    );
}

/// PROTOCOL.md, "Journals": the fields, and that nothing else is taken for them.
#[test]
fn what_is_left_is_read_as_it_was_written() {
    let secret = |byte| ResumptionSecret::new(Suite::from_byte(1).expect("a suite"), Zeroizing::new([byte; 32]));
    let tombstone = |over: Option<Over>| Tombstone {
        id: SessionId([1; 16]),
        position: 300,
        over: over.map(alloc::boxed::Box::new),
        is_final: true,
        believable: 2..=70_000,
        counter: 5,
        verifiers: alloc::vec![secret(3).verifier(), secret(4).verifier()],
    };
    let ends = [
        None,
        Some(Over::Closed {
            code: 9,
            reason: "bye".into(),
        }),
        Some(Over::Replaced),
    ];
    for over in ends {
        let remains = Remains {
            client: PublicKey([2; 32]),
            tombstone: tombstone(over),
        };
        let mut bytes = Vec::new();
        remains.save(&mut bytes);
        let read = Remains::load(&mut Bytes::from(bytes.clone())).expect("because it was written");
        assert_eq!(alloc::format!("{read:?}"), alloc::format!("{remains:?}"));
        for len in 0..bytes.len() {
            let cut = Bytes::copy_from_slice(&bytes[..len]);
            assert!(Remains::load(&mut cut.clone()).is_err(), "{len} bytes");
        }
    }
}
