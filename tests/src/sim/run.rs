//! One schedule from its seed to its verdict.

use std::panic::{AssertUnwindSafe, catch_unwind};

use unbroken_proto::security::Suite;
use unbroken_proto::session::SessionState;

use super::env::Env;
use super::inject::close;
use super::moments::{focus, is_focused};
use super::net::Peer;
use super::options::{CarrierShape, Closers, Options};
use super::world::World;
use crate::rng::{Rng, mix};
use crate::tally::Tally;

const SECOND: u64 = 1_000_000_000;

/// What a schedule came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// A hash over everything that crossed the machines' borders.
    pub trace: u64,
    /// What happened, by name.
    pub tally: Tally,
    /// Attaches after the first, both ends, all sessions.
    pub swaps: u64,
    /// Whole messages read.
    pub messages: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Virtual nanoseconds.
    pub time: u64,
}

impl crate::soak::Summary for Summary {
    fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// A promise broken.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What, and when.
    pub what: String,
    /// The schedule's options.
    pub options: String,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\noptions: {}", self.what, self.options)
    }
}

/// Runs the schedule of `seed`.
///
/// # Errors
/// The first promise broken.
pub fn run_seed(seed: u64) -> Result<Summary, Box<Failure>> {
    let mut rng = Rng::new(mix(seed));
    let mut options = Options::draw(&mut rng, &Suite::all());
    if is_focused(seed) {
        focus(&mut options, &mut rng);
    }
    run_options(options, rng)
}

/// Runs the schedule that `data` spells.
///
/// # Panics
/// When a promise is broken: fuzzers want it so.
pub fn run_bytes(data: &[u8]) {
    let mut rng = Rng::from_tape(data);
    let options = Options::draw(&mut rng, &[Suite::ChaChaPoly]);
    if let Err(failure) = run_options(options, rng) {
        panic!("{failure}");
    }
}

/// Runs a schedule of these options.
///
/// # Errors
/// The first promise broken.
pub fn run_options(options: Options, rng: Rng) -> Result<Summary, Box<Failure>> {
    let printed = format!("{options:#?}");
    catch_unwind(AssertUnwindSafe(|| schedule(options, rng))).map_err(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without words".to_owned());
        Box::new(Failure { what, options: printed })
    })
}

fn schedule(options: Options, rng: Rng) -> Summary {
    let span = options.fault_every.saturating_mul(options.faults + 2).min(600 * SECOND);
    let mut world = World::new(options, rng);
    let begin = world.env.now;
    world.run(begin + span, |world| world.env.rng.is_exhausted());
    replace_the_dead(&mut world);
    heal(&mut world);
    let settled = settle(&mut world);
    finish(&mut world);
    summarize(&world, begin, settled)
}

/// The network is well, hosts are awake, readers read; connections that were broken stay broken.
fn heal(world: &mut World) {
    set_clocks_right(world);
    let env = &mut world.env;
    env.healed = true;
    env.dials.clear();
    env.refusals.clear();
    env.cut_young = false;
    env.race = false;
    env.options.carrier = CarrierShape {
        latency: env.options.carrier.latency.min(5_000_000),
        jitter: 0,
        bandwidth: 100_000_000,
        buffer: 200_000,
        ..env.options.carrier
    };
    let shape = env.options.carrier;
    let now = env.now;
    env.net.heal(now, shape);
    let peers = peers(world);
    for peer in peers {
        world.with_host(peer, |host, env, _| {
            host.timer_slack = 0;
            if host.asleep_until > now {
                host.asleep_until = now;
            }
            host.next_turn = 0;
            host.sleep(env, now);
        });
        world.env.net.plan(now, super::net::Happening::App(peer));
    }
}

/// A clock that was set back shows what it would without that. Its machine's time stood still meanwhile and jumps now.
fn set_clocks_right(world: &mut World) {
    for (clock, skew) in world.env.clocks.clone() {
        if let Ok(behind) = u64::try_from(skew.most - skew.now) {
            world.jump(clock, behind);
        }
    }
}

fn peers(world: &World) -> Vec<Peer> {
    let clients = (0..world.clients.len()).map(Peer::Client);
    clients
        .chain(world.server.tasks.keys().copied().map(Peer::Task))
        .collect()
}

/// A client whose session ended in the first phase is followed by another in half of the cases.
fn replace_the_dead(world: &mut World) {
    for number in 0..world.clients.len() {
        if world.clients[number].is_over() && world.env.rng.chance(500) {
            world.replace_client(number);
        }
    }
}

/// Whether `client` has nothing more to wait for.
fn is_settled(world: &World, number: usize) -> bool {
    let client = &world.clients[number];
    if client.host.ended.is_some() {
        return true;
    }
    let full = world.server.registry.session_count() >= world.env.options.max_sessions;
    if full && client.host.session.state() == SessionState::Connecting {
        return true;
    }
    let conv = &world.convs[client.conv];
    let closing = conv.so.closed != [false; 2] || conv.so.aborted != [false; 2];
    if closing || client.host.session.state() != SessionState::Attached {
        return false;
    }
    let Some(task) = conv.task.and_then(|task| world.server.tasks.get(&task)) else {
        return false;
    };
    let blocked = world.env.options.client.max_streams < 6 || world.env.options.server.max_streams < 6;
    let written = client.host.app.is_written() && task.host.app.is_written();
    conv.ledger.is_settled() && (written || blocked && client.host.app.is_idle() && task.host.app.is_idle())
}

