//! A program in a pseudoterminal, where there are any.

use std::io;
use std::process::ExitStatus;

use tokio::process::Child;

use super::messages::{Request, Size};

#[cfg(unix)]
pub(crate) use pty_process::{OwnedReadPty as Output, OwnedWritePty as Input};

#[cfg(not(unix))]
pub(crate) use self::none::{Input, Output};

/// A program, and both ends of what it has for a terminal.
pub(crate) struct Program {
    pub(crate) child: Child,
    pub(crate) input: Input,
    pub(crate) output: Output,
}

/// Starts the command, or the user's shell as when they log in, in their home folder.
#[cfg(unix)]
pub(crate) fn start(name: &str, command: Option<&str>, request: &Request) -> io::Result<Program> {
    use std::path::Path;

    let (pty, pts) = pty_process::open().map_err(io::Error::other)?;
    resize(&pty, request)?;
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    let mut program = pty_process::Command::new(&shell);
    program = match command {
        Some(command) => program.arg("-c").arg(command),
        None => {
            // A shell whose name begins with a dash reads what is meant for logins.
            let file = Path::new(&shell).file_name().unwrap_or(&shell);
            program.arg0(format!("-{}", file.display()))
        }
    };
    if let Some(home) = etcetera::home_dir().ok().filter(|home| home.is_dir()) {
        program = program.current_dir(home);
    }
    program = program
        .envs(super::messages::locale(request))
        .env("TERM", &request.term)
        .env("UNBROKEN_TERMINAL", name);
    let child = program.spawn(pts).map_err(io::Error::other)?;
    let (output, input) = pty.into_split();
    Ok(Program { child, input, output })
}

#[cfg(unix)]
fn resize(pty: &pty_process::Pty, request: &Request) -> io::Result<()> {
    let size = request.size.bounded();
    pty.resize(pty_process::Size::new(size.rows, size.columns))
        .map_err(io::Error::other)
}

/// Tells the program, and all that it started in its terminal, that the terminal is gone.
#[cfg(unix)]
pub(crate) fn hang_up(child: &Child) {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(group) = id.and_then(rustix::process::Pid::from_raw) {
        let _ended_already = rustix::process::kill_process_group(group, rustix::process::Signal::HUP);
    }
}

/// Gives a terminal another size.
#[cfg(unix)]
pub(crate) fn set_size(input: &Input, size: Size) {
    let _gone = input.resize(pty_process::Size::new(size.rows, size.columns));
}

#[cfg(not(unix))]
pub(crate) fn set_size(_input: &Input, _size: Size) {}

/// The status as shells have it.
#[cfg(unix)]
pub(crate) fn status(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(255);
    u8::try_from(code & 0xff).unwrap_or(255)
}

#[cfg(not(unix))]
pub(crate) fn start(_name: &str, _command: Option<&str>, _request: &Request) -> io::Result<Program> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(unix))]
pub(crate) fn hang_up(_child: &Child) {}

#[cfg(not(unix))]
pub(crate) fn status(status: ExitStatus) -> u8 {
    u8::try_from(status.code().unwrap_or(255) & 0xff).unwrap_or(255)
}

#[cfg(not(unix))]
mod none {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};

    /// There is none.
    pub(crate) struct Input(Infallible);

    /// There is none.
    pub(crate) struct Output(Infallible);

    impl AsyncRead for Output {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            match self.0 {}
        }
    }

    impl AsyncWrite for Input {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            match self.0 {}
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.0 {}
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            match self.0 {}
        }
    }
}
