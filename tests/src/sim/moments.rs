//! Strikes at the moments that conclusions hang on: an owner dies, the server dies, or a packet is swallowed, just then.
//! At random times this happens once in thousands of schedules; a share of the seeds is about nothing else.

use unbroken_proto::SessionConfig;
use unbroken_proto::time::Duration;

use super::fault::{Fault, Swarm};
use super::inject::abort;
use super::net::{Conn, ConnId, Peer, Way};
use super::options::{Options, PROMPT, Work};
use super::world::World;
use crate::rng::{Rng, mix};

const MS: u64 = 1_000_000;
/// One seed in so many is about conclusions.
const SHARE: u64 = 3;
/// Clients that may follow each other in one place.
const MOST: usize = 30;

/// A moment at which an end knows something that the other does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// RESUME is out.
    ResumeSent(ConnId),
    /// RESUMED is out and not read.
    ResumedSent(ConnId),
    /// AUTH_PROOF is out.
    ProofSent(ConnId),
    /// FINAL is out and not read.
    FinalSent(ConnId),
    /// The client's first sealed packet is out, which confirms.
    ConfirmingSent(ConnId),
    /// The owner read the client's first sealed packet, and no acknowledgement arrived.
    Confirmed(ConnId),
    /// The owner ended its session, and the client has not heard of it.
    Ended(ConnId),
}

impl Moment {
    /// The moment that comes with a packet.
    pub(super) fn of_packet(known: &mut Conn, conn: ConnId, way: Way, packet: &[u8]) -> Option<Moment> {
        match (way, packet.first()?) {
            (Way::Up, 3) => Some(Moment::ProofSent(conn)),
            (Way::Up, 4) => Some(Moment::ResumeSent(conn)),
            (Way::Down, 5) => {
                known.answered = true;
                Some(Moment::ResumedSent(conn))
            }
            (Way::Up, 7) if !std::mem::replace(&mut known.confirming, true) => Some(Moment::ConfirmingSent(conn)),
            (Way::Down, 7) if !std::mem::replace(&mut known.answered, true) => Some(Moment::FinalSent(conn)),
            _ => None,
        }
    }

    fn conn(self) -> ConnId {
        match self {
            Moment::ResumeSent(conn)
            | Moment::ResumedSent(conn)
            | Moment::ProofSent(conn)
            | Moment::FinalSent(conn)
            | Moment::ConfirmingSent(conn)
            | Moment::Confirmed(conn)
            | Moment::Ended(conn) => conn,
        }
    }

    /// Of a thousand, how many are struck: those that are rare more often.
    fn chance(self) -> u64 {
        match self {
            Moment::ProofSent(_) | Moment::ResumeSent(_) => 100,
            Moment::FinalSent(_) | Moment::ConfirmingSent(_) | Moment::Confirmed(_) => 200,
            Moment::ResumedSent(_) => 400,
            Moment::Ended(_) => 600,
        }
    }

    /// Its name for counters.
    fn name(self) -> &'static str {
        match self {
            Moment::ResumeSent(_) => "strike: RESUME sent",
            Moment::ResumedSent(_) => "strike: RESUMED sent",
            Moment::ProofSent(_) => "strike: AUTH_PROOF sent",
            Moment::FinalSent(_) => "strike: FINAL sent",
            Moment::ConfirmingSent(_) => "strike: confirming",
            Moment::Confirmed(_) => "strike: confirmed",
            Moment::Ended(_) => "strike: ended",
        }
    }
}

/// Whether the schedule of `seed` is about conclusions.
#[must_use]
pub fn is_focused(seed: u64) -> bool {
    mix(seed ^ 0x7374_7269_6b65).is_multiple_of(SHARE)
}

/// Changes what was drawn into a schedule about conclusions: little data, many attaches, an end now and then, and memory
/// that is short in half of them.
pub(super) fn focus(options: &mut Options, rng: &mut Rng) {
    options.renews = true;
    options.strikes = rng.between(1, 20);
    options.faults = rng.between(8, 40);
    options.fault_every = rng.scaled(20 * MS, 2_000 * MS);
    options.max_sessions = 100;
    options.max_tombstones = usize::try_from(*rng.pick(&[100_000, 100_000, 0, 1, 2])).unwrap_or(0);
    options.tombstone_lifetime = Duration::from_secs(*rng.pick(&[3_600, 3_600, 60]));
    options.report_delay = *rng.pick(&[PROMPT, 3_000 * MS]);
    let quiet = rng.chance(600);
    for work in [&mut options.client_app, &mut options.server_app] {
        small(work, rng);
    }
    if quiet {
        // The client hears nothing that would prove that its session was confirmed.
        options.server_app.streams = 0;
        options.server_app.answers = false;
    }
    for config in [&mut options.client, &mut options.server] {
        patient(config, rng);
    }
    options.server.handshake_timeout = Duration::from_millis(*rng.pick(&[800, 3_000, 10_000]));
    options.swarm = Swarm::of(
        KINDS
            .iter()
            .copied()
            .filter(|fault| *fault == Fault::Reset || rng.chance(600))
            .collect(),
    );
}

