use alloc::vec::Vec;

use bytes::Bytes;

use crate::reconnect::{Answer, Backoff, Cause, Strategies, Strategy};
use crate::ssm::body::{LOCAL_PORT_FORWARDING, PortProperties, SessionType, Size, Token};
use crate::ssm::event::{Chunk, Defect, EndReason, Event};
use crate::ssm::frame::{Frame, FrameError};
use crate::ssm::kms::DataKey;
use crate::ssm::testing::{World, client, frame, pattern};
use crate::ssm::{AgentConfig, ChannelConfig, Message, MessageType, PayloadType};
use crate::time::Duration;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn forwarding() -> PortProperties {
    PortProperties {
        port_number: Some("22".into()),
        kind: Some(LOCAL_PORT_FORWARDING.into()),
        ..PortProperties::default()
    }
}

fn ended(events: &[Event]) -> Option<(&EndReason, usize, Option<Strategy>)> {
    events.iter().find_map(|event| match event {
        Event::Ended(ended) => Some((&ended.reason, ended.undelivered, ended.advice)),
        _ => None,
    })
}

fn established(events: &[Event]) -> Option<SessionType> {
    events.iter().find_map(|event| match event {
        Event::Established(established) => Some(established.session_type.clone()),
        _ => None,
    })
}

#[test]
fn a_shell_begins_without_a_handshake() {
    let mut world = World::shell(MS * 20);
    world.client.end.resize(world.now, Size { cols: 80, rows: 24 });
    world.type_all(b"ls\r");
    world.run(SECOND);
    assert_eq!(world.agent.chunks, [], "nothing goes before the agent's first output");
    world.print_all(b"$ ");
    world.run(SECOND);
    assert_eq!(world.client.output(), b"$ ");
    assert_eq!(established(&world.client.events), Some(SessionType::StandardStream));
    let typed = [
        Chunk::Size(Size { cols: 80, rows: 24 }),
        Chunk::Output(Bytes::from_static(b"ls\r")),
    ];
    assert_eq!(world.agent.chunks, typed);
    assert!(world.client.opened[0].client_version.is_some() && !world.client.opened[0].is_agent());
    assert!(world.agent.opened[0].is_agent());
}

#[test]
fn a_port_session_shakes_hands_and_data_waits_for_it() {
    let agent = AgentConfig::port("s-1", "i-1", forwarding());
    let mut world = World::new(client(), agent, MS * 20);
    let up = pattern(100_000);
    world.type_all(&up);
    world.run(SECOND * 2);
    assert_eq!(world.agent.output(), up);
    let Some(Event::Established(established)) = world
        .client
        .events
        .iter()
        .find(|event| matches!(event, Event::Established(_)))
    else {
        panic!("{:?}", world.client.events);
    };
    assert_eq!(established.session_type, SessionType::Port);
    assert!(established.is_multiplexed && !established.expects_keepalive);
    assert_eq!(established.port, Some(forwarding()));
}

#[test]
fn nothing_is_typed_before_the_handshake_is_complete() {
    let agent = AgentConfig::port("s-1", "i-1", forwarding());
    let mut world = World::new(client(), agent, MS * 20);
    world.filter = |message| {
        let Message::Binary(bytes) = message else { return true };
        let received = Frame::decode(Bytes::clone(bytes));
        received.is_ok_and(|received| received.frame.header.payload_type != PayloadType::HandshakeComplete)
    };
    world.type_all(b"early");
    world.run(SECOND);
    assert_eq!(established(&world.agent.events), Some(SessionType::Port));
    assert_eq!(world.agent.chunks, [], "the client does not know that");
    world.filter = |_| true;
    world.run(SECOND * 5);
    assert_eq!(world.agent.output(), b"early");
}

/// The plugin makes a carriage return of it.
#[test]
fn a_line_feed_alone_stays_one() {
    let mut world = World::shell(MS * 20);
    world.print_all(b"\n");
    world.run(SECOND);
    for key in [b"\n", b"\r", b"\n"] {
        world.type_all(key);
        world.run(SECOND);
    }
    assert_eq!(world.client.output(), b"\n");
    assert_eq!(world.agent.output(), b"\n\r\n");
}