/// Everything written arrives within a bound of virtual time.
fn settle(world: &mut World) -> u64 {
    let begin = world.env.now;
    let bound = begin + 1_000 * SECOND + 2 * lifetime(&world.env) + silence(&world.env);
    let clients = world.clients.len();
    world.run(bound, |world| (0..clients).all(|number| is_settled(world, number)));
    for number in 0..clients {
        if !is_settled(world, number) {
            let client = &world.clients[number];
            let conv = &world.convs[client.conv];
            let state = client.host.session.state();
            let what = format!(
                "client {number} has not settled: {state:?}, wants {:?}, deadline {:?}, task {:?} ({:?}), written {} / {:?}, first unsettled {:?}",
                client.host.session.wanted_connection(),
                client.host.session.poll_timeout(),
                conv.task,
                conv.task
                    .and_then(|task| world.server.tasks.get(&task))
                    .map(|task| task.host.session.state()),
                client.host.app.is_written(),
                conv.task
                    .and_then(|task| world.server.tasks.get(&task))
                    .map(|task| task.host.app.is_written()),
                conv.ledger.unsettled(),
            );
            world.env.fail(&what);
        }
    }
    world.env.tally.hit("check: all arrived");
    world.env.now - begin
}

/// How long an end may not notice that nobody is there, when it has nothing to send.
fn silence(env: &Env) -> u64 {
    let interval = env
        .options
        .client
        .keepalive_interval
        .min(env.options.server.keepalive_interval);
    u64::try_from(interval.as_nanos()).unwrap_or(0)
}

fn lifetime(env: &Env) -> u64 {
    let lifetime = env
        .options
        .client
        .detached_lifetime
        .max(env.options.server.detached_lifetime);
    u64::try_from(lifetime.as_nanos()).unwrap_or(600 * SECOND)
}

/// Everybody closes; everything ends; nothing is left.
fn finish(world: &mut World) {
    for round in 0.. {
        close_all(world, round);
        let bound = world.env.now + 200 * SECOND + 2 * lifetime(&world.env) + silence(&world.env);
        world.run(bound, |world| is_finished(world) || any_begun_again(world));
        if !any_begun_again(world) {
            break;
        }
    }
    if !is_finished(world) {
        let left: Vec<String> = peers(world)
            .into_iter()
            .filter_map(|peer| {
                world.with_host(peer, |host, _, _| {
                    format!(
                        "{peer:?}: {:?} until {:?}, {}",
                        host.session.state(),
                        host.session.poll_timeout(),
                        host.plans()
                    )
                })
            })
            .collect();
        world.env.fail(&format!("not everything ended: {left:?}"));
    }
    let bound = world.env.now + 10 * SECOND;
    world.run(bound, |_| false);
    let (held, now) = (world.server.registry.session_count(), world.server.tasks.len());
    if held > now {
        world
            .env
            .fail(&format!("the registry still counts {held} sessions, {now} live"));
    }
}

fn close_all(world: &mut World, round: usize) {
    for number in 0..world.clients.len() {
        let conv = &world.convs[world.clients[number].conv];
        if world.clients[number].host.ended.is_some() || round > 0 && conv.so.closed != [false; 2] {
            continue;
        }
        let task = conv.task.filter(|task| world.server.tasks.contains_key(task));
        let closers = world.env.options.closers;
        if closers != Closers::Server || task.is_none() {
            close(world, Peer::Client(number));
        }
        if let Some(task) = task.filter(|_| closers != Closers::Client) {
            close(world, Peer::Task(task));
        }
    }
}

/// A client that had sent nothing does not know what was closed while it was away: it opens afresh.
fn any_begun_again(world: &World) -> bool {
    world.clients.iter().any(|client| {
        let conv = &world.convs[client.conv];
        client.host.ended.is_none()
            && conv.so.closed == [false; 2]
            && client.host.session.state() == SessionState::Attached
    })
}

fn is_finished(world: &World) -> bool {
    world.clients.iter().all(|client| client.host.ended.is_some()) && world.server.tasks.is_empty()
}

fn summarize(world: &World, begin: u64, settled: u64) -> Summary {
    let mut tally = world.env.tally.clone();
    tally.add("time: to settle, ms", settled / 1_000_000);
    let swaps = tally.of("event: unplanned swap") + tally.of("event: planned swap");
    let (messages, bytes) = world.convs.iter().fold((0, 0), |(m, b), conv| {
        let (messages, bytes) = conv.ledger.totals();
        (m + messages, b + bytes)
    });
    Summary {
        trace: world.env.trace.value(),
        tally,
        swaps,
        messages,
        bytes,
        time: world.env.now - begin,
    }
}