/// What makes clients come back, and ends sessions.
const KINDS: [Fault; 16] = [
    Fault::Cut,
    Fault::CutUnnoticed,
    Fault::Reset,
    Fault::CutYoung,
    Fault::DialDies,
    Fault::HoleOneWay,
    Fault::MigrateClient,
    Fault::MigrateThenCut,
    Fault::StallHost,
    Fault::ReplayFirst,
    Fault::RaceFirst,
    Fault::Close,
    Fault::Abort,
    Fault::KillClient,
    Fault::KillTask,
    Fault::Restart,
];

fn small(work: &mut Work, rng: &mut Rng) {
    work.streams = rng.between(1, 2);
    work.messages = rng.between(1, 8);
    work.size = *rng.pick(&[20, 0, 1_500]);
    work.pause = rng.scaled(MS, 500 * MS);
}

fn patient(config: &mut SessionConfig, rng: &mut Rng) {
    config.ack_delay = Duration::from_millis(*rng.pick(&[1_000, 25, 300]));
    config.keepalive_interval = Duration::from_secs(10);
    config.detached_lifetime = Duration::from_secs(*rng.pick(&[600, 60, 20]));
    config.linger = Duration::from_secs(2);
}

/// Strikes at some of the moments that have come since the last call.
pub(super) fn strike(world: &mut World) {
    for moment in std::mem::take(&mut world.env.moments) {
        let env = &mut world.env;
        if env.healed || env.options.strikes == 0 || !env.rng.chance(moment.chance()) {
            continue;
        }
        env.options.strikes -= 1;
        env.tally.hit(moment.name());
        env.log(|| format!("---- strike: {moment:?}"));
        at(world, moment);
    }
    if world.env.options.renews && !world.env.healed && world.convs.len() < MOST {
        for number in 0..world.clients.len() {
            if world.clients[number].is_over() {
                world.replace_client(number);
            }
        }
    }
}

fn at(world: &mut World, moment: Moment) {
    let owner = owner(world, moment);
    match world.env.rng.below(14) {
        0 | 1 => swallow(world, moment.conn()),
        11.. => {
            // Long enough for an owner to believe that nobody comes.
            swallow(world, moment.conn());
            world.env.dials.extend([Fault::DialHangs, Fault::DialSlow]);
        }
        2..=4 => {
            swallow(world, moment.conn());
            kill(world, owner);
        }
        5 | 6 => kill(world, owner),
        7 | 8 => {
            if let Some(owner) = owner {
                swallow(world, moment.conn());
                abort(world, Peer::Task(owner));
            }
        }
        9 => {
            let all: Vec<u64> = world.server.tasks.keys().copied().collect();
            all.into_iter().for_each(|task| world.kill_task(task));
        }
        _ => world.restart(),
    }
}

/// The owner that the moment is about: the one that has the connection, or the one that its client had.
fn owner(world: &mut World, moment: Moment) -> Option<u64> {
    let conn = moment.conn();
    let client = world.env.net.conn(conn).and_then(|conn| conn.client);
    let conv = client
        .and_then(|client| world.clients.get(client))
        .map(|client| client.conv);
    world
        .server
        .task_of(conn)
        .or_else(|| conv.and_then(|conv| world.convs[conv].task))
        .filter(|task| world.server.tasks.contains_key(task))
}

fn kill(world: &mut World, owner: Option<u64>) {
    if let Some(owner) = owner {
        world.kill_task(owner);
    }
}

/// What is under way on the connection never arrives.
fn swallow(world: &mut World, conn: ConnId) {
    let env = &mut world.env;
    let noticed = env.rng.chance(700);
    let at = env.now + env.rng.below(2_000 * MS);
    for way in Way::BOTH {
        env.net.with_pipe(conn, way, |pipe| {
            pipe.drop_all();
            if noticed {
                pipe.close_at(at);
            }
        });
    }
}