#[test]
fn what_is_sealed_arrives_as_it_was() {
    let agent = AgentConfig::new("s-1", "i-1").with_kms_key_id(Some("alias/k".into()));
    let mut world = World::new(client(), agent, MS * 20);
    world.run(SECOND);
    let Some(Event::DataKeyNeeded(request)) = world.client.events.last() else {
        panic!("{:?}", world.client.events);
    };
    assert_eq!(request.kms_key_id, "alias/k");
    assert!(request.challenge.is_some() && request.cipher_text_key.is_none());
    let (challenge, now) = (request.challenge.clone(), world.now);
    world
        .client
        .end
        .data_key(now, Ok((DataKey::new([7; 64]), b"sealed key".to_vec())));
    world.run(SECOND);
    let Some(Event::DataKeyNeeded(request)) = world.agent.events.last() else {
        panic!("{:?}", world.agent.events);
    };
    assert_eq!(request.cipher_text_key.as_deref(), Some(&b"sealed key"[..]));
    assert_eq!(request.challenge, challenge);
    world.agent.end.data_key(world.now, Ok(DataKey::new([7; 64])));
    let bytes = pattern(30_000);
    world.type_all(&bytes);
    world.print_all(&bytes);
    world.cut_both();
    world.run(SECOND * 5);
    assert_eq!((world.agent.output(), world.client.output()), (bytes.clone(), bytes));
}

#[test]
fn without_a_data_key_there_is_no_session() {
    let agent = AgentConfig::new("s-1", "i-1").with_kms_key_id(Some("alias/k".into()));
    let mut world = World::new(client(), agent, MS * 20);
    world.run(SECOND);
    world.client.end.data_key(world.now, Err("access denied".into()));
    world.run(SECOND);
    let Some((EndReason::Handshake { why }, ..)) = ended(&world.agent.events) else {
        panic!("{:?}", world.agent.events);
    };
    assert!(why.contains("access denied"), "{why}");
    // Another key does not pass for it.
    let agent = AgentConfig::new("s-1", "i-1").with_kms_key_id(Some("alias/k".into()));
    let mut world = World::new(client(), agent, MS * 20);
    world.run(SECOND);
    let now = world.now;
    world
        .client
        .end
        .data_key(now, Ok((DataKey::new([7; 64]), b"x".to_vec())));
    world.run(SECOND);
    world.agent.end.data_key(world.now, Ok(DataKey::new([8; 64])));
    world.run(SECOND);
    assert!(ended(&world.client.events).is_some(), "it cannot open the challenge");
}

/// What the service holds of neither end is lost, and comes again within a round trip of the new connection, not one frame in 100 ms.
#[test]
fn two_hundred_lost_frames_take_about_one_round_trip() {
    let config = ChannelConfig::default().with_ack_delay(MS);
    let mut world = World::new(client().with_channel(config), AgentConfig::new("s-1", "i-1"), MS * 50);
    world.print_all(b"$ ");
    world.run(SECOND);
    // The round trip is known.
    world.type_all(b"x");
    world.run(SECOND);
    let bytes = pattern(200 * 1_024);
    world.type_all(&bytes);
    world.run(MS * 10);
    world.cut_both();
    let cut = world.now;
    while world.agent.output().len() <= bytes.len() {
        world.run(MS);
    }
    let took = world.now.saturating_since(cut);
    // Either end is there again within 100 ms. Whoever comes last says so, which takes half a round trip, as what comes then does.
    assert!(took <= MS * 250, "{took:?}");
    assert!(world.agent.output()[1..] == bytes);
}

