//! Waiting for sockets on a plain thread, and waking it.

use std::io::{self, Read, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd;
use unbroken_proto::Duration;

#[cfg(not(unix))]
use std::net::TcpStream as Pipe;
#[cfg(unix)]
use std::os::unix::net::UnixStream as Pipe;

/// Wakes a thread that waits for sockets.
pub(crate) struct Bell {
    rope: Pipe,
    clapper: Pipe,
}

impl Bell {
    pub(crate) fn new() -> io::Result<Bell> {
        let (rope, clapper) = pair()?;
        rope.set_nonblocking(true)?;
        clapper.set_nonblocking(true)?;
        Ok(Bell { rope, clapper })
    }

    /// The thread that waits wakes, or does not fall asleep.
    pub(crate) fn ring(&self) {
        // A full pipe rings already.
        let _rung = (&self.rope).write(&[1]);
    }

    /// Waits until a socket has news, the bell rings, or `limit` is over; it may also wake for nothing. `true`: for
    /// writing, too.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn wait<F: AsFd>(&self, sockets: &[(F, bool)], limit: Option<Duration>) -> io::Result<()> {
        let mut wanted = Vec::with_capacity(sockets.len() + 1);
        wanted.push(PollFd::new(&self.clapper, PollFlags::IN));
        for (socket, writing) in sockets {
            let out = if *writing { PollFlags::OUT } else { PollFlags::empty() };
            wanted.push(PollFd::new(socket, PollFlags::IN | out));
        }
        let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
        let rung = match poll(&mut wanted, limit.as_ref()) {
            Ok(_) => wanted.first().is_some_and(|bell| !bell.revents().is_empty()),
            Err(error) if error == rustix::io::Errno::INTR => false,
            Err(error) => return Err(error.into()),
        };
        if rung {
            let mut strokes = [0; 64];
            while matches!((&self.clapper).read(&mut strokes), Ok(1..)) {}
        }
        Ok(())
    }
}

#[cfg(unix)]
fn pair() -> io::Result<(Pipe, Pipe)> {
    Pipe::pair()
}

#[cfg(not(unix))]
fn pair() -> io::Result<(Pipe, Pipe)> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let rope = Pipe::connect(listener.local_addr()?)?;
    loop {
        let (clapper, peer) = listener.accept()?;
        if peer == rope.local_addr()? {
            return Ok((rope, clapper));
        }
    }
}
