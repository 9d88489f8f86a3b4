use alloc::vec;
use alloc::vec::Vec;

use bytes::Buf;

use super::*;
use crate::config::Seed;
use crate::id::Epoch;
use crate::reconnect::Cause;
use crate::ssm::body::{Flag, LOCAL_PORT_FORWARDING, PortProperties, Token};
use crate::ssm::testing::pattern;
use crate::ssm::{Agent, AgentConfig, ChannelConfig, Client, ClientConfig, Message};

/// A forwarded port: both ends, and the streams of each.
struct Pair {
    now: Instant,
    client: Client,
    agent: Agent,
    ours: Mux,
    theirs: Mux,
    epochs: Option<(Epoch, Epoch)>,
}

impl Pair {
    fn new(config: MuxConfig) -> Pair {
        let now = Instant::ZERO;
        let port = PortProperties {
            kind: Some(LOCAL_PORT_FORWARDING.into()),
            ..PortProperties::default()
        };
        let client = Client::new(ClientConfig::new("s", Token::from("t")), Seed([1; 32]), now, 1);
        let channel = ChannelConfig::default().with_receive_buffer(64 << 10);
        let agent = AgentConfig::port("s", "i", port).with_channel(channel);
        let agent = Agent::new(agent, Seed([2; 32]), now, 1);
        Pair {
            now,
            client: client.expect("a configuration that works"),
            agent: agent.expect("a configuration that works"),
            ours: Mux::new(Side::Client, config, now),
            theirs: Mux::new(Side::Server, config, now),
            epochs: None,
        }
    }

    fn connect(&mut self) {
        fn attach<R: Role>(end: &mut DataChannel<R>, now: Instant) -> Epoch {
            let intent = end.wanted_connection().expect("because there is none");
            if intent.refresh_credential {
                end.handle_token(now, intent.attempt, Token::from("t"), None);
            }
            end.attach(now).expect("because it is wanted")
        }
        self.epochs = Some((attach(&mut self.client, self.now), attach(&mut self.agent, self.now)));
    }

    fn cut(&mut self) {
        if let Some((up, down)) = self.epochs.take() {
            self.client.detach(self.now, up, Cause::Network);
            self.agent.detach(self.now, down, Cause::Network);
        }
        self.now = self.now + Duration::from_secs(1);
        self.connect();
    }

    /// Some time goes by.
    fn run(&mut self, millis: u64) {
        for _ in 0..millis {
            let now = self.now;
            self.ours.pump(now, &mut self.client).expect("ours is smux");
            self.theirs.pump(now, &mut self.agent).expect("ours is smux");
            self.client.handle_timeout(now);
            self.agent.handle_timeout(now);
            let (up, down) = self.epochs.expect("because it is connected");
            while let Some(message) = self.client.poll_transmit(now, up) {
                match message {
                    // The service's WebSocket library answers it.
                    Message::Ping(bytes) => self.client.handle_input(now, up, Message::Pong(bytes)),
                    other => self.agent.handle_input(now, down, other),
                }
            }
            while let Some(message) = self.agent.poll_transmit(now, down) {
                match message {
                    Message::Ping(bytes) => self.agent.handle_input(now, down, Message::Pong(bytes)),
                    other => self.client.handle_input(now, up, other),
                }
            }
            self.now = now + Duration::from_millis(1);
        }
    }

    fn write_all(&mut self, number: u32, bytes: &[u8]) {
        let mut rest = Bytes::copy_from_slice(bytes);
        for _ in 0..20_000 {
            let taken = self.ours.write(number, &rest);
            rest.advance(taken);
            if rest.is_empty() {
                return;
            }
            self.run(5);
        }
        panic!("{} bytes are left", rest.len());
    }
}

fn connected(config: MuxConfig) -> Pair {
    let mut pair = Pair::new(config);
    pair.connect();
    pair.run(20);
    pair
}

/// What can be read of a stream now, and whether that is the end.
fn read(mux: &mut Mux, number: u32) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    loop {
        match mux.read(number) {
            MuxRead::Data(bytes) => all.extend_from_slice(&bytes),
            MuxRead::Pending => return (all, false),
            MuxRead::End => return (all, true),
        }
    }
}

fn events(mux: &mut Mux) -> Vec<MuxEvent> {
    core::iter::from_fn(|| mux.poll_event()).collect()
}

