//! Planned swaps whose old connection takes something with it: the gap, what may be sent above it, and
//! closes that lie above it.

use bytes::Bytes;
use unbroken_proto::event::{Closer, EndReason};
use unbroken_proto::time::Duration;
use unbroken_proto::{SessionConfig, Side, StreamId};
use unbroken_tests::pair::{Pair, Setup};

const MS: u64 = 1_000_000;

/// Attached by a planned swap; what both ends sent last on the old connection, `len` bytes each, is
/// lost with it, and neither knows yet.
fn with_gaps(config: SessionConfig, len: usize) -> (Pair, StreamId) {
    let mut pair = Pair::new(&Setup {
        client: config.clone(),
        server: config,
        ..Setup::default()
    });
    let stream = pair.establish();
    pair.wait(1_000 * MS);
    let now = pair.instant();
    pair.client.migrate(now, Duration::from_secs(1), Bytes::new());
    assert!(pair.dial([None; 2]));
    assert!(pair.transmit(1, Side::Client) && pair.deliver(1, Side::Client) && pair.transmit(1, Side::Server));
    // The server has said `alive`; now each end sends something that will be lost.
    pair.wires[0].cut([true; 2]);
    for side in [Side::Client, Side::Server] {
        assert!(pair.put(side, stream, len));
        while pair.transmit(0, side) {}
    }
    assert!(pair.deliver(1, Side::Server));
    assert!(pair.transmit(1, Side::Client));
    while pair.deliver(1, Side::Client) {}
    let links = pair.server.as_ref().map(|server| server.inspect().links);
    assert_eq!(links, Some([false, true, true]), "a planned swap is under way");
    (pair, stream)
}

/// Packets go both ways on the new connection until none is left.
fn talk(pair: &mut Pair) {
    loop {
        let mut any = false;
        for side in [Side::Client, Side::Server] {
            any |= pair.transmit(1, side);
            any |= pair.deliver(1, side);
        }
        if !any {
            return;
        }
    }
}

fn all_arrives(pair: &mut Pair, stream: StreamId) {
    for _ in 0..50 {
        pair.wait(200 * MS);
        pair.read_all(Side::Client, &[stream]);
        pair.read_all(Side::Server, &[stream]);
    }
    assert_eq!(pair.ended, [None, None]);
    assert!(pair.ledger.is_settled(), "{:?}", pair.ledger.unsettled());
    assert_eq!(pair.wires.len(), 2, "no third connection was needed");
}

// PROTOCOL R10.14, R10.16, R10.20
#[test]
fn what_the_old_connection_lost_comes_again_on_the_new_one() {
    for len in [1, 100, 5_000] {
        for notice in [&[Side::Client][..], &[Side::Server], &[Side::Client, Side::Server], &[]] {
            let (mut pair, stream) = with_gaps(SessionConfig::default(), len);
            for side in [Side::Client, Side::Server] {
                assert!(pair.put(side, stream, 50), "more, above the gap");
            }
            talk(&mut pair);
            for side in notice {
                pair.notice(0, *side);
            }
            all_arrives(&mut pair, stream);
            for side in [Side::Client, Side::Server] {
                let redundant = pair.machine(side).map(|machine| machine.inspect().redundant);
                assert_eq!(redundant, Some(0));
            }
        }
    }
}

// PROTOCOL R10.17
#[test]
fn no_more_is_sent_above_a_gap_than_the_inbox_holds() {
    for dies in [Some(Side::Client), Some(Side::Server), None] {
        let config = SessionConfig::default()
            .with_inbox_limit(65_536)
            .with_outbox_limit(2 << 20)
            .with_stream_window(2 << 20)
            .with_session_window(2 << 20);
        let (mut pair, stream) = with_gaps(config, 3_000);
        if let Some(side) = dies {
            // This end knows that the old connection is gone, and still may not send more.
            pair.notice(0, side);
        }
        for side in [Side::Client, Side::Server] {
            for _ in 0..60 {
                assert!(pair.put(side, stream, 16_000));
            }
        }
        talk(&mut pair);
        for side in [Side::Client, Side::Server] {
            let held = pair.machine(side).map_or(0, |machine| machine.stats().inbox_bytes);
            assert!(held <= 65_536, "{side:?} holds {held}");
        }
        all_arrives(&mut pair, stream);
    }
}

// PROTOCOL R8.2, R8.7
#[test]
fn closes_that_cross_above_a_gap_complete_each_other() {
    for order in [[Side::Client, Side::Server], [Side::Server, Side::Client]] {
        let (mut pair, stream) = with_gaps(SessionConfig::default(), 40);
        for side in order {
            let now = pair.instant();
            if let Some(machine) = pair.machine(side) {
                machine.close(now, 4, Bytes::new()).expect("because the code fits");
            }
        }
        for side in order {
            while pair.transmit(1, side) {}
        }
        talk(&mut pair);
        pair.wait(1_000 * MS);
        pair.read_all(Side::Client, &[stream]);
        pair.read_all(Side::Server, &[stream]);
        for (side, ended) in [Side::Client, Side::Server].into_iter().zip(pair.ended.clone()) {
            let ended = ended.unwrap_or_else(|| panic!("{side:?} waits for ever, {order:?}"));
            assert!(
                matches!(
                    ended.reason,
                    EndReason::Closed {
                        code: 4,
                        by: Closer::Both,
                        ..
                    }
                ),
                "{side:?}: {ended:?}"
            );
            assert_eq!(pair.ledger.check_fates(side, &ended), Ok(()));
        }
    }
}

#[test]
fn a_close_that_waits_in_the_inbox_is_answered_when_our_own_goes_out() {
    let (mut pair, stream) = with_gaps(SessionConfig::default(), 40);
    let now = pair.instant();
    pair.client.close(now, 4, Bytes::new()).expect("because the code fits");
    // The client's CLOSE arrives above the gap and waits; then the server closes as well.
    while pair.transmit(1, Side::Client) {}
    while pair.deliver(1, Side::Client) {}
    let now = pair.instant();
    if let Some(server) = &mut pair.server {
        server.close(now, 4, Bytes::new()).expect("because the code fits");
    }
    talk(&mut pair);
    pair.wait(1_000 * MS);
    pair.read_all(Side::Client, &[stream]);
    pair.read_all(Side::Server, &[stream]);
    for (side, ended) in [Side::Client, Side::Server].into_iter().zip(pair.ended.clone()) {
        let ended = ended.unwrap_or_else(|| panic!("{side:?} waits for ever"));
        assert!(
            matches!(ended.reason, EndReason::Closed { code: 4, .. }),
            "{side:?}: {ended:?}"
        );
        assert_eq!(pair.ledger.check_fates(side, &ended), Ok(()));
    }
}
