//! Wakes a thread that waits in poll(2).

use std::io;
#[cfg(not(unix))]
use std::net::UdpSocket as End;
#[cfg(unix)]
use std::os::unix::net::UnixDatagram as End;

use rustix::fd::{AsFd, BorrowedFd};

/// A socket that becomes readable when somebody notifies.
pub(crate) struct Notifier {
    sending: End,
    receiving: End,
}

impl Notifier {
    pub(crate) fn new() -> io::Result<Notifier> {
        let (sending, receiving) = pair()?;
        sending.set_nonblocking(true)?;
        receiving.set_nonblocking(true)?;
        Ok(Notifier { sending, receiving })
    }

    pub(crate) fn notify(&self) {
        // One that takes no more is readable already. One that a signal interrupted has taken nothing, and nobody would wake.
        while self.sending.send(&[1]).is_err_and(|error| is_interrupted(&error)) {}
    }

    /// Takes one notification: there are hardly more, since nobody notifies a thread that was notified.
    pub(crate) fn clear(&self) {
        while self.receiving.recv(&mut [0]).is_err_and(|error| is_interrupted(&error)) {}
    }
}

impl AsFd for Notifier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiving.as_fd()
    }
}

fn is_interrupted(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

#[cfg(unix)]
fn pair() -> io::Result<(End, End)> {
    End::pair()
}

/// A socket that is connected to itself: systems without pairs of sockets can wait for sockets all the same.
#[cfg(not(unix))]
fn pair() -> io::Result<(End, End)> {
    let end = End::bind("127.0.0.1:0")?;
    end.connect(end.local_addr()?)?;
    Ok((end.try_clone()?, end))
}
