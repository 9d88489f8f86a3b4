//! Wakes a thread that waits in poll(2).

use std::io;

use rustix::fd::{AsFd, BorrowedFd};

/// A descriptor that becomes readable when somebody notifies.
pub(crate) struct Notifier {
    sending: system::End,
    receiving: system::End,
}

impl Notifier {
    pub(crate) fn new() -> io::Result<Notifier> {
        let (sending, receiving) = system::pair()?;
        sending.set_nonblocking(true)?;
        receiving.set_nonblocking(true)?;
        Ok(Notifier { sending, receiving })
    }

    pub(crate) fn notify(&self) {
        // One that takes no more is readable already.
        let _full = system::send(&self.sending);
    }

    pub(crate) fn clear(&self) {
        while system::receive(&self.receiving) {}
    }
}

impl AsFd for Notifier {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiving.as_fd()
    }
}

#[cfg(unix)]
mod system {
    use std::io::{self, Read, Write};
    pub(super) use std::os::unix::net::UnixStream as End;

    pub(super) fn pair() -> io::Result<(End, End)> {
        End::pair()
    }

    pub(super) fn send(mut end: &End) -> io::Result<usize> {
        end.write(&[1])
    }

    /// Whether there may be more.
    pub(super) fn receive(mut end: &End) -> bool {
        let mut bytes = [0; 64];
        end.read(&mut bytes).is_ok_and(|read| read == bytes.len())
    }
}

/// A socket that is connected to itself: the one kind of descriptor that WSAPoll can wait for is a socket.
#[cfg(not(unix))]
mod system {
    use std::io;
    pub(super) use std::net::UdpSocket as End;

    pub(super) fn pair() -> io::Result<(End, End)> {
        let end = End::bind("127.0.0.1:0")?;
        end.connect(end.local_addr()?)?;
        Ok((end.try_clone()?, end))
    }

    pub(super) fn send(end: &End) -> io::Result<usize> {
        end.send(&[1])
    }

    /// Whether there may be more.
    pub(super) fn receive(end: &End) -> bool {
        end.recv(&mut [0; 8]).is_ok()
    }
}