#[test]
fn what_is_typed_while_there_is_no_connection_is_kept() {
    let mut world = World::shell(MS * 20);
    world.print_all(b"$ ");
    world.run(SECOND);
    (world.client.reachable, world.agent.reachable) = (false, true);
    world.client.cut(world.now, Cause::Network);
    world.type_all(b"echo hello\r");
    world.client.end.resize(world.now, Size { cols: 100, rows: 30 });
    world.run(SECOND * 600);
    assert_eq!(ended(&world.client.events), None, "it tries for as long as it is let");
    world.client.reachable = true;
    world.run(SECOND * 60);
    assert_eq!(world.agent.output(), b"echo hello\r");
    assert!(world.agent.chunks.contains(&Chunk::Size(Size { cols: 100, rows: 30 })));
    // Each dial takes a token of its own.
    let tokens: Vec<Token> = world
        .client
        .opened
        .iter()
        .map(|open| open.token_value.clone())
        .collect();
    assert_eq!(tokens, [Token::from("first"), Token::from("token")]);
    let ids: Vec<&str> = world.client.opened.iter().map(|open| open.client_id.as_str()).collect();
    assert_eq!(ids[0], ids[1]);
    assert_ne!(world.client.opened[0].request_id, world.client.opened[1].request_id);
}

#[test]
fn the_size_is_said_again_on_each_connection() {
    let mut world = World::shell(MS * 20);
    let size = Size { cols: 80, rows: 24 };
    world.print_all(b"$ ");
    world.client.end.resize(world.now, size);
    for connections in 1..4 {
        world.run(SECOND * 5);
        assert_eq!(world.agent.chunks, alloc::vec![Chunk::Size(size); connections]);
        world.client.cut(world.now, Cause::Network);
    }
}

/// The service may have seen it, whatever became of the dial.
#[test]
fn a_token_serves_one_dial() {
    let mut world = World::shell(MS * 20);
    let intent = world.client.end.wanted_connection().expect("it never had one");
    assert!(!intent.refresh_credential, "StartSession gave it one");
    let failed = Answer::Failed(Cause::Refused);
    world.client.end.handle_answer(world.now, intent.attempt, failed);
    let intent = world.client.end.wanted_connection().expect("it tries again");
    assert!(intent.refresh_credential);
}

#[test]
fn a_session_that_the_service_does_not_have_is_over() {
    let mut world = World::shell(MS * 20);
    world.print_all(b"$ ");
    world.run(SECOND);
    world.client.reachable = false;
    world.type_all(b"lost");
    world.client.cut(world.now, Cause::Network);
    let intent = world.client.end.wanted_connection().expect("because it was lost");
    assert!(intent.refresh_credential);
    world
        .client
        .end
        .handle_answer(world.now, intent.attempt + 1, Answer::NoCredential);
    assert!(!world.client.end.is_ended(), "that attempt there is not");
    world
        .client
        .end
        .handle_token(world.now, intent.attempt, Token::default(), None);
    world.run(SECOND);
    assert_eq!(ended(&world.client.events), Some((&EndReason::Gone, 4, None)));
    assert_eq!(world.client.end.write(world.now, &Bytes::from_static(b"x")), 0);
}

#[test]
fn a_port_that_is_listened_on_may_have_another_session() {
    let agent = AgentConfig::port("s-1", "i-1", forwarding());
    let strategies = Strategies::resume_always().with(Cause::ApplicationLost, Strategy::Fresh);
    let config = client().with_channel(ChannelConfig::default().with_strategies(strategies));
    let mut world = World::new(config, agent, MS * 20);
    world.run(SECOND);
    world.client.cut(world.now, Cause::ApplicationLost);
    world.run(SECOND);
    let fresh = EndReason::Fresh {
        cause: Cause::ApplicationLost,
    };
    assert_eq!(ended(&world.client.events), Some((&fresh, 0, Some(Strategy::Fresh))));
}

#[test]
fn tries_end_where_the_backoff_does() {
    let backoff = Backoff::five_tries();
    let config = client().with_channel(ChannelConfig::default().with_backoff(backoff));
    let mut world = World::new(config, AgentConfig::new("s-1", "i-1"), MS * 20);
    world.client.reachable = false;
    world.run(SECOND * 200);
    let gave_up = EndReason::GaveUp { cause: Cause::Refused };
    assert_eq!(ended(&world.client.events), Some((&gave_up, 0, None)));
    assert_eq!(world.client.end.history().len(), 5);
}

