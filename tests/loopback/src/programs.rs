//! Programs of sessions.

use std::io;
use std::process::Stdio;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use unbroken_ssm::proto::ssm::event::Chunk;
use unbroken_ssm::{AgentSession, Over};

/// Bytes read at once.
const READ: usize = 16 << 10;

/// Sees to it that programs can be interrupted. A process that was started in the background of a script ignores SIGINT, and so does all that
/// it starts; who catches a signal does not pass that on.
#[cfg(unix)]
pub(crate) fn interruptible() {
    use tokio::signal::unix::{SignalKind, signal};
    // What is ignored, as a hexadecimal mask with SIGINT, number 2, in its second bit (proc_pid_status(5)).
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    if mask.is_some_and(|mask| mask & 0b10 != 0) {
        // The handler stays when this is dropped.
        let _caught = signal(SignalKind::interrupt());
    }
}

#[cfg(not(unix))]
pub(crate) fn interruptible() {}

/// Runs a command, or a shell, in a pseudoterminal.
#[cfg(unix)]
pub(crate) async fn in_terminal(session: &AgentSession, command: Option<&str>) {
    if let Err(error) = terminal(session, command).await {
        failed(session, &error).await;
    }
    session.finish();
}

#[cfg(unix)]
async fn terminal(session: &AgentSession, command: Option<&str>) -> io::Result<()> {
    let (pty, pts) = pty_process::open().map_err(io::Error::other)?;
    let mut program = pty_process::Command::new("/bin/sh");
    if let Some(command) = command {
        program = program.arg("-c").arg(command);
    }
    let child = program
        .env("PS1", "$ ")
        .env("TERM", "xterm-256color")
        .kill_on_drop(true);
    let mut child = child.spawn(pts).map_err(io::Error::other)?;
    let (output, mut input) = pty.into_split();
    let typed = async {
        while let Some(chunk) = session.read().await {
            match chunk {
                Chunk::Output(bytes) => input.write_all(&bytes).await?,
                Chunk::Size(size) => {
                    let cells = |cells: u32| u16::try_from(cells).unwrap_or(u16::MAX);
                    let size = pty_process::Size::new(cells(size.rows), cells(size.cols));
                    input.resize(size).map_err(io::Error::other)?;
                }
                _ => {}
            }
        }
        Ok(())
    };
    tokio::select! {
        // A pseudoterminal ends with an error where a pipe would be at its end.
        () = carry(output, |bytes| session.write(bytes)) => drop(child.wait().await),
        typed = typed => return typed,
    }
    Ok(())
}

#[cfg(not(unix))]
pub(crate) async fn in_terminal(session: &AgentSession, _command: Option<&str>) {
    failed(session, &io::ErrorKind::Unsupported.into()).await;
    session.finish();
}

/// Runs a command with pipes, and says how it ends.
pub(crate) async fn with_pipes(session: &AgentSession, command: &str) {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).kill_on_drop(true);
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    match shell.spawn() {
        Ok(child) => tokio::select! {
            () = piped(session, child) => {}
            // Nobody is there any more to see what it says.
            _ = session.closed() => {}
        },
        Err(error) => failed(session, &error).await,
    }
    session.finish();
}

async fn piped(session: &AgentSession, mut child: Child) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let out = async {
        if let Some(stdout) = stdout {
            carry(stdout, |bytes| session.write(bytes)).await;
        }
    };
    let err = async {
        if let Some(stderr) = stderr {
            carry(stderr, |bytes| session.write_stderr(bytes)).await;
        }
    };
    tokio::join!(out, err);
    if let Ok(status) = child.wait().await {
        session.exit_code(status.code().unwrap_or(255).into());
    }
}

async fn carry<F: Future<Output = Result<(), Over>>>(mut from: impl AsyncRead + Unpin, to: impl Fn(Bytes) -> F) {
    let mut buffer = BytesMut::new();
    loop {
        buffer.reserve(READ);
        match from.read_buf(&mut buffer).await {
            Ok(read) if read > 0 => {}
            _ => return,
        }
        if to(buffer.split().freeze()).await.is_err() {
            return;
        }
    }
}

async fn failed(session: &AgentSession, error: &io::Error) {
    let line = format!("cannot be run: {error}\r\n");
    // The session may be over.
    let _over = session.write_stderr(line.into()).await;
}
