//! What a running server tells its owner of its sessions, and does with them, over a Unix socket that nobody else reaches.

mod answers;
mod directory;
mod host;
pub(crate) mod lines;
pub(crate) mod protocol;
pub(crate) mod socket;
mod words;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::BufReader;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

pub(crate) use self::directory::Entry;
pub(crate) use self::host::{Admin, Guest};

use self::host::Asking;
use self::lines::NoLine;
use self::protocol::{Answer, Kind, Problem};
use crate::unix::{UnixListener, UnixStream};

/// So many connections are answered at once; others wait.
const CONNECTIONS: usize = 32;
/// How long a request may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers whoever connects, for as long as it is polled.
pub(crate) async fn serve(listener: UnixListener, admin: Arc<Admin>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let admin = Arc::clone(&admin);
                tokio::spawn(async move {
                    talk(stream, &admin).await;
                    drop(place);
                });
            }
            Err(error) => {
                eprintln!("unbroken: cannot accept at the admin socket: {error}");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// One request, and its answers.
async fn talk(stream: UnixStream, admin: &Admin) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let Ok(line) = timeout(PATIENCE, lines::read(&mut read)).await else {
        return;
    };
    let bad = |why: serde_json::Error| Problem::new(Kind::BadRequest, format!("this is no request: {why}"));
    let long = || Problem::new(Kind::TooLong, format!("a line has {} bytes at most", lines::LONGEST));
    let request = match line {
        Ok(line) => serde_json::from_slice(&line).map_err(bad),
        Err(NoLine::TooLong) => Err(long()),
        Err(NoLine::Over | NoLine::Broken(_)) => return,
    };
    let _asking = Asking::new(&admin.asked);
    let answered = match request {
        Ok(request) => answers::answer(admin, request, &mut write).await,
        Err(problem) => Err(problem.into()),
    };
    let last = match answered {
        Ok(()) => Answer::End,
        Err(answers::Stopped::Problem(problem)) => Answer::Error(problem),
        Err(answers::Stopped::Gone) => return,
    };
    let _gone = answers::say(&mut write, &last).await;
}
