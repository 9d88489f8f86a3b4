use super::*;

/// A half that was finished, and dropped, before the peer's stop arrives never takes its own out.
#[test]
fn stops_of_halves_that_are_over_are_bounded() {
    let (mut senders, mut wakes) = (Senders::default(), WakeList::default());
    for id in 0..100_000 {
        senders.remove(StreamId(id), &mut wakes);
        senders.stop(StreamId(id), 7, &mut wakes);
    }
    assert_eq!(senders.stopped.len(), STOPPED);
    let reason = senders.reason(StreamId(99_999), SendRefusal::UnknownStream);
    assert_eq!(reason, SendRefusal::Stopped(7), "the last are known");
}