#[test]
fn a_stream_url_that_the_service_names_is_dialled() {
    let mut world = World::shell(MS * 20);
    world.run(SECOND);
    assert!(world.client.epoch.is_some());
    world.client.reachable = false;
    world.client.cut(world.now, Cause::Network);
    let intent = world.client.end.wanted_connection().expect("because it was lost");
    assert!(intent.refresh_credential && intent.alternate.is_empty());
    let (now, url) = (world.now, Some("wss://elsewhere/"));
    world
        .client
        .end
        .handle_token(now, intent.attempt, Token::from("t"), url);
    let intent = world
        .client
        .end
        .wanted_connection()
        .expect("because it is not there yet");
    assert!(intent.is_dial());
    assert_eq!(intent.alternate, "wss://elsewhere/");
}

#[test]
fn finishing_waits_for_what_was_written() {
    let agent = AgentConfig::port("s-1", "i-1", forwarding());
    let mut world = World::new(client(), agent, MS * 100);
    let bytes = pattern(200_000);
    world.type_all(&bytes);
    world.client.end.finish(world.now);
    world.cut_both();
    world.run(SECOND * 10);
    assert_eq!(world.agent.output(), bytes);
    assert_eq!(
        ended(&world.client.events).map(|(reason, ..)| reason),
        Some(&EndReason::Finished)
    );
    assert_eq!(
        ended(&world.agent.events).map(|(reason, ..)| reason),
        Some(&EndReason::Terminated)
    );
}

#[test]
fn an_agent_that_ends_without_a_word_does_not_hold_up_who_finishes() {
    let agent = AgentConfig::port("s-1", "i-1", forwarding());
    let mut world = World::new(client(), agent, MS * 20);
    world.run(SECOND);
    let bytes = pattern(10_000);
    world.type_all(&bytes);
    world.run(SECOND);
    // From now on nobody is there: no acknowledgement comes of what asks for the end.
    world.filter = |_| false;
    world.client.end.finish(world.now);
    world.run(MS * 1_900);
    assert_eq!(ended(&world.client.events), None);
    world.run(MS * 200);
    assert_eq!(ended(&world.client.events), Some((&EndReason::Finished, 0, None)));
    assert_eq!(world.agent.output(), bytes);
}

#[test]
fn who_finishes_and_finds_the_session_gone_has_finished() {
    let agent = AgentConfig::port("s-1", "i-1", forwarding());
    let mut world = World::new(client(), agent, MS * 20);
    world.run(SECOND);
    world.client.end.finish(world.now);
    world.client.reachable = false;
    world.client.cut(world.now, Cause::Network);
    let intent = world.client.end.wanted_connection().expect("because it was lost");
    let now = world.now;
    world
        .client
        .end
        .handle_token(now, intent.attempt, Token::from(""), None);
    world.run(MS * 10);
    assert_eq!(ended(&world.client.events), Some((&EndReason::Finished, 0, None)));
}

#[test]
fn an_end_in_the_middle_of_what_came_is_told() {
    for cut_short in [false, true] {
        let is_cut_short = |events: &[Event]| {
            events.iter().find_map(|event| match event {
                Event::Ended(ended) => Some(ended.is_cut_short),
                _ => None,
            })
        };
        let mut world = World::shell(MS * 20);
        world.run(SECOND);
        if cut_short {
            // One frame is lost; what follows it arrives.
            world.filter = |_| false;
            world.agent.end.write(world.now, &Bytes::from_static(b"lost"));
            world.run(MS * 5);
            world.filter = |_| true;
            world.agent.end.write(world.now, &Bytes::from_static(b"last"));
            world.run(MS * 25);
        }
        let closed = Message::Text("channel_closed".into());
        let epoch = world.client.epoch.expect("because it is connected");
        world.client.end.handle_input(world.now, epoch, closed);
        world.run(MS * 5);
        assert_eq!(is_cut_short(&world.client.events), Some(cut_short));
    }
}

#[test]
fn an_agent_says_that_it_ends_on_the_connection_that_comes() {
    let mut world = World::shell(MS * 20);
    world.run(SECOND);
    world.agent.reachable = false;
    world.agent.cut(world.now, Cause::Network);
    world.agent.end.finish(world.now);
    world.run(SECOND * 30);
    assert_eq!(ended(&world.agent.events), None, "nobody was told yet");
    world.agent.reachable = true;
    world.run(SECOND * 90);
    assert_eq!(
        ended(&world.agent.events).map(|(reason, ..)| reason),
        Some(&EndReason::Finished)
    );
}

