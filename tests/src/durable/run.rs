//! One schedule from its seed to its verdict.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use unbroken_proto::event::EndReason;
use unbroken_proto::session::SessionState;

use super::net::Happening;
use super::options::{Closing, Options, SECOND, Scenario};
use super::world::World;
use crate::rng::{Rng, mix};
use crate::tally::Tally;

/// What a schedule came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// A hash over everything that crossed the machines' borders.
    pub trace: u64,
    /// What happened, by name.
    pub tally: Tally,
    /// Virtual nanoseconds.
    pub time: u64,
}

impl crate::soak::Summary for Summary {
    fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// Runs the schedule of `seed`.
///
/// # Errors
/// The first promise broken, in words.
pub fn run_seed(seed: u64) -> Result<Summary, String> {
    let mut rng = Rng::new(mix(seed ^ 0xd15c));
    let options = Options::draw(&mut rng);
    let printed = format!("{options:?}");
    catch_unwind(AssertUnwindSafe(|| schedule(options, rng))).map_err(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without words".to_owned());
        format!("{what}\noptions: {printed}")
    })
}

fn schedule(options: Options, rng: Rng) -> Summary {
    let mut world = World::new(options, rng);
    let span = world.options.fault_every * (world.options.faults + 2);
    world.net.plan(world.options.fault_every / 2, Happening::Fault);
    let closing = world.options.closing.after.filter(|after| *after < span);
    if let Some(after) = closing {
        world.run(after, |_| false);
        close(&mut world);
    }
    world.run(span, |_| false);
    heal(&mut world);
    settle(&mut world);
    if !world.closed {
        close(&mut world);
    }
    finish(&mut world);
    judge(&world);
    Summary {
        trace: world.trace.value(),
        tally: world.tally,
        time: world.now,
    }
}

fn close(world: &mut World) {
    let Closing { by, abort, .. } = world.options.closing;
    let lives: Vec<u64> = world.lives.keys().copied().collect();
    for id in lives {
        let Some(now) = world.now_of(id) else { continue };
        let Some(life) = world.lives.get_mut(&id).filter(|life| by == 2 || life.end == by) else {
            continue;
        };
        if abort {
            life.session.abort(now);
            world.tally.hit("app: aborts");
        } else {
            life.session
                .close(now, 3, Bytes::from_static(b"done"))
                .expect("because the code is small");
            world.tally.hit("app: closes");
        }
        world.closed = true;
        if world.is_fleet() && world.rng.chance(500) {
            // Whoever is not told asks at another node.
            world.cut();
        }
        world.service(id);
    }
}

/// Nothing goes wrong any more.
fn heal(world: &mut World) {
    world.healed = true;
    world.doom = None;
    let now = world.now;
    for (place, disk) in world.disks.iter_mut().enumerate() {
        disk.stalled_until = 0;
        disk.full_until = 0;
        if let Some(writing) = &disk.writing {
            world.net.plan(now, Happening::Disk(place, writing.number));
        }
    }
    let all: Vec<u64> = world
        .net
        .conns
        .iter()
        .filter(|(_, conn)| conn.cut)
        .map(|(id, _)| *id)
        .collect();
    for conn in all {
        for up in [true, false] {
            world.net.plan(now, Happening::Gone(conn, up));
        }
    }
}

/// Whether a client has nothing more to wait for.
fn is_settled(world: &World, number: usize) -> bool {
    let client = &world.clients[number];
    let Some(life) = client.life.and_then(|life| world.lives.get(&life)) else {
        return client.over;
    };
    if world.closed || life.session.state() != SessionState::Attached {
        return false;
    }
    let Some(id) = life.session.id() else { return false };
    let served = (0..world.servers.len()).filter_map(|server| world.lives.get(&world.life_of(server, id)?));
    served.into_iter().any(|server| {
        let (ours, theirs) = (life.session.inspect(), server.session.inspect());
        let plans = &world.options.plans;
        let bases = [&world.disks[life.disk].image.base, &world.disks[server.disk].image.base];
        server.session.state() == SessionState::Attached
            && ours.acked == ours.next
            && theirs.acked == theirs.next
            && ours.next == theirs.expected
            && theirs.next == ours.expected
            && life.app.is_written(plans, bases[0])
            && server.app.is_written(plans, bases[1])
            && life.app.has_read(plans)
            && server.app.has_read(plans)
    })
}

fn standing(world: &World) -> String {
    let all = world.lives.iter().map(|(id, life)| {
        format!(
            "life {id} {:?} {:?} ended {:?} links {:?} record {} {:?} wants {:?} until {:?}: {}",
            life.who,
            life.session.end_reason(),
            life.ended.as_ref().map(|ended| &ended.reason),
            life.links,
            life.session.wants_record(),
            life.session.inspect(),
            life.session
                .wanted_connection()
                .map(|intent| (intent.attempt, intent.not_before)),
            life.session.poll_timeout(),
            life.app.standing()
        )
    });
    all.collect::<Vec<_>>().join("\n")
}

/// Everything written arrives within a bound of virtual time.
fn settle(world: &mut World) {
    let bound = world.now + 1_000 * SECOND + 2 * world.options.lifetime;
    world.run(bound, |world| {
        world.closed || (0..world.clients.len()).all(|number| is_settled(world, number))
    });
    if world.closed {
        return;
    }
    for number in 0..world.clients.len() {
        assert!(
            is_settled(world, number),
            "client {number} has not settled:\n{}",
            standing(world)
        );
    }
    world.tally.hit("check: all arrived");
}

/// Everybody closes, and everything ends.
fn finish(world: &mut World) {
    let is_over = |world: &World| world.lives.is_empty() && world.clients.iter().all(|client| client.over);
    let bound = world.now + 1_000 * SECOND + 2 * world.options.lifetime;
    // A close that was not kept is said again by a process that began again.
    while world.now < bound && !is_over(world) {
        world.run(world.now + 300 * SECOND, is_over);
        if !is_over(world) {
            close(world);
        }
    }
    let over = world.clients.iter().all(|client| client.over);
    assert!(
        over && world.lives.is_empty(),
        "not everything ended:\n{}",
        standing(world)
    );
}

/// What the ends were told at last is true.
fn judge(world: &World) {
    for last in &world.finals {
        let reason = &last.ended.reason;
        // An end that was never confirmed expires by itself; a client of which that was a server that began again meanwhile learns
        // that its session is unknown. What crosses a close may wait for as long as an end lingers.
        let alone = !world.finals.iter().any(|other| other.end == 0 && other.id == last.id);
        if !world.excused && !alone {
            let known = matches!(
                reason,
                EndReason::Closed { code: 3, .. }
                    | EndReason::LingerExpired
                    | EndReason::Aborted
                    | EndReason::AbortedByPeer
                    | EndReason::Expired
                    | EndReason::Unknown
            );
            let unknown = matches!(reason, EndReason::Unknown | EndReason::Expired);
            assert!(world.closed && known || unknown, "end {} ended as {reason:?}", last.end);
        }
        if matches!(world.options.scenario, Scenario::Fenced(_)) {
            // Whoever was superseded does not know what its successor said.
            continue;
        }
        let peer = world
            .finals
            .iter()
            .find(|other| other.end != last.end && other.id == last.id);
        if let Some(peer) = peer.filter(|_| world.truth.is_strict(0) && world.truth.is_strict(1)) {
            world.truth.fates(last.end, peer.disk, &last.keys, &last.ended.fates);
        }
    }
    if world.options.scenario == Scenario::Plain && !world.excused {
        assert!(world.finals.iter().any(|last| last.end == 0), "the client never ended");
    }
}
