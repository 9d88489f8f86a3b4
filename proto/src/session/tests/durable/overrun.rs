//! A peer that says more than can be kept.

use super::*;
use crate::wire::FrameWriter;
use crate::wire::frame::Frame;

/// Of credit, resets and stops there is no end, so that a peer could fill the memory of one whose store does not answer.
// PROTOCOL R17.12
#[test]
fn what_no_credit_bounds_is_bounded_while_the_store_does_not_answer() {
    let mut durable = Durable {
        pair: Pair::with_configs(|_, server| server.session.durable = Some(at_rest())),
        client: Disk::default(),
        server: Disk::default(),
    };
    durable.dial();
    let now = durable.pair.now;
    let stream = queue(&mut durable.pair.client, now, "one".into());
    durable.settle();
    let (ours, theirs) = durable.pair.links.last().copied().expect("because it was dialled");
    let theirs = theirs.expect("because it was answered");
    let kept = durable.pair.server().ledger.expected();
    let mut stops = 0;
    while durable.pair.server().is_wanted(theirs) {
        let mut plaintext = Vec::new();
        let mut writer = FrameWriter::new(&mut plaintext);
        (0..1_000).for_each(|code| writer.push(&Frame::Stop { stream, code }));
        writer.finish();
        let packet = seal(&mut durable.pair.client, ours, &plaintext);
        let taken = durable
            .pair
            .server()
            .handle_input(now, theirs, BytesMut::from(&packet[..]));
        assert_eq!(taken, Ok(()));
        stops += 1_000;
        assert!(stops < 100_000, "it takes everything");
    }
    assert!(stops > 10_000, "it gives up soon");
    let server = durable.pair.server();
    assert_eq!((server.end_reason(), server.ledger.expected()), (None, kept + stops));
    // What was taken is kept, as ever; the connection that comes next is answered once it is.
    assert!(durable.server.keep(durable.pair.server(), now));
    assert!(!durable.pair.server().ledger.is_overrun());
    durable.restart_server();
    assert_eq!(durable.pair.server().ledger.expected(), kept + stops);
}
