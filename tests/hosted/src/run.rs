//! One schedule from its seed to its verdict.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use unbroken_proto::session::SessionState;
use unbroken_tests::rng::Rng;
use unbroken_tests::tally::Tally;

use crate::inject::{begin_close, strike, undrain};
use crate::kernel::{Style, words};
use crate::options::{Closers, Options};
use crate::oracle::{Conversation, Party};
use crate::shared::EndId;
use crate::world::{OF_SERVER, Plan, World, nanos};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// What a schedule came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// A hash over every poll, read and write.
    pub trace: u64,
    /// What happened, by name.
    pub tally: Tally,
    /// Whole messages read.
    pub messages: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Polls of all tasks.
    pub polls: u64,
    /// Virtual nanoseconds.
    pub time: u64,
}

/// A promise broken.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What, and when.
    pub what: String,
    /// The whole set of options.
    pub options: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.what, self.options)
    }
}

/// Runs the schedule of `seed`; `strict`: nothing is forgiven that is known to be wrong; `show`: with all that happens on
/// standard error.
///
/// # Errors
/// The first promise broken.
pub fn run_seed(seed: u64, strict: bool, show: bool) -> Result<Summary, Box<Failure>> {
    let mut rng = Rng::new(seed);
    let options = Options {
        strict,
        ..Options::draw(&mut rng)
    };
    run_options(options, rng, show)
}

/// Runs a schedule of these options.
///
/// # Errors
/// The first promise broken.
pub fn run_options(options: Options, rng: Rng, show: bool) -> Result<Summary, Box<Failure>> {
    let printed = format!("{options:#?}");
    let ran = catch_unwind(AssertUnwindSafe(|| schedule(options, rng, show)));
    let what = match ran {
        Ok(Ok(summary)) => return Ok(summary),
        Ok(Err(what)) => what,
        Err(panic) => format!("outside of all tasks: {}", words(panic.as_ref())),
    };
    Err(Box::new(Failure { what, options: printed }))
}

fn schedule(options: Options, rng: Rng, show: bool) -> Result<Summary, String> {
    let span = options.fault_every.saturating_mul(options.faults + 2).min(300 * SECOND);
    let mut faults = options.faults;
    let mut world = World::new(options, rng)?;
    if show {
        world.kernel.show();
    }
    let begin = world.kernel.now();
    next_fault(&mut world);
    world.run(begin + span, |_| false, |world, plan| act(world, plan, &mut faults))?;
    heal(&mut world)?;
    settle(&mut world)?;
    idle(&mut world)?;
    finish(&mut world)?;
    stop_listening(&mut world)?;
    check(&world)?;
    let (messages, bytes) = world.shared.with(|state| {
        let totals = state.oracle.conversations.iter().map(Conversation::totals);
        totals.fold((0, 0), |(messages, bytes), (m, b)| (messages + m, bytes + b))
    });
    let time = world.kernel.now() - begin;
    let kernel = std::sync::Arc::clone(&world.kernel);
    tear_down(world)?;
    Ok(Summary {
        trace: kernel.trace(),
        tally: kernel.tally(),
        messages,
        bytes,
        polls: kernel.polls(),
        time,
    })
}

fn next_fault(world: &mut World) {
    let pause = world.options.fault_every;
    let after = pause / 4 + world.rng.below(pause * 2);
    world.plan(after, Plan::Fault);
}

fn act(world: &mut World, plan: Plan, faults: &mut u64) -> Result<(), String> {
    match plan {
        Plan::Fault if *faults == 0 => {}
        Plan::Fault => {
            *faults -= 1;
            let swarm = world.options.swarm.clone();
            if let Some(fault) = swarm.next(&mut world.rng) {
                strike(world, fault)?;
            }
            next_fault(world);
        }
        Plan::Serve => world.serve()?,
        Plan::Replace(generation) => world.replace_server(generation)?,
        Plan::Listen => {
            if let Some(server) = &mut world.server {
                server.listen();
            }
        }
        Plan::Resume(number) => resume(world, number),
        Plan::Undrain => undrain(world),
    }
    Ok(())
}

fn resume(world: &World, number: usize) {
    let handle = world
        .shared
        .with(|state| state.handles.get(&(number, Party::Client)).cloned());
    if let Some(handle) = handle {
        handle.resume_reconnecting();
    }
}

/// The network is well, hosts are awake, readers read; connections that were broken stay broken.
fn heal(world: &mut World) -> Result<(), String> {
    world.kernel.log(|| "---- healed".to_owned());
    world.forget_plans();
    world.shared.with(|state| {
        state.healed = true;
        state.judgements.clear();
        state.dial_panics.clear();
        state.accepts_from = 0;
        state.reads_from.clear();
    });
    let style = world.options.style;
    world.kernel.set_style(Style {
        late_by: style.late_by.min(MS),
        sleep_late: style.sleep_late.min(MS),
        ..style
    });
    world.kernel.thaw();
    world.kernel.with(|core| {
        let now = core.now;
        for conn in core.net.heal(now) {
            core.plan_stirs(conn, vec![now]);
        }
    });
    undrain(world);
    if world
        .server
        .as_ref()
        .is_some_and(|server| world.kernel.is_dead(server.runtime.process()))
    {
        // In a healed world everybody hears of it soon.
        let until = world.kernel.now() + 40 * SECOND;
        world.run(until, |_| false, |_, _| Ok(()))?;
        world.replace_server(world.generation)?;
    }
    world.serve()?;
    if let Some(server) = &mut world.server {
        server.listen();
    }
    for number in 0..world.clients.len() {
        resume(world, number);
    }
    Ok(())
}

