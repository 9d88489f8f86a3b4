//! What applications do at bad moments.

use bytes::Bytes;
use unbroken_driver::Session;
use unbroken_proto::Cause;
use unbroken_proto::reconnect::Strategies;
use unbroken_proto::server::{Drain, LagPolicy, Select, SessionCommand};
use unbroken_proto::stream::StreamOptions;

use super::{MS, SECOND, any_client, duration};
use crate::app::{BROADCAST, abort, close, insist, probe, watch};
use crate::client::ADDRESSES;
use crate::fault::Fault;
use crate::oracle::Party;
use crate::shared::{EndId, Wish};
use crate::world::{Plan, World};

pub(super) fn strike(world: &mut World, fault: Fault) {
    let Some((end, handle)) = world.any_end() else { return };
    match fault {
        Fault::SlowReader => {
            let until = world.kernel.now() + world.rng.scaled(MS, 30 * SECOND);
            world.shared.with(|state| state.reads_from.insert(end, until));
        }
        Fault::ResetStream => wish(world, true),
        Fault::StopStream => wish(world, false),
        Fault::Close => begin_close(world, end, &handle),
        Fault::CrossClose => {
            let handles = world.shared.with(|state| {
                let same = state.handles.iter().filter(|((number, _), _)| *number == end.0);
                same.map(|(end, handle)| (*end, handle.clone())).collect::<Vec<_>>()
            });
            for (end, handle) in handles {
                begin_close(world, end, &handle);
            }
        }
        Fault::Abort => {
            if let Some(app) = world.app_of(end) {
                app.spawn("aborts", |task| abort(task, handle));
            }
        }
        Fault::Migrate | Fault::AskToMigrate => migrate(world, fault),
        Fault::ReconnectNow => handle.reconnect_now(),
        Fault::NetworkChanged => handle.network_changed(),
        Fault::Probe => {
            if let Some(app) = world.app_of(end) {
                app.spawn("probes", |task| probe(task, handle));
            }
        }
        Fault::Pause => {
            let number = any_client(world);
            let handle = world
                .shared
                .with(|state| state.handles.get(&(number, Party::Client)).cloned());
            if let Some(handle) = handle {
                handle.pause_reconnecting();
                let after = world.rng.scaled(MS, 30 * SECOND);
                world.plan(after, Plan::Resume(number));
            }
        }
        Fault::Force => {
            for _ in 0..8 {
                let answer = world.rng.below(8_000);
                world.shared.with(|state| state.answers.push_back(answer));
            }
            world
                .shared
                .with(|state| state.oracle.conversations[end.0].forced = true);
            match world.rng.below(3) {
                0 => handle.force(),
                _ => {
                    let causes = [
                        Cause::ProcessEnded,
                        Cause::StateDamaged,
                        Cause::ApplicationLost,
                        Cause::Heartbeat,
                    ];
                    handle.report_failure(*world.rng.pick(&causes));
                }
            }
        }
        Fault::Subscribe => {
            if let Some(app) = world.app_of(end) {
                watch(&app, &handle);
            }
        }
        _ => inspect(world, &handle),
    }
}

fn wish(world: &mut World, write: bool) {
    let halves = world.shared.with(|state| {
        let halves = if write { &state.writers } else { &state.readers };
        halves.keys().copied().collect::<Vec<_>>()
    });
    if halves.is_empty() {
        return;
    }
    let half = *world.rng.pick(&halves);
    let code = world.rng.below(4);
    world.shared.with(|state| match write {
        true => state.writers.insert(half, Some(Wish::Reset(code))),
        false => state.readers.insert(half, Some(Wish::Stop(code))),
    });
}

/// An application closes.
pub(crate) fn begin_close(world: &mut World, end: EndId, handle: &Session) {
    let code = world.rng.below(100);
    if let Some(app) = world.app_of(end) {
        app.spawn("closes", |task| close(task, handle.clone(), code));
    }
}

fn migrate(world: &mut World, fault: Fault) {
    let handles = world.shared.with(|state| {
        let wanted = |end: &EndId| (end.1 == Party::Client) == (fault == Fault::Migrate);
        let some = state.handles.iter().filter(|(end, _)| wanted(end));
        some.map(|(_, handle)| handle.clone()).collect::<Vec<_>>()
    });
    if handles.is_empty() {
        return;
    }
    let handle = world.rng.pick(&handles).clone();
    let within = world.rng.scaled(MS, 10 * SECOND);
    let alternate = match world.rng.below(4) {
        0 => Bytes::from_static(ADDRESSES[0].as_bytes()),
        1 => Bytes::from_static(ADDRESSES[1].as_bytes()),
        2 => Bytes::from_static(b"no address at all"),
        _ => Bytes::new(),
    };
    handle.migrate(duration(within), alternate);
}

