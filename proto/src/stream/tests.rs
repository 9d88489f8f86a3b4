//! Two stream tables against each other, through two outboxes and nothing else: no connection, no
//! positions, no clock. What honest ends do to each other never is a fault, whatever the limits.

extern crate std;

use std::collections::BTreeMap;
use std::vec::Vec;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::config::{SessionConfig, WindowBudget};
use crate::error::{RecvError, SendRefusal};
use crate::event::Event;
use crate::id::Side;
use crate::id::StreamId;
use crate::reliability::Headroom;
use crate::reliability::Outbox;
use crate::time::{Duration, Instant};
use crate::wire::frame::Frame;

/// A reader that takes everything at once, over a line that has a round trip.
const HURRIED: Reading = Reading {
    now: Instant::ZERO,
    rtt: Some(Duration::from_millis(1)),
};
/// One of which nobody knows how fast it is.
const UNHURRIED: Reading = Reading {
    now: Instant::ZERO,
    rtt: None,
};

/// One end, and what its application did.
struct End {
    streams: Streams,
    outbox: Outbox,
    /// Frames of the outbox that the peer has.
    delivered: u64,
    mine: Vec<StreamId>,
    /// By stream: what was written, and whether it counts to the end.
    written: BTreeMap<StreamId, Written>,
    /// By stream: what was read.
    read: BTreeMap<StreamId, Read>,
    /// Messages that were refused since the last Writable: stream and length.
    refused: std::collections::BTreeSet<(StreamId, usize)>,
    stamp: u8,
}

#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    /// Where messages end.
    ends: Vec<usize>,
    finished: bool,
    abandoned: bool,
}

#[derive(Default)]
struct Read {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    ended: bool,
    reset: bool,
    stopped: bool,
}

impl End {
    fn new(side: Side, config: &SessionConfig) -> End {
        End {
            streams: Streams::new(side, config),
            outbox: Outbox::default(),
            delivered: 0,
            mine: Vec::new(),
            written: BTreeMap::new(),
            read: BTreeMap::new(),
            refused: std::collections::BTreeSet::new(),
            stamp: 0,
        }
    }

    fn open(&mut self) {
        if let Ok(id) = self.streams.open(StreamOptions::default()) {
            self.mine.push(id);
        }
    }

    fn accept(&mut self) {
        while let Some(stream) = self.streams.accept() {
            self.mine.push(stream.id);
        }
    }

    fn send(&mut self, nth: usize, len: usize, message: bool) {
        let Some(id) = self.pick(nth) else { return };
        self.stamp = self.stamp.wrapping_add(1);
        let mut payload = Bytes::from(std::vec![self.stamp; len]);
        let taken = if message {
            self.streams
                .send(id, payload.clone())
                .map(|()| len)
                .map_err(|e| e.reason)
        } else {
            self.streams.write(id, &mut payload)
        };
        let written = self.written.entry(id).or_default();
        match taken {
            Ok(taken) => {
                written.bytes.extend(core::iter::repeat_n(self.stamp, taken));
                if message {
                    written.ends.push(written.bytes.len());
                }
            }
            Err(SendRefusal::Stopped(_)) => written.abandoned = true,
            Err(SendRefusal::Full | SendRefusal::Unread) if message => drop(self.refused.insert((id, len))),
            Err(_) => {}
        }
    }

    /// What the application is told.
    fn hear(&mut self) {
        for event in core::iter::from_fn(|| self.streams.poll_event()) {
            match event {
                Event::Stopped { stream, .. } => self.written.entry(stream).or_default().abandoned = true,
                Event::Writable => self.refused.clear(),
                _ => {}
            }
        }
    }

    /// The account of what waits is right, and nobody waits for room there is.
    fn check_account(&self) {
        let streams = &self.streams;
        let waiting = |s: &halves::Stream| s.send.held_up(s.opened, 0);
        assert_eq!(
            streams.held_waiting.total(),
            streams.table.values().map(waiting).sum::<usize>()
        );
        let opened = streams.table.values().filter(|stream| stream.opened);
        assert_eq!(streams.held_waiting.readers, opened.map(waiting).sum::<usize>());
        self.check_bound();
        // What a commit frees is told with its acknowledgement.
        if self.outbox.base() < self.outbox.next() {
            return;
        }
        for (id, len) in &self.refused {
            let fragment = streams
                .table
                .get(id)
                .map_or(streams.limits.fragment, |s| s.send.fragment);
            let charge = send::item_charge(*len, fragment);
            assert!(streams.judge(*id, charge).is_err(), "{id:?} waits to send {len} bytes");
        }
    }

    /// Nothing is committed that was not counted, and no more is counted than the limit. Kills `pieces_unbounded`.
    fn check_bound(&self) {
        let streams = &self.streams;
        assert!(
            self.outbox.bytes() <= streams.outbox_bytes(),
            "less is counted than is there"
        );
        assert!(streams.held <= streams.limits.outbox_whole, "outbox over its limit");
        assert!(streams.control.in_flight <= 64 << 10, "control over its reserve");
    }

    fn recv(&mut self, nth: usize) -> bool {
        let Some(id) = self.pick(nth) else { return false };
        let read = self.read.entry(id).or_default();
        match self.streams.recv(id, HURRIED) {
            Ok(Some(Chunk::Data { payload, message_end })) => {
                read.bytes.extend_from_slice(&payload);
                if message_end {
                    read.ends.push(read.bytes.len());
                }
                true
            }
            Ok(Some(Chunk::End)) => {
                read.ended = true;
                true
            }
            Err(RecvError::Reset(_)) => {
                read.reset = true;
                true
            }
            Ok(None) | Err(_) => false,
        }
    }

