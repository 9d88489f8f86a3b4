//! Faults, as they strike.

use unbroken_proto::Epoch;
use unbroken_proto::time::Duration;

use super::client::junk;
use super::fault::Fault;
use super::net::{ConnId, Happening, Peer, Way};
use super::options::Gateway;
use super::pipe::NEVER;
use super::world::World;

const MS: u64 = 1_000_000;

/// Draws the next fault, lets it strike, and plans the one after.
pub(super) fn next_fault(world: &mut World) {
    let env = &mut world.env;
    if env.healed || env.options.faults == 0 || env.rng.is_exhausted() {
        return;
    }
    env.options.faults -= 1;
    let pause = env.options.fault_every;
    let at = env.now + pause / 4 + env.rng.below(pause * 2);
    env.net.plan(at, Happening::Fault);
    let swarm = env.options.swarm.clone();
    if let Some(fault) = swarm.next(&mut env.rng) {
        env.trace.note(at);
        env.tally.hit(fault.name());
        env.log(|| format!("---- {fault:?}"));
        strike(world, fault);
    }
}

/// Lets one fault strike now.
pub fn strike(world: &mut World, fault: Fault) {
    match fault {
        Fault::Cut | Fault::CutUnnoticed | Fault::GracefulClose | Fault::Reset => cut(world, fault),
        Fault::HoleOneWay | Fault::HoleBoth | Fault::Stall => hold(world, fault),
        Fault::Corrupt | Fault::Inject | Fault::Duplicate => disturb(world, fault),
        Fault::CutYoung => world.env.cut_young = true,
        Fault::Gateway => {
            let env = &mut world.env;
            env.options.carrier.gateway = env.rng.chance(800).then(|| Gateway::draw(&mut env.rng));
        }
        Fault::DialRefused | Fault::DialHangs | Fault::DialDies | Fault::DialSlow | Fault::DialImpostor => {
            for _ in 0..=world.env.rng.below(4) {
                world.env.dials.push_back(fault);
            }
        }
        Fault::MigrateClient | Fault::MigrateServer | Fault::MigrateBoth | Fault::MigrateThenCut => {
            migrate(world, fault)
        }
        Fault::StallHost
        | Fault::SleepHost
        | Fault::LateTimer
        | Fault::SpuriousTimeout
        | Fault::ReconnectNow
        | Fault::NetworkChanged
        | Fault::Probe
        | Fault::Partial => host(world, fault),
        Fault::ClockForward | Fault::ClockBack => jump(world, fault),
        Fault::SlowReader | Fault::ResetStream | Fault::StopStream => app(world, fault),
        Fault::ReplayFirst | Fault::RaceFirst | Fault::ForgeFirst | Fault::Junk | Fault::Flood => attack(world, fault),
        Fault::RetryLater | Fault::RefreshCredential | Fault::Refuse => {
            world.env.refusals.push_back(fault);
        }
        Fault::Close | Fault::CrossClose | Fault::Abort => end(world, fault),
        Fault::KillClient => {
            let number = any_client(world);
            world.replace_client(number);
        }
        Fault::KillTask => {
            if let Some(task) = any_task(world) {
                world.kill_task(task);
            }
        }
        Fault::Restart => world.restart(),
    }
}

fn any_conn(world: &mut World) -> Option<ConnId> {
    let mut live: Vec<ConnId> = world.clients.iter().flat_map(|client| client.host.conns()).collect();
    live.extend(world.server.tasks.values().flat_map(|task| task.host.conns()));
    if live.is_empty() {
        live = world.env.net.honest();
    }
    if live.is_empty() {
        None
    } else {
        Some(*world.env.rng.pick(&live))
    }
}

fn any_client(world: &mut World) -> usize {
    usize::try_from(world.env.rng.below(world.clients.len() as u64)).unwrap_or(0)
}

fn any_task(world: &mut World) -> Option<u64> {
    let tasks: Vec<u64> = world.server.tasks.keys().copied().collect();
    if tasks.is_empty() {
        None
    } else {
        Some(*world.env.rng.pick(&tasks))
    }
}

fn any_peer(world: &mut World) -> Peer {
    match any_task(world) {
        Some(task) if world.env.rng.chance(500) => Peer::Task(task),
        _ => Peer::Client(any_client(world)),
    }
}

fn cut(world: &mut World, fault: Fault) {
    let Some(conn) = any_conn(world) else { return };
    cut_conn(world, fault, conn);
}

