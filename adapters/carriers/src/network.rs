//! Tells a session when the network of this machine changed: on Linux, as the kernel tells by netlink (rtnetlink(7)).

use std::io;
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::{Errno, write};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType, bind, recv, socket_with};
use rustix::time::Timespec;

/// Links, addresses and routes, of both families: `RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`, `RTMGRP_IPV4_ROUTE`, `RTMGRP_IPV6_IFADDR` and
/// `RTMGRP_IPV6_ROUTE` (linux/rtnetlink.h).
const GROUPS: u32 = 0x1 | 0x10 | 0x40 | 0x100 | 0x400;
/// A change is many messages. They are waited for until none has come for this long.
const QUIET: Duration = Duration::from_millis(50);
/// A change that goes on for longer is told meanwhile.
const LONGEST: Duration = Duration::from_millis(500);
/// Messages of one change that are read in one go.
const MOST: usize = 256;

/// Watches the network of this machine, from a thread of its own, until it is dropped.
///
/// ```no_run
/// # fn keep(session: unbroken_carriers::driver::Session) -> std::io::Result<()> {
/// use unbroken_carriers::NetworkWatcher;
/// let watcher = NetworkWatcher::spawn(move || session.network_changed())?;
/// # drop(watcher);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct NetworkWatcher {
    stop: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl NetworkWatcher {
    /// Calls `changed` after each change of a link, an address or a route, 50 ms after the last message about it, and every half second while
    /// it goes on. Some are of no
    /// consequence, as when a lease is renewed: what is called should be cheap then, as
    /// [`Session::network_changed`](unbroken_driver::Session::network_changed) is.
    ///
    /// # Errors
    /// The system gives no netlink socket, or no thread.
    pub fn spawn(changed: impl FnMut() + Send + 'static) -> io::Result<NetworkWatcher> {
        let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // No protocol is that of number 0, which is NETLINK_ROUTE.
        let netlink = socket_with(family, kind, flags, None)?;
        bind(&netlink, &SocketAddrNetlink::new(0, GROUPS))?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC)?;
        let stopped = stop.try_clone()?;
        let watch = move || watch(&netlink, &stopped, changed);
        let thread = std::thread::Builder::new().name("unbroken-network".to_owned());
        Ok(NetworkWatcher {
            stop,
            thread: Some(thread.spawn(watch)?),
        })
    }
}

/// Waits for the thread, unless it is the one that drops this.
impl Drop for NetworkWatcher {
    fn drop(&mut self) {
        let _told = write(&self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _panicked = thread.join();
        }
    }
}

/// What ended a wait.
#[derive(PartialEq, Eq)]
enum Woken {
    Stopped,
    ByMessage,
    ByTime,
}

fn watch(netlink: &OwnedFd, stop: &OwnedFd, mut changed: impl FnMut()) {
    let mut since = None;
    loop {
        let is_over = match wait(netlink, stop, since.map(|_| QUIET)) {
            Ok(Woken::ByMessage) => match discard(netlink) {
                Ok(true) => since.get_or_insert_with(Instant::now).elapsed() >= LONGEST,
                Ok(false) => false,
                // Nothing will be heard any more.
                Err(_) => return,
            },
            Ok(Woken::ByTime) => true,
            Ok(Woken::Stopped) | Err(_) => return,
        };
        if is_over && since.take().is_some() {
            changed();
        }
    }
}

fn wait(netlink: &OwnedFd, stop: &OwnedFd, limit: Option<Duration>) -> rustix::io::Result<Woken> {
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    loop {
        let mut fds = [PollFd::new(stop, PollFlags::IN), PollFd::new(netlink, PollFlags::IN)];
        match poll(&mut fds, limit.as_ref()) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
            Ok(0) => return Ok(Woken::ByTime),
            Ok(_) if fds[0].revents().is_empty() => return Ok(Woken::ByMessage),
            Ok(_) => return Ok(Woken::Stopped),
        }
    }
}

/// Reads messages away: that there are some says enough. Whether there were any.
fn discard(netlink: &OwnedFd) -> rustix::io::Result<bool> {
    let mut any = false;
    let mut buffer = [0; 8 << 10];
    for _ in 0..MOST {
        match recv(netlink, &mut buffer[..], RecvFlags::empty()) {
            // More came than the socket's buffer holds.
            Ok(_) | Err(Errno::NOBUFS) => any = true,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(any)
}