/// How long anything may take once all is well.
fn patience(world: &World) -> u64 {
    let options = &world.options;
    let [client, server] = [&options.client, &options.server];
    let lifetime = nanos(client.detached_lifetime).max(nanos(server.detached_lifetime));
    let silence = nanos(client.keepalive_interval.min(server.keepalive_interval));
    let linger = nanos(client.linger).max(nanos(server.linger));
    600 * SECOND + 2 * lifetime + 2 * silence + 4 * linger
}

/// Whether a conversation has nothing more to wait for, before somebody closes.
fn is_settled(world: &World, number: usize) -> bool {
    world.know((number, Party::Client));
    world.shared.with(|state| {
        let conversation = &state.oracle.conversations[number];
        let client = &conversation.client;
        let closing = state.closing.iter().any(|((of, _), closing)| *of == number && *closing);
        if client.deaf || client.ended.is_some() || closing {
            return true;
        }
        let Ok(peer) = conversation.peer(Party::Client) else {
            return false;
        };
        let idle = |end: EndId| state.work.get(&end).copied().unwrap_or(0) == 0;
        let attached = state
            .handles
            .get(&(number, Party::Client))
            .is_some_and(|handle| handle.state() == SessionState::Attached);
        attached && idle((number, Party::Client)) && idle((number, peer)) && conversation.unsettled().is_none()
    })
}

/// Everything written arrives within a bound of virtual time.
fn settle(world: &mut World) -> Result<(), String> {
    let until = world.kernel.now() + patience(world);
    let count = world.clients.len();
    world.run(
        until,
        |world| (0..count).all(|number| is_settled(world, number)),
        |_, _| Ok(()),
    )?;
    let late = (0..count).find(|number| !is_settled(world, *number));
    if let Some(number) = late {
        return Err(world.shared.with(|state| {
            let conversation = &state.oracle.conversations[number];
            let handle = state.handles.get(&(number, Party::Client));
            format!(
                "at {} ms: client {number} has not settled: {:?}, wants {:?}, error {:?}, peer {:?}, work {:?}, unsettled {:?}",
                world.kernel.now() / MS,
                handle.map(|handle| handle.state()),
                handle.and_then(|handle| handle.wanted_connection()),
                handle.and_then(|handle| handle.connect_error()),
                conversation.peer(Party::Client),
                state.work,
                conversation.unsettled(),
            )
        }));
    }
    world.kernel.hit("check: all arrived");
    Ok(())
}

/// How often clients have tried to connect so far.
fn attempts_of(world: &World) -> u64 {
    let handles = world
        .shared
        .with(|state| state.handles.values().cloned().collect::<Vec<_>>());
    let histories = handles.iter().map(|handle| handle.history());
    histories
        .map(|history| history.last().map_or(0, |attempt| attempt.number))
        .sum()
}

/// Nobody is busy who has nothing to do.
fn idle(world: &mut World) -> Result<(), String> {
    let style = world.options.style;
    world.kernel.set_style(Style {
        probing: style.probing,
        order: style.order,
        ..Style::plain()
    });
    let settle = world.kernel.now() + 90 * SECOND;
    world.run(settle, |_| false, |_, _| Ok(()))?;
    world.kernel.log(|| "---- idle".to_owned());
    // Work that ends within the window keeps it busy as well.
    let is_working = |world: &World| world.shared.with(|state| state.work.values().any(|count| *count > 0));
    let (was_working, before, attempts) = (is_working(world), world.kernel.polls(), attempts_of(world));
    let window = 30 * SECOND;
    world.run(settle + window, |_| false, |_, _| Ok(()))?;
    let polls = world.kernel.polls() - before;
    let interval = nanos(
        world
            .options
            .client
            .keepalive_interval
            .min(world.options.server.keepalive_interval),
    );
    let sessions = world.clients.len() as u64 + 1;
    // A carrier that takes a byte at a time wakes both ends for each.
    let shape = world.options.shape;
    let each = if shape.short_reads + shape.short_writes > 0 {
        200
    } else {
        20
    };
    // Who goes on trying to move to a server that has forgotten it, while the connection says nothing, has something to do.
    let attempts = attempts_of(world).saturating_sub(attempts);
    let bound = 500 + sessions * (200 + each * (window / interval.max(1))) + attempts * each;
    world.kernel.with(|core| core.tally.add("idle: polls", polls));
    world.kernel.hit("check: idle");
    if polls > bound && !was_working && !is_working(world) {
        return Err(format!(
            "{polls} polls in {} s with nothing to do, {bound} at most",
            window / SECOND
        ));
    }
    Ok(())
}

