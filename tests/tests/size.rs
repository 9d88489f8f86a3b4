//! What many sessions cost a process: bytes of an idle one, and one tick of a host that drives all.
//!
//! `cargo test --release -p unbroken-tests --test size -- --ignored --nocapture`; `SESSIONS=100000` in
//! the environment for the full size (the handshakes take most of the time).

use std::collections::BTreeMap;
use std::time::Instant as Clock;

use bytes::BytesMut;
use unbroken_proto::config::{ClientConfig, Seed, ServerConfig};
use unbroken_proto::security::{Auth, ServerAuth, SharedSecret, Suite};
use unbroken_proto::server::{Admission, Registry, Route, Timers};
use unbroken_proto::{Carrier, Duration, Epoch, Event, Instant, Session, SessionId};

fn count() -> usize {
    std::env::var("SESSIONS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(2_000)
}

fn seed(number: usize) -> Seed {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    Seed(seed)
}

/// Carries packets both ways until there are none.
fn settle(now: Instant, client: &mut Session, ours: Epoch, server: &mut Session, theirs: Epoch) {
    let mut packet = Vec::new();
    loop {
        let mut moved = false;
        while client.poll_transmit(now, ours, &mut packet) {
            server
                .handle_input(now, theirs, BytesMut::from(&packet[..]))
                .expect("because it is honest");
            packet.clear();
            moved = true;
        }
        while server.poll_transmit(now, theirs, &mut packet) {
            client
                .handle_input(now, ours, BytesMut::from(&packet[..]))
                .expect("because it is honest");
            packet.clear();
            moved = true;
        }
        if !moved {
            return;
        }
    }
}

/// One established session: the client's end, the server's end.
fn establish(registry: &mut Registry, config: &ClientConfig, now: Instant, number: usize) -> (Session, Session) {
    let mut client = Session::connect(config.clone(), seed(number), now).expect("because the defaults are valid");
    let ours = client.attach(now, Carrier::ordered()).expect("because it is wanted");
    let connection = registry.connection_accepted(now, Carrier::ordered());
    let mut packet = Vec::new();
    client.poll_transmit(now, ours, &mut packet);
    let Route::Handshake(mut incoming) = registry.first_packet(now, connection, BytesMut::from(&packet[..])) else {
        panic!("because HELLO leads to a handshake")
    };
    packet.clear();
    incoming.poll_transmit(&mut packet);
    client
        .handle_input(now, ours, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    packet.clear();
    client.poll_transmit(now, ours, &mut packet);
    incoming
        .handle_input(now, BytesMut::from(&packet[..]))
        .expect("because it is honest");
    let Admission::New {
        session: mut server,
        epoch,
    } = registry.admit(now, incoming)
    else {
        panic!("because there is room")
    };
    settle(now, &mut client, ours, &mut server, epoch);
    for session in [&mut client, &mut server] {
        while let Some(event) = session.poll_event() {
            assert!(!matches!(event, Event::Ended(_)));
        }
    }
    if let Some(report) = server.poll_report() {
        registry.update(now, report);
    }
    (client, server)
}

fn configs(suite: Suite) -> (ServerConfig, ClientConfig) {
    let secret = SharedSecret::from_key(b"size", [7; 32]).expect("because the hint is short");
    let mut server = ServerConfig::new(ServerAuth::secrets(vec![secret.clone()]));
    (server.hello_rate, server.max_sessions) = (1_000_000, 1 << 20);
    let mut client = ClientConfig::new(Auth::secret(secret));
    client.suites = vec![suite];
    (server, client)
}

struct Measured {
    session: usize,
    detached: usize,
    registry: usize,
}

/// Bytes a session, inline and on the heap: established and idle; detached; in the registry.
fn measure(suite: Suite, count: usize) -> Measured {
    let (server, config) = configs(suite);
    let now = Instant::from_millis(1_000);
    let mut registry = None;
    let mut sessions = Vec::new();
    let all = allocation_counter::measure(|| {
        let registry = registry.insert(Registry::new(server, seed(0), now).expect("because it is valid"));
        sessions = Vec::with_capacity(count);
        sessions.extend((1..=count).map(|number| establish(registry, &config, now, number).1));
    });
    let no_registry = allocation_counter::measure(|| registry = None);
    let no_links = allocation_counter::measure(|| {
        for session in &mut sessions {
            (0..4).for_each(|epoch| session.detach(now, Epoch(epoch), unbroken_proto::Cause::Network));
            while session.poll_event().is_some() {}
        }
    });
    let each = |bytes: i64| usize::try_from(bytes).unwrap_or(0) / count;
    Measured {
        session: each(all.bytes_current + no_registry.bytes_current),
        detached: each(all.bytes_current + no_registry.bytes_current + no_links.bytes_current),
        registry: each(-no_registry.bytes_current),
    }
}

/// Issue: at most 4 KiB with its keys, 2 KiB without.
#[test]
fn an_idle_session_is_small() {
    for suite in [Suite::Aes256GcmPsk, Suite::ChaChaPolyPsk] {
        let Measured {
            session,
            detached,
            registry,
        } = measure(suite, 64);
        println!(
            "{suite:?}: {session} B established and idle (inline {}), {detached} B detached, {registry} B in the registry",
            size_of::<Session>()
        );
        assert!(session <= 4_096, "{session} bytes");
        assert!(detached <= 2_048, "{detached} bytes");
        assert!(registry <= 700, "{registry} bytes");
    }
}

#[test]
#[ignore = "a benchmark: see the top of the file"]
fn many_sessions() {
    let count = count();
    let began = Clock::now();
    let Measured {
        session,
        detached,
        registry,
    } = measure(Suite::Aes256GcmPsk, count);
    println!(
        "{count} sessions: {session} B each established and idle, {detached} B detached, {registry} B in the registry; {:?}",
        began.elapsed()
    );
}

/// Ticks that are measured, each with ten sessions due.
const TICKS: u64 = 50;

/// What a tick with ten due takes in the middle of them, and what a look at every session would.
fn tick(count: usize) -> (Duration, Duration) {
    let now = Instant::from_millis(1_000);
    let (server, config) = configs(Suite::Aes256GcmPsk);
    let mut registry = Registry::new(server, seed(0), now).expect("because it is valid");
    let mut sessions: BTreeMap<SessionId, Session> = BTreeMap::new();
    let mut timers = Timers::new();
    for number in 0..count {
        // Ten come every millisecond for a while; the rest a second later.
        let group = (number as u64 / 10).min(TICKS + 1_000);
        let since = now + Duration::from_millis(group);
        let (_, session) = establish(&mut registry, &config, since, number + 1);
        let id = session.id().expect("because it is established");
        timers.set(id, session.poll_timeout());
        sessions.insert(id, session);
    }
    let mut took = Vec::new();
    for _ in 0..TICKS {
        let due = timers.next().expect("because all have deadlines");
        let began = Clock::now();
        let mut handled = 0;
        while let Some(id) = timers.pop_due(due) {
            if let Some(session) = sessions.get_mut(&id) {
                session.handle_timeout(due);
                timers.set(id, session.poll_timeout());
                handled += 1;
            }
        }
        took.push(began.elapsed());
        assert_eq!(handled, 10);
    }
    took.sort();
    let began = Clock::now();
    assert!(sessions.values().filter_map(Session::poll_timeout).min().is_some());
    (took[took.len() / 2], began.elapsed())
}

/// What a tick costs must not grow with the sessions there are.
#[test]
#[ignore = "a benchmark: see the top of the file"]
fn one_tick() {
    let (few, _) = tick(1_000);
    let count = count();
    let (many, all) = tick(count);
    println!(
        "a tick with 10 due: {few:?} among 1000 sessions, {many:?} among {count}: {:.2} times as much (a look at every one: {all:?})",
        many.as_secs_f64() / few.as_secs_f64()
    );
}
