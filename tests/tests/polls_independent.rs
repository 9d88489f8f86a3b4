//! Event, timeout, intent and level polls commute with everything: asked in any interleaving, or not at
//! all until the end, they change no byte that is sent and no event that is told. And a host that wakes
//! only at `poll_timeout` sends what an eager one sends, at the same instants.

use unbroken_proto::time::Duration;
use unbroken_proto::{Event, Session, SessionConfig, Side};
use unbroken_tests::pair::{Pair, Setup};
use unbroken_tests::rng::Rng;

const MS: u64 = 1_000_000;

fn setup() -> Setup {
    let config = SessionConfig::default()
        .with_outbox_limit(2_048)
        .with_keepalive_interval(Duration::from_millis(200))
        .with_keepalive_timeout(Duration::from_millis(600))
        .with_drain_timeout(Duration::from_millis(30))
        .with_linger(Duration::from_secs(5));
    Setup {
        client: config.clone(),
        server: config,
        ..Setup::default()
    }
}

/// Which polls are asked between two calls: one bit each.
fn ask(pair: &mut Pair, which: u64, events: &mut Vec<(bool, Event)>) {
    for side in [Side::Client, Side::Server] {
        let epoch = pair.wires.last().map(|wire| wire.was);
        let Some(session) = pair.machine(side) else { continue };
        if which & 1 != 0 {
            let _ = (session.poll_timeout(), session.stats(), session.state());
        }
        if which & 2 != 0 {
            let _ = (session.wanted_connection(), epoch.map(|epoch| session.is_wanted(epoch)));
        }
        if which & 4 != 0 {
            events.extend(session.poll_event().map(|event| (side == Side::Client, event)));
        }
        if which & 8 != 0 {
            while let Some(event) = session.poll_event() {
                events.push((side == Side::Client, event));
            }
        }
    }
}

type Trace = (Vec<(bool, Vec<u8>)>, Vec<Event>, Vec<Event>);

/// A short run through everything: establish, talk, cut, resume, planned swap, close. After each step
/// the polls named by `pattern` are asked. Returns all packets and both ends' events.
fn run(pattern: &mut dyn FnMut() -> u64) -> Trace {
    let mut pair = Pair::new(&setup());
    let mut events = Vec::new();
    let stream = pair.open(Side::Client);
    let mut step = |pair: &mut Pair| ask(pair, pattern(), &mut events);
    let mut moves = 0;
    for phase in 0..9 {
        let now = pair.instant();
        match phase {
            1 => assert!(pair.put(Side::Client, stream, 100)),
            2 => while pair.put(Side::Client, stream, 300) {},
            3 => {
                pair.read_all(Side::Server, &[stream]);
                assert!(pair.put(Side::Server, stream, 50));
            }
            4 => {
                pair.notice(0, Side::Client);
                step(&mut pair);
                pair.notice(0, Side::Server);
            }
            5 => pair.client.migrate(now, Duration::from_secs(1), bytes::Bytes::new()),
            6 => {
                pair.read_all(Side::Client, &[stream]);
                pair.read_all(Side::Server, &[stream]);
            }
            7 => pair
                .client
                .close(now, 3, bytes::Bytes::new())
                .expect("because the code fits"),
            _ => {}
        }
        step(&mut pair);
        let end = pair.now + 60 * MS;
        loop {
            let mut any = pair.dial([None; 2]);
            for wire in 0..pair.wires.len() {
                for side in [Side::Client, Side::Server] {
                    any |= pair.transmit(wire, side);
                    step(&mut pair);
                    any |= pair.deliver(wire, side);
                    step(&mut pair);
                }
            }
            any |= pair.tidy();
            step(&mut pair);
            pair.pass_report();
            moves += 1;
            if any {
                continue;
            }
            let Some(next) = pair.next_deadline().filter(|at| *at <= end) else {
                break;
            };
            pair.now = pair.now.max(next);
            pair.timers();
            step(&mut pair);
        }
        pair.now = end;
    }
    assert!(moves > 15, "the run was too short to mean anything: {moves}");
    ask(&mut pair, 8, &mut events);
    let packets = pair.wires.iter().flat_map(|wire| wire.log.iter().cloned()).collect();
    let of = |client: bool| {
        events
            .iter()
            .filter(|(from, _)| *from == client)
            .map(|(_, event)| event.clone())
            .collect()
    };
    (packets, of(true), of(false))
}

