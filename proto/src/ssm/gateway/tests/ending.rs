//! How sessions end, and what an agent is asked meanwhile.

use alloc::vec::Vec;

use super::{NOW, attached, decoded, gateway, opening, output, refusals, sent, state};
use crate::ssm::MessageType;
use crate::ssm::body::{ChannelClosed, SessionState};
use crate::ssm::gateway::{AttachError, End, EndedBy, Event, GatewayConfig, Refusal, StartError};
use crate::time::Duration;

#[test]
fn the_agent_ends_the_session_behind_what_it_sent() {
    let mut gateway = gateway(GatewayConfig::default());
    let (client, agent) = (attached(&mut gateway, End::Client), attached(&mut gateway, End::Agent));
    gateway.handle_input(NOW, agent, output(0, b"bye"));
    gateway.handle_input(NOW, agent, state(SessionState::Terminating));
    gateway.handle_input(NOW, agent, output(1, b"too late"));
    assert_eq!(gateway.token("s-1", End::Client), None);
    assert_eq!(gateway.attach(NOW, "s-1"), Err(AttachError::NoSession));
    assert_eq!(
        gateway.start(NOW, "s-1"),
        Err(StartError::Exists),
        "it is not quite gone"
    );
    let to_client = sent(&mut gateway, client);
    assert_eq!(to_client[0], output(0, b"bye"));
    let closed = decoded(&to_client[1]);
    assert_eq!(closed.header.message_type, MessageType::ChannelClosed);
    assert_eq!(
        ChannelClosed::decode(&closed.payload).expect("a body").session_id,
        "s-1"
    );
    assert_eq!(to_client.len(), 2);
    assert!(!gateway.is_wanted(client), "it has heard all");
    assert_eq!(sent(&mut gateway, agent).len(), 1);
    assert!(!gateway.is_wanted(agent));
    let ended: Vec<EndedBy> = core::iter::from_fn(|| gateway.poll_event())
        .filter_map(|event| match event {
            Event::Ended { by, .. } => Some(by),
            _ => None,
        })
        .collect();
    assert_eq!(ended, [EndedBy::Agent]);
    assert_eq!(gateway.start(NOW, "s-1"), Ok(()));
}

#[test]
fn the_host_ends_a_session_whose_ends_do_not_listen() {
    let config = GatewayConfig::default();
    let closing = config.closing_timeout;
    let mut gateway = gateway(config);
    let (client, agent) = (attached(&mut gateway, End::Client), attached(&mut gateway, End::Agent));
    let opening_one = gateway.attach(NOW, "s-1").expect("there is room");
    let token = gateway.token("s-1", End::Client).expect("it lives");
    assert!(gateway.terminate(NOW, "s-1", "maintenance"));
    assert!(!gateway.terminate(NOW, "s-1", "again"));
    gateway.handle_input(NOW, opening_one, opening(End::Client, &token));
    assert!(refusals(&mut gateway).contains(&Refusal::Ended));
    let closed = decoded(&gateway.poll_transmit(NOW, client).expect("it is told"));
    assert_eq!(
        ChannelClosed::decode(&closed.payload).expect("a body").output,
        "maintenance"
    );
    assert!(gateway.is_wanted(agent), "it has not been told yet");
    assert_eq!(gateway.poll_timeout(), Some(NOW + closing));
    gateway.handle_timeout(NOW + closing);
    assert!(!gateway.is_wanted(agent));
    assert_eq!(gateway.poll_timeout(), None);
    assert_eq!(gateway.start(NOW, "s-1"), Ok(()));
}

#[test]
fn a_session_that_nobody_uses_is_over() {
    let config = GatewayConfig::default().with_max_sessions(1);
    let after = config.abandoned_timeout;
    let mut gateway = gateway(config);
    assert_eq!(gateway.start(NOW, "s-2"), Err(StartError::Full));
    assert_eq!(gateway.start(NOW, "a/b"), Err(StartError::Name));
    let agent = attached(&mut gateway, End::Agent);
    assert_eq!(gateway.poll_timeout(), None, "somebody uses it");
    let then = NOW + Duration::from_secs(5);
    gateway.detach(then, agent);
    assert_eq!(gateway.poll_timeout(), Some(then + after));
    gateway.handle_timeout(then + after);
    assert!(!gateway.has_session("s-1"));
    assert_eq!(gateway.start(then + after, "s-2"), Ok(()));
}

#[test]
fn an_agent_is_paused_until_it_connects_again() {
    let mut gateway = gateway(GatewayConfig::default());
    assert!(!gateway.pause("s-1"), "it is away");
    let (client, agent) = (attached(&mut gateway, End::Client), attached(&mut gateway, End::Agent));
    assert!(gateway.pause("s-1"));
    let said = sent(&mut gateway, agent);
    assert_eq!(said.len(), 1);
    assert_eq!(decoded(&said[0]).header.message_type, MessageType::PausePublication);
    assert!(gateway.pause("s-1") && gateway.resume("s-1"));
    let said = sent(&mut gateway, agent);
    assert_eq!(said.len(), 1, "the latest word alone");
    assert_eq!(decoded(&said[0]).header.message_type, MessageType::StartPublication);
    assert!(gateway.pause("s-1"));
    let agent = attached(&mut gateway, End::Agent);
    assert_eq!(sent(&mut gateway, agent), []);
    assert_eq!(sent(&mut gateway, client), []);
}