fn cut_conn(world: &mut World, fault: Fault, conn: ConnId) {
    let env = &mut world.env;
    let deaf = env.rng.below(3);
    for (index, way) in Way::BOTH.into_iter().enumerate() {
        let bytes = if env.rng.chance(500) {
            0
        } else {
            env.rng.scaled(0, 3_000)
        };
        let notice = env.now + env.rng.below(200 * MS);
        let unheard = fault == Fault::CutUnnoticed && (deaf == 2 || deaf == index as u64);
        let now = env.now;
        env.net.with_pipe(conn, way, |pipe| match fault {
            Fault::GracefulClose => pipe.finish(now),
            Fault::Reset => {
                pipe.drop_all();
                pipe.close_at(now);
            }
            _ => {
                pipe.cut_after(bytes);
                if !unheard {
                    pipe.close_at(notice);
                }
            }
        });
    }
}

fn hold(world: &mut World, fault: Fault) {
    let Some(conn) = any_conn(world) else { return };
    let env = &mut world.env;
    let until = if fault == Fault::Stall {
        env.now + env.rng.scaled(MS, 60_000 * MS)
    } else {
        NEVER
    };
    let both = fault == Fault::HoleBoth || fault == Fault::Stall && env.rng.chance(500);
    let one = *env.rng.pick(&Way::BOTH);
    for way in Way::BOTH {
        if both || way == one {
            env.net.with_pipe(conn, way, |pipe| pipe.hold(until));
        }
    }
}

fn disturb(world: &mut World, fault: Fault) {
    let Some(conn) = any_conn(world) else { return };
    let way = *world.env.rng.pick(&Way::BOTH);
    let now = world.env.now;
    let packets = world.env.net.conn(conn).is_some_and(|conn| conn.packets);
    let bytes = super::framer::Framer::encode(packets, &junk(&mut world.env));
    world.env.net.with_pipe(conn, way, |pipe| match fault {
        Fault::Corrupt => pipe.corrupt_next(),
        Fault::Inject => pipe.inject(now, bytes),
        _ => {
            let _ = pipe.duplicate_last();
        }
    });
}

fn migrate(world: &mut World, fault: Fault) {
    let client = Peer::Client(any_client(world));
    let task = any_task(world).map(Peer::Task);
    let olds = world.with_host(client, |host, _, _| host.conns()).unwrap_or_default();
    let ask = |world: &mut World, peer: Peer| {
        let within = Duration::from_millis(world.env.rng.scaled(0, 20_000));
        world.with_host(peer, |host, env, _| {
            if host.sleeps(env).is_none() {
                host.session.migrate(env.instant(), within, bytes::Bytes::new());
                host.service(env);
            }
        });
        world.touch(peer);
    };
    if fault != Fault::MigrateServer {
        ask(world, client);
    }
    if let Some(task) = task.filter(|_| matches!(fault, Fault::MigrateServer | Fault::MigrateBoth)) {
        ask(world, task);
    }
    if fault == Fault::MigrateThenCut {
        let latency = world.env.options.carrier.latency;
        let delay = world.env.rng.scaled(MS, latency * 8 + 20 * MS);
        for conn in olds {
            let way = *world.env.rng.pick(&Way::BOTH);
            let both = world.env.rng.chance(500);
            let until = world.env.now + delay;
            for each in Way::BOTH {
                if both || each == way {
                    let bytes = world.env.rng.scaled(0, 4_000);
                    world.env.net.with_pipe(conn, each, |pipe| {
                        pipe.cut_after(bytes);
                        pipe.close_at(until);
                    });
                }
            }
        }
    }
}

fn host(world: &mut World, fault: Fault) {
    let peer = any_peer(world);
    let stall = world.env.rng.scaled(MS, 20_000 * MS);
    let slack = world.env.rng.scaled(MS, 30_000 * MS);
    let bytes = world.env.rng.below(70_000) as usize;
    world.with_host(peer, |host, env, _| match fault {
        Fault::StallHost => host.sleep(env, env.now + stall),
        Fault::SleepHost => host.sleep(env, env.now + 8 * 3_600_000 * MS),
        Fault::LateTimer => host.timer_slack = slack,
        _ if host.sleeps(env).is_some() => {}
        Fault::SpuriousTimeout => {
            host.session.handle_timeout(env.instant());
            host.service(env);
        }
        Fault::NetworkChanged => {
            host.session.reconnect().network_changed(env.instant());
            host.service(env);
        }
        Fault::Probe => {
            host.session.probe(env.instant());
            host.service(env);
        }
        Fault::Partial => {
            for epoch in 1..=host.session.stats().attaches + 2 {
                host.session.handle_partial(env.instant(), Epoch(epoch), bytes);
            }
            host.service(env);
        }
        _ => {
            host.session.reconnect().at_once(env.instant());
            host.service(env);
        }
    });
    world.touch(peer);
}

