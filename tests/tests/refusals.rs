//! That a refused RESUME shows nothing of whether its session exists, in what the registry allocates either.

use bytes::BytesMut;
use unbroken_proto::config::{ClientConfig, Seed, ServerConfig};
use unbroken_proto::security::{Auth, ServerAuth, Suite};
use unbroken_proto::server::{Admission, Registry, Route};
use unbroken_proto::{Carrier, Instant, Session, SessionId};

/// A registry that holds one session.
fn holding() -> (Registry, Session) {
    let now = Instant::from_millis(1_000);
    let config = ServerConfig::new(ServerAuth::anonymous());
    let mut registry = Registry::new(config, Seed([1; 32]), now).expect("because it is valid");
    let mut config = ClientConfig::new(Auth::anonymous());
    config.suites = vec![Suite::ChaChaPoly];
    let mut client = Session::connect(config, Seed([2; 32]), now).expect("because it is valid");
    let epoch = client.attach(now, Carrier::ordered()).expect("because it is wanted");
    let connection = registry.connection_accepted(now, Carrier::ordered());
    let mut packet = Vec::new();
    assert!(client.poll_transmit(now, epoch, &mut packet));
    let Route::Handshake(mut incoming) = registry.first_packet(now, connection, BytesMut::from(&packet[..])) else {
        panic!("because HELLO leads to a handshake")
    };
    packet.clear();
    incoming.poll_transmit(&mut packet);
    client
        .handle_input(now, epoch, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    packet.clear();
    assert!(client.poll_transmit(now, epoch, &mut packet));
    incoming
        .handle_input(now, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    let Admission::New { session, .. } = registry.admit(now, incoming) else {
        panic!("because there is room")
    };
    (registry, session)
}

/// What the registry says to a RESUME that nobody could have sealed, and what it allocates meanwhile.
fn refusal(registry: &mut Registry, id: SessionId, suite: Suite) -> (Option<Vec<u8>>, u64, u64, u64) {
    let now = Instant::from_millis(2_000);
    let mut packet = BytesMut::zeroed(84);
    packet[..3].copy_from_slice(&[4, 1, suite.byte()]);
    packet[3..19].copy_from_slice(&id.0);
    let connection = registry.connection_accepted(now, Carrier::ordered());
    let mut route = None;
    let cost = allocation_counter::measure(|| route = Some(registry.first_packet(now, connection, packet)));
    let Some(Route::Reject(rejection)) = route else {
        panic!("it went on to its session: {route:?}")
    };
    (rejection.packet, cost.count_total, cost.bytes_total, cost.bytes_max)
}

#[test]
fn a_refused_resume_allocates_the_same_whether_there_is_such_a_session_or_not() {
    let (mut registry, session) = holding();
    let held = session.id().expect("because it was admitted");
    for suite in Suite::all() {
        // What is allocated once only is not counted.
        refusal(&mut registry, SessionId([8; 16]), suite);
        let unknown = refusal(&mut registry, SessionId([9; 16]), suite);
        assert_eq!(refusal(&mut registry, held, suite), unknown, "{suite:?}");
        assert!(unknown.1 > 0, "it was tried");
    }
}
