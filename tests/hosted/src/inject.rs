//! Faults, as they strike.

mod host;
mod session;

pub(crate) use session::{begin_close, undrain};

use unbroken_driver::proto::time::Duration;

use crate::fault::Fault;
use crate::hostile::attack;
use crate::kernel::ProcessId;
use crate::net::{ConnId, DialFault, NEVER};
use crate::oracle::Party;
use crate::shared::Judgement;
use crate::world::{Plan, World};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// Lets one fault strike now.
///
/// # Errors
/// A server or client does not start.
pub(crate) fn strike(world: &mut World, fault: Fault) -> Result<(), String> {
    world.kernel.hit(fault.name());
    world.kernel.log(|| format!("---- {fault:?}"));
    match fault {
        Fault::Cut | Fault::CutUnnoticed | Fault::GracefulClose | Fault::Reset => cut(world, fault),
        Fault::HoleForGood | Fault::HoleHeals | Fault::Stall => hold(world, fault),
        Fault::DialRefused | Fault::DialHangs | Fault::DialSlow | Fault::DialDies | Fault::CutYoung => {
            dial(world, fault)
        }
        Fault::AcceptFails => {
            let errors = world.rng.between(1, 4);
            world.kernel.with(|core| core.net.break_accepting(errors));
        }
        Fault::ListenerGone => {
            if let Some(server) = &mut world.server {
                server.stop_listening();
                let after = world.rng.scaled(MS, 20 * SECOND);
                world.plan(after, Plan::Listen);
            }
        }
        Fault::SlowTask | Fault::SlowProcess | Fault::SleepProcess | Fault::ClockForward | Fault::ClockBack => {
            host::time(world, fault);
        }
        Fault::PanicDial | Fault::PanicConnection | Fault::PanicAuthorise => host::panic(world, fault),
        Fault::DropDriver | Fault::DropOwner | Fault::ShutDown | Fault::DropHandles => {
            host::drop_something(world, fault)
        }
        Fault::KillClient => {
            let number = any_client(world);
            world.kill_client(number);
            world.join(None)?;
        }
        Fault::ShutDownServer => {
            world.shut_down_server();
            let generation = world.generation;
            world.plan(40 * SECOND, Plan::Replace(generation));
        }
        Fault::KillServer => {
            world.kill_server();
            let after = world.rng.scaled(MS, 20 * SECOND);
            world.plan(after, Plan::Serve);
        }
        Fault::SlowReader
        | Fault::ResetStream
        | Fault::StopStream
        | Fault::Close
        | Fault::CrossClose
        | Fault::Abort
        | Fault::Migrate
        | Fault::AskToMigrate
        | Fault::ReconnectNow
        | Fault::NetworkChanged
        | Fault::Probe
        | Fault::Pause
        | Fault::Force
        | Fault::Subscribe
        | Fault::Inspect => session::strike(world, fault),
        Fault::Again => {
            let over = world.shared.with(|state| {
                let clients = state.handles.iter().filter(|((_, end), _)| *end == Party::Client);
                let over = clients.filter(|(_, handle)| handle.ended().is_some());
                over.map(|(_, handle)| handle.clone()).collect::<Vec<_>>()
            });
            if !over.is_empty() {
                let before = world.rng.pick(&over).clone();
                world.join(Some(&before))?;
                world.kernel.hit("app: a session follows another");
            }
        }
        Fault::SlowAccept => {
            let until = world.kernel.now() + world.rng.scaled(MS, 30 * SECOND);
            world.shared.with(|state| state.accepts_from = until);
        }
        Fault::Refuse | Fault::Later | Fault::RefreshCredential | Fault::SlowVerdict => judge(world, fault),
        Fault::Drain | Fault::Command | Fault::Broadcast => session::of_all(world, fault),
        Fault::Attack => attack(world),
    }
    Ok(())
}