#[test]
fn streams_keep_their_bytes_apart_over_connections_that_die() {
    let mut pair = connected(MuxConfig::default());
    let numbers: Vec<u32> = (0..3).filter_map(|_| pair.ours.open()).collect();
    assert_eq!(numbers, [3, 5, 7]);
    let bytes = pattern(150_000);
    for (index, number) in numbers.iter().enumerate() {
        pair.write_all(*number, &bytes[index * 1_000..]);
        if index == 1 {
            pair.cut();
        }
    }
    pair.ours.finish(5);
    pair.cut();
    pair.run(3_000);
    let opened: Vec<MuxEvent> = numbers.iter().map(|number| MuxEvent::Opened(*number)).collect();
    assert_eq!(events(&mut pair.theirs), opened);
    for (index, number) in numbers.iter().enumerate() {
        let (read, is_over) = read(&mut pair.theirs, *number);
        assert!(read == bytes[index * 1_000..], "{number}");
        assert_eq!(is_over, *number == 5, "{number}");
    }
    assert_eq!((pair.ours.streams(), pair.theirs.streams()), (2, 2));
    assert_eq!((pair.ours.unread, pair.theirs.unread), (0, 0));
}

#[test]
fn the_other_side_answers_and_closes() {
    let mut pair = connected(MuxConfig::default());
    let number = pair.ours.open().expect("the first");
    pair.write_all(number, b"question");
    pair.run(20);
    assert_eq!(read(&mut pair.theirs, number), (b"question".to_vec(), false));
    assert_eq!(pair.theirs.write(number, &Bytes::from_static(b"answer")), 6);
    pair.theirs.finish(number);
    assert_eq!(pair.ours.read(number), MuxRead::Pending);
    pair.run(20);
    assert_eq!(events(&mut pair.ours), [MuxEvent::Readable(number)]);
    assert_eq!(pair.ours.write(number, &Bytes::from_static(b"late")), 0);
    assert_eq!(read(&mut pair.ours, number), (b"answer".to_vec(), true));
    assert_eq!((pair.ours.streams(), pair.theirs.streams()), (0, 0));
    assert_eq!(pair.ours.read(number), MuxRead::End, "it is not known any more");
}

#[test]
fn the_end_of_a_stream_goes_behind_its_data() {
    let mut pair = connected(MuxConfig::default());
    let number = pair.ours.open().expect("the first");
    let bytes = pattern(5_000);
    assert_eq!(pair.ours.write(number, &Bytes::from(bytes.clone())), bytes.len());
    pair.ours.finish(number);
    pair.run(100);
    assert!(read(&mut pair.theirs, number) == (bytes, true));
}

#[test]
fn a_writer_that_waits_hears_that_the_other_side_closed() {
    let mut pair = connected(MuxConfig::default().with_send_buffer(10_000));
    let number = pair.ours.open().expect("the first");
    pair.run(20);
    assert!(!pair.ours.is_closed(number));
    let all = Bytes::from(vec![7; 20_000]);
    assert!(pair.ours.write(number, &all) < all.len());
    pair.theirs.finish(number);
    pair.run(20);
    let written: Vec<MuxEvent> = events(&mut pair.ours);
    assert!(written.contains(&MuxEvent::Writable(number)), "{written:?}");
    assert!(pair.ours.is_closed(number));
    assert_eq!(pair.ours.write(number, &all), 0);
}

#[test]
fn streams_take_turns() {
    let mut pair = connected(MuxConfig::default());
    let (large, small) = (pair.ours.open().expect("a first"), pair.ours.open().expect("a second"));
    assert_eq!(pair.ours.write(large, &Bytes::from(vec![1; 60_000])), 60_000);
    assert_eq!(pair.ours.write(small, &Bytes::from_static(b"x")), 1);
    let mut sent = Vec::new();
    for _ in 0..5 {
        sent.push(pair.ours.next_frame().len());
    }
    assert_eq!(sent, [8, 8, 1_024, 9, 1_024]);
}

