//! Planned swaps whose old connection takes something with it: the gap, what may be sent above it, and
//! closes that lie above it.

use bytes::Bytes;
use unbroken_proto::event::{Closer, EndReason};
use unbroken_proto::time::Duration;
use unbroken_proto::{SessionConfig, Side, StreamId};
use unbroken_tests::duo::{Duo, Setup};

const MS: u64 = 1_000_000;

/// Attached by a planned swap; what both ends sent last on the old connection, `len` bytes each, is
/// lost with it, and neither knows yet.
fn with_gaps(config: SessionConfig, len: usize) -> (Duo, StreamId) {
    let mut duo = Duo::new(&Setup {
        client: config.clone(),
        server: config,
        ..Setup::default()
    });
    let stream = duo.establish();
    duo.wait(1_000 * MS);
    let now = duo.instant();
    duo.client.migrate(now, Duration::from_secs(1), Bytes::new());
    assert!(duo.dial([None; 2]));
    assert!(duo.transmit(1, Side::Client) && duo.deliver(1, Side::Client) && duo.transmit(1, Side::Server));
    // The server has said `alive`; now each end sends something that will be lost.
    duo.wires[0].cut([true; 2]);
    for side in [Side::Client, Side::Server] {
        assert!(duo.put(side, stream, len));
        while duo.transmit(0, side) {}
    }
    assert!(duo.deliver(1, Side::Server));
    assert!(duo.transmit(1, Side::Client));
    while duo.deliver(1, Side::Client) {}
    let links = duo.server.as_ref().map(|server| server.inspect().links);
    assert_eq!(links, Some([false, true, true]), "a planned swap is under way");
    (duo, stream)
}

/// Packets go both ways on the new connection until none is left.
fn talk(duo: &mut Duo) {
    loop {
        let mut any = false;
        for side in [Side::Client, Side::Server] {
            any |= duo.transmit(1, side);
            any |= duo.deliver(1, side);
        }
        if !any {
            return;
        }
    }
}

fn all_arrives(duo: &mut Duo, stream: StreamId) {
    for _ in 0..50 {
        duo.wait(200 * MS);
        duo.read_all(Side::Client, &[stream]);
        duo.read_all(Side::Server, &[stream]);
    }
    assert_eq!(duo.ended, [None, None]);
    assert!(duo.ledger.is_settled(), "{:?}", duo.ledger.unsettled());
    assert_eq!(duo.wires.len(), 2, "no third connection was needed");
}

#[test]
fn what_the_old_connection_lost_comes_again_on_the_new_one() {
    for len in [1, 100, 5_000] {
        for notice in [&[Side::Client][..], &[Side::Server], &[Side::Client, Side::Server], &[]] {
            let (mut duo, stream) = with_gaps(SessionConfig::default(), len);
            for side in [Side::Client, Side::Server] {
                assert!(duo.put(side, stream, 50), "more, above the gap");
            }
            talk(&mut duo);
            for side in notice {
                duo.notice(0, *side);
            }
            all_arrives(&mut duo, stream);
            for side in [Side::Client, Side::Server] {
                let redundant = duo.machine(side).map(|machine| machine.inspect().redundant);
                assert_eq!(redundant, Some(0));
            }
        }
    }
}

#[test]
fn no_more_is_sent_above_a_gap_than_the_inbox_holds() {
    for dies in [Some(Side::Client), Some(Side::Server), None] {
        let config = SessionConfig::default()
            .with_inbox_limit(65_536)
            .with_outbox_limit(2 << 20)
            .with_stream_window(2 << 20)
            .with_session_window(2 << 20);
        let (mut duo, stream) = with_gaps(config, 3_000);
        if let Some(side) = dies {
            // This end knows that the old connection is gone, and still may not send more.
            duo.notice(0, side);
        }
        for side in [Side::Client, Side::Server] {
            for _ in 0..60 {
                assert!(duo.put(side, stream, 16_000));
            }
        }
        talk(&mut duo);
        for side in [Side::Client, Side::Server] {
            let held = duo.machine(side).map_or(0, |machine| machine.stats().inbox_bytes);
            assert!(held <= 65_536, "{side:?} holds {held}");
        }
        all_arrives(&mut duo, stream);
    }
}

#[test]
fn closes_that_cross_above_a_gap_complete_each_other() {
    for order in [[Side::Client, Side::Server], [Side::Server, Side::Client]] {
        let (mut duo, stream) = with_gaps(SessionConfig::default(), 40);
        for side in order {
            let now = duo.instant();
            if let Some(machine) = duo.machine(side) {
                machine.close(now, 4, Bytes::new()).expect("because the code fits");
            }
        }
        for side in order {
            while duo.transmit(1, side) {}
        }
        talk(&mut duo);
        duo.wait(1_000 * MS);
        duo.read_all(Side::Client, &[stream]);
        duo.read_all(Side::Server, &[stream]);
        for (side, ended) in [Side::Client, Side::Server].into_iter().zip(duo.ended.clone()) {
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
            assert_eq!(duo.ledger.check_fates(side, &ended), Ok(()));
        }
    }
}

#[test]
fn a_close_that_waits_in_the_inbox_is_answered_when_our_own_goes_out() {
    let (mut duo, stream) = with_gaps(SessionConfig::default(), 40);
    let now = duo.instant();
    duo.client.close(now, 4, Bytes::new()).expect("because the code fits");
    // The client's CLOSE arrives above the gap and waits; then the server closes as well.
    while duo.transmit(1, Side::Client) {}
    while duo.deliver(1, Side::Client) {}
    let now = duo.instant();
    if let Some(server) = &mut duo.server {
        server.close(now, 4, Bytes::new()).expect("because the code fits");
    }
    talk(&mut duo);
    duo.wait(1_000 * MS);
    duo.read_all(Side::Client, &[stream]);
    duo.read_all(Side::Server, &[stream]);
    for (side, ended) in [Side::Client, Side::Server].into_iter().zip(duo.ended.clone()) {
        let ended = ended.unwrap_or_else(|| panic!("{side:?} waits for ever"));
        assert!(
            matches!(ended.reason, EndReason::Closed { code: 4, .. }),
            "{side:?}: {ended:?}"
        );
        assert_eq!(duo.ledger.check_fates(side, &ended), Ok(()));
    }
}