/// One of all clients there were.
pub(crate) fn any_client(world: &mut World) -> usize {
    usize::try_from(world.rng.below(world.clients.len() as u64)).unwrap_or(0)
}

/// A process of a client's driver, or of the server.
pub(crate) fn any_process(world: &mut World) -> ProcessId {
    let mut processes: Vec<ProcessId> = world.clients.iter().map(|client| client.runtime.process()).collect();
    processes.extend(world.server.as_ref().map(|server| server.runtime.process()));
    *world.rng.pick(&processes)
}

fn any_conn(world: &mut World) -> Option<ConnId> {
    let honest = world.kernel.with(|core| core.net.honest());
    if honest.is_empty() {
        None
    } else {
        Some(*world.rng.pick(&honest))
    }
}

fn stir(world: &World, conn: ConnId, times: Vec<u64>) {
    world.kernel.with(|core| core.plan_stirs(conn, times));
}

fn cut(world: &mut World, fault: Fault) {
    let Some(id) = any_conn(world) else { return };
    let now = world.kernel.now();
    let deaf = world.rng.below(3);
    let bytes = [(); 2].map(|()| {
        if world.rng.chance(500) {
            0
        } else {
            world.rng.scaled(0, 3_000)
        }
    });
    let mut notice = [(); 2].map(|()| now + world.rng.below(200 * MS));
    for (end, notice) in (0u64..).zip(&mut notice) {
        if fault == Fault::CutUnnoticed && (deaf == 2 || deaf == end) {
            *notice = NEVER;
        }
    }
    let times = world.kernel.with(|core| {
        let Some(conn) = core.net.conn(id) else {
            return Vec::new();
        };
        match fault {
            Fault::GracefulClose => conn.close(now),
            Fault::Reset => {
                conn.reset(now);
                vec![now]
            }
            _ => {
                conn.cut(bytes, notice);
                notice.to_vec()
            }
        }
    });
    stir(world, id, times.into_iter().filter(|at| *at != NEVER).collect());
}

fn hold(world: &mut World, fault: Fault) {
    let Some(id) = any_conn(world) else { return };
    let now = world.kernel.now();
    let until = match fault {
        Fault::Stall => now + world.rng.scaled(MS, 20 * SECOND),
        Fault::HoleHeals => now + world.rng.between(20 * SECOND, 120 * SECOND),
        _ => NEVER,
    };
    let which = world.rng.below(3);
    world.kernel.with(|core| {
        if let Some(conn) = core.net.conn(id) {
            for end in 0..2 {
                if which == 2 || which == end as u64 {
                    conn.hold(end, until);
                }
            }
        }
    });
    if until != NEVER {
        stir(world, id, vec![until]);
    }
}

fn dial(world: &mut World, fault: Fault) {
    for _ in 0..world.rng.between(1, 4) {
        let fault = match fault {
            Fault::DialRefused => DialFault::Refused,
            Fault::DialHangs => DialFault::Hangs,
            Fault::DialSlow => DialFault::Slow(world.rng.scaled(MS, 20 * SECOND)),
            Fault::DialDies => DialFault::Dies,
            _ => DialFault::Cut(world.rng.scaled(0, 1_500), world.rng.scaled(0, 1_500)),
        };
        world.kernel.with(|core| core.net.plan_dial(fault));
    }
}

fn judge(world: &mut World, fault: Fault) {
    let count = if fault == Fault::Refuse {
        1
    } else {
        world.rng.between(1, 3)
    };
    for _ in 0..count {
        let judgement = match fault {
            Fault::Refuse => Judgement::Refuse,
            Fault::Later => Judgement::Later,
            Fault::RefreshCredential => Judgement::Refresh,
            _ if world.rng.chance(200) => Judgement::Never,
            _ => Judgement::After(world.rng.scaled(MS, 15 * SECOND)),
        };
        world.shared.with(|state| state.judgements.push_back(judgement));
    }
}

/// As a duration.
pub(crate) fn duration(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}
