//! Real processes, real sockets, `kill -9`: three nodes of a server that share a store in NATS JetStream, and a client that is led to any of them.
//! Nodes and client are killed, nats-server is once, and the client is led to another node while the one before lives. Messages
//! and bytes go both ways, and both applications count what they received, together with the place up to where that is.
//!
//! `UNBROKEN_FLEET_KILLS` says how many kills there are (12 unless said), `UNBROKEN_SEED` which.

mod guide;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use guide::Guide;

use crate::fleet::server;
use crate::processes::application::{self, BYTES, MESSAGES, Role, free_address};
use crate::processes::database::Database;

use crate::folder::{Folder, Random};

const NODES: usize = 3;
/// How long all of it may take, beyond five seconds for each kill.
const LIMIT: Duration = Duration::from_secs(240);
/// How long to wait for something to arrive before the next kill comes.
const PATIENCE: Duration = Duration::from_secs(3);

/// The nodes first, then the client.
struct Fleet<'a> {
    folder: &'a Path,
    servers: String,
    addresses: [SocketAddr; NODES],
    guide: Guide,
    /// Which part of everything a process sends before it waits to be killed.
    part: u64,
    children: Vec<Child>,
}

impl Fleet<'_> {
    fn start(&self, index: usize) -> Child {
        let (role, address) = match self.addresses.get(index) {
            Some(address) => (Role::Server, *address),
            None => (Role::Client, self.guide.address()),
        };
        application::told(role, self.folder, address, self.part)
            .env("UNBROKEN_FLEET", &self.servers)
            .spawn()
            .unwrap()
    }

    /// `kill -9`, and another one in its place.
    fn kill(&mut self, index: usize) {
        self.children[index].kill().unwrap();
        self.children[index].wait().unwrap();
        self.children[index] = self.start(index);
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn a_session_goes_on_at_another_node_whoever_is_killed() {
    let Some(program) = server::program() else { return };
    let kills: u32 = std::env::var("UNBROKEN_FLEET_KILLS").map_or(12, |kills| kills.parse().unwrap());
    let mut random = Random::new();
    let mut nats = server::Server::new(program, "");
    let folder = Folder::new();
    std::fs::create_dir_all(folder.path()).unwrap();
    let databases = Role::BOTH.map(|role| Database::create(&folder.path().join(role.name())));
    let addresses = [(); NODES].map(|()| free_address());
    let mut fleet = Fleet {
        folder: folder.path(),
        servers: format!("nats://127.0.0.1:{}", nats.port()),
        addresses,
        guide: Guide::new(&addresses),
        part: 2 * u64::from(kills) + 2,
        children: Vec::new(),
    };
    for index in 0..=NODES {
        let child = fleet.start(index);
        fleet.children.push(child);
    }
    let received = || databases.iter().map(Database::progress).sum::<u64>();
    let all = 2 * (MESSAGES + BYTES);
    let begun = Instant::now();
    let limit = LIMIT + 5 * Duration::from_secs(u64::from(kills));
    let (mut killed, mut led) = (0, 0);
    let mut store_was_killed = false;
    while received() < all {
        let known = received();
        sleep(Duration::from_millis(100 + random.below(300)));
        let since = Instant::now();
        while received() == known && since.elapsed() < PATIENCE {
            sleep(Duration::from_millis(20));
        }
        assert!(
            begun.elapsed() < limit,
            "{known} of {all} arrived, {killed} were killed"
        );
        if killed >= kills {
            continue;
        }
        if killed % 10 == 0 {
            eprintln!("{killed} kills, {known} of {all} arrived, after {:?}", begun.elapsed());
        }
        let drawn = usize::try_from(random.below(2 * NODES as u64 + 1)).unwrap();
        match drawn.checked_sub(NODES) {
            None => {
                fleet.kill(drawn);
                killed += 1;
            }
            Some(0) => {
                fleet.kill(NODES);
                killed += 1;
            }
            Some(node) => {
                fleet.guide.lead(node - 1);
                led += 1;
            }
        }
        if killed >= kills / 2 && !std::mem::replace(&mut store_was_killed, true) {
            nats.kill();
            sleep(Duration::from_millis(random.below(1_000)));
            nats.start();
        }
        if killed >= kills {
            fleet.part = 1;
            for index in 0..=NODES {
                fleet.kill(index);
            }
        }
    }
    assert!(killed >= kills && store_was_killed);
    drop(fleet);
    for database in &databases {
        database.check();
    }
    eprintln!(
        "{killed} kills, led to another node {led} times, in {:?}",
        begun.elapsed()
    );
}
