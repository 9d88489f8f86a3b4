//! Connections of a session through ssh: each is the standard input and output of an `ssh HOST unbroken attach`.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;
use unbroken_tokio::{Compat, Connected, Framed};

use crate::console::keyboard::Keyboard;
use crate::daemon::MARK;

/// What is run on the far side. Whoever has no login shell may have no more than the system's folders in the PATH.
const REMOTE: &str = "exec sh -c 'PATH=\"$PATH:$HOME/.local/bin:$HOME/.cargo/bin:/usr/local/bin\"; command -v unbroken >/dev/null || exit 127; exec unbroken attach'";
/// How long an ssh may take that asks nobody.
const SILENT: Duration = Duration::from_secs(30);
/// What a login prints before the far side's first word, at most.
const PRELUDE: usize = 64 << 10;
/// How much of what ssh says is looked at.
const SAID: usize = 16 << 10;

/// How to get to a host.
#[derive(Clone, Debug)]
pub(crate) struct Carrier {
    pub(crate) program: OsString,
    /// Options of ssh's.
    pub(crate) options: Vec<OsString>,
    pub(crate) host: String,
}

/// Why an ssh came to nothing.
#[derive(Debug)]
pub(crate) enum Problem {
    /// It cannot be run.
    Spawn(io::Error),
    /// The host has no `unbroken`.
    NotInstalled,
    /// It would have to ask a person.
    Asks,
    /// It ended, and said this, if it did not say it to the person itself.
    Ended(String),
    /// It takes too long.
    Late,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Spawn(error) => write!(f, "cannot run ssh: {error}"),
            Problem::NotInstalled => f.write_str("there is no `unbroken` on the far side (--install copies it there)"),
            Problem::Asks => f.write_str("ssh has to ask something"),
            Problem::Ended(said) => f.write_str(said),
            Problem::Late => f.write_str("ssh takes too long"),
        }
    }
}

impl std::error::Error for Problem {}

impl Carrier {
    /// An ssh with what every one has: nothing but bytes on its pipes, and no connection that another one made and that may be dead.
    pub(crate) fn command(&self, asks: bool, remote: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["-T", "-o", "ControlMaster=no", "-o", "ControlPath=none"]);
        command.args([
            "-o",
            "ClearAllForwardings=yes",
            "-o",
            "RemoteCommand=none",
            "-e",
            "none",
        ]);
        if !asks {
            command.args(["-o", "BatchMode=yes"]);
        }
        command.args(&self.options).arg("--").arg(&self.host).arg(remote);
        // What a person types to end this command is not meant for what ends it in an orderly way.
        #[cfg(unix)]
        if !asks {
            command.process_group(0);
        }
        command.kill_on_drop(true);
        command
    }

    /// The first connection: ssh may ask, and says itself what is wrong.
    pub(crate) async fn first(&self) -> Result<Connected, Problem> {
        self.dial(true).await
    }

    /// Another connection. Unless a person wants to answer, ssh asks nothing and says nothing.
    pub(crate) async fn again(&self, keyboard: &Keyboard) -> Result<Connected, Problem> {
        if keyboard.takes_question() {
            let _lent = keyboard.lend();
            return self.dial(true).await;
        }
        let dialled = timeout(SILENT, self.dial(false)).await.unwrap_or(Err(Problem::Late));
        if matches!(dialled, Err(Problem::Asks)) && !keyboard.is_attended() {
            // Nobody is asked first, where nothing else is on the screen.
            return self.dial(true).await;
        }
        keyboard.want_question(matches!(dialled, Err(Problem::Asks)));
        dialled
    }

    async fn dial(&self, asks: bool) -> Result<Connected, Problem> {
        let mut command = self.command(asks, REMOTE);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        let mut child = command.spawn().map_err(Problem::Spawn)?;
        let shown = Arc::new(AtomicBool::new(asks));
        let said = tokio::spawn(listen(child.stderr.take(), Arc::clone(&shown)));
        let (Some(input), Some(mut output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Problem::Ended("ssh has no pipes".into()));
        };
        if mark(&mut output).await {
            // From now on the screen is a program's.
            shown.store(false, Ordering::Relaxed);
            let pipe = Pipe {
                input,
                output,
                _child: child,
            };
            return Ok(Connected::ordered(Framed::new(Compat(pipe))));
        }
        // Whoever prints much and never gets there is not waited for.
        let _ended_already = child.start_kill();
        let status = child.wait().await.map_err(Problem::Spawn)?;
        let said = said.await.unwrap_or_default();
        Err(match status.code() {
            Some(126 | 127) => Problem::NotInstalled,
            Some(255) if is_question(&said) => Problem::Asks,
            _ => Problem::Ended(last_line(&said, &status)),
        })
    }
}

/// Reads up to the far side's first word; whether it came.
async fn mark(output: &mut ChildStdout) -> bool {
    let mut read = Vec::new();
    while read.len() < PRELUDE {
        match output.read_u8().await {
            Ok(byte) => read.push(byte),
            Err(_) => return false,
        }
        if read.ends_with(MARK) {
            return true;
        }
    }
    false
}

/// Reads what an ssh says to its end, and shows it as long as that is wanted. The beginning of it.
async fn listen(stderr: Option<ChildStderr>, shown: Arc<AtomicBool>) -> String {
    let (mut said, mut buffer) = (Vec::new(), vec![0; SAID]);
    let Some(mut stderr) = stderr else { return String::new() };
    while let Ok(bytes @ 1..) = stderr.read(&mut buffer).await {
        if shown.load(Ordering::Relaxed) {
            let _nobody_reads_it = io::stderr().write_all(&buffer[..bytes]);
        }
        let room = SAID.saturating_sub(said.len());
        said.extend_from_slice(&buffer[..bytes.min(room)]);
    }
    String::from_utf8_lossy(&said).into_owned()
}

/// What ssh says when it would have asked a person.
fn is_question(said: &str) -> bool {
    [
        "Permission denied",
        "Host key verification failed",
        "Too many authentication failures",
    ]
    .iter()
    .any(|words| said.contains(words))
}

fn last_line(said: &str, status: &std::process::ExitStatus) -> String {
    let line = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    line.map_or_else(|| format!("ssh ended ({status})"), str::to_owned)
}

/// An ssh's pipes. It ends with them.
struct Pipe {
    input: ChildStdin,
    output: ChildStdout,
    _child: Child,
}

impl AsyncRead for Pipe {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.output).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.input).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.input).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_could_answer_is_told_from_what_is_broken() {
        assert!(is_question("user@host: Permission denied (publickey,password).\r\n"));
        assert!(is_question("Host key verification failed.\r\n"));
        assert!(!is_question(
            "ssh: connect to host x port 22: Network is unreachable\r\n"
        ));
    }
}