fn jump(world: &mut World, fault: Fault) {
    const HOUR: u64 = 3_600_000 * MS;
    let clock = {
        let peer = any_peer(world);
        world.env.read_clock_of(peer)
    };
    let forward = fault == Fault::ClockForward;
    let length = world.env.rng.scaled(MS, if forward { 48 * HOUR } else { 2 * HOUR });
    if forward {
        world.jump(clock, length);
    } else {
        world.env.clock = clock;
        world.env.jump(-i64::try_from(length).unwrap_or(0));
    }
    // A host whose timers do not notice learns of it later.
    if !world.env.rng.chance(500) {
        return;
    }
    for peer in world.on_clock(clock) {
        world.with_host(peer, |host, env, _| host.service(env));
        world.touch(peer);
    }
    if clock.is_none() {
        world.env.net.plan(world.env.now, Happening::Front);
    }
}

fn app(world: &mut World, fault: Fault) {
    let peer = any_peer(world);
    let pause = world.env.rng.scaled(MS, 60_000 * MS);
    world.with_host(peer, |host, env, conv| {
        if host.sleeps(env).is_some() {
            return;
        }
        match fault {
            Fault::SlowReader => host.app.paused_until = env.now + pause,
            _ => host
                .app
                .give_up_one(fault == Fault::ResetStream, &mut host.session, env, conv),
        }
        host.service(env);
    });
    world.touch(peer);
}

fn attack(world: &mut World, fault: Fault) {
    let env = &mut world.env;
    match fault {
        Fault::RaceFirst => env.race = true,
        Fault::Flood => {
            for _ in 0..env.rng.between(1, 20) {
                env.attack(&[]);
            }
        }
        Fault::Junk => {
            let bytes = junk(env);
            env.attack(&bytes);
        }
        _ if env.recorded.is_empty() => {}
        _ => {
            let mut packet = env.rng.pick(&env.recorded).clone();
            if fault == Fault::ForgeFirst {
                let at = usize::try_from(env.rng.below(packet.len() as u64)).unwrap_or(0);
                match env.rng.below(3) {
                    0 => packet.truncate(at),
                    1 => packet.push(0),
                    _ => packet[at] ^= 1 << env.rng.below(8),
                }
            }
            let copies = env.rng.between(1, 3);
            for _ in 0..copies {
                env.attack(&packet);
            }
        }
    }
}

fn end(world: &mut World, fault: Fault) {
    let client = any_client(world);
    let conv = world.clients[client].conv;
    let task = world.convs[conv].task.map(Peer::Task);
    let one = if world.env.rng.chance(500) {
        Some(Peer::Client(client))
    } else {
        task
    };
    match fault {
        Fault::Abort => {
            if let Some(peer) = one {
                abort(world, peer);
            }
        }
        Fault::Close => {
            if let Some(peer) = one {
                close(world, peer);
            }
        }
        _ => {
            close(world, Peer::Client(client));
            if let Some(task) = task {
                close(world, task);
            }
        }
    }
}

/// The application of `peer` closes, now.
pub fn close(world: &mut World, peer: Peer) {
    let code = match peer {
        Peer::Client(_) => 1,
        Peer::Task(_) => 2,
    };
    world.with_host(peer, |host, env, conv| {
        let us = super::host::index(host.session.side());
        conv.so.closed[us] = true;
        env.tally.hit("app: close");
        host.session
            .close(env.instant(), code, bytes::Bytes::from_static(b"done"))
            .expect("because the code fits");
        host.service(env);
    });
    world.touch(peer);
}

/// The host of `peer` aborts its session, now.
pub(super) fn abort(world: &mut World, peer: Peer) {
    world.with_host(peer, |host, env, conv| {
        let us = super::host::index(host.session.side());
        conv.so.aborted[us] = true;
        env.tally.hit("app: abort");
        host.session.abort(env.instant());
        host.service(env);
    });
    world.touch(peer);
}
