//! Starts both ends as processes, kills either at any moment, and looks at what comes of it.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::audit::{Audit, audit};
use crate::common::{Failure, Random};
use crate::orders::Orders;

/// Between two kills, at least and at most.
const PAUSE: (usize, usize) = (50, 350);
/// Who has not come to an end by then, in the end, never will.
const PATIENCE: Duration = Duration::from_secs(120);
/// More than anybody has time for who is killed soon.
const MANY: i64 = 1_000_000;

/// One end, as a process of its own.
pub(crate) enum End {
    Server,
    /// It issues so many transfers more, and ends when all are answered.
    Client(i64),
}

impl End {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            End::Server => "server",
            End::Client(_) => "client",
        }
    }
}

pub(crate) struct Plan {
    pub(crate) folder: PathBuf,
    pub(crate) kills: u32,
    pub(crate) seed: u64,
}

/// `command` says how an end is started that keeps what it has in that folder.
///
/// # Errors
/// An end ends by itself, or the audit finds something.
pub(crate) fn run(
    plan: &Plan,
    command: impl Fn(&End, &Path, SocketAddr) -> Result<Command, Failure>,
) -> Result<Audit, Failure> {
    println!("seed {}, {} kills, in {}", plan.seed, plan.kills, plan.folder.display());
    let folders = ["server", "client"].map(|name| plan.folder.join(name));
    // The next server listens where the one before did.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let start = |end: End| {
        let folder = plan.folder.join(end.name());
        let child = command(&end, &folder, address)?.spawn()?;
        Ok::<_, Failure>(Process { end, child })
    };
    let mut random = Random(plan.seed);
    let mut server = start(End::Server)?;
    let mut client = start(End::Client(MANY))?;
    for kill in 1..=plan.kills {
        sleep(Duration::from_millis(
            (PAUSE.0 + random.below(PAUSE.1 - PAUSE.0)) as u64,
        ));
        let which = random.below(4);
        if which != 0 {
            server.kill()?;
        }
        if which != 1 {
            client.kill()?;
        }
        let answers = Orders::open(&folders[1]).and_then(|orders| orders.answers());
        println!(
            "kill {kill}: {}; {} transfers are answered",
            ["the client", "the server", "both", "both"][which],
            answers.map_or(0, |answers| answers.len())
        );
        if which != 0 {
            server = start(End::Server)?;
        }
        if which != 1 {
            client = start(End::Client(MANY))?;
        }
    }
    // Whatever is on its way gets there.
    client.kill()?;
    let mut client = start(End::Client(100))?;
    let begun = Instant::now();
    while !client.is_done()? {
        server.is_done()?;
        if begun.elapsed() > PATIENCE {
            return Err("the last client waits for ever".into());
        }
        sleep(Duration::from_millis(10));
    }
    server.kill()?;
    let audit = audit(&folders[0], &folders[1])?;
    if audit.on_their_way > 0 {
        return Err(format!("{} transfers were lost", audit.on_their_way).into());
    }
    Ok(audit)
}

struct Process {
    end: End,
    child: Child,
}

impl Process {
    /// SIGKILL, on Unix: the process has no say in it.
    fn kill(&mut self) -> Result<(), Failure> {
        self.is_done()?;
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Whether it has come to its end, which an end that is in trouble says by its exit code.
    fn is_done(&mut self) -> Result<bool, Failure> {
        let ended = self.child.try_wait()?;
        if ended.is_some_and(|status: ExitStatus| !status.success()) {
            return Err(format!("the {} has failed", self.end.name()).into());
        }
        Ok(ended.is_some())
    }
}

impl Drop for Process {
    /// Whatever goes wrong leaves nobody behind.
    fn drop(&mut self) {
        let _is_dead_already = self.child.kill();
        let _ = self.child.wait();
    }
}