/// Everybody closes; everything ends.
fn finish(world: &mut World) -> Result<(), String> {
    let closers = world.options.closers;
    let ends: Vec<(EndId, unbroken_driver::Session)> = world.shared.with(|state| {
        let handles = state.handles.iter().map(|(end, handle)| (*end, handle.clone()));
        handles.collect()
    });
    for (end, handle) in ends {
        let client = end.1 == Party::Client;
        let alone = world.shared.with(|state| {
            let conversation = &state.oracle.conversations[end.0];
            // The other end's application is gone, or this is not the session that its client has.
            conversation.client.deaf
                || conversation
                    .peer(Party::Client)
                    .is_ok_and(|peer| !client && peer != end.1)
        });
        match closers {
            Closers::Drop if client => {
                drop(handle);
                world.let_go(end);
            }
            Closers::Client if !client && !alone => {}
            Closers::Server if client => {}
            Closers::Drop if !alone => {}
            _ => begin_close(world, end, &handle),
        }
    }
    // What closing leaves undone, the other end does: sessions that one end never had.
    let until = world.kernel.now() + patience(world);
    let is_over = |world: &World| {
        world
            .kernel
            .tasks("app ")
            .iter()
            .all(|(_, name)| name.starts_with(OF_SERVER))
    };
    let is_empty = |world: &World| {
        world.server.as_ref().is_none_or(|server| {
            let snapshot = server.handle.snapshot();
            snapshot.connecting + snapshot.connected + snapshot.detached == 0
        })
    };
    let all = |world: &World| is_over(world) && world.kernel.tasks("driver").is_empty() && is_empty(world);
    world.run(until, all, |_, _| Ok(()))?;
    if !all(world) {
        let left: Vec<String> = world.kernel.tasks("").into_iter().map(|(_, name)| name).collect();
        let states = world.shared.with(|state| {
            let handles = state
                .handles
                .iter()
                .map(|(end, handle)| format!("{end:?} {:?}", handle.state()));
            handles.collect::<Vec<_>>()
        });
        let held = world.server.as_ref().map(|server| server.handle.sessions());
        return Err(format!(
            "at {} ms: these have not ended: {left:?}, {states:?}, {held:?}",
            world.kernel.now() / MS
        ));
    }
    world.kernel.hit("check: all ended");
    Ok(())
}

/// What must be true at the end.
fn check(world: &World) -> Result<(), String> {
    world.shared.with(|state| state.oracle.check())
}

/// Nobody comes any more, and those who are no clients go.
fn stop_listening(world: &mut World) -> Result<(), String> {
    if let Some(server) = &mut world.server {
        server.stop_listening();
    }
    let until = world.kernel.now() + 120 * SECOND;
    world.run(until, |_| false, |_, _| Ok(()))?;
    Ok(())
}

/// The server goes, and nothing is left of anything.
fn tear_down(mut world: World) -> Result<(), String> {
    let Some(server) = &world.server else {
        return Err("no server at the end".to_owned());
    };
    let (handle, runtime) = (std::sync::Arc::clone(&server.handle), server.runtime.process());
    let snapshot = handle.snapshot();
    let left = [
        ("sessions", handle.sessions().len()),
        ("connecting", snapshot.connecting),
        ("connected", snapshot.connected),
        ("detached", snapshot.detached),
        ("silent", snapshot.silent),
        ("handshakes", snapshot.handshakes),
        ("commands", snapshot.ordered),
        ("ended and not collected", snapshot.ended_waiting),
    ];
    if let Some((what, count)) = left.into_iter().find(|(_, count)| *count > 0) {
        return Err(format!("{count} {what} are left in the registry: {snapshot:?}"));
    }
    handle.shut_down();
    let until = world.kernel.now() + SECOND;
    world.run(until, |_| false, |_, _| Ok(()))?;
    let tasks = world.kernel.tasks_of(runtime);
    if !tasks.is_empty() {
        return Err(format!("tasks are left of the server: {tasks:?}"));
    }
    drop(handle);
    let World {
        kernel,
        shared,
        server,
        clients,
        ..
    } = world;
    if let Some(server) = server {
        server.die();
    }
    drop(clients);
    kernel.set_probe(None);
    // Handles of sessions that are over, among others.
    let last = shared.with(std::mem::take);
    drop(last);
    for (task, _) in kernel.tasks("stranger") {
        kernel.kill_task(task);
    }
    let left: Vec<String> = kernel.tasks("").into_iter().map(|(_, name)| name).collect();
    if !left.is_empty() {
        return Err(format!("tasks are left: {left:?}"));
    }
    for (what, count) in [
        ("wakers", kernel.wakers()),
        ("sleeps", kernel.timers()),
        ("connections", kernel.with(|core| core.net.count())),
    ] {
        if count > 0 {
            return Err(format!("{count} {what} are left"));
        }
    }
    kernel.hit("check: nothing is left");
    Ok(())
}
