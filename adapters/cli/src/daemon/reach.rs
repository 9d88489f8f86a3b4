//! `unbroken attach`: what ssh runs on the far side. Its standard input and output are a connection of a session.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, stdin, stdout};
use tokio::process::Command;

use super::place::Place;
use super::words::{MARK, READY};
use crate::failure::Failure;
use crate::unix::UnixStream;

pub(crate) async fn run() -> Result<(), Failure> {
    let socket = connect(&Place::new()?).await?;
    let (mut read, mut write) = socket.into_split();
    let (mut input, mut output) = (stdin(), stdout());
    let lost = Failure::unable("standard output");
    output.write_all(MARK).await.map_err(lost)?;
    output.flush().await.map_err(Failure::unable("standard output"))?;
    // One way without the other is no connection.
    tokio::select! {
        _ = tokio::io::copy(&mut input, &mut write) => {}
        _ = tokio::io::copy(&mut read, &mut output) => {}
    }
    Ok(())
}

/// Connects to the daemon, and starts it if there is none.
async fn connect(place: &Place) -> Result<UnixStream, Failure> {
    let path = place.socket();
    let failed = format!("cannot reach the daemon at {}", path.display());
    if let Some(socket) = there(&path).await.map_err(Failure::unable(&failed))? {
        return Ok(socket);
    }
    let lock = place.lock()?;
    if let Some(socket) = there(&path).await.map_err(Failure::unable(&failed))? {
        return Ok(socket);
    }
    start(place).await?;
    drop(lock);
    UnixStream::connect(&path).await.map_err(Failure::unable(failed))
}

/// A connection to the daemon; `None`: there is none.
async fn there(path: &Path) -> io::Result<Option<UnixStream>> {
    match UnixStream::connect(path).await {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Starts a daemon, and waits until it listens.
async fn start(place: &Place) -> Result<(), Failure> {
    let own = std::env::current_exe().map_err(Failure::unable("cannot find this program"))?;
    let log = File::create(place.log()).map_err(Failure::unable(place.log().display()))?;
    let mut command = Command::new(own);
    // It outlives the login, whose affairs these are.
    for name in ["SSH_CLIENT", "SSH_CONNECTION", "SSH_TTY", "SSH_AUTH_SOCK"] {
        command.env_remove(name);
    }
    command
        .arg("daemon")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log);
    let mut child = command.spawn().map_err(Failure::unable("cannot start the daemon"))?;
    let mut line = String::new();
    if let Some(output) = child.stdout.take() {
        let read = BufReader::new(output).read_line(&mut line).await;
        read.map_err(Failure::unable("cannot hear the daemon"))?;
    }
    if line.trim() == READY {
        return Ok(());
    }
    let said = std::fs::read_to_string(place.log()).unwrap_or_default();
    let said = said.lines().last().unwrap_or("it said nothing").to_owned();
    Err(Failure::Unable(format!("the daemon did not start: {said}")))
}
