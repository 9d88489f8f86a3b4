use crate::reconnect::Cause;
use crate::ssm::body::{PortProperties, SessionType};
use crate::ssm::event::{Chunk, EndReason, Event};
use crate::ssm::testing::{World, client, pattern};
use crate::ssm::{AgentConfig, Message};
use crate::time::Duration;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn reason(events: &[Event]) -> Option<&EndReason> {
    events.iter().find_map(|event| match event {
        Event::Ended(ended) => Some(&ended.reason),
        _ => None,
    })
}

#[test]
fn a_command_ends_with_all_that_it_printed() {
    let agent = AgentConfig::new("s-1", "i-1").with_session_type(SessionType::NonInteractiveCommands);
    let mut world = World::new(client(), agent, MS * 30);
    let printed = pattern(50_000);
    world.print_all(&printed);
    world
        .agent
        .end
        .write_stderr(world.now, &bytes::Bytes::from_static(b"oops"));
    world.agent.end.exit_code(world.now, 3);
    world.agent.end.finish(world.now);
    world.cut_both();
    world.run(SECOND * 20);
    assert_eq!(world.client.output(), printed);
    let last = &world.client.chunks[world.client.chunks.len() - 2..];
    let expected = [Chunk::StdErr(bytes::Bytes::from_static(b"oops")), Chunk::ExitCode(3)];
    assert_eq!(last, expected);
    assert_eq!(reason(&world.agent.events), Some(&EndReason::Finished));
}

#[test]
fn a_client_that_does_not_answer_is_waited_for_so_long() {
    let agent = AgentConfig::port("s-1", "i-1", PortProperties::default()).with_handshake_timeout(SECOND * 15);
    let mut world = World::new(client(), agent, MS * 30);
    world.client.reachable = false;
    world.run(SECOND * 14);
    assert_eq!(reason(&world.agent.events), None);
    world.run(SECOND * 2);
    assert!(matches!(reason(&world.agent.events), Some(EndReason::Handshake { .. })));
}

#[test]
fn cuts_at_either_end_lose_nothing() {
    for cut in 0..3 {
        let mut world = World::shell(MS * 40);
        let (up, down) = (pattern(300_000), pattern(500_000));
        world.print_all(&down[..1]);
        for step in 1..100usize {
            world.print_all(&down[5_000 * (step - 1) + 1..5_000 * step + 1]);
            world.type_all(&up[3_000 * (step - 1)..3_000 * step]);
            world.run(MS * 37);
            if step % 7 == 0 {
                if cut != 1 {
                    world.client.cut(world.now, Cause::Network);
                }
                if cut != 2 {
                    world.agent.cut(world.now, Cause::Network);
                }
            }
        }
        world.run(SECOND * 20);
        assert!(world.client.output() == down[..495_001], "{cut}");
        assert!(world.agent.output() == up[..297_000], "{cut}");
        let (client, agent) = (world.client.end.stats(), world.agent.end.stats());
        assert_eq!(
            (client.inferred_frames, agent.inferred_frames),
            (0, 0),
            "both say what they have"
        );
    }
}

/// The service says that sending has to pause, and forgets to say that it may go on.
#[test]
fn a_pause_that_nobody_ends_is_over_after_a_while() {
    let mut world = World::shell(MS * 20);
    world.print_all(b"$ ");
    world.run(SECOND);
    let epoch = world.agent.epoch.expect("because it is attached");
    let pause = Message::Text("pause_publication".into());
    world.agent.end.handle_input(world.now, epoch, pause);
    world.print_all(b"later");
    world.run(SECOND * 4);
    assert_eq!(world.client.output(), b"$ ");
    world.run(SECOND * 2);
    assert_eq!(world.client.output(), b"$ later");
}
