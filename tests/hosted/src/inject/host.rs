//! What happens to hosts: time, panics, tasks that are dropped.

use super::{MS, SECOND, any_client, any_conn, any_process};
use crate::fault::Fault;
use crate::oracle::Party;
use crate::shared::{DialPanic, Judgement};
use crate::world::World;

const HOUR: u64 = 3_600 * SECOND;

pub(super) fn time(world: &mut World, fault: Fault) {
    let now = world.kernel.now();
    match fault {
        Fault::SlowTask => {
            let tasks = world.kernel.tasks("");
            if !tasks.is_empty() {
                let (task, _) = world.rng.pick(&tasks).clone();
                let until = now + world.rng.scaled(MS, 20 * SECOND);
                world.kernel.freeze(task, until);
            }
        }
        Fault::SlowProcess | Fault::SleepProcess => {
            let process = any_process(world);
            let long = fault == Fault::SleepProcess;
            let length = if long {
                world.rng.between(HOUR / 60, 8 * HOUR)
            } else {
                world.rng.scaled(MS, 20 * SECOND)
            };
            if long {
                world.may_expire();
            }
            for (task, _) in world.kernel.tasks_of(process) {
                world.kernel.freeze(task, now + length);
            }
        }
        _ => {
            let process = any_process(world);
            let length = i128::from(world.rng.scaled(SECOND, 48 * HOUR));
            let told = world.rng.chance(500);
            if fault == Fault::ClockForward {
                world.detached_may_expire(process);
                world.kernel.jump(process, length, told);
            } else {
                // Time goes on from where it stood: for nobody anything changes.
                world.kernel.jump(process, -length.min(i128::from(2 * HOUR)), told);
            }
        }
    }
}

pub(super) fn panic(world: &mut World, fault: Fault) {
    match fault {
        Fault::PanicDial => {
            let number = any_client(world);
            let panic = *world.rng.pick(&[DialPanic::AtOnce, DialPanic::Later]);
            world.shared.with(|state| {
                state.dial_panics.insert(number, panic);
                state.oracle.conversations[number].may_expire = true;
            });
        }
        Fault::PanicConnection => {
            let Some(id) = any_conn(world) else { return };
            let end = usize::try_from(world.rng.below(2)).unwrap_or(0);
            world.kernel.with(|core| {
                if let Some(conn) = core.net.conn(id) {
                    conn.panic_at(end);
                    core.plan_stirs(id, vec![core.now]);
                }
            });
            world.shared.with(|state| state.breaks += 1);
            world.may_expire();
        }
        _ => {
            let judgement = *world.rng.pick(&[Judgement::Panic, Judgement::PanicLater]);
            world.shared.with(|state| state.judgements.push_back(judgement));
        }
    }
}

pub(super) fn drop_something(world: &mut World, fault: Fault) {
    match fault {
        Fault::DropOwner => {
            let owners = world.kernel.tasks("serve");
            if owners.is_empty() {
                return;
            }
            let (task, _) = world.rng.pick(&owners).clone();
            world.shared.with(|state| state.breaks += 1);
            world.may_expire();
            world.kernel.kill_task(task);
        }
        Fault::DropDriver | Fault::ShutDown => {
            let number = any_client(world);
            world.shared.with(|state| {
                let conversation = &mut state.oracle.conversations[number];
                conversation.client.broken |= conversation.client.ended.is_none();
                conversation.may_expire = true;
            });
            let client = &world.clients[number];
            match fault {
                Fault::DropDriver => {
                    let driver = world.kernel.tasks_of(client.runtime.process());
                    driver.into_iter().for_each(|(task, _)| world.kernel.kill_task(task));
                }
                _ => world.kernel.kill(client.runtime.process()),
            }
        }
        _ => {
            let Some((end, handle)) = world.any_end() else { return };
            drop(handle);
            world.let_go(end);
            if let Party::Client = end.1 {
                world.kernel.hit("app: a client let go of everything");
            }
        }
    }
}