#[test]
fn an_agent_whose_connection_dies_as_it_says_so_says_so_again() {
    let mut world = World::shell(MS * 20);
    world.run(SECOND);
    world.agent.end.finish(world.now);
    world.run(MS * 5);
    world.agent.reachable = false;
    world.agent.cut(world.now, Cause::Network);
    world.run(SECOND * 30);
    assert_eq!(ended(&world.agent.events), None, "the service may not have heard it");
    world.agent.reachable = true;
    world.run(SECOND * 90);
    assert_eq!(
        ended(&world.agent.events).map(|(reason, ..)| reason),
        Some(&EndReason::Finished)
    );
}

#[test]
fn an_agent_that_is_asked_to_end_tells_the_service_and_acknowledges() {
    let agent = AgentConfig::port("s-1", "i-1", forwarding());
    let mut world = World::new(client(), agent, MS * 20);
    world.run(SECOND);
    world.client.end.finish(world.now);
    world.run(MS * 100);
    assert_eq!(
        ended(&world.client.events),
        Some((&EndReason::Finished, 0, None)),
        "it is acknowledged"
    );
    // This service closes no channel.
    world.run(SECOND * 3);
    assert_eq!(
        ended(&world.agent.events).map(|(reason, ..)| reason),
        Some(&EndReason::Terminated)
    );
}

#[test]
fn a_silent_service_is_noticed() {
    let mut world = World::shell(MS * 20);
    world.print_all(b"$ ");
    world.run(SECOND);
    let epoch = world.client.epoch.expect("because it is attached");
    // Nothing of it is carried any more; the world's service answers pings, so that it is driven by hand here.
    let mut now = world.now;
    while world.client.end.is_attached() {
        now = world.client.end.poll_timeout().expect("because it is attached");
        world.client.end.handle_timeout(now);
        while world.client.end.poll_transmit(now, epoch).is_some() {}
    }
    let silent = now.saturating_since(world.now);
    assert!(silent >= SECOND * 25 && silent <= SECOND * 45, "{silent:?}");
}

#[test]
fn nobody_reads_and_the_sender_waits() {
    let config = ChannelConfig::default().with_receive_buffer(64 << 10);
    let mut world = World::new(client().with_channel(config), AgentConfig::new("s-1", "i-1"), MS * 5);
    world.client.reads = false;
    let bytes = pattern(900_000);
    let mut rest = Bytes::from(bytes.clone());
    let mut taken = 0;
    for _ in 0..600 {
        let more = world.agent.end.write(world.now, &rest);
        bytes::Buf::advance(&mut rest, more);
        taken += more;
        world.run(MS * 100);
    }
    assert!(taken < bytes.len(), "{taken}");
    assert!(!world.client.end.wants_input());
    assert!(world.client.end.stats().unread_bytes <= 80 << 10);
    world.run(SECOND * 120);
    assert_eq!(
        ended(&world.client.events),
        None,
        "what waits for the application is not missing"
    );
    world.client.reads = true;
    world.print_all(&rest);
    world.run(SECOND * 20);
    assert!(world.client.output() == bytes);
}

const OUTPUT: MessageType = MessageType::OutputStreamData;

#[test]
fn what_is_not_as_it_was_sent_is_dropped_and_not_acknowledged() {
    let mut world = World::shell(MS * 20);
    world.run(SECOND);
    let mut damaged = frame(OUTPUT, 0, 1, b"$ ");
    damaged.pop();
    world.client.hear(world.now, damaged);
    world.client.hear(world.now, b"no frame".to_vec());
    world.run(SECOND);
    let expected = [
        Defect::Digest { number: 0 },
        Defect::Malformed(FrameError::TooShort { length: 8 }),
    ];
    assert_eq!(world.client.defects(), expected);
    assert_eq!(
        (world.client.output(), world.forwarded),
        (Vec::new(), 1),
        "the agent's state alone was said"
    );
    world.client.hear(world.now, frame(OUTPUT, 0, 1, b"$ "));
    world.run(SECOND);
    assert_eq!(world.client.output(), b"$ ");
    assert_eq!(world.forwarded, 2, "and an acknowledgement");
}

