//! How a case is run.

use super::SECOND;
use unbroken_proto::config::WindowBudget;

use super::case::{Case, Company, Reading};
use super::host::Host;
use super::line::{Line, share};
use super::measure::{Measured, Percentiles};
use super::world::World;

/// Whoever comes second comes so much later.
const LATER: u64 = SECOND;
/// What a receiver's windows may grow by, so that it does not decide anything.
const BUDGET: usize = 1 << 30;
/// A line that changes is as it was for so long, once the session has settled.
const BEFORE: u64 = 5 * SECOND;

/// Runs one case.
///
/// # Panics
/// When the machine does what no host of honest peers ever sees.
#[must_use]
pub fn run(case: &Case) -> Measured {
    let mut world = begin(case);
    world.run_until(world.now + case.settles());
    if case.change.is_some() {
        // Once around before, too, so that nothing of the start is left.
        world.run_until(world.now + BEFORE);
        change(&mut world, case);
        world.run_until(world.now + 20 * case.changed().1);
    }
    measure(&mut world, case, (case.lasts(), case.calms()))
}

/// What happens in a case from its beginning on, in steps of so many nanoseconds. Its line changes between `settles` and the steps
/// that follow, as in [`run`].
///
/// # Panics
/// As [`run`].
pub fn timeline(case: &Case, step: u64) -> impl Iterator<Item = (u64, Measured)> {
    let (case, mut world) = (*case, begin(case));
    let changes_at = world.now + case.settles() + BEFORE;
    let (_, rtt) = case.changed();
    let until = changes_at + 20 * rtt + case.lasts();
    let mut changed = case.change.is_none();
    std::iter::from_fn(move || {
        if !changed && world.now >= changes_at {
            changed = true;
            change(&mut world, &case);
        }
        let at = world.now;
        (at < until).then(|| (at, measure(&mut world, &case, (step, 0))))
    })
}

/// Everybody is on the line.
fn begin(case: &Case) -> World {
    let one_way = case.rtt_ns() / 2;
    let line = || Line::new(case.bits(), one_way, case.queue());
    let mut world = World::new([line(), line()], case.framing, case.socket);
    add_session(&mut world, case, 1);
    match case.company {
        Company::Alone => {}
        Company::Session => {
            world.run_until(LATER);
            add_session(&mut world, case, 3);
        }
        Company::Stream => {
            world.run_until(LATER);
            world.add_stream();
        }
    }
    world
}

fn change(world: &mut World, case: &Case) {
    let (bits, rtt) = case.changed();
    for line in &mut world.lines {
        (line.rate, line.delay) = (bits, rtt / 2);
    }
}

fn add_session(world: &mut World, case: &Case, seed: u8) {
    let config = case.config();
    let allowance = (case.reading != Reading::Eager).then_some(0);
    let client = Host::client(world.now, seed, config.clone());
    let budget = WindowBudget::new(BUDGET);
    let config = config.with_window_budget(Some(budget.clone()));
    let server = Host::server(world.now, seed + 1, config, allowance, budget);
    // Where the line is shared TCP has a window; alone it is the worst that can stand before a line: one that fills every queue.
    let windowed = case.company == Company::Stream;
    world.add_session(client, server, windowed, case.reads());
}

/// What happens from now on, for so long. What waits counts a little later.
fn measure(world: &mut World, case: &Case, (lasts, calms): (u64, u64)) -> Measured {
    let begin = world.now;
    let carried = |world: &World| -> Vec<u64> {
        let sessions = world.hosts.iter().skip(1).step_by(2).map(|host| host.read);
        let stream = (case.company == Company::Stream).then(|| world.carried(world.hosts.len()));
        sessions.chain(stream).collect()
    };
    let before = (carried(world), world.hosts[0].packets(), world.hosts[1].packets());
    let ever = std::mem::take(&mut world.hosts[0].outbox);
    world.run_until(begin + calms);
    world.reset();
    world.run_until(begin + lasts);
    let shares: Vec<u64> = carried(world)
        .iter()
        .zip(&before.0)
        .map(|(now, before)| now - before)
        .collect();
    let (mut waited, mut urgent) = world.take_samples();
    let settled = world.hosts[0].outbox;
    Measured {
        goodput: (shares[0], share(world.lines[0].rate, lasts)),
        shares,
        waited: Percentiles::of(&mut waited, 95),
        urgent: Percentiles::of(&mut urgent, 99),
        outbox: (ever.max(settled), settled),
        unread: world.hosts[1].unread,
        granted: world.hosts[1].granted(),
        packets: (world.hosts[0].packets() - before.1, world.hosts[1].packets() - before.2),
    }
}