#[test]
fn who_does_not_read_makes_the_writer_wait() {
    let config = MuxConfig::default()
        .with_receive_buffer(50_000)
        .with_send_buffer(10_000);
    let mut pair = connected(config);
    let number = pair.ours.open().expect("the first");
    let mut rest = Bytes::from(vec![7; 60 << 20]);
    for _ in 0..500 {
        let taken = pair.ours.write(number, &rest);
        rest.advance(taken);
        pair.run(10);
    }
    assert!(pair.theirs.unread < 60_000, "{}", pair.theirs.unread);
    let before = rest.len();
    pair.run(100);
    assert_eq!(pair.ours.write(number, &rest), 0, "{before}");
    events(&mut pair.ours);
    let (mut read_in_all, _) = read(&mut pair.theirs, number);
    for _ in 0..200 {
        pair.run(20);
        read_in_all.extend(read(&mut pair.theirs, number).0);
    }
    assert_eq!(events(&mut pair.ours), [MuxEvent::Writable(number)]);
    assert!(read_in_all.iter().all(|byte| *byte == 7));
}

#[test]
fn there_is_a_bound_to_streams() {
    let mut pair = connected(MuxConfig::default().with_max_streams(2));
    let numbers: Vec<Option<u32>> = (0..3).map(|_| pair.ours.open()).collect();
    assert_eq!(numbers, [Some(3), Some(5), None]);
    pair.theirs.config.max_streams = 1;
    pair.run(20);
    assert_eq!(pair.theirs.streams(), 1);
    assert_eq!(
        read(&mut pair.ours, 5),
        (Vec::new(), true),
        "the other side has no room"
    );
    assert_eq!(read(&mut pair.ours, 3), (Vec::new(), false));
}

#[test]
fn a_peer_that_expects_it_hears_that_we_are_there() {
    let mut pair = connected(MuxConfig::default().with_keepalive(Some(Duration::from_millis(50))));
    let before = pair.client.stats().sent_frames;
    pair.run(500);
    let said = pair.client.stats().sent_frames - before;
    assert!((8..=11).contains(&said), "{said}");
    assert!(pair.ours.poll_timeout().is_some_and(|due| due >= pair.now));
}

#[test]
fn what_is_no_smux_is_an_error() {
    let mut pair = connected(MuxConfig::default());
    pair.agent.write(pair.now, &Bytes::from_static(b"SSH-2.0-OpenSSH"));
    let now = pair.now;
    let (up, down) = pair.epochs.expect("because it is connected");
    while let Some(message) = pair.agent.poll_transmit(now, down) {
        pair.client.handle_input(now, up, message);
    }
    assert_eq!(pair.ours.pump(now, &mut pair.client), Err(SmuxError::Version(b'S')));
}

#[test]
fn what_nobody_asks_about_has_a_bound() {
    let mut pair = connected(MuxConfig::default());
    for _ in 0..20 {
        for _ in 0..500 {
            pair.agent.flag(pair.now, Flag::ConnectToPortError);
        }
        pair.run(1_000);
    }
    assert_eq!(events(&mut pair.ours).len(), MOST_EVENTS);
    pair.run(5_000);
    let rest = events(&mut pair.ours).len();
    assert!(rest > 4_000, "the others waited in the session: {rest}");
}

#[test]
fn streams_that_come_and_go_leave_no_more_behind_than_there_is_room_for() {
    let mut pair = connected(MuxConfig::default().with_max_streams(100_000));
    let (up, down) = pair.epochs.expect("because it is connected");
    for _ in 0..200 {
        for _ in 0..500 {
            pair.ours.open();
        }
        for _ in 0..20 {
            let now = pair.now;
            pair.ours.pump(now, &mut pair.client).expect("ours is smux");
            pair.theirs.pump(now, &mut pair.agent).expect("ours is smux");
            while let Some(event) = pair.theirs.poll_event() {
                if let MuxEvent::Opened(number) = event {
                    pair.theirs.finish(number);
                }
            }
            pair.client.handle_timeout(now);
            pair.agent.handle_timeout(now);
            while let Some(message) = pair.client.poll_transmit(now, up) {
                pair.agent.handle_input(now, down, message);
            }
            // The client acknowledges nothing, and hears of nothing but what was acknowledged.
            while let Some(message) = pair.agent.poll_transmit(now, down) {
                let is_acknowledgement = match &message {
                    Message::Binary(bytes) => bytes.windows(11).any(|word| word == b"acknowledge"),
                    _ => false,
                };
                if is_acknowledgement {
                    pair.client.handle_input(now, up, message);
                }
            }
            pair.now = pair.now + Duration::from_millis(1);
        }
    }
    // One read brings so many at most.
    assert!(
        pair.theirs.control.len() < MOST_EVENTS + 200,
        "{}",
        pair.theirs.control.len()
    );
}