#[test]
fn every_interleaving_of_polls_gives_the_same_bytes_and_events() {
    let silent = run(&mut || 0);
    assert!(matches!(silent.1.last(), Some(Event::Ended(_))), "{:?}", silent.1);
    assert!(
        silent
            .1
            .iter()
            .filter(|event| matches!(event, Event::Attached { .. }))
            .count()
            >= 3,
        "{:?}",
        silent.1
    );
    for constant in 1..16 {
        assert_eq!(run(&mut || constant), silent, "polls {constant:#b} after every step");
    }
    // Every pattern of asking or not over ten consecutive steps, at ten places.
    for place in 0..10u64 {
        for pattern in 0..64u64 {
            let mut count = 0u64;
            let result = run(&mut || {
                count += 1;
                let bit = count.checked_sub(place * 12).filter(|bit| *bit < 6);
                bit.map_or(0, |bit| if pattern >> bit & 1 == 1 { 7 } else { 0 })
            });
            assert_eq!(result, silent, "place {place}, pattern {pattern:#b}");
        }
    }
    for seed in 0..300 {
        let mut rng = Rng::new(seed);
        assert_eq!(run(&mut || rng.below(16)), silent, "random polls, seed {seed}");
    }
}

/// What a host does between two deadlines.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Host {
    /// Sleeps until exactly the next deadline.
    Lazy,
    /// Calls handle_timeout and asks for packets all the time.
    Eager,
}

/// Packets with their instants, over half a minute in which connections die in all ways.
fn hours(host: Host, seed: u64) -> Vec<(u64, usize, bool, Vec<u8>)> {
    let mut pair = Pair::new(&setup());
    let stream = pair.open(Side::Client);
    let mut rng = Rng::new(seed);
    let mut seen = Vec::new();
    let mut noted = Vec::new();
    for _ in 0..40 {
        match rng.below(7) {
            0 => while pair.put(Side::Client, stream, 200) {},
            1 => {
                pair.put(Side::Server, stream, 100);
            }
            2 => {
                // Silence: nobody is told, the heartbeat has to find out.
                if let Some(wire) = pair.wires.last_mut() {
                    wire.cut([true; 2]);
                }
            }
            3 => {
                let wire = pair.wires.len().saturating_sub(1);
                pair.notice(wire, Side::Client);
                pair.notice(wire, Side::Server);
            }
            4 => pair.read_all(Side::Server, &[stream]),
            5 => pair.read_all(Side::Client, &[stream]),
            _ => {
                let now = pair.instant();
                pair.client.migrate(now, Duration::from_secs(1), bytes::Bytes::new());
            }
        }
        let end = pair.now + rng.scaled(MS, 2_000 * MS);
        loop {
            pair.pump();
            for (index, wire) in pair.wires.iter().enumerate() {
                noted.resize(noted.len().max(index + 1), 0);
                for (client, packet) in &wire.log[noted[index]..] {
                    seen.push((pair.now, index, *client, packet.clone()));
                }
                noted[index] = wire.log.len();
            }
            let next = pair.next_deadline().map_or(end, |at| at.min(end));
            if host == Host::Eager {
                pester(&mut pair, next);
            }
            let due = pair.next_deadline().is_some_and(|at| at <= end);
            pair.now = pair.now.max(next);
            if !due {
                break;
            }
            pair.timers();
        }
    }
    assert!(pair.wires.len() > 3, "nothing happened");
    seen
}

/// Everything a nervous host may do between two deadlines: none of it may have an effect.
fn pester(pair: &mut Pair, until: u64) {
    let begin = pair.now;
    for part in 1..5 {
        pair.now = begin + until.saturating_sub(begin).saturating_sub(1) * part / 5;
        let now = pair.instant();
        for side in [Side::Client, Side::Server] {
            let Some(session) = pair.machine(side) else { continue };
            let before = session.poll_timeout();
            session.handle_timeout(now);
            assert_eq!(
                session.poll_timeout(),
                before,
                "{side:?}: a deadline moved because somebody asked early"
            );
            assert_eq!(
                session.poll_event(),
                None,
                "{side:?}: an event that no deadline announced"
            );
        }
        for wire in 0..pair.wires.len() {
            for side in [Side::Client, Side::Server] {
                assert!(
                    !pair.transmit(wire, side),
                    "{side:?}: a packet that no deadline announced"
                );
            }
        }
    }
    pair.now = begin;
}

#[test]
fn a_lazy_host_sends_what_an_eager_one_sends() {
    for seed in 0..60 {
        let lazy = hours(Host::Lazy, seed);
        let eager = hours(Host::Eager, seed);
        assert!(lazy.len() > 30, "seed {seed}: {} packets", lazy.len());
        assert!(
            lazy == eager,
            "seed {seed}: {} packets lazily, {} eagerly",
            lazy.len(),
            eager.len()
        );
    }
}

#[test]
fn skipping_reports_loses_nothing() {
    let mut pair = Pair::new(&setup());
    let stream = pair.establish();
    let reports = pair
        .server
        .as_mut()
        .map(|server: &mut Session| (server.poll_report().is_some(), server.poll_report().is_some()));
    assert!(
        reports.is_some_and(|(_, second)| !second),
        "a level is told once a change"
    );
    assert!(pair.put(Side::Client, stream, 5));
}
