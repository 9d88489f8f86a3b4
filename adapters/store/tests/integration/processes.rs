//! Real processes, real sockets, `kill -9`: a client and a server with durable sessions, either of which is killed every few hundred milliseconds,
//! while messages and bytes go both ways. Both applications count what they received in databases of their own, together with the place
//! up to where that is.
//!
//! `UNBROKEN_KILLS` says how many kills there are (30 unless said), `UNBROKEN_SEED` which.

pub(crate) mod application;
pub(crate) mod database;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::folder::{Folder, Random};
use application::{BYTES, MESSAGES, Role, free_address};
use database::Database;

/// How long all of it may take, beyond a second for each kill.
const LIMIT: Duration = Duration::from_secs(240);

struct Process {
    role: Role,
    child: Child,
}

impl Process {
    /// It sends so much of everything, in parts of the whole, before it waits to be killed.
    fn start(role: Role, folder: &Path, address: SocketAddr, part: u64) -> Process {
        let child = application::told(role, folder, address, part).spawn().unwrap();
        Process { role, child }
    }

    /// `kill -9`.
    fn kill(mut self) -> Role {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.role
    }
}

/// What a process of [`Process::start`] does.
#[test]
fn one_end() {
    application::run_as_told();
}

#[test]
fn everything_arrives_once_and_in_order_whoever_is_killed() {
    let folder = Folder::new();
    let address = free_address();
    let kills: u32 = std::env::var("UNBROKEN_KILLS").map_or(30, |kills| kills.parse().unwrap());
    let mut random = Random::new();
    std::fs::create_dir_all(folder.path()).unwrap();
    let databases = Role::BOTH.map(|role| Database::create(&folder.path().join(role.name())));
    let begun = Instant::now();
    let limit = LIMIT + Duration::from_secs(u64::from(kills));
    // So that there is something left to send after the last of them.
    let part = u64::from(kills) + 1;
    let start = |role, part| Some(Process::start(role, folder.path(), address, part));
    let mut ends = Role::BOTH.map(|role| start(role, part));
    let received = || databases.iter().map(Database::progress).sum::<u64>();
    let all = 2 * (MESSAGES + BYTES);
    let mut killed = 0;
    while received() < all {
        sleep(Duration::from_millis(100 + random.below(300)));
        let known = received();
        assert!(
            begun.elapsed() < limit,
            "{known} of {all} arrived, {killed} were killed"
        );
        if killed >= kills {
            continue;
        }
        for index in which(random.below(3)) {
            let role = ends[*index].take().unwrap().kill();
            ends[*index] = start(role, part);
            killed += 1;
        }
        if killed >= kills {
            for end in &mut ends {
                let role = end.take().unwrap().kill();
                *end = start(role, 1);
            }
        }
    }
    assert!(killed >= kills);
    for end in ends.into_iter().flatten() {
        end.kill();
    }
    for database in &databases {
        database.check();
    }
    eprintln!("{killed} kills in {:?}", begun.elapsed());
}

/// Whom a kill hits.
fn which(drawn: u64) -> &'static [usize] {
    match drawn {
        0 => &[0],
        1 => &[1],
        _ => &[0, 1],
    }
}