    fn pick(&self, nth: usize) -> Option<StreamId> {
        self.mine.get(nth % self.mine.len().max(1)).copied()
    }

    fn finish(&mut self, nth: usize) {
        let Some(id) = self.pick(nth) else { return };
        if self.streams.finish(id).is_ok() {
            self.written.entry(id).or_default().finished = true;
        }
    }

    fn reset(&mut self, nth: usize) {
        let Some(id) = self.pick(nth) else { return };
        if self.streams.reset(id, 5).is_ok() {
            self.written.entry(id).or_default().abandoned = true;
        }
    }

    fn stop(&mut self, nth: usize) {
        let Some(id) = self.pick(nth) else { return };
        if self.streams.stop(id, 6).is_ok() {
            self.read.entry(id).or_default().stopped = true;
        }
    }

    /// Commits up to `frames` and hands them to `peer`; `false` when there was nothing.
    fn pass(&mut self, peer: &mut End, frames: usize, space: usize) -> bool {
        self.pass_within(peer, frames, space, usize::MAX)
    }

    /// The same while the peer's inbox takes `allowance` more at a time.
    fn pass_within(&mut self, peer: &mut End, frames: usize, space: usize, allowance: usize) -> bool {
        let mut moved = false;
        for _ in 0..frames {
            let Some(committed) = self.streams.next_frame(space, allowance, Headroom::Open) else {
                break;
            };
            let frame = committed.frame.clone();
            self.outbox.commit(committed);
            self.delivered += 1;
            peer.streams.on_frame(frame).expect("because this end is honest");
            moved = true;
        }
        peer.hear();
        moved
    }

    /// True if there was something to acknowledge.
    fn ack(&mut self) -> bool {
        let acked = self.outbox.base() < self.delivered;
        while self.outbox.base() < self.delivered {
            let committed = self.outbox.pop().expect("because it was delivered");
            self.streams.on_acked(&committed);
        }
        acked
    }
}

#[derive(Clone, Debug)]
enum Op {
    Open,
    Accept,
    Send {
        nth: usize,
        len: usize,
        message: bool,
    },
    Recv {
        nth: usize,
    },
    Finish {
        nth: usize,
    },
    Reset {
        nth: usize,
    },
    Stop {
        nth: usize,
    },
    Pass {
        frames: usize,
        space: usize,
        allowance: usize,
    },
    Ack,
    Idle,
}

fn op() -> impl Strategy<Value = Op> {
    let nth = 0..8usize;
    prop_oneof![
        2 => Just(Op::Open),
        2 => Just(Op::Accept),
        6 => (nth.clone(), prop_oneof![0..4usize, 50..3_000usize, 3_000..15_000usize], any::<bool>())
            .prop_map(|(nth, len, message)| Op::Send { nth, len, message }),
        6 => nth.clone().prop_map(|nth| Op::Recv { nth }),
        1 => nth.clone().prop_map(|nth| Op::Finish { nth }),
        1 => nth.clone().prop_map(|nth| Op::Reset { nth }),
        1 => nth.prop_map(|nth| Op::Stop { nth }),
        6 => (1..6usize, 1_100..20_000usize, prop_oneof![Just(usize::MAX), 64..2_000usize])
            .prop_map(|(frames, space, allowance)| Op::Pass { frames, space, allowance }),
        3 => Just(Op::Ack),
        1 => Just(Op::Idle),
    ]
}

fn config() -> impl Strategy<Value = SessionConfig> {
    (
        2_048..20_000usize,
        256..4_000u64,
        256..6_000u64,
        1..4u64,
        1_000..3_000usize,
        // No larger than at first, a little, or much.
        (256..20_000u64, 256..20_000u64),
        proptest::option::of(0..20_000usize),
    )
        .prop_map(
            |(outbox_limit, stream_window, session_window, max_streams, fragment_size, most, budget)| SessionConfig {
                outbox_limit,
                stream_window,
                session_window,
                max_streams,
                fragment_size,
                max_stream_window: most.0,
                max_session_window: most.1,
                window_budget: budget.map(WindowBudget::new),
                ..SessionConfig::default()
            },
        )
}

/// What was read is what was written, up to where it was read, boundaries included.
fn check(writer: &End, reader: &End) {
    for (id, read) in &reader.read {
        let Some(written) = writer.written.get(id) else {
            continue;
        };
        assert!(written.bytes.starts_with(&read.bytes), "{id:?}: not a prefix");
        assert!(written.ends.starts_with(&read.ends), "{id:?}: message boundaries");
        assert!(
            !read.ended || written.bytes.len() == read.bytes.len(),
            "{id:?}: ended early"
        );
    }
}

