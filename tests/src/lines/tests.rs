//! The lines themselves, with plain streams and by hand.

use super::carrier::{Framing, Socket};
use super::line::{HEADER, Line, SEGMENT, Segment, share, takes};
use super::measure::Percentiles;
use super::world::World;
use super::{MS, SECOND};

fn line(bits: u64, capacity: u64) -> Line {
    Line::new(bits, 10 * MS, capacity)
}

fn streams(bits: u64, queue: u64, rtt: u64, count: usize) -> Vec<u64> {
    let line = || Line::new(bits, rtt / 2, queue);
    let mut world = World::new([line(), line()], Framing::ByteStream, Socket::Relay { holds: 1 });
    for _ in 0..count {
        world.add_stream();
        world.run_until(world.now + SECOND);
    }
    world.run_until(world.now + 30 * SECOND);
    let carried = |world: &World| -> Vec<u64> { (0..count).map(|flow| world.carried(flow)).collect() };
    let before = carried(&world);
    world.run_until(world.now + 60 * SECOND);
    carried(&world)
        .iter()
        .zip(&before)
        .map(|(now, before)| now - before)
        .collect()
}

#[test]
fn a_link_takes_its_time_and_a_distance_its_own() {
    let mut line = line(12_000_000, 1 << 20);
    let segment = Segment {
        flow: 0,
        payload: SEGMENT,
        since: 0,
        sent: 0,
    };
    line.push(segment);
    line.push(segment);
    let (_, done) = line.begin(5).expect("because the link is free");
    assert_eq!(done, 5 + MS, "1,500 bytes at 12 Mbit/s");
    assert!(line.begin(6).is_none(), "it is busy");
    let (_, arrives) = line.finish(done).expect("because it was busy");
    assert_eq!(arrives, done + 10 * MS);
    // A line that became shorter and faster overtakes nothing.
    (line.delay, line.rate) = (MS, 12_000_000_000);
    let (_, done) = line.begin(done).expect("because the link is free");
    let (_, arrives_next) = line.finish(done).expect("because it was busy");
    assert_eq!(arrives_next, arrives);
}

#[test]
fn a_queue_has_room_for_what_it_holds_and_no_more() {
    let full = SEGMENT + HEADER;
    let mut line = line(1_000_000, 10 * full + 1);
    let mut held = 0;
    while line.has_room() {
        line.push(Segment {
            flow: 0,
            payload: SEGMENT,
            since: 0,
            sent: 0,
        });
        held += 1;
    }
    assert_eq!(held, 10);
}

#[test]
fn plain_streams_fill_a_line_and_share_it() {
    for (bits, rtt) in [(10_000_000, 20 * MS), (10_000_000, 100 * MS), (100_000_000, 20 * MS)] {
        let queue = (share(bits, rtt) * 3 / 2).max(256 << 10);
        let most = share(bits, 60 * SECOND);
        let alone = streams(bits, queue, rtt, 1)[0];
        assert!(alone * 100 >= most * 98 && alone <= most + SEGMENT, "{alone} of {most}");
        let both = streams(bits, queue, rtt, 2);
        assert!((both[0] + both[1]) * 100 >= most * 98, "{both:?} of {most}");
        assert!(both[0] < 2 * both[1] && both[1] < 2 * both[0], "{both:?}");
    }
}

#[test]
fn frames_are_as_long_as_their_documents_say() {
    assert_eq!(Framing::ByteStream.overhead(65_535, true), 2);
    let websocket = |length| Framing::WebSocket.overhead(length, true);
    assert_eq!([125, 126, 65_535, 65_536].map(websocket), [6, 8, 8, 14]);
    assert_eq!(Framing::WebSocket.overhead(125, false), 2);
}

#[test]
fn percentiles_are_those_of_the_samples() {
    let mut samples: Vec<u64> = (1..=100).rev().collect();
    let of = Percentiles::of(&mut samples, 95);
    assert_eq!((of.half, of.most, of.samples), (50, 95, 100));
    assert_eq!(Percentiles::of(&mut [7], 99).most, 7);
    assert_eq!(Percentiles::of(&mut [], 99).samples, 0);
    assert_eq!(takes(1_500, 1_000_000), 12 * MS);
}