/// Everything a handle shows, and harmless settings.
fn inspect(world: &mut World, handle: &Session) {
    let state = Bytes::from(world.rng.number().to_be_bytes().to_vec());
    if handle.preserve(state.clone()).is_ok() && handle.ended().is_none() && handle.preserved() != state {
        world.kernel.hit("oddity: what was preserved is not shown");
    }
    handle.set_strategies(Strategies::default());
    let _valid = handle.set_backoff(world.options.backoff.clone());
    let shown = (
        handle.reconnect_stats(),
        handle.history(),
        handle.wanted_connection(),
        handle.is_reconnecting_paused(),
        handle.handover(),
        handle.state(),
        handle.health(),
        handle.connect_error(),
        handle.peer_key(),
    );
    drop(shown);
}

pub(super) fn of_all(world: &mut World, fault: Fault) {
    let Some(server) = &world.server else { return };
    let handle = std::sync::Arc::clone(&server.handle);
    let app = server.app.clone();
    match fault {
        Fault::Drain => {
            let within = world.rng.scaled(MS, 20 * SECOND);
            let plan = Drain::within(duration(within)).with_spread(duration(within / 2));
            world.may_expire();
            app.spawn("drains", |mut task| async move {
                if task.patient(SECOND, handle.drain(plan)).await.is_none() {
                    insist!(task, 60 * SECOND, handle.drained());
                }
                task.hit("app: drained");
            });
            let after = within + world.rng.scaled(MS, 5 * SECOND);
            world.plan(after, Plan::Undrain);
        }
        Fault::Broadcast => {
            let number = world.shared.with(|state| {
                state.broadcasts += 1;
                state
                    .oracle
                    .conversations
                    .iter_mut()
                    .for_each(|conversation| conversation.told = true);
                state.broadcasts
            });
            let options = StreamOptions::default().with_label(Bytes::from_static(BROADCAST));
            let policy = *world.rng.pick(&[LagPolicy::Skip, LagPolicy::Skip]);
            app.spawn("tells all", move |mut task| async move {
                let broadcaster = handle.broadcaster(options, 10_000, policy);
                for part in 0..3u64 {
                    let message = Bytes::from((number * 10 + part).to_be_bytes().to_vec());
                    let _outcome = broadcaster.send(Select::All, message);
                    task.rest(100 * MS).await;
                }
                task.hit("app: all were told");
            });
        }
        _ => command(world),
    }
}

fn command(world: &mut World) {
    let Some(server) = &world.server else { return };
    let lifetime = duration(world.shortest_lifetime());
    let command = match world.rng.below(8) {
        0 => SessionCommand::Close {
            code: 3,
            reason: Bytes::from_static(b"all"),
        },
        1 => SessionCommand::Abort,
        2..=4 => SessionCommand::Leave {
            within: duration(world.rng.scaled(MS, 5 * SECOND)),
            alternate: Bytes::new(),
        },
        _ => SessionCommand::Lifetime(lifetime),
    };
    let generation = server.generation;
    let kind = match &command {
        SessionCommand::Close { .. } => Some(0),
        SessionCommand::Abort => Some(1),
        _ => None,
    };
    if let Some(kind) = kind {
        world.shared.with(|state| {
            state.commanded[kind] = true;
            let mut told = Vec::new();
            for conversation in &mut state.oracle.conversations {
                conversation.may_expire = true;
                conversation.commanded = true;
                for (number, instance) in conversation.instances.iter_mut().enumerate() {
                    if instance.server == generation {
                        instance.done.closed |= kind == 0;
                        instance.done.aborted |= kind == 1;
                        told.push((conversation.number, Party::Server(number)));
                    }
                }
            }
            state.closing.extend(told.into_iter().map(|end| (end, true)));
        });
    }
    server
        .handle
        .command(Select::All, &command)
        .expect("because the code fits");
}

/// The server's drain is over.
pub(crate) fn undrain(world: &World) {
    if let Some(server) = &world.server {
        server.handle.registry(|registry, now| registry.stop_draining(now));
    }
}