fn run(configs: [SessionConfig; 2], ops: &[(bool, Op)]) {
    let mut ends = [End::new(Side::Client, &configs[0]), End::new(Side::Server, &configs[1])];
    ends[0].streams.set_peer(&configs[1].parameters());
    ends[1].streams.set_peer(&configs[0].parameters());
    for (second, op) in ops {
        let [client, server] = &mut ends;
        let (own, peer) = if *second { (server, client) } else { (client, server) };
        match *op {
            Op::Open => own.open(),
            Op::Accept => own.accept(),
            Op::Send { nth, len, message } => own.send(nth, len, message),
            Op::Recv { nth } => drop(own.recv(nth)),
            Op::Finish { nth } => own.finish(nth),
            Op::Reset { nth } => own.reset(nth),
            Op::Stop { nth } => own.stop(nth),
            Op::Pass {
                frames,
                space,
                allowance,
            } => drop(own.pass_within(peer, frames, space, allowance)),
            Op::Ack => drop(own.ack()),
            Op::Idle => own.streams.shrink_windows(),
        }
        for (end, config) in ends.iter_mut().zip(&configs) {
            end.hear();
            end.check_account();
            assert!(
                end.streams.outbox_bytes() <= config.outbox_limit + (64 << 10),
                "outbox over its limit"
            );
            assert!(
                end.streams.unread_bytes() as u64 <= config.session_window.max(config.max_session_window),
                "window over its limit"
            );
            let granted = config.window_budget.as_ref().map_or(usize::MAX, WindowBudget::granted);
            assert!(
                end.streams.unread_bytes() <= (config.session_window as usize).saturating_add(granted),
                "more than the budget granted"
            );
        }
    }
    drain(&mut ends);
    let [client, server] = &ends;
    check(client, server);
    check(server, client);
    for (end, peer) in [(client, server), (server, client)] {
        end.check_account();
        assert_eq!(
            end.streams.outbox_bytes(),
            0,
            "charges of what was acknowledged come back"
        );
        assert_eq!(end.streams.unread_bytes(), 0, "so do those of what was read");
        for (id, written) in &end.written {
            let read = peer.read.get(id);
            if written.abandoned || read.is_some_and(|read| read.stopped) {
                continue;
            }
            assert_eq!(
                read.map_or(0, |read| read.bytes.len()),
                written.bytes.len(),
                "{id:?}: all arrives"
            );
            assert_eq!(
                read.is_some_and(|read| read.ended),
                written.finished,
                "{id:?}: the end too"
            );
        }
    }
}

