//! Standard input and output as byte streams. A pipe is read and written where the session runs; of anything else a thread of its own takes care, which
//! costs two switches for each piece.

use tokio::io::{AsyncRead, AsyncWrite, stdin, stdout};

/// How much a pipe is to hold, in bytes.
#[cfg(any(target_os = "linux", target_os = "android"))]
const HELD: usize = 256 << 10;

type Read = Box<dyn AsyncRead + Send + Unpin>;
type Write = Box<dyn AsyncWrite + Send + Unpin>;

#[cfg(unix)]
pub(crate) fn input() -> Read {
    use std::os::fd::AsFd as _;
    let own = std::io::stdin().as_fd().try_clone_to_owned();
    let own = own.inspect(widen);
    match own.and_then(tokio::net::unix::pipe::Receiver::from_owned_fd) {
        Ok(pipe) => Box::new(pipe),
        Err(_) => Box::new(stdin()),
    }
}

#[cfg(unix)]
pub(crate) fn output() -> Write {
    use std::os::fd::AsFd as _;
    let own = std::io::stdout().as_fd().try_clone_to_owned();
    let own = own.inspect(widen);
    match own.and_then(tokio::net::unix::pipe::Sender::from_owned_fd) {
        Ok(pipe) => Box::new(pipe),
        Err(_) => Box::new(stdout()),
    }
}

/// Has a pipe hold more, so that both ends switch less often. Where that cannot be, it does as it is.
#[cfg(unix)]
fn widen(pipe: &std::os::fd::OwnedFd) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _as_it_is = rustix::pipe::fcntl_setpipe_size(pipe, HELD);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _as_it_is = pipe;
}

#[cfg(not(unix))]
pub(crate) fn input() -> Read {
    Box::new(stdin())
}

#[cfg(not(unix))]
pub(crate) fn output() -> Write {
    Box::new(stdout())
}