#[test]
fn a_second_frame_with_a_number_is_told_and_a_peer_that_begins_again_ends_it() {
    let mut world = World::shell(MS * 20);
    world.run(SECOND);
    for (number, id) in [(0, 1), (1, 2), (1, 2), (1, 3)] {
        world.client.hear(world.now, frame(OUTPUT, number, id, b"x"));
    }
    world.run(SECOND);
    assert_eq!(world.client.defects(), [Defect::NumberReused { number: 1 }]);
    assert_eq!(world.client.output(), b"xx");
    world.client.hear(world.now, frame(OUTPUT, 0, 9, b"y"));
    world.run(SECOND);
    assert_eq!(ended(&world.client.events), Some((&EndReason::PeerRestarted, 0, None)));
}

#[test]
fn a_number_that_never_comes_ends_the_session() {
    let mut world = World::shell(MS * 20);
    world.run(SECOND);
    world.client.hear(world.now, frame(OUTPUT, 1, 2, b"x"));
    world.run(SECOND * 59);
    assert_eq!(ended(&world.client.events), None);
    world.run(SECOND * 2);
    let missing = EndReason::NumberMissing { number: 0 };
    assert_eq!(ended(&world.client.events), Some((&missing, 0, None)));
}

#[test]
fn what_cannot_be_opened_may_come_again() {
    let agent = AgentConfig::new("s-1", "i-1").with_kms_key_id(Some("k".into()));
    let mut world = World::new(client(), agent, MS * 20);
    world.run(SECOND);
    let now = world.now;
    world
        .client
        .end
        .data_key(now, Ok((DataKey::new([7; 64]), b"x".to_vec())));
    world.run(SECOND);
    world.agent.end.data_key(world.now, Ok(DataKey::new([7; 64])));
    world.run(SECOND);
    let number = 3;
    world.client.hear(
        world.now,
        frame(OUTPUT, number, 9, b"not sealed, and long enough for it"),
    );
    world.run(SECOND);
    assert_eq!(world.client.defects(), [Defect::Undecryptable { number }]);
    world.print_all(b"sealed");
    world.run(SECOND);
    assert_eq!(world.client.output(), b"sealed");
}

/// Who has no room for a frame has none for those behind it either: what is acknowledged then would tell that it arrived.
#[test]
fn what_found_no_room_is_not_taken_for_delivered() {
    let config = ChannelConfig::default().with_receive_buffer(8 << 10);
    let mut world = World::new(client().with_channel(config), AgentConfig::new("s-1", "i-1"), MS * 5);
    world.print_all(b"$ ");
    world.run(SECOND);
    world.client.reads = false;
    let bytes = pattern(60_000);
    world.print_all(&bytes);
    // Nothing is left to say, so that probes go.
    world.run(SECOND * 300);
    world.client.reads = true;
    world.run(SECOND * 60);
    assert_eq!(world.client.output().len(), 2 + bytes.len());
    assert!(world.client.output()[2..] == bytes);
}

/// Whoever does not read does not see that the service is there.
#[test]
fn who_does_not_read_takes_nobody_for_gone() {
    let config = ChannelConfig::default().with_receive_buffer(8 << 10);
    let mut world = World::new(client().with_channel(config), AgentConfig::new("s-1", "i-1"), MS * 5);
    world.client.reads = false;
    world.print_all(&pattern(20_000));
    world.run(SECOND);
    assert!(!world.client.end.wants_input());
    let epoch = world.client.epoch.expect("because it is attached");
    let mut now = world.now;
    for _ in 0..1_000 {
        now = world.client.end.poll_timeout().expect("because it is attached");
        world.client.end.handle_timeout(now);
        while world.client.end.poll_transmit(now, epoch).is_some() {}
    }
    assert!(now.saturating_since(world.now) > SECOND * 600);
    assert!(world.client.end.is_attached());
}

#[test]
fn small_pieces_have_a_bound_too() {
    let mut world = World::shell(MS * 20);
    let taken = (0..100_000).map(|_| world.client.end.write(world.now, &Bytes::from_static(b"x")));
    let taken: usize = taken.sum();
    assert!((1_000..5_000).contains(&taken), "{taken}");
}