/// Readers read, acknowledgements come, nothing new is written: until nothing moves.
fn drain(ends: &mut [End; 2]) {
    for round in 0.. {
        assert!(round < 100_000, "no progress towards an end");
        let [client, server] = &mut *ends;
        let mut moved = client.pass(server, 64, 20_000) | server.pass(client, 64, 20_000);
        for end in [client, server] {
            // What comes back makes room, of which a piece that is cut short may be in need.
            moved |= end.ack();
            end.hear();
            end.check_account();
            end.accept();
            for nth in 0..end.mine.len() {
                while end.recv(nth) {
                    moved = true;
                }
            }
        }
        if !moved {
            return;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    // PROTOCOL R6.5
    #[test]
    fn honest_ends_never_fault_and_everything_arrives(
        client in config(),
        server in config(),
        ops in proptest::collection::vec((any::<bool>(), op()), 1..120),
    ) {
        run([client, server], &ops);
    }
}

fn pair() -> [End; 2] {
    let config = SessionConfig::default().with_fragment_size(16_000);
    let mut ends = [End::new(Side::Client, &config), End::new(Side::Server, &config)];
    ends[0].streams.set_peer(&config.parameters());
    ends[1].streams.set_peer(&config.parameters());
    ends
}

fn data(stream: u64, payload: &'static [u8], stream_end: bool) -> Frame {
    let payload = Bytes::from_static(payload);
    Frame::Data(crate::wire::frame::Data {
        stream: StreamId(stream),
        payload,
        message_end: false,
        stream_end,
    })
}

fn opened(stream: u64) -> Frame {
    Frame::Open(crate::wire::frame::Open {
        stream: StreamId(stream),
        priority: 0,
        fragment_size: 16_000,
        label: Bytes::new(),
    })
}

// PROTOCOL R4.15, R4.16, R4.17, R6.2
#[test]
fn what_a_peer_may_not_do_is_named() {
    use crate::error::ProtocolError::{AfterEnd, BadStream, Credit};
    let cases: [(&[Frame], _); 8] = [
        (&[data(1, b"x", false)], BadStream),
        (&[opened(2)], BadStream),
        (&[opened(3), opened(1)], BadStream),
        (&[opened(1), opened(1)], BadStream),
        (&[opened(1), data(1, b"", true), data(1, b"x", false)], AfterEnd),
        (
            &[
                opened(1),
                data(1, b"", true),
                Frame::Reset {
                    stream: StreamId(1),
                    code: 0,
                },
            ],
            AfterEnd,
        ),
        (
            &[Frame::Stop {
                stream: StreamId(2),
                code: 0,
            }],
            BadStream,
        ),
        (&[Frame::Credit { stream: 0, limit: 1 }], Credit),
    ];
    for (frames, error) in cases {
        let [_, mut server] = pair();
        let (last, before) = frames.split_last().expect("because no case is empty");
        before
            .iter()
            .for_each(|frame| server.streams.on_frame(frame.clone()).expect("because it is legal"));
        assert_eq!(server.streams.on_frame(last.clone()), Err(error), "{last:?}");
    }
}

/// RESET, STOP and CREDIT of a stream.
fn about(id: u64) -> [Frame; 3] {
    let (stream, code) = (StreamId(id), 0);
    let credit = Frame::Credit {
        stream: id,
        limit: 1 << 30,
    };
    [Frame::Reset { stream, code }, Frame::Stop { stream, code }, credit]
}

/// Kills `data_before_open`. That the application has the stream already is no word to the peer.
// PROTOCOL R4.15
#[test]
fn nobody_may_use_a_stream_whose_open_is_not_out() {
    let [reset, stop, credit] = about(1);
    for frame in [data(1, b"x", true), data(1, b"", true), reset, stop, credit] {
        let [mut client, _] = pair();
        client.open();
        assert_eq!(
            client.streams.on_frame(frame.clone()),
            Err(crate::error::ProtocolError::BadStream),
            "{frame:?}"
        );
    }
}

// PROTOCOL R4.16, R4.17, R4.18
#[test]
fn an_id_that_was_left_out_counts_as_a_stream_that_is_over() {
    let [reset, stop, credit] = about(3);
    let after_end = Err(crate::error::ProtocolError::AfterEnd);
    let cases = [
        (data(3, b"x", false), after_end),
        (reset, after_end),
        (stop, Ok(())),
        (credit, Ok(())),
    ];
    for (frame, expected) in cases {
        let [_, mut server] = pair();
        server.streams.on_frame(opened(5)).expect("because it is granted");
        assert_eq!(server.streams.on_frame(frame.clone()), expected, "{frame:?}");
    }
}

/// Kills `reset_read_last_stays`. Whichever half is over last, nothing stays of the stream.
#[test]
fn a_stream_whose_reset_is_read_last_is_forgotten() {
    let [mut client, mut server] = pair();
    client.open();
    client.pass(&mut server, 9, 9_000);
    server.accept();
    server.finish(0);
    server.pass(&mut client, 9, 9_000);
    server.ack();
    client.reset(0);
    client.pass(&mut server, 9, 9_000);
    assert_eq!(server.streams.recv(StreamId(1), UNHURRIED), Err(RecvError::Reset(5)));
    assert!(server.streams.table.is_empty(), "it is kept");
}

// PROTOCOL R4.21, R6.3
#[test]
fn more_streams_or_data_than_granted_is_a_fault() {
    let config = SessionConfig {
        max_streams: 2,
        stream_window: 256,
        ..SessionConfig::default()
    };
    let mut streams = Streams::new(Side::Server, &config);
    streams.on_frame(opened(1)).expect("because it is granted");
    streams.on_frame(opened(3)).expect("because it is granted");
    assert_eq!(streams.on_frame(opened(5)), Err(crate::error::ProtocolError::BadStream));
    streams
        .on_frame(data(1, &[0; 192], false))
        .expect("because it is granted");
    assert_eq!(
        streams.on_frame(data(1, b"", false)),
        Err(crate::error::ProtocolError::Credit)
    );
}

// PROTOCOL R4.18
#[test]
fn a_late_word_about_a_forgotten_stream_is_of_no_consequence() {
    let [mut client, mut server] = pair();
    client.open();
    client.finish(0);
    client.pass(&mut server, 9, 9_000);
    server.accept();
    server.finish(0);
    server.pass(&mut client, 9, 9_000);
    assert!(client.recv(0) && server.recv(0));
    client.ack();
    server.ack();
    assert!(server.streams.recv(StreamId(1), UNHURRIED).is_err(), "it is forgotten");
    let [_, stop, credit] = about(1);
    for frame in [stop, credit] {
        assert_eq!(server.streams.on_frame(frame), Ok(()));
    }
}

// PROTOCOL R4.18
#[test]
fn a_stop_changes_nothing_of_a_reset_that_came_first() {
    let [mut client, mut server] = pair();
    client.open();
    client.pass(&mut server, 9, 9_000);
    client.reset(0);
    let [_, stop, _] = about(1);
    assert_eq!(client.streams.on_frame(stop), Ok(()));
    let said = client
        .streams
        .next_frame(9_000, usize::MAX, Headroom::Open)
        .expect("the RESET");
    let (stream, code) = (StreamId(1), 5);
    assert_eq!(said.frame, Frame::Reset { stream, code });
    assert!(client.streams.next_frame(9_000, usize::MAX, Headroom::Open).is_none());
}

#[test]
fn lower_priorities_go_first_and_equal_ones_take_turns_of_a_fragment() {
    let [mut client, _] = pair();
    let open = |client: &mut End, priority| {
        let options = StreamOptions {
            priority,
            ..StreamOptions::default()
        };
        client.streams.open(options).expect("because there is room")
    };
    let (a, b, urgent) = (open(&mut client, 9), open(&mut client, 9), open(&mut client, 1));
    for stream in [a, b] {
        client
            .streams
            .send(stream, Bytes::from(std::vec![0; 32_000]))
            .expect("because there is room");
    }
    client
        .streams
        .send(urgent, Bytes::from_static(b"now"))
        .expect("because there is room");
    let mut order = Vec::new();
    while let Some(committed) = client.streams.next_frame(65_000, usize::MAX, Headroom::Open) {
        if let Frame::Data(data) = committed.frame {
            order.push(data.stream);
        }
    }
    assert_eq!(order, [urgent, a, b, a, b]);
}

/// A turn was a whole fragment, however many packets of a slow line that took.
#[test]
fn on_a_slow_line_equal_streams_take_turns_of_a_packet() {
    let [mut client, _] = pair();
    let streams = [(); 2].map(|()| {
        let opened = client.streams.open(StreamOptions::default());
        opened.expect("because there is room")
    });
    let send = |client: &mut End, stream, len| {
        let sent = client.streams.send(stream, Bytes::from(std::vec![0; len]));
        sent.expect("because there is room");
    };
    send(&mut client, streams[0], 80_000);
    send(&mut client, streams[1], 1);
    let mut before = 0;
    while let Some(committed) = client.streams.next_frame(1_300, usize::MAX, Headroom::Open) {
        match committed.frame {
            Frame::Data(data) if data.stream == streams[1] => break,
            Frame::Data(data) => before += data.payload.len(),
            _ => {}
        }
    }
    assert!((1..=1_300).contains(&before), "{before} bytes went first");
}

#[test]
fn a_message_that_no_outbox_holds_is_refused_for_good_and_largest_message_is_not() {
    let config = SessionConfig {
        outbox_limit: 100_000,
        ..SessionConfig::default()
    };
    let mut streams = Streams::new(Side::Client, &config);
    streams.set_peer(&SessionConfig::default().parameters());
    let stream = streams.open(StreamOptions::default()).expect("because there is room");
    while streams.next_frame(2_000, usize::MAX, Headroom::Open).is_some() {}
    let largest = config.largest_message();
    let refused = streams
        .send(stream, Bytes::from(std::vec![0; 100_000]))
        .expect_err("because it is too large");
    assert_eq!(
        (refused.reason, refused.payload.len()),
        (SendRefusal::TooLarge, 100_000)
    );
    // The OPEN still counts: full for now, and only for now.
    let full = streams
        .send(stream, Bytes::from(std::vec![0; largest]))
        .expect_err("because OPEN is unacknowledged");
    assert_eq!(full.reason, SendRefusal::Full);
}

#[test]
fn reset_hands_the_outbox_back_what_was_queued() {
    let [mut client, mut server] = pair();
    client.open();
    client.pass(&mut server, 9, 9_000);
    client.ack();
    client.send(0, 3_000, true);
    assert!(client.streams.outbox_bytes() > 3_000);
    client.reset(0);
    assert_eq!(client.streams.outbox_bytes(), 0);
    client.pass(&mut server, 9, 9_000);
    server.accept();
    assert_eq!(server.streams.recv(StreamId(1), UNHURRIED), Err(RecvError::Reset(5)));
}

mod fates;
mod windows;

/// Kills `bare_end_unbounded`.
#[test]
fn the_bare_ends_of_streams_wait_for_room_like_anything_else() {
    let config = SessionConfig {
        max_streams: 8,
        outbox_limit: 2_048,
        ..SessionConfig::default()
    };
    let mut end = End::new(Side::Client, &config);
    end.streams.set_peer(&config.parameters());
    (0..8).for_each(|_| end.open());
    while let Some(committed) = end.streams.next_frame(60_000, usize::MAX, Headroom::Open) {
        end.streams.on_acked(&committed);
    }
    while end.streams.send(StreamId(1), Bytes::from_static(b"fill")).is_ok() {}
    (0..8).for_each(|nth| end.finish(nth));
    let mut ends = 0;
    for _ in 0..3 {
        while let Some(committed) = end.streams.next_frame(60_000, usize::MAX, Headroom::Open) {
            ends += usize::from(matches!(&committed.frame, Frame::Data(data) if data.stream_end));
            end.outbox.commit(committed);
            end.delivered += 1;
            end.check_bound();
        }
        end.ack();
    }
    assert_eq!(ends, 8, "each comes in its turn");
}

/// Kills `control_unbounded`. Grants, resets and stops that nobody acknowledges stay within what is set aside for them.
#[test]
fn control_keeps_to_its_reserve() {
    let config = SessionConfig {
        max_streams: 4_000,
        outbox_limit: 2_048,
        ..SessionConfig::default()
    };
    let mut end = End::new(Side::Server, &config);
    end.streams.set_peer(&config.parameters());
    for id in (1..8_000).step_by(2) {
        end.streams.on_frame(opened(id)).expect("because so many may be open");
    }
    end.accept();
    for nth in 0..4_000 {
        end.stop(nth);
        end.reset(nth);
    }
    while let Some(committed) = end.streams.next_frame(60_000, usize::MAX, Headroom::Open) {
        end.outbox.commit(committed);
        end.delivered += 1;
        end.check_bound();
    }
    assert!(end.outbox.bytes() > (64 << 10) - 200, "it was filled");
    end.ack();
    assert!(
        end.streams.next_frame(60_000, usize::MAX, Headroom::Open).is_some(),
        "the rest waits for its turn"
    );
}

/// A peer that takes and grants, and acknowledges nothing.
#[test]
fn what_is_abandoned_half_way_stays_on_the_account_until_the_peer_has_it() {
    let [mut a, mut b] = pair();
    let whole = a.streams.limits.outbox / 2;
    for _ in 0..8 {
        a.open();
        let id = *a.mine.last().expect("because there is room");
        let _ = a.streams.send(id, Bytes::from(std::vec![7; whole / 2]));
        for _ in 0..4 {
            if let Some(committed) = a.streams.next_frame(1_500, usize::MAX, Headroom::Open) {
                a.outbox.commit(committed);
            }
        }
        let _ = a.streams.reset(id, 0);
        while let Some(committed) = a.streams.next_frame(1_500, usize::MAX, Headroom::Open) {
            a.outbox.commit(committed);
        }
        let limit = b.streams.recv_credit.next_grant();
        b.streams.recv_credit.grant(limit);
    }
    let most = a.streams.limits.outbox + (64 << 10);
    assert!(
        a.outbox.bytes() <= a.streams.outbox_bytes(),
        "all of it is on the account"
    );
    assert!(a.outbox.bytes() <= most);
    while let Some(committed) = a.outbox.pop() {
        a.streams.on_acked(&committed);
    }
    assert_eq!(a.streams.outbox_bytes(), 0);
}

// PROTOCOL R6.4
#[test]
fn credit_in_crumbs_does_not_inflate_the_outbox() {
    let config = SessionConfig::default();
    let narrow = SessionConfig {
        stream_window: 256,
        session_window: 256,
        ..SessionConfig::default()
    };
    let mut a = End::new(Side::Client, &config);
    a.streams.set_peer(&narrow.parameters());
    a.open();
    let id = a.mine[0];
    let len = 90_000;
    a.streams
        .send(id, Bytes::from(std::vec![7; len]))
        .expect("because there is room");
    let mut limit = 256;
    for _ in 0..len {
        while let Some(committed) = a.streams.next_frame(60_000, usize::MAX, Headroom::Open) {
            a.outbox.commit(committed);
        }
        limit += 65;
        let crumb = |stream| Frame::Credit { stream, limit };
        a.streams.on_frame(crumb(id.0)).expect("because it rises");
        let _ = a.streams.on_frame(crumb(0));
    }
    let (held, charged) = (a.outbox.bytes(), a.streams.outbox_bytes());
    assert!(held <= charged, "{held} held, {charged} charged");
    while a.streams.queued_items > 0 {
        let committed = a.outbox.pop().expect("because something holds it up");
        a.streams.on_acked(&committed);
        while let Some(committed) = a.streams.next_frame(60_000, usize::MAX, Headroom::Open) {
            a.outbox.commit(committed);
        }
    }
}

/// Kills `crumbs_not_rescheduled`. Nobody grants anew what is not used up.
// PROTOCOL R6.4
#[test]
fn what_is_left_of_the_credit_is_used_once_little_is_in_flight() {
    let config = SessionConfig::default();
    let narrow = SessionConfig {
        stream_window: 8 * 128 + 200,
        ..SessionConfig::default()
    };
    let mut a = End::new(Side::Client, &config);
    a.streams.set_peer(&narrow.parameters());
    a.open();
    let pump = |a: &mut End| {
        while let Some(committed) = a.streams.next_frame(60_000, usize::MAX, Headroom::Open) {
            a.outbox.commit(committed);
        }
    };
    for len in [64, 64, 64, 64, 64, 64, 64, 64, 1_000] {
        a.streams
            .send(a.mine[0], Bytes::from(std::vec![7; len]))
            .expect("because there is room");
    }
    pump(&mut a);
    assert_eq!(
        a.streams.queued_items, 1,
        "200 are too few beside eight frames in flight"
    );
    let before = a.outbox.next();
    while let Some(committed) = a.outbox.pop() {
        a.streams.on_acked(&committed);
    }
    pump(&mut a);
    assert_eq!(a.outbox.next(), before + 1);
}

/// Kills `stalled_stream_fills_outbox`.
#[test]
fn a_stream_that_nobody_reads_leaves_the_others_room() {
    let config = SessionConfig::default();
    let [mut a, _] = pair();
    a.streams.set_peer(&config.parameters());
    a.open();
    a.open();
    let (stalled, other) = (a.mine[0], a.mine[1]);
    let message = || Bytes::from_static(&[7; 10_000]);
    let pump = |a: &mut End| {
        while let Some(committed) = a.streams.next_frame(60_000, usize::MAX, Headroom::Open) {
            a.outbox.commit(committed);
        }
        // The peer has all of it, and its application reads none of it.
        while let Some(committed) = a.outbox.pop() {
            a.streams.on_acked(&committed);
        }
    };
    while a.streams.send(stalled, message()).is_ok() {
        pump(&mut a);
    }
    while a.streams.poll_event().is_some() {}
    let most = a.streams.limits.outbox;
    assert!(a.streams.outbox_bytes() <= most / 2, "{}", a.streams.outbox_bytes());
    for _ in 0..20 {
        a.streams.send(other, message()).expect("because it moves");
    }
    let refused = a.streams.send(stalled, message()).expect_err("because it is as before");
    assert_eq!(refused.reason, SendRefusal::Unread);
    pump(&mut a);
    assert_eq!(a.streams.poll_event(), None, "no room to wait in yet");
    let limit = 2 * config.stream_window;
    let granted = Frame::Credit {
        stream: stalled.0,
        limit,
    };
    a.streams.on_frame(granted).expect("because it rises");
    assert_eq!(a.streams.poll_event(), Some(Event::Writable));
    assert!(a.streams.send(stalled, message()).is_ok());
}

#[test]
fn a_message_beyond_what_may_wait_is_let_in_when_nothing_else_does() {
    let [mut a, _] = pair();
    let narrow = SessionConfig {
        stream_window: 256,
        ..SessionConfig::default()
    };
    a.streams.set_peer(&narrow.parameters());
    a.open();
    while let Some(committed) = a.streams.next_frame(60_000, usize::MAX, Headroom::Open) {
        a.outbox.commit(committed);
    }
    let large = Bytes::from(std::vec![7; a.streams.limits.outbox * 3 / 4]);
    assert!(a.streams.send(a.mine[0], large.clone()).is_ok());
    let refused = a.streams.send(a.mine[0], large).expect_err("because one waits");
    assert_eq!(refused.reason, SendRefusal::Unread);
}

/// Two streams, one of which has the only slot once something is sent.
fn with_one_slot() -> End {
    let single = SessionConfig {
        stream_window: 4_096,
        max_stream_window: 4_096,
        max_streams: 1,
        ..SessionConfig::default()
    };
    let mut a = End::new(Side::Client, &SessionConfig::default());
    a.open();
    a.open();
    a.streams.set_peer(&single.parameters());
    a
}

/// Found by random schedules: what was queued on a stream that waits for the slot of another one kept messages from that other one, for good.
#[test]
fn what_waits_for_a_slot_keeps_nothing_from_the_stream_that_has_it() {
    let mut a = with_one_slot();
    let large = Bytes::from_static(&[7; 90_000]);
    a.streams
        .send(a.mine[1], large.clone())
        .expect("because there is room to wait in");
    exchange(&mut a);
    let (moving, waiting) = (a.mine[0], a.mine[1]);
    // More than may wait beside others, which is let in when nothing else does.
    a.streams
        .send(moving, Bytes::from_static(&[7; 150_000]))
        .expect("because no reader is waited for");
    let refused = a.streams.send(moving, large.clone()).expect_err("because one is");
    assert_eq!(refused.reason, SendRefusal::Unread);
    let refused = a
        .streams
        .send(waiting, large.clone())
        .expect_err("because there is no room to wait in");
    assert_eq!(refused.reason, SendRefusal::Unread);
    while a.streams.poll_event().is_some() {}
    // Its reader takes it all, bit by bit.
    let mut heard = false;
    for granted in (1..=64).map(|round| round * 4_096) {
        let limit = granted + 4_096;
        let stream = moving.0;
        a.streams
            .on_frame(Frame::Credit { stream, limit })
            .expect("because it rises");
        exchange(&mut a);
        heard |= core::iter::from_fn(|| a.streams.poll_event()).any(|event| event == Event::Writable);
    }
    assert!(heard);
    a.streams.send(moving, large).expect("because all was read");
}

/// A write that takes nothing is refused, or its caller would try for ever.
#[test]
fn bytes_are_taken_beside_what_waits_for_a_slot() {
    let mut a = with_one_slot();
    let (moving, early) = (a.mine[0], a.mine[1]);
    for id in [early, moving] {
        let mut bytes = Bytes::from_static(&[7; 300_000]);
        let refused = loop {
            match a.streams.write(id, &mut bytes) {
                Ok(taken) => assert!(taken > 0),
                Err(refused) => break refused,
            }
        };
        assert_eq!(refused, SendRefusal::Unread);
        let taken = 300_000 - bytes.len();
        let least = if id == early { 90_000 } else { 45_000 };
        assert!((least..110_000).contains(&taken), "{taken}");
        exchange(&mut a);
    }
}

/// Was told only when what it waited for had room for all of it.
#[test]
fn who_found_no_room_beside_what_waits_hears_when_some_of_it_is_given_up() {
    let config = SessionConfig {
        outbox_limit: 512 << 10,
        ..SessionConfig::default()
    };
    let unread = SessionConfig {
        stream_window: 4_096,
        max_stream_window: 4_096,
        ..SessionConfig::default()
    };
    let mut a = End::new(Side::Client, &config);
    a.streams.set_peer(&unread.parameters());
    for _ in 0..3 {
        a.open();
    }
    exchange(&mut a);
    let (large, small, moving) = (a.mine[0], a.mine[1], a.mine[2]);
    for (id, len) in [(large, 60_000), (small, 36_000)] {
        a.streams
            .send(id, Bytes::from(std::vec![7; len]))
            .expect("because there is room to wait in");
    }
    let granted = Frame::Credit {
        stream: moving.0,
        limit: 1 << 20,
    };
    a.streams.on_frame(granted).expect("because it rises");
    exchange(&mut a);
    let payload = Bytes::from(std::vec![7; 430_000]);
    let refused = a
        .streams
        .send(moving, payload.clone())
        .expect_err("because what waits leaves less");
    assert_eq!(refused.reason, SendRefusal::Unread);
    while a.streams.poll_event().is_some() {}
    a.streams.reset(large, 0).expect("because it is open");
    exchange(&mut a);
    assert!(core::iter::from_fn(|| a.streams.poll_event()).any(|event| event == Event::Writable));
    a.streams.send(moving, payload).expect("because there is room");
}

/// One end with a stream that nobody reads and which holds all that may wait.
fn stalled() -> End {
    let roomy = SessionConfig {
        session_window: 64 << 20,
        ..SessionConfig::default()
    };
    let narrow = SessionConfig {
        outbox_limit: 512 << 10,
        ..SessionConfig::default()
    };
    let mut a = End::new(Side::Client, &narrow);
    a.streams.set_peer(&roomy.parameters());
    a.open();
    while a.streams.send(a.mine[0], Bytes::from_static(&[7; 10_000])).is_ok() {
        exchange(&mut a);
    }
    while a.streams.poll_event().is_some() {}
    a
}

/// The peer gets and has all of it, and its application reads none of it.
fn exchange(a: &mut End) {
    while let Some(committed) = a.streams.next_frame(60_000, usize::MAX, Headroom::Open) {
        a.outbox.commit(committed);
    }
    while let Some(committed) = a.outbox.pop() {
        a.streams.on_acked(&committed);
    }
}

/// Kills `grant_untold`.
#[test]
fn who_was_refused_beside_a_stalled_stream_hears_of_its_own_readers_grant() {
    let window = SessionConfig::default().stream_window;
    let mut a = stalled();
    a.open();
    let moving = a.mine[1];
    let large = Bytes::from(std::vec![7; 200_000]);
    exchange(&mut a);
    a.streams.send(moving, large.clone()).expect("because it was granted");
    exchange(&mut a);
    while a.streams.poll_event().is_some() {}
    let refused = a
        .streams
        .send(moving, large.clone())
        .expect_err("because it would wait");
    assert_eq!(refused.reason, SendRefusal::Unread);
    // All of it was read.
    let limit = 2 * window;
    let granted = Frame::Credit {
        stream: moving.0,
        limit,
    };
    a.streams.on_frame(granted).expect("because it rises");
    assert_eq!(a.streams.poll_event(), Some(Event::Writable));
    assert!(a.streams.send(moving, large).is_ok());
}

#[test]
fn who_was_refused_before_its_stream_was_open_hears_when_it_is() {
    let mut a = stalled();
    a.open();
    let large = Bytes::from(std::vec![7; 200_000]);
    let refused = a
        .streams
        .send(a.mine[1], large.clone())
        .expect_err("because it would wait");
    assert_eq!(refused.reason, SendRefusal::Unread);
    exchange(&mut a);
    assert_eq!(a.streams.poll_event(), Some(Event::Writable));
    assert!(a.streams.send(a.mine[1], large).is_ok());
}

/// Was refused as `Full`, for which a host may have all others wait: for room that acknowledgements never make.
#[test]
fn who_has_no_room_beside_a_stalled_stream_waits_for_readers_and_hears_of_them() {
    let mut a = stalled();
    let held = a.streams.held_waiting.readers;
    assert!((80 << 10..=96 << 10).contains(&held), "{held} bytes wait for a reader");
    a.open();
    exchange(&mut a);
    let (unread, moving) = (a.mine[0], a.mine[1]);
    let granted = Frame::Credit {
        stream: moving.0,
        limit: 2 * SessionConfig::default().stream_window,
    };
    a.streams.on_frame(granted).expect("because it rises");
    while a.streams.poll_event().is_some() {}
    let large = Bytes::from(std::vec![7; 450_000]);
    let refused = a
        .streams
        .send(moving, large.clone())
        .expect_err("because half is taken");
    assert_eq!(refused.reason, SendRefusal::Unread);
    a.streams
        .send(moving, Bytes::from_static(b"small"))
        .expect("because it moves");
    exchange(&mut a);
    assert_eq!(a.streams.poll_event(), None, "nobody has read");
    a.streams.reset(unread, 0).expect("because it is open");
    assert_eq!(a.streams.poll_event(), Some(Event::Writable));
    assert!(a.streams.send(moving, large).is_ok());
}

/// Found by random schedules: what was committed of an item counted as waiting until all of it
/// was, and that this ended told nobody.
#[test]
fn who_was_refused_behind_an_item_that_is_partly_sent_hears_when_there_is_room() {
    let client = SessionConfig {
        outbox_limit: 6_173,
        max_streams: 1,
        fragment_size: 1_288,
        max_stream_window: 256,
        max_session_window: 256,
        ..SessionConfig::default()
    };
    let server = SessionConfig {
        max_streams: 2,
        stream_window: 1_548,
        session_window: 773,
        max_stream_window: 256,
        max_session_window: 256,
        ..SessionConfig::default()
    };
    let mut own = End::new(Side::Client, &client);
    let mut peer = End::new(Side::Server, &server);
    own.streams.set_peer(&server.parameters());
    peer.streams.set_peer(&client.parameters());
    peer.open();
    own.open();
    peer.pass(&mut own, 1, 1_100);
    own.accept();
    own.pass(&mut peer, 1, 1_100);
    // The session's grant leaves a byte of the first item; the second takes nearly all room for what waits for a reader.
    own.send(1, 710, false);
    own.send(0, 4_217, false);
    own.pass(&mut peer, 1, 1_100);
    own.ack();
    own.send(1, 3, true);
    for _ in 0..4 {
        own.check_account();
        peer.accept();
        (0..2).for_each(|nth| while peer.recv(nth) {});
        peer.pass(&mut own, 9, 20_000);
        own.pass(&mut peer, 1, 20_000);
        own.ack();
        own.hear();
    }
    assert!(own.refused.is_empty(), "nobody told it");
}

/// Kills `pieces_counted_late`.
#[test]
fn what_is_committed_of_an_item_waits_for_a_reader_no_more() {
    let [mut a, _] = pair();
    a.open();
    let id = a.mine[0];
    while a.streams.next_frame(60_000, usize::MAX, Headroom::Open).is_some() {}
    let len = SessionConfig::default().stream_window as usize + 100_000;
    a.streams
        .send(id, Bytes::from(std::vec![7; len]))
        .expect("because it is alone");
    let beyond = a.streams.held_waiting.readers;
    assert!(beyond > 100_000);
    for _ in 0..3 {
        let committed = a.streams.next_frame(20_000, usize::MAX, Headroom::Open);
        a.outbox.commit(committed.expect("because it is granted"));
        assert_eq!(
            a.streams.held_waiting.readers, beyond,
            "the grant is used up as the queue is"
        );
    }
}

/// Kills `control_waits`.
#[test]
fn control_and_opens_go_where_the_line_has_room_for_no_data() {
    let [mut a, mut b] = pair();
    a.open();
    a.send(0, 1_000, true);
    b.open();
    b.pass(&mut a, 1, 60_000);
    a.accept();
    let _ = a.streams.stop(a.mine[1], 7);
    let mut next = || {
        a.streams
            .next_frame(60_000, usize::MAX, Headroom::None)
            .map(|c| c.frame)
    };
    assert!(matches!(next(), Some(Frame::Stop { .. })));
    assert!(matches!(next(), Some(Frame::Open(_))));
    assert_eq!(next(), None, "data waits");
}
